/** A domain clock for tests: it stands still unless the test moves it. */
import type { DomainClock } from "../runtime/clock.js";

export interface StillClock extends DomainClock {
  /** What it shows. */
  time: Date;
}

/** A clock that shows `start`. */
export function stillClock(start: string): StillClock {
  const clock = {
    rate: 1,
    time: new Date(start),
    now: () => new Date(clock.time),
    wallMsUntil: (time: Date) => Math.max(0, time.getTime() - clock.time.getTime()),
  };
  return clock;
}
