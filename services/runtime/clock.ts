/**
 * The two clocks. Nothing outside this folder reads the time in any other way.
 *
 * The wall clock is never scaled: tokens, deadlines, retries, leases, rate limits. The domain clock is
 * what trips, offers and fares follow; a simulation may run it faster.
 */

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
  // with its stack each time.
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, Math.max(0, ms));
      signal?.addEventListener("abort", end);
    }),
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
  const wallOrigin = options.wallOrigin ?? wall.now();
  const clock = steerableClock(wall);
  clock.steer({ rate, origin: options.origin ?? wallOrigin, wallOrigin });
  return clock;
}

/** A domain clock that a simulation can set. */
export interface SteerableClock extends DomainClock {
  /** From `wallOrigin` (now, when left out) on the clock shows `origin` and runs at `rate`. */
  steer(course: { origin: Date; rate: number; wallOrigin?: Date }): void;
}

/** A domain clock that follows the wall clock until it is steered. */
export function steerableClock(wall: WallClock): SteerableClock {
  let course = { originMs: 0, wallOriginMs: 0, rate: 1 };
  const nowMs = () => course.originMs + (wall.now().getTime() - course.wallOriginMs) * course.rate;
  return {
    get rate() {
      return course.rate;
    },
    now: () => new Date(nowMs()),
    wallMsUntil: (time) => Math.max(0, (time.getTime() - nowMs()) / course.rate),
    steer: ({ origin, rate, wallOrigin }) => {
      if (!(rate > 0))
        throw new RangeError(`the domain clock's rate must be positive, not ${rate}`);
      const wallOriginMs = (wallOrigin ?? wall.now()).getTime();
      course = { originMs: origin.getTime(), wallOriginMs, rate };
    },
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
