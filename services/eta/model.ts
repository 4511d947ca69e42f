/**
 * The learned estimator: how far and how long a drive is, from where it goes and when. Pure.
 *
 * duration = seconds for the great-circle distance × hour of the week × area of the start × area of
 * the end × direction; distance = great-circle distance × detour factor. The figures come from
 * model.json, which train.ts makes from recorded trips.
 */
import { wrapLng, type GeoPoint } from "../runtime/geo.js";

/** How long and how far drives of a length are; between two knots values are interpolated. */
export interface Knot {
  /** Great-circle distance. */
  meters: number;
  /** How long such a drive usually takes. */
  seconds: number;
  /** How many times as long the road is. */
  detour: number;
}

/** A cell of latitude and longitude, and how much longer drives from it and to it take. */
export interface Area {
  row: number;
  column: number;
  origin: number;
  destination: number;
  /** Whether its streets are a grid, where a drive's direction matters. */
  grid: boolean;
}

/** What model.json holds. */
export interface ModelFile {
  format: 1;
  /** The trips that it was made from; dates are local, `until` is not included. */
  trained: { from: string; until: string; trips: number };
  /** Mean absolute errors of durations on later trips, of this and of a constant speed. */
  evaluation: {
    from: string;
    until: string;
    trips: number;
    maeSeconds: number;
    constantSpeedMaeSeconds: number;
  };
  /** By distance; the first is at 0. */
  knots: Knot[];
  /** Factor of each hour of the week, from Sunday midnight on. */
  hours: number[];
  cellDegrees: number;
  areas: Area[];
  /** Factors of directions within grids: equal parts of 0 to 180° from north. */
  directions: number[];
}

/** A model, ready to be asked. */
export interface Model {
  knots: Knot[];
  hours: number[];
  cellDegrees: number;
  areas: Map<number, Area>;
  directions: number[];
}

export interface LegEstimate {
  distanceMeters: number;
  durationSeconds: number;
}

export const hoursPerWeek = 168;

/** Reads what model.json holds; throws an Error that says what is wrong with it. */
export function parseModel(value: unknown): Model {
  const file = value as Partial<ModelFile> | null;
  if (file?.format !== 1) throw new Error("the model's format is not 1");
  const { knots, hours, areas, directions, cellDegrees } = file;
  const check = (ok: boolean | undefined, what: string) => {
    if (!ok) throw new Error(`the model's ${what} are not as they must be`);
  };
  check(
    knots &&
      knots.length >= 2 &&
      knots[0]!.meters === 0 &&
      knots.every((knot, i) => i === 0 || knot.meters > knots[i - 1]!.meters) &&
      knots.every(({ seconds, detour }) => seconds >= 0 && detour >= 1),
    "knots",
  );
  check(hours?.length === hoursPerWeek && hours.every(isFactor), "hours");
  check(directions && directions.length > 0 && directions.every(isFactor), "directions");
  check(typeof cellDegrees === "number" && cellDegrees > 0, "cells");
  check(
    areas?.every(({ origin, destination }) => isFactor(origin) && isFactor(destination)),
    "areas",
  );
  return {
    knots: knots!,
    hours: hours!,
    cellDegrees: cellDegrees!,
    areas: new Map(areas!.map((area) => [cellKey(area.row, area.column), area])),
    directions: directions!,
  };
}

function isFactor(value: unknown): boolean {
  return typeof value === "number" && value > 0.05 && value < 20;
}

function cellKey(row: number, column: number): number {
  return row * 1_000_000 + column;
}

/** The row or column of a cell. */
export function cellIndex(degrees: number, cellDegrees: number): number {
  return Math.round(degrees / cellDegrees);
}

function areaAt(model: Model, { lat, lng }: GeoPoint): Area | undefined {
  const { cellDegrees } = model;
  return model.areas.get(cellKey(cellIndex(lat, cellDegrees), cellIndex(lng, cellDegrees)));
}

/** Direction of a straight line as a share of half a turn: 0 is north or south, 0.5 east or west. */
export function directionShare(from: GeoPoint, to: GeoPoint): number {
  const east = wrapLng(to.lng - from.lng) * Math.cos((from.lat * Math.PI) / 180);
  const share = Math.atan2(east, to.lat - from.lat) / Math.PI;
  // Half a turn further is the same line; and 1, which a tiny negative share is rounded to, is 0.
  const positive = share < 0 ? share + 1 : share;
  return positive >= 1 ? 0 : positive;
}

/** A drive to estimate. */
export interface Drive {
  origin: GeoPoint;
  destination: GeoPoint;
  /** Great-circle distance. */
  meters: number;
  /** Local time of the start: 0 is the hour from Sunday midnight on. */
  hourOfWeek: number;
}

/** Estimates a drive. */
export function estimateDrive(model: Model, drive: Drive): LegEstimate {
  const { origin, destination } = drive;
  const usual = usualDrive(model.knots, drive.meters);
  let factor = model.hours[drive.hourOfWeek]!;
  const from = areaAt(model, origin);
  const to = areaAt(model, destination);
  if (from) factor *= from.origin;
  if (to) factor *= to.destination;
  if (from?.grid && to?.grid) {
    const { directions } = model;
    factor *= directions[Math.floor(directionShare(origin, destination) * directions.length)]!;
  }
  return { distanceMeters: usual.distanceMeters, durationSeconds: usual.durationSeconds * factor };
}

/** A drive over this great-circle distance without knowing where or when. */
export function usualDrive(knots: readonly Knot[], meters: number): LegEstimate {
  const last = knots.at(-1)!;
  if (meters >= last.meters) {
    const share = meters / last.meters;
    return { distanceMeters: meters * last.detour, durationSeconds: last.seconds * share };
  }
  let i = 1;
  while (knots[i]!.meters <= meters) i += 1;
  const [a, b] = [knots[i - 1]!, knots[i]!];
  const share = (meters - a.meters) / (b.meters - a.meters);
  return {
    distanceMeters: meters * (a.detour + (b.detour - a.detour) * share),
    durationSeconds: a.seconds + (b.seconds - a.seconds) * share,
  };
}

/** The road's length over the great circle's, where nothing was learned: a usual figure for cities. */
const plainDetour = 1.3;
/** Along the road, where nothing was learned: 22 km/h. */
const plainSpeedMps = 22 / 3.6;

/** Estimates a drive from its great-circle distance alone. */
export function estimateByDistance(meters: number): LegEstimate {
  const roadMeters = meters * plainDetour;
  return { distanceMeters: roadMeters, durationSeconds: roadMeters / plainSpeedMps };
}
