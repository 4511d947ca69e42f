/** Makes a model from recorded trips. Pure; train.ts reads the trips and writes the model. */
import {
  cellIndex,
  directionShare,
  hoursPerWeek,
  usualDrive,
  type Area,
  type Knot,
  type ModelFile,
} from "./model.js";
import type { GeoPoint } from "../runtime/geo.js";

/** A recorded trip between two zones, of which only the middle is known. */
export interface RecordedTrip {
  origin: GeoPoint;
  destination: GeoPoint;
  /** Expected great-circle distance between a point of the one zone and a point of the other. */
  meters: number;
  /** Length of the road that was driven. */
  roadMeters: number;
  seconds: number;
  /** Local time of the start, 0 is Sunday midnight. */
  hourOfWeek: number;
  /** Whether both zones lie where streets are a grid. */
  grid: boolean;
}

const knotMeters = [500, 1000, 1500, 2000, 3000, 4500, 6500, 9000, 12_000, 16_000, 22_000, 30_000];
/** A knot is fitted to trips of about its distance: standard deviation of the distance's logarithm. */
const knotWidth = 0.25;
/** Durations grow about so with distance, in logarithms: brings trips near a knot to the knot. */
const knotSlope = 0.8;
const cellDegrees = 0.02;
const directionCount = 12;
const rounds = 5;

/** A group of trips that share a factor; a group of few trips is pulled towards 1. */
interface Grouping {
  key: (trip: RecordedTrip) => number | undefined;
  /** As many trips of factor 1 are added to each group. */
  shrink: number;
  /** Logarithms of the factors. */
  logs: Map<number, number>;
}

/**
 * Fits distances first, then each group of factors to what the others leave over, round after round
 * (backfitting). Medians weighted by duration throughout: they minimise the mean absolute error.
 */
export function fitModel(
  trips: RecordedTrip[],
): Pick<ModelFile, "knots" | "hours" | "cellDegrees" | "areas" | "directions"> {
  const isWeekend = (hour: number) => hour < 24 || hour >= hoursPerWeek - 24;
  const hourOfDay = grouping(10, (t) => (t.hourOfWeek % 24) + (isWeekend(t.hourOfWeek) ? 24 : 0));
  const hourOfWeek = grouping(100, (t) => t.hourOfWeek);
  const origin = grouping(20, (t) => cellOf(t.origin));
  const destination = grouping(20, (t) => cellOf(t.destination));
  const direction = grouping(20, (t) =>
    t.grid ? Math.floor(directionShare(t.origin, t.destination) * directionCount) : undefined,
  );
  const groupings = [hourOfDay, hourOfWeek, origin, destination, direction];

  let knots: Knot[] = [];
  for (let round = 0; round < rounds; round += 1) {
    knots = fitKnots(trips, groupings);
    for (const one of groupings) refit(trips, knots, groupings, one);
  }

  const factor = (one: Grouping, key: number) => rounded(Math.exp(one.logs.get(key) ?? 0));
  const grid = new Set(
    trips.filter((t) => t.grid).flatMap((t) => [cellOf(t.origin), cellOf(t.destination)]),
  );
  const cells = new Set([...origin.logs.keys(), ...destination.logs.keys()]);
  const areas = [...cells].map((cell): Area => {
    const [row, column] = positionOf(cell);
    const [from, to] = [factor(origin, cell), factor(destination, cell)];
    return { row, column, origin: from, destination: to, grid: grid.has(cell) };
  });
  return {
    knots,
    hours: Array.from({ length: hoursPerWeek }, (_, hour) =>
      rounded(
        factor(hourOfDay, (hour % 24) + (isWeekend(hour) ? 24 : 0)) * factor(hourOfWeek, hour),
      ),
    ),
    cellDegrees,
    areas: areas.sort((a, b) => a.row - b.row || a.column - b.column),
    directions: Array.from({ length: directionCount }, (_, i) => factor(direction, i)),
  };
}

function grouping(shrink: number, key: Grouping["key"]): Grouping {
  return { key, shrink, logs: new Map() };
}

const columns = 100_000;

