/**
 * The length of a driven route, from the points of the driver's history. Pure.
 *
 * What counts is that a rider pays for the road and not for the receiver's noise: outliers are left
 * out, noise is smoothed away as far as the points show any, and a car that stands does not move.
 * Points without noise are measured as they are. Where points are missing the straight line counts.
 */
import {
  between,
  chartAround,
  distanceMeters,
  distanceToSegment,
  wrapLng,
  type GeoPoint,
} from "../runtime/geo.js";
import { estimateNoise, smooth } from "./smoothing.js";

/** A point of a driver's history. */
export interface RoutePoint extends GeoPoint {
  /** Domain milliseconds since the epoch. */
  timeMs: number;
}

export interface MeasuredRoute {
  distanceMeters: number;
  /** How many points it was measured from. */
  pointCount: number;
  /** The route, simplified. */
  line: GeoPoint[];
}

/** Points up to so long before the start or after the end tell where the driver was at it. */
export const neighbourMs = 60_000;

/** A single point with a way to it and from it at this speed, in m/s, while its neighbours… */
const outlierSpeedMps = 30;
/** …are so much less apart than that way, is wrong: no car turns around like that. */
const outlierShare = 0.5;
/** The car has moved when it is this many standard deviations of the noise away. */
const gateDeviations = 4;
/** A simplified line stays this close to the route, in meters. */
const simplifyMeters = 5;

/**
 * Measures the route between two moments, both in domain milliseconds since the epoch.
 *
 * @param points in the order of their times, which differ; those up to a minute outside the interval
 * help to find where it begins and ends.
 */
export function measureRoute(
  points: readonly RoutePoint[],
  startMs: number,
  endMs: number,
): MeasuredRoute {
  const near = points.filter(
    ({ timeMs }) => timeMs >= startMs - neighbourMs && timeMs <= endMs + neighbourMs,
  );
  const kept = withoutOutliers(near);
  const { track, noiseMeters } = withoutNoise(kept);
  const { route, pointCount } = cut(track, startMs, endMs);
  const moved = withoutStanding(route, gateDeviations * noiseMeters);
  let length = 0;
  for (let i = 1; i < moved.length; i += 1) length += distanceMeters(moved[i - 1]!, moved[i]!);
  return { distanceMeters: length, pointCount, line: simplify(moved, simplifyMeters) };
}

function withoutOutliers(points: RoutePoint[]): RoutePoint[] {
  const kept: RoutePoint[] = [];
  for (const [i, point] of points.entries()) {
    const before = kept.at(-1);
    const after = points[i + 1];
    if (before && after && isOutlier(before, point, after)) continue;
    kept.push(point);
  }
  return kept;
}

function isOutlier(before: RoutePoint, point: RoutePoint, after: RoutePoint): boolean {
  const there = distanceMeters(before, point);
  const back = distanceMeters(point, after);
  const speedThere = (there * 1000) / (point.timeMs - before.timeMs);
  const speedBack = (back * 1000) / (after.timeMs - point.timeMs);
  return (
    speedThere > outlierSpeedMps &&
    speedBack > outlierSpeedMps &&
    distanceMeters(before, after) < outlierShare * (there + back)
  );
}

/** The points where the car likely was; the points themselves when they show no noise. */
function withoutNoise(points: RoutePoint[]): { track: RoutePoint[]; noiseMeters: number } {
  const [first] = points;
  if (!first) return { track: [], noiseMeters: 0 };
  const { toXy, toPoint } = chartAround(first);
  const onChart = points.map((point) => ({
    ...toXy(point),
    seconds: (point.timeMs - first.timeMs) / 1000,
  }));
  const noiseMeters = estimateNoise(onChart);
  if (noiseMeters === 0) return { track: points, noiseMeters };
  const track = smooth(onChart, noiseMeters).map((xy, i) => ({
    ...toPoint(xy),
    timeMs: points[i]!.timeMs,
  }));
  return { track, noiseMeters };
}

/** The part of the track between two moments, its ends found between the points around them. */
function cut(
  track: RoutePoint[],
  startMs: number,
  endMs: number,
): { route: GeoPoint[]; pointCount: number } {
  const inside = track.filter(({ timeMs }) => timeMs >= startMs && timeMs <= endMs);
  const before = track.findLast(({ timeMs }) => timeMs < startMs);
  const after = track.find(({ timeMs }) => timeMs > endMs);
  const route: GeoPoint[] = [...inside];
  let pointCount = inside.length;
  const firstInside = inside[0] ?? after;
  const lastInside = inside.at(-1) ?? before;
  if (before && firstInside && inside[0]?.timeMs !== startMs) {
    route.unshift(at(before, firstInside, startMs));
    pointCount += 1;
  }
  if (after && lastInside && inside.at(-1)?.timeMs !== endMs) {
    route.push(at(lastInside, after, endMs));
    pointCount += 1;
  }
  return { route, pointCount };
}

function at(from: RoutePoint, to: RoutePoint, timeMs: number): GeoPoint {
  return between(from, to, (timeMs - from.timeMs) / (to.timeMs - from.timeMs));
}

/** Leaves out points within the gate around the last one that is kept; the ends are always kept. */
function withoutStanding(route: GeoPoint[], gateMeters: number): GeoPoint[] {
  if (gateMeters === 0) return route;
  const kept: GeoPoint[] = [];
  for (const [i, point] of route.entries()) {
    const last = kept.at(-1);
    const isEnd = i === route.length - 1;
    if (!last || isEnd || distanceMeters(last, point) >= gateMeters) kept.push(point);
  }
  return kept;
}

/** The line with as few points as keep it within the tolerance (Douglas–Peucker, without recursion). */
export function simplify(line: readonly GeoPoint[], toleranceMeters: number): GeoPoint[] {
  if (line.length < 3) return [...line];
  const { toXy } = chartAround({
    lat: (line[0]!.lat + line.at(-1)!.lat) / 2,
    lng: wrapLng(line[0]!.lng),
  });
  const flat = line.map(toXy);
  const keep = new Uint8Array(line.length);
  keep[0] = keep[line.length - 1] = 1;
  const open: [number, number][] = [[0, line.length - 1]];
  for (let part = open.pop(); part; part = open.pop()) {
    const [from, to] = part;
    let furthest = -1;
    let distance = toleranceMeters;
    for (let i = from + 1; i < to; i += 1) {
      const off = distanceToSegment(flat[i]!, flat[from]!, flat[to]!);
      if (off > distance) [furthest, distance] = [i, off];
    }
    if (furthest < 0) continue;
    keep[furthest] = 1;
    open.push([from, furthest], [furthest, to]);
  }
  return line.filter((_, i) => keep[i] === 1);
}
