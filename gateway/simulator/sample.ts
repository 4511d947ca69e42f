/** Command: chooses the trips that are committed as the sample. `--help` tells its options. */
import { splitArguments, wholeNumber } from "./command-line.js";
import { readCsvRecords } from "./csv-records.js";
import { writeCsv } from "./csv-write.js";
import { SAMPLE_TRIPS_FILE, ZONES_FILE } from "./data-files.js";
import { sampleOfDay } from "./demand.js";
import { InputError } from "./input-error.js";
import { readTrips, TRIP_COLUMNS } from "./trips-file.js";
import { readZones } from "./zones-file.js";

const HELP = `Chooses playable trips of a file at even steps over the day; the same file gives the same ones.

  npm run replay:sample -- --in FILE [options]

  --in FILE   trips in the format of the replay
  --out FILE  the file to write (default: the committed sample)
  --count N   how many trips (default: 300)
  --help      print this`;

const KNOWN = {
  values: ["--in", "--out", "--count"],
  flags: ["--help"],
  strayHint: "a file of trips is given with --in",
};

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(argv: readonly string[]): Promise<void> {
  const given = splitArguments(argv, KNOWN);
  if ("error" in given) throw new InputError(given.error);
  if (given.flags.has("--help")) return print(HELP);
  const input = given.values.get("--in")?.[0];
  if (input === undefined) throw new InputError("--in is needed; --help tells more");
  const output = given.values.get("--out")?.[0] ?? SAMPLE_TRIPS_FILE;
  const countText = given.values.get("--count")?.[0] ?? "300";
  const count = wholeNumber(1, Number.MAX_SAFE_INTEGER)(countText);
  if (count === undefined) {
    throw new InputError(`--count must be a whole number above 0, not "${countText}"`);
  }
  const { trips } = await readTrips(input, await readZones(ZONES_FILE));
  const lines = new Set(sampleOfDay(trips, count).map(({ line }) => line));
  const written = await writeCsv(output, TRIP_COLUMNS, rowsAt(input, lines));
  print(`${output}: ${written} of ${trips.length} playable trips`);
}

async function* rowsAt(path: string, lines: ReadonlySet<number>): AsyncGenerator<string[]> {
  for await (const record of readCsvRecords(path, TRIP_COLUMNS)) {
    if (!lines.has(record.line) || "problem" in record) continue;
    yield TRIP_COLUMNS.map((column) => record.fields.get(column)!);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof InputError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
