/**
 * Ways of a recorded length, and where a driver is on them. Lengths are great-circle lengths; shapes
 * are laid out in a flat frame around their middle, which is right to a fraction of a percent across
 * a city, and then corrected to the length on the sphere.
 */
import { between, distanceMeters, METERS_PER_DEGREE, radians, type LatLng } from "./geometry.js";
import type { Random } from "./random.js";

/** A way along straight pieces. */
export interface Path {
  /** Where it begins, its corners, and where it ends: at least two points. */
  points: readonly LatLng[];
  /** Length of the way up to each of the points; the first is 0. */
  metersAt: readonly number[];
  lengthMeters: number;
}

/** The straight way. */
export function straightPath(from: LatLng, to: LatLng): Path {
  return pathThrough([from, to]);
}

/** How far a detour strays from the straight line: a few blocks. */
const MAX_STRAY_METERS = 400;

/**
 * A way from one point to another of exactly `lengthMeters` (within 0.01 %): it swings to both sides
 * of the straight line, in as few swings as keep within 400 m of it. A length below that of the
 * straight line gives the straight line. `random` decides the side of the first swing, and the
 * direction where the points coincide.
 */
export function pathOfLength(from: LatLng, to: LatLng, lengthMeters: number, random: Random): Path {
  const straight = straightPath(from, to);
  const bearing = random.between(0, 2 * Math.PI);
  const side = random.next() < 0.5 ? -1 : 1;
  // With n swings of height h, half a swing is the long side of a right triangle:
  // length² = straight² + (2·n·h)².
  const sideways = Math.sqrt(Math.max(0, lengthMeters ** 2 - straight.lengthMeters ** 2));
  const swings = Math.ceil(sideways / (2 * MAX_STRAY_METERS));
  if (swings === 0) return straight;

  let height = sideways / (2 * swings);
  let path = swing(from, to, { swings, height: side * height, bearing });
  for (let round = 0; round < 8; round += 1) {
    const lacking = lengthMeters ** 2 - path.lengthMeters ** 2;
    if (Math.abs(lacking) <= 1e-9 * lengthMeters ** 2) break;
    height = Math.sqrt(Math.max(0, height ** 2 + lacking / (2 * swings) ** 2));
    path = swing(from, to, { swings, height: side * height, bearing });
  }
  return path;
}

/** The way with `swings` corners, `height` meters to one side and the other of the straight line. */
function swing(
  from: LatLng,
  to: LatLng,
  shape: { swings: number; height: number; bearing: number },
): Path {
  const middle = between(from, to, 0.5);
  const shrink = Math.cos(radians(middle.lat));
  const north = (to.lat - from.lat) * METERS_PER_DEGREE;
  const east = (to.lng - from.lng) * METERS_PER_DEGREE * shrink;
  const straight = Math.hypot(north, east);
  const ahead =
    straight > 0
      ? { north: north / straight, east: east / straight }
      : { north: Math.cos(shape.bearing), east: Math.sin(shape.bearing) };
  const corners = Array.from({ length: shape.swings }, (_, index) => {
    const along = between(from, to, (index + 0.5) / shape.swings);
    const height = index % 2 === 0 ? shape.height : -shape.height;
    return {
      lat: along.lat - (height * ahead.east) / METERS_PER_DEGREE,
      lng: along.lng + (height * ahead.north) / (METERS_PER_DEGREE * shrink),
    };
  });
  return pathThrough([from, ...corners, to]);
}

function pathThrough(points: readonly LatLng[]): Path {
  const metersAt = [0];
  for (let index = 1; index < points.length; index += 1) {
    metersAt.push(metersAt[index - 1]! + distanceMeters(points[index - 1]!, points[index]!));
  }
  return { points, metersAt, lengthMeters: metersAt.at(-1)! };
}

/** Where one is after a fraction of the way; below 0 is its start, above 1 its end. */
export function positionAt(path: Path, fraction: number): LatLng {
  const meters = Math.min(1, Math.max(0, fraction)) * path.lengthMeters;
  const next = firstAtOrBeyond(path.metersAt, meters);
  if (next === 0) return path.points[0]!;
  const start = path.metersAt[next - 1]!;
  const piece = path.metersAt[next]! - start;
  return between(path.points[next - 1]!, path.points[next]!, (meters - start) / piece);
}

/** A way and the time that it takes, at even speed. */
export interface Drive {
  path: Path;
  durationSeconds: number;
}

/** Straight from one point to another at so many meters per second. */
export function straightDrive(from: LatLng, to: LatLng, speedMps: number): Drive {
  const path = straightPath(from, to);
  return { path, durationSeconds: path.lengthMeters / speedMps };
}

/** A position and when it is reached. */
export interface Waypoint {
  point: LatLng;
  /** Seconds after the start of the drive. */
  atSeconds: number;
}

/** Closer in time than this, rounding to milliseconds would begin to show in the speed. */
const MIN_GAP_SECONDS = 0.5;

/**
 * The positions that a driver reports after `afterSeconds` up to and with
 * `untilSeconds`: one each `everySeconds`, and one at each corner, so that the length measured from
 * them is that of the way. The start is reported at 0 (when `afterSeconds` is negative) and the end at
 * `durationSeconds`.
 */
export function waypoints(
  { path, durationSeconds }: Drive,
  report: { everySeconds: number; afterSeconds: number; untilSeconds: number },
): Waypoint[] {
  const { everySeconds, afterSeconds, untilSeconds } = report;
  const due = (at: number) => at > afterSeconds && at <= untilSeconds;
  const cornerTimes = path.metersAt.map((meters, index) => ({
    point: path.points[index]!,
    atSeconds:
      path.lengthMeters > 0
        ? (meters / path.lengthMeters) * durationSeconds
        : (index / (path.points.length - 1)) * durationSeconds,
  }));
  const times = cornerTimes.map(({ atSeconds }) => atSeconds);
  const first = Math.max(1, Math.floor(afterSeconds / everySeconds));
  const last = Math.min(untilSeconds, durationSeconds);
  const ticks: Waypoint[] = [];
  for (let tick = first; tick * everySeconds <= last; tick += 1) {
    const atSeconds = tick * everySeconds;
    const next = firstAtOrBeyond(times, atSeconds);
    const clear =
      (times[next] ?? Infinity) - atSeconds >= MIN_GAP_SECONDS &&
      atSeconds - (times[next - 1] ?? -Infinity) >= MIN_GAP_SECONDS;
    if (clear && due(atSeconds)) {
      ticks.push({ atSeconds, point: positionAt(path, atSeconds / durationSeconds) });
    }
  }
  return [...cornerTimes.filter(({ atSeconds }) => due(atSeconds)), ...ticks].sort(
    (a, b) => a.atSeconds - b.atSeconds,
  );
}

/** The first index whose value is at least `wanted`; the last index when none is. */
function firstAtOrBeyond(rising: readonly number[], wanted: number): number {
  let low = 0;
  let high = rising.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rising[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
