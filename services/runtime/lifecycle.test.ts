import { expect } from "chai";
import { waitFor } from "../testing/wait-for.js";
import { wallClock } from "./clock.js";
import { startLoop, stopAll, unlessAborted, type Loop } from "./lifecycle.js";
import { silentLogger } from "./log.js";

const hour = 3_600_000;

describe("a loop", () => {
  const loops: Loop[] = [];
  afterEach(() => stopAll(loops.splice(0)));

  const start = (work: (signal: AbortSignal) => Promise<number>, wall = wallClock): Loop => {
    const loop = startLoop({ name: "test", wall, log: silentLogger, work });
    loops.push(loop);
    return loop;
  };

  it("runs at once, and again after as long as the work says", async () => {
    let runs = 0;
    start(() => Promise.resolve((runs += 1) < 3 ? 1 : hour));
    await waitFor("three runs", () => runs === 3);
  });

  it("runs on without a pause when the work asks for none", async () => {
    let runs = 0;
    start(() => Promise.resolve((runs += 1) < 1000 ? 0 : hour));
    await waitFor("a thousand runs", () => runs === 1000);
  });

  it("runs as soon as it is woken", async () => {
    let runs = 0;
    const loop = start(() => Promise.resolve((runs += 1) * hour));
    await waitFor("the first run", () => runs === 1);
    loop.wake();
    await waitFor("the second run", () => runs === 2);
  });

  it("runs again when it is woken while the work runs, once for many wakes", async () => {
    let runs = 0;
    let finish: (() => void) | undefined;
    const loop = start(async () => {
      runs += 1;
      if (runs === 1) await new Promise<void>((resolve) => (finish = resolve));
      return hour;
    });
    loop.wake();
    loop.wake();
    loop.wake();
    expect(runs).to.equal(1);
    finish!();
    await waitFor("the second run", () => runs === 2);
    await loop.stop();
    expect(runs).to.equal(2);
  });

  it("goes on after errors, waiting longer each time, and forgets them after a success", async () => {
    const waits: number[] = [];
    const wall = { ...wallClock, sleep: (ms: number) => Promise.resolve(void waits.push(ms)) };
    let runs = 0;
    const loop = start(() => {
      runs += 1;
      if (runs === 12) return Promise.resolve(7);
      if (runs < 14) return Promise.reject(new Error("not now"));
      void loop.stop();
      return Promise.resolve(0);
    }, wall);
    await waitFor("all runs", () => runs === 14);
    expect(waits).to.deep.equal(
      [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000].concat(7, 50),
    );
  });

  it("stops while it waits, and while it waits after an error", async () => {
    let runs = 0;
    const waiting = start(() => Promise.resolve((runs += 1) * hour));
    await waitFor("the first run", () => runs === 1);
    await waiting.stop();
    const failing = start(() => Promise.reject(new Error(`run ${(runs += 1)}`)));
    await waitFor("some failures", () => runs > 5);
    await failing.stop();
    await failing.stop();
  });

  it("lets the work finish when it stops, and tells it", async () => {
    let told = false;
    let finished = false;
    const loop = start(async (signal) => {
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      told = true;
      await new Promise((resolve) => setImmediate(resolve));
      finished = true;
      return 0;
    });
    await loop.stop();
    expect([told, finished]).to.deep.equal([true, true]);
  });
});

describe("stopping many things", () => {
  it("stops the last started first, and all even when some fail", async () => {
    const stopped: number[] = [];
    const runnable = (n: number, error?: Error) => ({
      stop: () => {
        stopped.push(n);
        return error ? Promise.reject(error) : Promise.resolve();
      },
    });
    const first = new Error("the third would not");
    const all = [runnable(1), runnable(2, new Error("the second would not")), runnable(3, first)];
    let thrown: unknown;
    await stopAll(all).catch((error: unknown) => (thrown = error));
    expect(stopped).to.deep.equal([3, 2, 1]);
    expect(thrown).to.equal(first);
  });
});

describe("work that may be given up", () => {
  const reason = new Error("enough");
  const never = new Promise<never>(() => undefined);
  const outcome = (work: Promise<unknown>, signal?: AbortSignal) =>
    unlessAborted(work, signal).catch((error: unknown) => error);

  it("comes to what it comes to, with a signal or without", async () => {
    const { signal } = new AbortController();
    for (const given of [undefined, signal]) {
      expect(await outcome(Promise.resolve(7), given)).to.equal(7);
      expect(await outcome(Promise.reject(reason), given)).to.equal(reason);
    }
  });

  it("is given up when the signal aborts, or has aborted already, with its reason", async () => {
    const controller = new AbortController();
    const waiting = outcome(never, controller.signal);
    controller.abort(reason);
    expect(await waiting).to.equal(reason);
    expect(await outcome(Promise.resolve(7), controller.signal)).to.equal(reason);
  });
});
