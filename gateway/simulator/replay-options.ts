/** The command line of the replay. */
import { splitArguments, wholeNumber } from "./command-line.js";
import { SECONDS_PER_DAY, type Window } from "./demand.js";

/** What the command line asks for. */
export interface ReplayOptions {
  /** File of trips; undefined is the committed sample. */
  file: string | undefined;
  /** Domain seconds per wall second; undefined leaves it to the replay, or to the remote. */
  speed: number | undefined;
  drivers: number;
  window: Window;
  limit: number | undefined;
  seed: number;
  /** A platform that runs already, without a slash at the end; undefined starts one. */
  url: string | undefined;
  databaseUrl: string | undefined;
  json: boolean;
}

/** A parsed command line; `error` is one line that names the option. */
export type ParsedOptions =
  { kind: "run"; options: ReplayOptions } | { kind: "help" } | { kind: "error"; error: string };

/** What `--help` prints. */
export const REPLAY_HELP = `Plays recorded taxi trips through the public API as one day of rides.

  npm run replay -- [options]

  --file FILE          trips to play (default: a committed sample of 300)
  --speed N            domain seconds per second (default: as fast as offers are answered in time)
  --drivers N          simulated drivers, 1 to 10000 (default: 300)
  --from HH:MM         begin of the part of the day that is played (default: 00:00)
  --to HH:MM           its end, not included; may lie past midnight (default: 24:00)
  --limit N            play only the first N trips of it
  --seed N             decides every random draw, 0 to 4294967295 (default: 1)
  --url URL            play against a platform that runs already, at its own clock rate
  --database-url URL   audit this PostgreSQL database at the end
  --json               print the result as JSON, and nothing else, on standard output
  --help               print this`;

const KNOWN = {
  values: [
    "--file",
    "--speed",
    "--drivers",
    "--from",
    "--to",
    "--limit",
    "--seed",
    "--url",
    "--database-url",
  ],
  flags: ["--json", "--help"],
  strayHint: "a file of trips is given with --file",
};

/** Reads the arguments after the command's name. Never throws. */
export function parseReplayOptions(argv: readonly string[]): ParsedOptions {
  const given = splitArguments(argv, KNOWN);
  if ("error" in given) return { kind: "error", error: given.error };
  if (given.flags.has("--help")) return { kind: "help" };

  const problems: string[] = [];
  const read = <Value>(
    option: string,
    must: string,
    parse: (text: string) => Value | undefined,
  ): Value | undefined => {
    const text = given.values.get(option)?.[0];
    if (text === undefined) return undefined;
    const value = parse(text);
    if (value === undefined) problems.push(`${option} must be ${must}, not "${text}"`);
    return value;
  };
  const options: ReplayOptions = {
    file: given.values.get("--file")?.[0],
    speed: read("--speed", "a number above 0, up to 100000", positiveNumber(100_000)),
    drivers: read("--drivers", "a whole number from 1 to 10000", wholeNumber(1, 10_000)) ?? 300,
    window: {
      fromSecond: read("--from", "a time from 00:00 to 23:59", timeBefore(SECONDS_PER_DAY)) ?? 0,
      toSecond:
        read("--to", "a time from 00:00 to 24:00", timeBefore(SECONDS_PER_DAY + 1)) ??
        SECONDS_PER_DAY,
    },
    limit: read("--limit", "a whole number above 0", wholeNumber(1, Number.MAX_SAFE_INTEGER)),
    seed: read("--seed", "a whole number from 0 to 4294967295", wholeNumber(0, 2 ** 32 - 1)) ?? 1,
    url: read("--url", "an http or https address", httpUrl),
    databaseUrl: given.values.get("--database-url")?.[0],
    json: given.flags.has("--json"),
  };
  // Not by `read`: the address may hold a password, which has no place in an error.
  if (options.databaseUrl !== undefined && !isPostgresUrl(options.databaseUrl)) {
    problems.push("--database-url must be an address that begins with postgres://");
  }
  if (problems.length === 0 && options.window.fromSecond === options.window.toSecond) {
    problems.push("--from and --to must differ; leave both out for the whole day");
  }
  return problems.length > 0 ? { kind: "error", error: problems[0]! } : { kind: "run", options };
}

/** Why a remote whose domain clock runs at `remoteRate` cannot be played at this speed, if so. */
export function speedConflict(speed: number | undefined, remoteRate: number): string | undefined {
  if (speed === undefined || Math.abs(speed - remoteRate) <= 1e-9 * remoteRate) return undefined;
  return `--speed ${speed} cannot be had: the clock at --url runs at ${remoteRate}; leave --speed out`;
}

function positiveNumber(high: number): (text: string) => number | undefined {
  return (text) => {
    const value = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
    return value > 0 && value <= high ? value : undefined;
  };
}

function timeBefore(endSecond: number): (text: string) => number | undefined {
  return (text) => {
    const match = /^(\d{1,2}):([0-5]\d)$/.exec(text);
    const second = match === null ? NaN : Number(match[1]) * 3600 + Number(match[2]) * 60;
    return second < endSecond ? second : undefined;
  };
}

function httpUrl(text: string): string | undefined {
  const isHttp = URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol);
  return isHttp ? text.replace(/\/+$/, "") : undefined;
}

function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\/./.test(text);
}
