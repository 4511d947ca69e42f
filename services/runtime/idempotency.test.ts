import { expect } from "chai";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { Trip } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import {
  TripServiceService,
  type RequestTripRequest,
} from "../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import { failure } from "../testing/failure.js";
import { testHost, type TestCaller, type TestHost } from "../testing/host.js";
import { startTinyService, tinyTrip, type TinyService } from "../testing/tiny-service.js";
import { waitFor } from "../testing/wait-for.js";
import type { CallContext } from "./call-context.js";
import { wallClock } from "./clock.js";
import { uuidv4 } from "./ids.js";
import { answerRetentionHours, forgetOld, saveAnswer } from "./idempotency.js";
import { createPool, transaction, type Pool } from "./postgres.js";
import { Code, StatusError, failedPrecondition, unavailable } from "./status.js";

const { tripId, riderId } = tinyTrip;
const rider: TestCaller = { subject: riderId, roles: [Role.RIDER] };
const { requestTrip, rateTrip } = TripServiceService;

describe("a call with a request id", () => {
  let host: TestHost;
  let tiny: TinyService;
  let superuser: Pool;
  /** How often the handler ran. */
  let runs: number;

  before(async () => {
    host = await testHost(["trip", "location"]);
    tiny = await startTinyService(host);
    const { log } = host.host;
    superuser = createPool({ url: host.superuserUrl, max: 1, name: "test", log });
    await superuser.query("CREATE TABLE trip.effects (note text)");
    await superuser.query("GRANT ALL ON trip.effects TO ridemesh_trip");
  });
  after(async () => {
    await superuser.end();
    await host.stop();
  });
  beforeEach(async () => {
    runs = 0;
    await tiny.pool.query("DELETE FROM effects");
    tiny.handlers.requestTrip = effect();
  });

  /** A handler whose effect and answer commit together; `before` may delay or refuse it. */
  const effect =
    (before: () => Promise<void> = () => Promise.resolve()) =>
    async ({ quoteToken }: RequestTripRequest, ctx: CallContext) => {
      runs += 1;
      await before();
      const trip = Trip.fromPartial({ tripId: uuidv4(), pin: `pin-of-${quoteToken}` });
      const answer = ctx.answer({ trip });
      await transaction(tiny.pool, async (tx) => {
        await tx.query("INSERT INTO effects VALUES ($1)", [quoteToken]);
        await saveAnswer(tx, answer);
      });
      return { trip };
    };
  const ask = (requestId: string, options: { quoteToken?: string; caller?: TestCaller } = {}) =>
    host.call.unary(requestTrip, options.caller ?? rider, {
      quoteToken: options.quoteToken ?? "quote",
      pickup: undefined,
      dropoff: undefined,
      vehicleClass: 0,
      paymentMethod: 0,
      cardId: "",
      requestId,
    });
  const effects = async () => (await tiny.pool.query("SELECT note FROM effects")).rowCount;
  const stored = async (requestId: string) => {
    const { rows } = await tiny.pool.query<{ code: number; answer: Buffer; encrypted: boolean }>(
      "SELECT code, answer, encrypted FROM idempotency_keys WHERE request_id = $1",
      [requestId],
    );
    return rows;
  };

  it("has one effect and one answer, however often it comes at once", async () => {
    for (let round = 0; round < 5; round += 1) {
      const requestId = uuidv4();
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask(requestId)));
      expect(new Set(answers.map(({ trip }) => trip!.tripId)).size).to.equal(1);
      expect(await effects()).to.equal(round + 1);
    }
  });

  it("is answered again as before, without the handler", async () => {
    const requestId = uuidv4();
    const first = await ask(requestId);
    const again = await ask(requestId);
    expect(again).to.deep.equal(first);
    expect([runs, await effects()]).to.deep.equal([1, 1]);
  });

  it("has its effect each time when the id is left out", async () => {
    const [one, two] = [await ask(""), await ask("")];
    expect(one.trip!.tripId).not.to.equal(two.trip!.tripId);
    expect(await effects()).to.equal(2);
  });

  it("is refused with another body, and the field is named", async () => {
    const requestId = uuidv4();
    await ask(requestId);
    const error = await failure(ask(requestId, { quoteToken: "another" }));
    expect(error).to.include({ code: Code.INVALID_ARGUMENT, reason: "REQUEST_ID_REUSED" });
    expect(error.violations.map(({ field }) => field)).to.deep.equal(["request_id"]);
    expect([runs, await effects()]).to.deep.equal([1, 1]);
  });

  it("is refused with another body also when both come at once", async () => {
    const requestId = uuidv4();
    const calls = Array.from({ length: 20 }, (_, n) => ask(requestId, { quoteToken: `q${n % 2}` }));
    const outcomes = await Promise.allSettled(calls);
    const answered = outcomes.filter((one) => one.status === "fulfilled");
    expect(answered).to.have.length(10);
    for (const one of outcomes) {
      if (one.status === "fulfilled") continue;
      expect(one.reason).to.include({ reason: "REQUEST_ID_REUSED" });
    }
    expect(await effects()).to.equal(1);
  });

  it("is another call for another person, another operator and another method", async () => {
    const requestId = uuidv4();
    await ask(requestId);
    await ask(requestId, { caller: { ...rider, subject: uuidv4() } });
    await ask(requestId, { caller: { ...rider, tenantId: "harbor" } });
    tiny.handlers.rateTrip = async (_request, ctx) => {
      runs += 1;
      await saveAnswer(tiny.pool, ctx.answer({}));
      return {};
    };
    const rating = { tripId, stars: 5, tags: [], comment: "", requestId };
    await host.call.unary(rateTrip, rider, rating);
    expect(runs).to.equal(4);
  });

  it("is refused again for the reason that it was refused for at first", async () => {
    const requestId = uuidv4();
    const reason = failedPrecondition("UNPAID_TRIP", "pay first", { trip_id: "t-1" });
    tiny.handlers.requestTrip = effect(() => Promise.reject(reason));
    const first = await failure(ask(requestId));
    tiny.handlers.requestTrip = effect();
    const again = await failure(ask(requestId));
    for (const error of [first, again]) {
      expect(error).to.deep.include({
        code: Code.FAILED_PRECONDITION,
        reason: "UNPAID_TRIP",
        domain: "trip.ridemesh",
        metadata: { trip_id: "t-1" },
      });
    }
    expect([runs, await effects()]).to.deep.equal([1, 0]);
  });

  const passing: [what: string, error: Error][] = [
    ["a service is away", unavailable("pricing is not answering")],
    ["time is up", new StatusError(Code.DEADLINE_EXCEEDED, { reason: "", message: "late" })],
    ["there is too much to do", new StatusError(Code.ABORTED, { reason: "X", message: "again" })],
    ["of an error of ours", new Error("a mistake")],
    [
      "of an error of another service",
      new StatusError(Code.INTERNAL, { reason: "INTERNAL", message: "internal error" }),
    ],
    [
      "another service does not know why",
      new StatusError(Code.UNKNOWN, { reason: "", message: "" }),
    ],
  ];
  for (const [what, error] of passing) {
    it(`may succeed later when it failed because ${what}`, async () => {
      const requestId = uuidv4();
      tiny.handlers.requestTrip = effect(() => Promise.reject(error));
      await failure(ask(requestId));
      expect(await stored(requestId)).to.be.empty;
      tiny.handlers.requestTrip = effect();
      await ask(requestId);
      expect(await effects()).to.equal(1);
    });
  }

  it("is answered as the first to commit was, when another with its id is refused", async () => {
    const requestId = uuidv4();
    let refuse: (() => void) | undefined;
    tiny.handlers.requestTrip = effect(async () => {
      if (runs > 1) return;
      await new Promise<void>((resolve) => (refuse = resolve));
      throw failedPrecondition("ACTIVE_TRIP_EXISTS", "there is one");
    });
    const slow = ask(requestId);
    await waitFor("the first to run", () => refuse !== undefined);
    const quick = await ask(requestId);
    refuse!();
    expect((await slow).trip!.tripId).to.equal(quick.trip!.tripId);
    expect(await effects()).to.equal(1);
  });

  it("leaves personal data at rest only encrypted", async () => {
    const requestId = uuidv4();
    await ask(requestId, { quoteToken: "mine" });
    const [row] = await stored(requestId);
    expect(row!.encrypted).to.equal(true);
    expect(row!.answer.includes("pin-of-mine")).to.equal(false);
    expect(host.host.secrets.decrypt(row!.answer).includes("pin-of-mine")).to.equal(true);
  });

  it("leaves an answer without personal data as it is", async () => {
    const requestId = uuidv4();
    tiny.handlers.rateTrip = async (_request, ctx) => {
      await saveAnswer(tiny.pool, ctx.answer({}));
      return {};
    };
    await host.call.unary(rateTrip, rider, { tripId, stars: 5, tags: [], comment: "", requestId });
    expect(await stored(requestId)).to.deep.equal([
      { code: Code.OK, answer: Buffer.alloc(0), encrypted: false },
    ]);
  });

  it("fails when the handler forgets to keep its answer", async () => {
    tiny.handlers.requestTrip = () => Promise.resolve({ trip: undefined });
    expect(await failure(ask(uuidv4()))).to.include({ code: Code.INTERNAL });
  });

  it("has no effect when its answer cannot be kept", async () => {
    const requestId = uuidv4();
    await ask(requestId);
    await tiny.pool.query("DELETE FROM effects");
    // As if the other had committed between the look-up and the transaction.
    tiny.handlers.requestTrip = effect();
    const { rows } = await tiny.pool.query("SELECT * FROM idempotency_keys WHERE request_id = $1", [
      requestId,
    ]);
    expect(rows).to.have.length(1);
    const metadata = { "x-request-id-fresh": "1" };
    const request = { quoteToken: "quote", pickup: undefined, dropoff: undefined, requestId };
    const rest = { vehicleClass: 0, paymentMethod: 0, cardId: "" };
    await host.call.unary(requestTrip, rider, { ...request, ...rest }, { metadata });
    expect([runs, await effects()]).to.deep.equal([2, 0]);
  });

  it("is remembered for a day", async () => {
    const requestId = uuidv4();
    await ask(requestId);
    const later = (hours: number) => new Date(wallClock.now().getTime() + hours * 3_600_000);
    await forgetOld(tiny.pool, later(answerRetentionHours - 1));
    expect(await stored(requestId)).to.have.length(1);
    await forgetOld(tiny.pool, later(answerRetentionHours + 1));
    expect(await stored(requestId)).to.be.empty;
  });
});
