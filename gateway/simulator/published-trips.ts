/**
 * Turns the monthly files that New York's Taxi and Limousine Commission publishes, Parquet today and
 * CSV before 2022, into our format: other names of columns, the same values.
 */
import { basename } from "node:path";
import { readCsvColumns, readCsvRecords, requireColumns } from "./csv-records.js";
import { fileError, InputError } from "./input-error.js";
import { formatLocalTime } from "./numbers.js";
import { isParquet, openParquet, readParquetRows } from "./parquet-rows.js";
import { TRIP_COLUMNS } from "./trips-file.js";

/** Which taxis a file is about: yellow ones, or the green ones of the outer boroughs. */
export type TaxiColor = "yellow" | "green";

/** A file being converted. */
export interface Conversion {
  color: TaxiColor;
  /** Rows in the columns of TRIP_COLUMNS, blank where the file has no value. */
  rows: AsyncIterable<string[]>;
  /** Rows of the file, taken or not, and those too damaged to take; final when the rows are read. */
  counts: { read: number; damaged: number };
}

/** How the columns that we take are called there, in lower case. */
function publishedNames(color: TaxiColor): Record<string, string> {
  const meter = color === "yellow" ? "tpep" : "lpep";
  return {
    pickup_at: `${meter}_pickup_datetime`,
    dropoff_at: `${meter}_dropoff_datetime`,
    passengers: "passenger_count",
    distance_mi: "trip_distance",
    rate_code: "ratecodeid",
    pickup_zone_id: "pulocationid",
    dropoff_zone_id: "dolocationid",
    payment_type: "payment_type",
    fare: "fare_amount",
    extra: "extra",
    mta_tax: "mta_tax",
    tip: "tip_amount",
    tolls: "tolls_amount",
    improvement_surcharge: "improvement_surcharge",
    congestion_surcharge: "congestion_surcharge",
    total: "total_amount",
  };
}

/** Surcharges that began after the first files: a file may lack them. */
const LATER_COLUMNS = ["improvement_surcharge", "congestion_surcharge"];

/**
 * Opens a published file. Of its rows the first and then every `every`th are taken; ids count all of
 * them from `firstId`, so that they lead back to the source. Rows are passed on as they are: what is
 * wrong with them is for the replay to say.
 *
 * Throws InputError when the file cannot be read, lacks a column, or is about neither kind of taxi;
 * reading the rows throws it when the file is damaged.
 */
export async function openPublished(options: {
  path: string;
  every: number;
  firstId: number;
}): Promise<Conversion> {
  const { path } = options;
  try {
    const parquet = (await isParquet(path)) ? await openParquet(path) : undefined;
    const columns = parquet?.columns ?? (await readCsvColumns(path));
    const { color, take } = chooseColumns(basename(path), columns);
    const counts = { read: parquet?.rowCount ?? 0, damaged: 0 };
    const source = parquet ? parquetCells(parquet, take, options.every) : csvCells(path, take);
    return { color, counts, rows: ourRows(source, { ...options, color, take, counts }) };
  } catch (error) {
    throw fileError(path, error);
  }
}

interface Taken {
  /** Our column. */
  column: string;
  /** Theirs, as their file writes it. */
  name: string;
}

function chooseColumns(
  file: string,
  columns: readonly string[],
): { color: TaxiColor; take: Taken[] } {
  const lower = columns.map((name) => name.toLowerCase());
  const color = (["yellow", "green"] as const).find((each) =>
    lower.includes(publishedNames(each).pickup_at!),
  );
  if (color === undefined) {
    throw new InputError(
      `${file} is no file of yellow or green taxis: it has neither "tpep_pickup_datetime" nor "lpep_pickup_datetime"`,
    );
  }
  const names = Object.entries(publishedNames(color));
  requireColumns(
    file,
    lower,
    names.map(([, name]) => name).filter((name) => !LATER_COLUMNS.includes(name)),
  );
  const take = names
    .filter(([, name]) => lower.includes(name))
    .map(([column, name]) => ({ column, name: columns[lower.indexOf(name)]! }));
  return { color, take };
}

/** A row of the source: its cells in the order in which they are taken, none when it is damaged. */
interface SourceRow {
  index: number;
  cells?: string[];
}

async function* ourRows(
  source: AsyncIterable<SourceRow>,
  options: {
    every: number;
    firstId: number;
    color: TaxiColor;
    take: readonly Taken[];
    counts: Conversion["counts"];
  },
): AsyncGenerator<string[]> {
  const placeOf = new Map(options.take.map(({ column }, place) => [column, place]));
  for await (const { index, cells } of source) {
    options.counts.read = Math.max(options.counts.read, index + 1);
    if (cells === undefined) options.counts.damaged += 1;
    if (cells === undefined || index % options.every !== 0) continue;
    yield TRIP_COLUMNS.map((column) => {
      if (column === "trip_id") return String(options.firstId + index);
      if (column === "color") return options.color;
      return cells[placeOf.get(column) ?? -1] ?? "";
    });
  }
}

async function* csvCells(path: string, take: readonly Taken[]): AsyncGenerator<SourceRow> {
  let index = 0;
  for await (const record of readCsvRecords(path, [])) {
    const row: SourceRow = { index };
    if ("fields" in record) row.cells = take.map(({ name }) => record.fields.get(name) ?? "");
    index += 1;
    yield row;
  }
}

async function* parquetCells(
  file: Awaited<ReturnType<typeof openParquet>>,
  take: readonly Taken[],
  every: number,
): AsyncGenerator<SourceRow> {
  const names = take.map(({ name }) => name);
  for await (const { index, values } of readParquetRows(file, names, every)) {
    const cells = values.map((value, place) => {
      if (value === null) return "";
      return take[place]!.column.endsWith("_at") ? formatLocalTime(value) : String(value);
    });
    yield { index, cells };
  }
}
