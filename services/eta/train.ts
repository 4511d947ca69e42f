/**
 * Makes model.json from recorded trips: `npm run eta:train -- --trips FILE --zones FILE`.
 *
 * Trips have the columns pickup_at and dropoff_at (local time, "2019-03-01 00:03:29"), distance_mi,
 * pickup_zone_id, dropoff_zone_id; zones have zone_id, borough, lat, lng, area_km2. The first three
 * weeks are learned from; the last week tells how good that is.
 */
import { parse } from "csv-parse/sync";
import { format } from "prettier";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { distanceMeters } from "../runtime/geo.js";
import { fitConstantSpeed, fitModel, meanAbsoluteError, type RecordedTrip } from "./fit.js";
import { estimateDrive, parseModel, type ModelFile } from "./model.js";

/** Streets there are a grid. */
const gridBoroughs = ["Manhattan"];
const metersPerMile = 1609.344;
const dayMs = 86_400_000;
const learnDays = 21;
const testDays = 7;

interface Zone {
  lat: number;
  lng: number;
  areaMeters2: number;
  grid: boolean;
}

type TimedTrip = RecordedTrip & { day: string };

async function readRecords(file: string, columns: string[]): Promise<Record<string, string>[]> {
  const records: Record<string, string>[] = parse(await readFile(file), { columns: true });
  const missing = columns.filter((column) => records[0] && !(column in records[0]));
  if (missing.length > 0) throw new Error(`${file} has no column ${missing.join(", ")}`);
  return records;
}

async function readZones(file: string): Promise<Map<string, Zone>> {
  const records = await readRecords(file, ["zone_id", "borough", "lat", "lng", "area_km2"]);
  return new Map(
    records.map((record) => [
      record["zone_id"]!,
      {
        lat: Number(record["lat"]),
        lng: Number(record["lng"]),
        areaMeters2: Number(record["area_km2"]) * 1e6,
        grid: gridBoroughs.includes(record["borough"]!),
      },
    ]),
  );
}

/** A trip of a record; undefined when it is not one that a car can have driven, or zones are unknown. */
function tripOf(record: Record<string, string>, zones: Map<string, Zone>): TimedTrip | undefined {
  const origin = zones.get(record["pickup_zone_id"]!);
  const destination = zones.get(record["dropoff_zone_id"]!);
  // Local times are read as if they were UTC: only their hours and differences matter.
  const start = Date.parse(`${record["pickup_at"]!.replace(" ", "T")}Z`);
  const end = Date.parse(`${record["dropoff_at"]!.replace(" ", "T")}Z`);
  const seconds = (end - start) / 1000;
  const roadMeters = Number(record["distance_mi"]) * metersPerMile;
  if (!origin || !destination) return undefined;
  if (!(seconds >= 60 && seconds <= 3 * 3600)) return undefined;
  if (!(roadMeters >= 100 && roadMeters / seconds <= 150 / 3.6)) return undefined;
  const local = new Date(start);
  return {
    origin,
    destination,
    meters: expectedMeters(origin, destination),
    roadMeters,
    seconds,
    hourOfWeek: local.getUTCDay() * 24 + local.getUTCHours(),
    grid: origin.grid && destination.grid,
    day: local.toISOString().slice(0, 10),
  };
}

/**
 * Great-circle distance to be expected between points of two zones, taken as discs: the root of the
 * mean square, to which each disc adds half its squared radius.
 */
function expectedMeters(a: Zone, b: Zone): number {
  const squaredRadii = (a.areaMeters2 + b.areaMeters2) / Math.PI;
  return Math.sqrt(distanceMeters(a, b) ** 2 + squaredRadii / 2);
}

/** The days of the trips, in order, without those of a recorder whose clock was wrong. */
function daysOf(trips: TimedTrip[]): string[] {
  const counts = new Map<string, number>();
  for (const { day } of trips) counts.set(day, (counts.get(day) ?? 0) + 1);
  const busiest = Math.max(...counts.values());
  const days = [...counts].filter(([, count]) => count > busiest / 10).map(([day]) => day);
  return days.sort();
}

function dayAfter(day: string): string {
  return new Date(Date.parse(day) + dayMs).toISOString().slice(0, 10);
}

const { values } = parseArgs({
  options: {
    trips: { type: "string" },
    zones: { type: "string" },
    out: { type: "string", default: fileURLToPath(new URL("model.json", import.meta.url)) },
  },
});
if (!values.trips || !values.zones) {
  throw new Error("usage: npm run eta:train -- --trips FILE --zones FILE [--out FILE]");
}

const zones = await readZones(values.zones);
const records = await readRecords(values.trips, [
  "pickup_at",
  "dropoff_at",
  "distance_mi",
  "pickup_zone_id",
  "dropoff_zone_id",
]);
const trips = records.flatMap((record) => tripOf(record, zones) ?? []);
const days = daysOf(trips);
if (days.length < learnDays + testDays) {
  throw new Error(
    `${days.length} days are too few: ${learnDays} to learn from, ${testDays} to test`,
  );
}
const [learnFrom, learnUntil, testFrom] = [days[0]!, days[learnDays]!, days.at(-testDays)!];
const learned = trips.filter(({ day }) => day >= learnFrom && day < learnUntil);
const heldOut = trips.filter(({ day }) => day >= testFrom && day <= days.at(-1)!);

const fitted = fitModel(learned);
const speed = fitConstantSpeed(learned);
const trained = { from: learnFrom, until: learnUntil, trips: learned.length };
const model = parseModel({ format: 1, trained, ...fitted });
const tenth = (seconds: number) => Math.round(seconds * 10) / 10;
const evaluation = {
  from: testFrom,
  until: dayAfter(days.at(-1)!),
  trips: heldOut.length,
  maeSeconds: tenth(
    meanAbsoluteError(heldOut, (trip) => estimateDrive(model, trip).durationSeconds),
  ),
  constantSpeedMaeSeconds: tenth(meanAbsoluteError(heldOut, ({ meters }) => meters / speed)),
};
const file: ModelFile = { format: 1, trained, evaluation, ...fitted };
await writeFile(
  values.out,
  await format(JSON.stringify(file), { parser: "json", printWidth: 100 }),
);

const share = (100 * evaluation.maeSeconds) / evaluation.constantSpeedMaeSeconds;
process.stdout.write(
  [
    `${records.length} records, ${trips.length} trips that a car can have driven`,
    `learned from ${trained.trips} trips from ${trained.from} until ${trained.until}`,
    `tested on ${evaluation.trips} trips from ${evaluation.from} until ${evaluation.until}:`,
    `  mean absolute error ${evaluation.maeSeconds} s`,
    `  great circle at ${(speed * 3.6).toFixed(1)} km/h: ${evaluation.constantSpeedMaeSeconds} s`,
    `  ${share.toFixed(1)} % of it`,
    `written to ${values.out}`,
    "",
  ].join("\n"),
);
