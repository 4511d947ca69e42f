/**
 * The two clocks. Nothing outside this folder reads the time in any other way.
 *
 * The wall clock is never scaled: tokens, deadlines, retries, leases, rate limits. The domain clock is
 * what trips, offers and fares follow; a simulation may run it faster.
 */
import { setTimeout as delay } from "node:timers/promises";

/** Real time. */
export interface WallClock {
  now(): Date;
  /** Milliseconds that only ever grow; for measuring, not for telling the time. */
  monotonicMs(): number;
  /** Resolves after `ms` milliseconds, or at once when the signal aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The time that rides follow. */
export interface DomainClock {
  now(): Date;
  /** Domain seconds per wall second. */
  readonly rate: number;
  /** Wall milliseconds until the domain clock shows `time`; 0 when it has passed. */
  wallMsUntil(time: Date): number;
}

/** The machine's clock. */
export const wallClock: WallClock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    if (signal?.aborted) return;
    await delay(Math.max(0, ms), undefined, signal ? { signal } : {}).catch((error: unknown) => {
      if (!signal?.aborted) throw error;
    });
  },
};

/**
 * A domain clock that showed `origin` when the wall clock showed `wallOrigin`, and since then runs at
 * `rate`. Being a pure function of the wall clock, it reads the same in every process.
 */
export function domainClock(options: {
  wall: WallClock;
  rate?: number;
  origin?: Date;
  wallOrigin?: Date;
}): DomainClock {
  const { wall, rate = 1 } = options;
  if (!(rate > 0)) throw new RangeError(`the domain clock's rate must be positive, not ${rate}`);
  const wallOriginMs = (options.wallOrigin ?? wall.now()).getTime();
  const originMs = (options.origin ?? new Date(wallOriginMs)).getTime();
  const nowMs = () => originMs + (wall.now().getTime() - wallOriginMs) * rate;
  return {
    rate,
    now: () => new Date(nowMs()),
    wallMsUntil: (time) => Math.max(0, (time.getTime() - nowMs()) / rate),
  };
}

/** `time` plus so many seconds. */
export function addSeconds(time: Date, seconds: number): Date {
  return new Date(time.getTime() + seconds * 1000);
}

/** Seconds from `from` to `to`; negative when `to` is earlier. */
export function secondsBetween(from: Date, to: Date): number {
  return (to.getTime() - from.getTime()) / 1000;
}