function cellOf({ lat, lng }: GeoPoint): number {
  return cellIndex(lat, cellDegrees) * columns + cellIndex(lng, cellDegrees) + columns / 2;
}

function positionOf(cell: number): [number, number] {
  const row = Math.floor(cell / columns);
  return [row, cell - row * columns - columns / 2];
}

/** What the groups say of a trip, but for one of them. */
function logFactor(trip: RecordedTrip, groupings: Grouping[], without?: Grouping): number {
  let sum = 0;
  for (const one of groupings) {
    if (one === without) continue;
    const key = one.key(trip);
    if (key !== undefined) sum += one.logs.get(key) ?? 0;
  }
  return sum;
}

function fitKnots(trips: RecordedTrip[], groupings: Grouping[]): Knot[] {
  const known = trips.map((trip) => ({ trip, log: logFactor(trip, groupings) }));
  const knots: Knot[] = [];
  for (const meters of knotMeters) {
    const durations: Weighted[] = [];
    const detours: Weighted[] = [];
    for (const { trip, log } of known) {
      const away = Math.log(trip.meters / meters);
      const weight = Math.exp(-((away / knotWidth) ** 2) / 2) * Math.sqrt(trip.seconds);
      if (Math.abs(away) > 3 * knotWidth) continue;
      durations.push({ value: Math.log(trip.seconds) - log - knotSlope * away, weight });
      detours.push({ value: trip.roadMeters / trip.meters, weight });
    }
    const before = knots.at(-1);
    // Where there are no such trips, a drive is as the next shorter one, only longer.
    const seconds = durations.length > 0 ? Math.exp(weightedMedian(durations)) : 0;
    const slowest = before ? (before.seconds * meters) / before.meters : Number.POSITIVE_INFINITY;
    const least = before ? before.seconds * 1.01 : 1;
    const detour = detours.length > 0 ? weightedMedian(detours) : (before?.detour ?? 1.3);
    knots.push({
      meters,
      seconds: Math.round(durations.length > 0 ? Math.max(seconds, least) : slowest),
      detour: rounded(Math.max(1, detour)),
    });
  }
  return [{ meters: 0, seconds: 0, detour: knots[0]!.detour }, ...knots];
}

function refit(trips: RecordedTrip[], knots: Knot[], groupings: Grouping[], one: Grouping): void {
  const groups = new Map<number, Weighted[]>();
  for (const trip of trips) {
    const key = one.key(trip);
    if (key === undefined) continue;
    const usual = usualDrive(knots, trip.meters).durationSeconds;
    const value = Math.log(trip.seconds / usual) - logFactor(trip, groupings, one);
    const group = groups.get(key);
    if (group) group.push({ value, weight: trip.seconds });
    else groups.set(key, [{ value, weight: trip.seconds }]);
  }
  for (const [key, group] of groups) {
    one.logs.set(key, (weightedMedian(group) * group.length) / (group.length + one.shrink));
  }
}

interface Weighted {
  value: number;
  weight: number;
}

function weightedMedian(values: Weighted[]): number {
  const sorted = values.sort((a, b) => a.value - b.value);
  const half = sorted.reduce((sum, { weight }) => sum + weight, 0) / 2;
  let passed = 0;
  for (const { value, weight } of sorted) {
    passed += weight;
    if (passed >= half) return value;
  }
  throw new RangeError("there is no median of nothing");
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** Mean absolute error of the durations that `estimate` gives, in seconds. */
export function meanAbsoluteError(
  trips: RecordedTrip[],
  estimate: (trip: RecordedTrip) => number,
): number {
  return (
    trips.reduce((sum, trip) => sum + Math.abs(estimate(trip) - trip.seconds), 0) / trips.length
  );
}

/** The constant speed over great-circle distance, in m/s, that has the least such error on the trips. */
export function fitConstantSpeed(trips: RecordedTrip[]): number {
  // The error is a sum of distances from seconds/meters, each weighing its meters: a median.
  const paces = trips.map(({ seconds, meters }) => ({ value: seconds / meters, weight: meters }));
  return 1 / weightedMedian(paces);
}
