/** Command: makes a trips file of the city's published monthly files. `--help` tells its options. */
import { splitArguments, wholeNumber } from "./command-line.js";
import { writeCsv } from "./csv-write.js";
import { ZONES_FILE } from "./data-files.js";
import { InputError } from "./input-error.js";
import { openPublished } from "./published-trips.js";
import { readTrips, TRIP_COLUMNS } from "./trips-file.js";
import { readZones } from "./zones-file.js";

const HELP = `Turns monthly trip files of New York's Taxi and Limousine Commission (yellow or green taxis;
Parquet, or CSV as before 2022) into a file for the replay.

  npm run replay:convert -- --in FILE [--in FILE ...] --out FILE [options]

  --in FILE     a published file; may be given several times
  --out FILE    the file to write
  --every N     take every Nth row: a full month is millions of trips, and the replay plays them all
                as one day (default: 1, all)
  --zones FILE  zones by which the playable rows are counted at the end (default: the committed ones)
  --help        print this`;

const KNOWN = {
  values: ["--in", "--out", "--every", "--zones"],
  repeatable: ["--in"],
  flags: ["--help"],
  strayHint: "files are given with --in",
};

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(argv: readonly string[]): Promise<void> {
  const given = splitArguments(argv, KNOWN);
  if ("error" in given) throw new InputError(given.error);
  if (given.flags.has("--help")) return print(HELP);
  const inputs = given.values.get("--in");
  const output = given.values.get("--out")?.[0];
  if (inputs === undefined || output === undefined) {
    throw new InputError("--in and --out are needed; --help tells more");
  }
  const everyText = given.values.get("--every")?.[0] ?? "1";
  const every = wholeNumber(1, Number.MAX_SAFE_INTEGER)(everyText);
  if (every === undefined) {
    throw new InputError(`--every must be a whole number above 0, not "${everyText}"`);
  }
  const zones = await readZones(given.values.get("--zones")?.[0] ?? ZONES_FILE);

  const written = await writeCsv(output, TRIP_COLUMNS, rowsOf(inputs, every));
  if (written === 0) return print(`${output}: the files hold no rows`);
  const { trips, bad, skipped } = await readTrips(output, zones);
  print(
    `${output}: ${written} rows, of which ${trips.length} can be played; ${bad.length} bad, ${skipped.length} skipped`,
  );
}

async function* rowsOf(inputs: readonly string[], every: number): AsyncGenerator<string[]> {
  let firstId = 0;
  for (const path of inputs) {
    const { color, rows, counts } = await openPublished({ path, every, firstId });
    yield* rows;
    firstId += counts.read;
    const damaged = counts.damaged > 0 ? `, ${counts.damaged} of them damaged and left out` : "";
    print(`${path}: ${counts.read} rows of ${color} taxis${damaged}`);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof InputError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
