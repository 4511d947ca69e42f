/** A wall clock that a test can move. */
import { addSeconds, wallClock, type WallClock } from "../runtime/clock.js";

export interface MovableWall extends WallClock {
  /** Lets so many seconds pass at once. Sleeping still takes its real time. */
  advance(seconds: number): void;
}

/** The machine's clock, until it is moved. */
export function movableWall(): MovableWall {
  let aheadSeconds = 0;
  return {
    ...wallClock,
    now: () => addSeconds(wallClock.now(), aheadSeconds),
    monotonicMs: () => wallClock.monotonicMs() + aheadSeconds * 1000,
    advance: (seconds) => {
      aheadSeconds += seconds;
    },
  };
}
