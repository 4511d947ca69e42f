import { expect } from "chai";
import { randomUUID } from "node:crypto";
import { NotificationServiceService } from "../../gen/grpc/ridemesh/notification/v1/notification_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { failure } from "../testing/failure.js";
import { testHost, type TestHost } from "../testing/host.js";
import { startStandIn } from "../testing/stand-in.js";
import { waitFor } from "../testing/wait-for.js";
import { Code, notFound } from "./status.js";

describe("the end of a stream", () => {
  let host: TestHost;
  const signals: AbortSignal[] = [];
  before(async () => {
    host = await testHost(["notification"]);
    await startStandIn(host, "notification", NotificationServiceService, {
      watchNotifications: async function* ({ lastEventId }, ctx) {
        signals.push(ctx.signal);
        yield { eventId: "1", notification: undefined };
        if (lastEventId === "fail") throw notFound("message");
        if (lastEventId === "stay") {
          await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
        }
      },
    });
  });
  after(() => host.stop());

  const watch = async (
    lastEventId: string,
    signal = new AbortController().signal,
    sessionId = randomUUID(),
  ) => {
    const caller = { subject: randomUUID(), roles: [Role.RIDER], sessionId };
    const { watchNotifications } = NotificationServiceService;
    const answers: string[] = [];
    const stream = host.call.stream(watchNotifications, caller, { lastEventId }, signal);
    for await (const { eventId } of stream) answers.push(eventId);
    return answers;
  };
  const letGo = (index: number) =>
    waitFor("the call's signal to abort", () => signals[index]?.aborted);

  it("lets go of what waited for it when the handler is done", async () => {
    expect(await watch("done")).to.deep.equal(["1"]);
    await letGo(signals.length - 1);
  });

  it("lets go when the handler fails, and the caller is told why", async () => {
    expect(await failure(watch("fail"))).to.include({ reason: "NOT_FOUND" });
    await letGo(signals.length - 1);
  });

  it("lets go when the caller goes away", async () => {
    const leaving = new AbortController();
    const begun = signals.length;
    const watching = watch("stay", leaving.signal);
    await waitFor("the stream", () => signals.length > begun);
    expect(signals.at(-1)!.aborted).to.equal(false);
    leaving.abort();
    await watching;
    await letGo(signals.length - 1);
  });

  it("comes with the end of the session, and the caller is told why", async () => {
    const begun = signals.length;
    const sessionId = randomUUID();
    const outcome = failure(watch("stay", undefined, sessionId));
    await waitFor("the stream", () => signals.length > begun);
    host.verifier.revokeSession(sessionId, new Date(host.host.wall.now().getTime() + 60_000));
    expect(await outcome).to.include({ code: Code.UNAUTHENTICATED, reason: "TOKEN_INVALID" });
  });
});
