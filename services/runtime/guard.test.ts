import { expect } from "chai";
import { failure } from "../testing/failure.js";
import { waitFor } from "../testing/wait-for.js";
import { wallClock } from "./clock.js";
import { createGuard, retrying } from "./guard.js";
import { silentLogger } from "./log.js";
import { Code, StatusError, failedPrecondition, unavailable } from "./status.js";

const away = () => Promise.reject(unavailable("connection refused"));
const answers = () => Promise.resolve("yes");

describe("the circuit breaker of a service", () => {
  const open = async (openMs: number) => {
    const guard = createGuard("trip", silentLogger, { openMs });
    for (let n = 0; n < 15; n += 1) await failure(guard(away));
    return guard;
  };

  it("opens after 15 failures in a row, and then refuses without calling", async () => {
    const guard = await open(60_000);
    let called = false;
    const refused = await failure(guard(() => Promise.resolve((called = true))));
    expect(refused).to.include({ code: Code.UNAVAILABLE, message: "trip is not answering" });
    expect(called).to.equal(false);
  });

  it("stays closed when a call succeeds in between", async () => {
    const guard = createGuard("trip", silentLogger);
    for (let n = 0; n < 14; n += 1) await failure(guard(away));
    expect(await guard(answers)).to.equal("yes");
    for (let n = 0; n < 14; n += 1) await failure(guard(away));
    expect(await guard(answers)).to.equal("yes");
  });

  it("takes a refusal for an answer", async () => {
    const guard = createGuard("trip", silentLogger);
    const refusal = failedPrecondition("TRIP_TAKEN", "another driver has taken the trip");
    for (let n = 0; n < 50; n += 1) {
      expect((await failure(guard(() => Promise.reject(refusal)))).reason).to.equal("TRIP_TAKEN");
    }
    expect(await guard(answers)).to.equal("yes");
  });

  it("lets a call through after a while, and closes when it succeeds", async () => {
    const guard = await open(20);
    await waitFor("a call to be let through", () => guard(answers));
    expect(await Promise.all([guard(answers), guard(answers)])).to.deep.equal(["yes", "yes"]);
  });

  it("opens again when the call that it let through fails", async () => {
    const guard = await open(20);
    const message = async (call: () => Promise<unknown>) => (await failure(guard(call))).message;
    await waitFor("a call to be let through", async () => {
      return (await message(away)) === "connection refused";
    });
    expect(await message(answers)).to.equal("trip is not answering");
  });
});

describe("the bulkhead of a service", () => {
  it("lets so many calls in, as many wait, and the others are refused with a hint", async () => {
    const guard = createGuard("trip", silentLogger, { maxConcurrent: 3 });
    let running = 0;
    let most = 0;
    const finish: (() => void)[] = [];
    const call = async () => {
      most = Math.max(most, (running += 1));
      await new Promise<void>((resolve) => finish.push(resolve));
      running -= 1;
      return "done";
    };
    const calls = Array.from({ length: 6 }, () => guard(call));
    expect(await failure(guard(call))).to.deep.include({
      code: Code.RESOURCE_EXHAUSTED,
      reason: "OVERLOADED",
      retryAfterMs: 1000,
    });
    let finished = 0;
    for (const one of calls) void one.then(() => (finished += 1));
    await waitFor("all calls to finish", () => {
      finish.splice(0).forEach((done) => done());
      return finished === 6;
    });
    expect(most).to.equal(3);
    expect(await guard(answers)).to.equal("yes");
  });
});

describe("retrying", () => {
  const soon = () => wallClock.now().getTime() + 5000;

  it("tries three times in all while the service is unavailable", async () => {
    let calls = 0;
    const call = () => Promise.reject(unavailable(`call ${(calls += 1)}`));
    const error = await failure(retrying(call, { wall: wallClock, deadlineMs: soon() }));
    expect([calls, error.message]).to.deep.equal([3, "call 3"]);
  });

  it("gives the answer of the first call that succeeds", async () => {
    let calls = 0;
    const call = () => ((calls += 1) < 3 ? away() : answers());
    expect(await retrying(call, { wall: wallClock, deadlineMs: soon() })).to.equal("yes");
  });

  it("does not wait beyond the deadline", async () => {
    let calls = 0;
    const call = () => ((calls += 1), away());
    const sleeps: number[] = [];
    const wall = { ...wallClock, sleep: async (ms: number) => void sleeps.push(ms) };
    await failure(retrying(call, { wall, deadlineMs: wallClock.now().getTime() }));
    expect([calls, sleeps]).to.deep.equal([1, []]);
  });

  for (const code of [Code.DEADLINE_EXCEEDED, Code.INTERNAL, Code.ABORTED, Code.INVALID_ARGUMENT]) {
    it(`leaves ${Code[code]} alone`, async () => {
      let calls = 0;
      const error = new StatusError(code, { reason: "X", message: `call ${calls}` });
      const call = () => ((calls += 1), Promise.reject(error));
      await failure(retrying(call, { wall: wallClock, deadlineMs: soon() }));
      expect(calls).to.equal(1);
    });
  }

  it("ends when the caller has gone", async () => {
    const gone = new AbortController();
    let calls = 0;
    const call = () => {
      calls += 1;
      gone.abort();
      return away();
    };
    await failure(retrying(call, { wall: wallClock, deadlineMs: soon(), signal: gone.signal }));
    expect(calls).to.equal(1);
  });
});
