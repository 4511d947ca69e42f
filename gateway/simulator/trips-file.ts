/** Recorded taxi trips, read from a CSV file (data/README.md describes it). */
import { basename } from "node:path";
import { readCsvRecords, shorten } from "./csv-records.js";
import { InputError } from "./input-error.js";
import { parseLocalTime, parseNumber } from "./numbers.js";

/** A trip that was really driven. */
export interface RecordedTrip {
  /** Where in the file it stands, from 1; unlike the trip's id it is surely unique. */
  line: number;
  /** Any text, not necessarily unique. */
  tripId: string;
  color: string;
  /** Local time of the day when it began, in seconds from midnight. */
  pickupSecondOfDay: number;
  /** Local date when it began, `2019-03-01`. */
  pickupDate: string;
  durationSeconds: number;
  distanceMeters: number;
  pickupZoneId: number;
  dropoffZoneId: number;
  /** What the meter showed, before extras, tax, tip and tolls; may be 0 or negative. In US cents. */
  fareMinor: bigint;
  /** 1 standard, 2 JFK, 3 Newark, 4 Nassau or Westchester, 5 negotiated, 6 group; null when blank. */
  rateCode: number | null;
  /** Null when blank. */
  passengers: number | null;
}

/** A row that is not played, and why. */
export interface RefusedRow {
  line: number;
  reason: string;
}

/** What a file holds: every row is in exactly one of the three lists, each in the file's order. */
export interface TripsFile {
  trips: RecordedTrip[];
  /** Rows that make no sense. */
  bad: RefusedRow[];
  /** Rows that no ride can be made of. */
  skipped: RefusedRow[];
  rowsRead: number;
}

const METERS_PER_MILE = 1609.344;
const MAX_DURATION_SECONDS = 3 * 3600;
const MAX_SPEED_KMH = 150;

/** Columns of numbers that only describe the trip: they may be blank. */
const OPTIONAL_NUMBERS = [
  "passengers",
  "rate_code",
  "payment_type",
  "extra",
  "mta_tax",
  "tip",
  "tolls",
  "improvement_surcharge",
  "congestion_surcharge",
  "total",
] as const;

/** The columns of a trips file, in the order in which our own commands write them. */
export const TRIP_COLUMNS = [
  "trip_id",
  "color",
  "pickup_at",
  "dropoff_at",
  "passengers",
  "distance_mi",
  "rate_code",
  "pickup_zone_id",
  "dropoff_zone_id",
  "payment_type",
  "fare",
  "extra",
  "mta_tax",
  "tip",
  "tolls",
  "improvement_surcharge",
  "congestion_surcharge",
  "total",
] as const;

/** How tables write that there is no value. */
const BLANK = /^(|nan|null|none|\\n)$/i;

type Sorted = { trip: RecordedTrip } | { bad: string } | { skipped: string };

/**
 * Reads a file of trips. Rows are bad when a time or number cannot be read, a zone is not among
 * `zones`, or the dropoff is not after the pickup; they are skipped when they took over 3 h, have no
 * distance, or were faster than 150 km/h. A row that is both is bad.
 *
 * Throws InputError when the file cannot be read, has no rows, or lacks a column.
 */
export async function readTrips(
  path: string,
  zones: ReadonlyMap<number, unknown>,
): Promise<TripsFile> {
  const file: TripsFile = { trips: [], bad: [], skipped: [], rowsRead: 0 };
  for await (const record of readCsvRecords(path, TRIP_COLUMNS)) {
    const { line } = record;
    const row = "problem" in record ? { bad: record.problem } : sortRow(line, record.fields, zones);
    file.rowsRead += 1;
    if ("bad" in row) file.bad.push({ line, reason: row.bad });
    else if ("skipped" in row) file.skipped.push({ line, reason: row.skipped });
    else file.trips.push(row.trip);
  }
  if (file.rowsRead === 0) throw new InputError(`${basename(path)} has no rows below its header`);
  return file;
}

function sortRow(
  line: number,
  fields: ReadonlyMap<string, string>,
  zones: ReadonlyMap<number, unknown>,
): Sorted {
  const pickup = parseLocalTime(fields.get("pickup_at")!);
  const dropoff = parseLocalTime(fields.get("dropoff_at")!);
  const miles = parseNumber(fields.get("distance_mi")!);
  const fare = parseNumber(fields.get("fare")!);
  const pickupZoneId = parseNumber(fields.get("pickup_zone_id")!);
  const dropoffZoneId = parseNumber(fields.get("dropoff_zone_id")!);
  const unreadable = (column: string, what: string): Sorted => ({
    bad: `${column} is not ${what}: "${shorten(fields.get(column)!, 40)}"`,
  });

  if (pickup === undefined) return unreadable("pickup_at", "a local time");
  if (dropoff === undefined) return unreadable("dropoff_at", "a local time");
  if (miles === undefined) return unreadable("distance_mi", "a number");
  if (fare === undefined) return unreadable("fare", "a number");
  if (pickupZoneId === undefined) return unreadable("pickup_zone_id", "a number");
  if (dropoffZoneId === undefined) return unreadable("dropoff_zone_id", "a number");
  for (const column of OPTIONAL_NUMBERS) {
    if (optionalNumber(fields, column) === undefined) return unreadable(column, "a number");
  }
  if (!zones.has(pickupZoneId)) return { bad: `unknown zone ${pickupZoneId} in pickup_zone_id` };
  if (!zones.has(dropoffZoneId)) return { bad: `unknown zone ${dropoffZoneId} in dropoff_zone_id` };
  const durationSeconds = dropoff - pickup;
  if (durationSeconds <= 0) return { bad: "the dropoff is not after the pickup" };

  if (miles <= 0) return { skipped: miles < 0 ? "the distance is negative" : "the distance is 0" };
  if (durationSeconds > MAX_DURATION_SECONDS) {
    return { skipped: `it took ${(durationSeconds / 3600).toFixed(1)} h, over 3 h` };
  }
  const distanceMeters = miles * METERS_PER_MILE;
  const speedKmh = (distanceMeters / durationSeconds) * 3.6;
  if (speedKmh > MAX_SPEED_KMH) {
    return { skipped: `${Math.round(speedKmh)} km/h, over 150 km/h` };
  }
  return {
    trip: {
      line,
      tripId: fields.get("trip_id")!,
      color: fields.get("color")!,
      pickupSecondOfDay: ((pickup % 86400) + 86400) % 86400,
      pickupDate: fields.get("pickup_at")!.slice(0, 10),
      durationSeconds,
      distanceMeters,
      pickupZoneId,
      dropoffZoneId,
      fareMinor: BigInt(Math.round(fare * 100)),
      rateCode: optionalNumber(fields, "rate_code") ?? null,
      passengers: optionalNumber(fields, "passengers") ?? null,
    },
  };
}

/** Null when blank, undefined when it cannot be read. */
function optionalNumber(
  fields: ReadonlyMap<string, string>,
  column: string,
): number | null | undefined {
  const text = fields.get(column)!;
  return BLANK.test(text) ? null : parseNumber(text);
}
