/** Things that start, run and stop. */
import { setMaxListeners } from "node:events";
import type { WallClock } from "./clock.js";
import type { Logger } from "./log.js";

/** Something that runs until it is stopped. */
export interface Runnable {
  /** Lets no new work in, finishes what runs, frees what it holds. Safe to call twice. */
  stop(): Promise<void>;
}

/** A piece of background work that runs again and again. */
export interface Loop extends Runnable {
  /** Runs the work as soon as possible instead of waiting on. */
  wake(): void;
}

/** One for all: an abort without a reason makes an error with its stack. */
const woken = new Error("woken");

/**
 * Runs `work` until stopped. It returns after how many milliseconds it wants to run again; `wake`
 * cuts the wait short, also when it comes while the work runs. An error is logged and retried with
 * backoff from 50 ms to 5 s.
 */
export function startLoop(options: {
  name: string;
  wall: WallClock;
  log: Logger;
  work: (signal: AbortSignal) => Promise<number>;
}): Loop {
  const stopping = new AbortController();
  // Work that calls many at once hangs a listener on it for each; Node would take them for a leak.
  setMaxListeners(0, stopping.signal);
  let waking = new AbortController();
  let failures = 0;
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      let waitMs: number;
      waking = new AbortController();
      try {
        waitMs = await options.work(stopping.signal);
        failures = 0;
      } catch (error) {
        if (stopping.signal.aborted) return;
        failures += 1;
        waitMs = Math.min(5000, 50 * 2 ** Math.min(failures - 1, 10));
        options.log.warn({ loop: options.name, err: error, failures }, "loop failed, will retry");
        await options.wall.sleep(waitMs, stopping.signal);
        continue;
      }
      if (waitMs > 0) await options.wall.sleep(waitMs, waking.signal);
    }
  };
  const done = run();
  return {
    wake: () => waking.abort(woken),
    stop: async () => {
      stopping.abort();
      // One signal for both, because AbortSignal.any leaves a little in a long-lived signal each time.
      waking.abort(woken);
      await done;
    },
  };
}

/** Stops all, the last started first; every one is tried, the first error is thrown at the end. */
export async function stopAll(runnables: Runnable[]): Promise<void> {
  let failure: Error | undefined;
  for (const runnable of [...runnables].reverse()) {
    try {
      await runnable.stop();
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }
  if (failure) throw failure;
}

/** What `work` comes to; rejects with the signal's reason when that aborts first. */
export async function unlessAborted<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return work;
  const decided = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    const end = () => reject(signal.reason as Error);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { signal: decided.signal });
  });
  try {
    return await Promise.race([aborted, work]);
  } finally {
    decided.abort();
  }
}
