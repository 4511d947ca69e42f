/**
 * How a driver's mark glides from one reported position to the next. Reports come now and then; a mark
 * takes about as long for its way as the reports are apart, so that it moves without a stop. Pure.
 */
import { clamp, type WorldPoint } from "./projection.js";

/** The way of one mark. Times are in milliseconds of a clock that only goes forward. */
export interface Track {
  from: WorldPoint;
  to: WorldPoint;
  startMs: number;
  durationMs: number;
  /** When the last report that moved it came. */
  reportMs: number;
  /** How far apart such reports are. */
  intervalMs: number;
  fromHeading: number;
  /** Degrees clockwise from north. */
  toHeading: number;
  /** Where the mark turned, oldest first. */
  trail: WorldPoint[];
}

const firstIntervalMs = 1000;
const shortestGlideMs = 300;
/** Marks lag behind by at most this; drivers that report more seldom are seen to stop. */
const longestGlideMs = 8000;
/** A little longer than the reports are apart, since they do not come like clockwork. */
const slack = 1.15;
const trailLength = 10;

/** A mark that appears. */
export function startTrack(point: WorldPoint, headingDegrees: number, nowMs: number): Track {
  return {
    from: point,
    to: point,
    startMs: nowMs,
    durationMs: 0,
    reportMs: nowMs,
    intervalMs: firstIntervalMs,
    fromHeading: headingDegrees,
    toHeading: headingDegrees,
    trail: [],
  };
}

/**
 * The track after a report. `glideMs` sets how long the mark takes; left out, it follows from how far
 * the reports are apart. A heading of 0 is taken for not known, and follows from the movement.
 */
export function moveTrack(
  track: Track,
  point: WorldPoint,
  headingDegrees: number,
  nowMs: number,
  glideMs?: number,
): Track {
  if (point.x === track.to.x && point.y === track.to.y) {
    return headingDegrees === 0 ? track : { ...track, toHeading: headingDegrees };
  }
  const from = positionAt(track, nowMs);
  const apartMs = clamp(nowMs - track.reportMs, shortestGlideMs, longestGlideMs);
  const intervalMs = (track.intervalMs + apartMs) / 2;
  return {
    from,
    to: point,
    startMs: nowMs,
    durationMs: glideMs ?? clamp(intervalMs * slack, shortestGlideMs, longestGlideMs),
    reportMs: nowMs,
    intervalMs,
    fromHeading: headingAt(track, nowMs),
    toHeading: headingDegrees === 0 ? bearingDegrees(track.to, point) : headingDegrees,
    trail: [...track.trail, from].slice(-trailLength),
  };
}

/** Where the mark is. */
export function positionAt(track: Track, nowMs: number): WorldPoint {
  const share = shareAt(track, nowMs);
  return {
    x: track.from.x + (track.to.x - track.from.x) * share,
    y: track.from.y + (track.to.y - track.from.y) * share,
  };
}

/** Where the mark points to, in degrees clockwise from north; it turns early, and the shorter way. */
export function headingAt(track: Track, nowMs: number): number {
  const turn = ((track.toHeading - track.fromHeading + 540) % 360) - 180;
  const share = Math.min(1, shareAt(track, nowMs) * 4);
  return (track.fromHeading + turn * share + 360) % 360;
}

/** Whether the mark still moves. */
export function isMoving(track: Track, nowMs: number): boolean {
  return nowMs < track.startMs + track.durationMs;
}

/** The direction from one point to another, in degrees clockwise from north; Mercator keeps angles. */
export function bearingDegrees(from: WorldPoint, to: WorldPoint): number {
  const degrees = (Math.atan2(to.x - from.x, from.y - to.y) * 180) / Math.PI;
  return (degrees + 360) % 360;
}

function shareAt({ startMs, durationMs }: Track, nowMs: number): number {
  return durationMs <= 0 ? 1 : clamp((nowMs - startMs) / durationMs, 0, 1);
}
