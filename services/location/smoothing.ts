/** The noise of a track of positions: how large it is, and the likeliest track without it. Pure. */

/** A position on a flat chart, in meters, at a time in seconds. */
export interface TrackPoint {
  x: number;
  y: number;
  seconds: number;
}

/** Points further apart in time show corners that were cut rather than noise. */
const maxStepSeconds = 15;
/** Points that are so close together tell of a car that stands or creeps. */
const slowMeters = 25;
/** Fewer pairs say nothing. */
const minPairs = 6;
/** A mean over Gaussian noise without its tails comes out this much too small. */
const trimmedShare = 0.1;
const trimmedScale = 1.12;
/** What is less than this is rounding, in meters. */
const minNoiseMeters = 0.5;
/** Nothing less accurate than 50 m gets into the history. */
const maxNoiseMeters = 25;

/**
 * Standard deviation of the positions' error along one axis, in meters; 0 when they seem exact.
 *
 * A point's offset from the line between its neighbours is noise, a turn, or a change of speed. Only
 * noise makes neighbouring offsets point in opposite directions: the covariance of one with the next
 * is minus the variance of the noise (times how much of it they share). Offsets sideways are used,
 * where changes of speed do not show; of cars that stand, offsets of both axes.
 */
export function estimateNoise(track: readonly TrackPoint[]): number {
  const sideways: number[] = [];
  const standing: number[] = [];
  for (let i = 0; i + 3 < track.length; i += 1) {
    const [a, b, c, d] = [track[i]!, track[i + 1]!, track[i + 2]!, track[i + 3]!];
    if (d.seconds - a.seconds > 3 * maxStepSeconds) continue;
    const first = offset(a, b, c);
    const second = offset(b, c, d);
    const shared = second.before + first.after;
    const length = Math.hypot(d.x - a.x, d.y - a.y);
    const side = length > 0 ? { x: (a.y - d.y) / length, y: (d.x - a.x) / length } : { x: 1, y: 0 };
    const product = (first.x * side.x + first.y * side.y) * (second.x * side.x + second.y * side.y);
    sideways.push(-product / shared);
    if (length < slowMeters) {
      standing.push(-(first.x * second.x + first.y * second.y) / (2 * shared));
    }
  }
  const noise = Math.max(deviation(sideways), deviation(standing));
  return noise < minNoiseMeters ? 0 : Math.min(noise, maxNoiseMeters);
}

/** How far `b` is from where it would be on the way from `a` to `c`, and the weights of those two. */
function offset(a: TrackPoint, b: TrackPoint, c: TrackPoint) {
  const before = (c.seconds - b.seconds) / (c.seconds - a.seconds);
  const after = 1 - before;
  return {
    x: b.x - before * a.x - after * c.x,
    y: b.y - before * a.y - after * c.y,
    before,
    after,
  };
}

/** Root of the mean without the largest and smallest tenth. */
function deviation(variances: number[]): number {
  if (variances.length < minPairs) return 0;
  const cut = Math.floor(variances.length * trimmedShare);
  const kept = variances.sort((a, b) => a - b).slice(cut, variances.length - cut);
  const mean = kept.reduce((sum, value) => sum + value, 0) / kept.length;
  return trimmedScale * Math.sqrt(Math.max(0, mean));
}

/** How much a car's velocity wanders: spectral density of its acceleration, m²/s³. */
const wander = 30;
/** Variance of the velocity before anything is known of it, m²/s². */
const firstVelocityVariance = 15 ** 2;

/**
 * The likeliest positions of a car whose velocity changes at random, given noisy ones: a Kalman
 * filter forth and a Rauch–Tung–Striebel smoother back, each axis for itself.
 */
export function smooth(track: readonly TrackPoint[], noiseMeters: number): TrackPoint[] {
  if (track.length < 3) return [...track];
  const seconds = track.map((point) => point.seconds);
  const xs = smoothAxis(
    track.map((point) => point.x),
    seconds,
    noiseMeters ** 2,
  );
  const ys = smoothAxis(
    track.map((point) => point.y),
    seconds,
    noiseMeters ** 2,
  );
  return track.map((point, i) => ({ x: xs[i]!, y: ys[i]!, seconds: point.seconds }));
}

/** Mean of position and velocity, and their covariance: [[pp, pv], [pv, vv]]. */
interface State {
  position: number;
  velocity: number;
  pp: number;
  pv: number;
  vv: number;
}

function smoothAxis(measured: number[], seconds: number[], variance: number): number[] {
  const filtered: State[] = [];
  const predicted: State[] = [];
  let state: State = {
    position: measured[0]!,
    velocity: 0,
    pp: variance,
    pv: 0,
    vv: firstVelocityVariance,
  };
  for (const [i, value] of measured.entries()) {
    if (i > 0)
      state = correct(predict(state, seconds[i]! - seconds[i - 1]!, predicted), value, variance);
    filtered.push(state);
  }

  const result = measured.slice();
  let { position, velocity } = state;
  result[result.length - 1] = position;
  for (let i = measured.length - 2; i >= 0; i -= 1) {
    const step = seconds[i + 1]! - seconds[i]!;
    const here = filtered[i]!;
    const next = predicted[i]!;
    // Gain: covariance with the next state, times the inverse of that state's own covariance.
    const determinant = next.pp * next.vv - next.pv * next.pv;
    const withPosition = here.pp + step * here.pv;
    const withVelocity = here.pv + step * here.vv;
    const offPosition = position - next.position;
    const offVelocity = velocity - next.velocity;
    const pull = (next.vv * offPosition - next.pv * offVelocity) / determinant;
    const drift = (next.pp * offVelocity - next.pv * offPosition) / determinant;
    position = here.position + withPosition * pull + here.pv * drift;
    velocity = here.velocity + withVelocity * pull + here.vv * drift;
    result[i] = position;
  }
  return result;
}

/** The state `step` seconds later, also appended to `kept`. */
function predict(state: State, step: number, kept: State[]): State {
  const next = {
    position: state.position + step * state.velocity,
    velocity: state.velocity,
    pp: state.pp + 2 * step * state.pv + step * step * state.vv + (wander * step ** 3) / 3,
    pv: state.pv + step * state.vv + (wander * step * step) / 2,
    vv: state.vv + wander * step,
  };
  kept.push(next);
  return next;
}

/** The state after a measurement of the position. */
function correct(state: State, measured: number, variance: number): State {
  const toPosition = state.pp / (state.pp + variance);
  const toVelocity = state.pv / (state.pp + variance);
  const off = measured - state.position;
  return {
    position: state.position + toPosition * off,
    velocity: state.velocity + toVelocity * off,
    pp: state.pp * (1 - toPosition),
    pv: state.pv * (1 - toPosition),
    vv: state.vv - toVelocity * state.pv,
  };
}
