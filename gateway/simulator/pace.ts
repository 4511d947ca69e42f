/**
 * The speed at which a replay can go: as fast as offers are still answered in time. An offer stands for
 * some seconds of domain time, of which the platform's own delays take a part that grows with the
 * speed. The pace is held where that part stays small.
 */

/**
 * How much of an offer's time the platform may take before the pace is slowed, in domain seconds: of
 * its 15 seconds a driver takes up to 8 to answer; the first of several is quicker.
 */
export const highSeconds = 7.5;
/** Below this the pace is raised. */
export const lowSeconds = 5;
/** Domain seconds per second. */
export const slowest = 20;
export const fastest = 300;
export const firstPace = 120;
/** In one step, at most. */
const slowBy = 0.6;
const raiseBy = 1.06;
/** What was seen in so many beats counts, and no single answer does. */
const windowBeats = 15;
const fewest = 5;
/** A slow moment slows the pace; the slowness of those already on their way does not do so again. */
const restBeats = 2;

export interface Pace {
  /** The platform took so many domain seconds of an offer's time. */
  saw(seconds: number): void;
  /** Domain seconds per second from now on; to be asked once a second. */
  next(): number;
}

/** A pace that has seen nothing yet. */
export function createPace(): Pace {
  let pace = firstPace;
  let beats: number[][] = [[]];
  let resting = 0;
  return {
    saw: (seconds) => void beats[0]!.push(seconds),
    next: () => {
      const seen = beats.flat();
      beats = [[], ...beats.slice(0, windowBeats - 1)];
      const worst = seen.length < fewest ? 0 : worstButAFew(seen);
      if (resting > 0) {
        resting -= 1;
        beats = [[]];
      } else if (worst > highSeconds) {
        pace = Math.max(slowest, pace * Math.max(slowBy, highSeconds / worst));
        resting = restBeats;
        beats = [[]];
      } else if (worst < lowSeconds) pace = Math.min(fastest, pace * raiseBy);
      return pace;
    },
  };
}

/** What four of five stay below. */
function worstButAFew(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.8)]!;
}
