/** Reads the taxi zones: points with an area. */
import { readCsvRecords } from "./csv-records.js";
import type { Zone } from "./geometry.js";
import { InputError } from "./input-error.js";
import { parseNumber } from "./numbers.js";

const COLUMNS = ["zone_id", "zone", "borough", "lat", "lng", "area_km2"];

/** Reads a zones file; throws InputError that names the file and the line when anything is wrong. */
export async function readZones(path: string): Promise<Map<number, Zone>> {
  const zones = new Map<number, Zone>();
  for await (const record of readCsvRecords(path, COLUMNS)) {
    const fail = (problem: string) => new InputError(`${path}, line ${record.line}: ${problem}`);
    if ("problem" in record) throw fail(record.problem);
    const number = (column: string, low: number, high: number): number => {
      const value = parseNumber(record.fields.get(column)!);
      if (value === undefined || value < low || value > high) {
        throw fail(`${column} must be a number from ${low} to ${high}`);
      }
      return value;
    };
    const id = number("zone_id", 0, Number.MAX_SAFE_INTEGER);
    if (!Number.isInteger(id)) throw fail("zone_id must be a whole number");
    if (zones.has(id)) throw fail(`zone ${id} is there twice`);
    zones.set(id, {
      id,
      name: record.fields.get("zone")!,
      borough: record.fields.get("borough")!,
      center: { lat: number("lat", -90, 90), lng: number("lng", -180, 180) },
      radiusMeters: Math.sqrt((number("area_km2", 0, 1e6) * 1e6) / Math.PI),
    });
  }
  if (zones.size === 0) throw new InputError(`${path} holds no zones`);
  return zones;
}
