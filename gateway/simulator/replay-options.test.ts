import { expect } from "chai";
import fc from "fast-check";
import { parseReplayOptions, REPLAY_HELP, speedConflict } from "./replay-options.js";

const parse = (line: string) => parseReplayOptions(line === "" ? [] : line.split(" "));
const options = (line: string) => {
  const parsed = parse(line);
  if (parsed.kind !== "run") throw new Error(JSON.stringify(parsed));
  return parsed.options;
};
const problem = (line: string) => {
  const parsed = parse(line);
  return parsed.kind === "error" ? parsed.error : "none";
};

describe("options of the replay", () => {
  it("have defaults: the sample, the whole day, 300 drivers, seed 1", () => {
    expect(options("")).to.deep.equal({
      file: undefined,
      speed: undefined,
      drivers: 300,
      window: { fromSecond: 0, toSecond: 86_400 },
      limit: undefined,
      seed: 1,
      url: undefined,
      databaseUrl: undefined,
      json: false,
    });
  });

  it("are all read, with a blank or a sign of equality", () => {
    const line =
      "--file trips.csv --speed=87.5 --drivers 50 --from 17:00 --to=18:30 --limit 10 --seed 0" +
      " --url http://127.0.0.1:8080/ --database-url postgres://u:p@127.0.0.1/db --json";
    expect(options(line)).to.deep.equal({
      file: "trips.csv",
      speed: 87.5,
      drivers: 50,
      window: { fromSecond: 61_200, toSecond: 66_600 },
      limit: 10,
      seed: 0,
      url: "http://127.0.0.1:8080",
      databaseUrl: "postgres://u:p@127.0.0.1/db",
      json: true,
    });
  });

  const windows: [line: string, fromSecond: number, toSecond: number][] = [
    ["--from 22:00", 79_200, 86_400],
    ["--to 07:30", 0, 27_000],
    ["--from 22:00 --to 02:00", 79_200, 7_200],
    ["--from 22:00 --to 00:00", 79_200, 0],
    ["--from 0:00 --to 24:00", 0, 86_400],
    ["--from 9:05 --to 9:06", 32_700, 32_760],
  ];
  for (const [line, fromSecond, toSecond] of windows) {
    it(`take the window of ${line}`, () => {
      expect(options(line).window).to.deep.equal({ fromSecond, toSecond });
    });
  }

  const refused: [line: string, error: string][] = [
    ["--from 08:00 --to 08:00", "--from and --to must differ; leave both out for the whole day"],
    ["--to 00:00", "--from and --to must differ; leave both out for the whole day"],
    ["--from 24:00", '--from must be a time from 00:00 to 23:59, not "24:00"'],
    ["--to 24:01", '--to must be a time from 00:00 to 24:00, not "24:01"'],
    ["--from 8:60", '--from must be a time from 00:00 to 23:59, not "8:60"'],
    ["--from 8", '--from must be a time from 00:00 to 23:59, not "8"'],
    ["--speed 0", '--speed must be a number above 0, up to 100000, not "0"'],
    ["--speed -5", '--speed must be a number above 0, up to 100000, not "-5"'],
    ["--speed fast", '--speed must be a number above 0, up to 100000, not "fast"'],
    ["--speed 1e9", '--speed must be a number above 0, up to 100000, not "1e9"'],
    ["--drivers 0", '--drivers must be a whole number from 1 to 10000, not "0"'],
    ["--drivers 1.5", '--drivers must be a whole number from 1 to 10000, not "1.5"'],
    ["--drivers 10001", '--drivers must be a whole number from 1 to 10000, not "10001"'],
    ["--limit 0", '--limit must be a whole number above 0, not "0"'],
    ["--limit NaN", '--limit must be a whole number above 0, not "NaN"'],
    ["--seed -1", '--seed must be a whole number from 0 to 4294967295, not "-1"'],
    ["--seed 4294967296", '--seed must be a whole number from 0 to 4294967295, not "4294967296"'],
    ["--url localhost:8080", '--url must be an http or https address, not "localhost:8080"'],
    ["--url ftp://host", '--url must be an http or https address, not "ftp://host"'],
    ["--file", "--file needs a value"],
    ["--file --json", "--file needs a value"],
    ["--file=", "--file needs a value"],
    ["--json=yes", "--json takes no value"],
    ["--seed 1 --seed 2", "--seed is given twice"],
    ["trips.csv", 'unexpected argument "trips.csv"; a file of trips is given with --file'],
    ["--sped 5", "unknown option --sped; did you mean --speed?"],
    ["--driver=5", "unknown option --driver; did you mean --drivers?"],
    ["--databse-url x", "unknown option --databse-url; did you mean --database-url?"],
    ["-speed 5", "unknown option -speed; did you mean --speed?"],
    ["--verbosity-of-everything", "unknown option --verbosity-of-everything; --help lists them"],
  ];
  for (const [line, error] of refused) {
    it(`refuse ${line}`, () => expect(problem(line)).to.equal(error));
  }

  it("do not repeat a database address, which may hold a password", () => {
    const error = problem("--database-url mysql://root:secret@host/db");
    expect(error).to.equal("--database-url must be an address that begins with postgres://");
  });

  it("say the first of several problems, on one line", () => {
    expect(problem("--speed 0 --drivers 0")).to.match(/^--speed must be/);
  });

  it("help, before anything else is looked at", () => {
    expect(parse("--help")).to.deep.equal({ kind: "help" });
    expect(parse("-h")).to.deep.equal({ kind: "help" });
    expect(parse("--speed 0 --help")).to.deep.equal({ kind: "help" });
  });

  it("are all told in the help", () => {
    const told = REPLAY_HELP.match(/^ {2}--[a-z-]+/gm)!.map((option) => option.trim());
    expect(told.sort()).to.deep.equal(
      [
        "--file",
        "--speed",
        "--drivers",
        "--from",
        "--to",
        "--limit",
        "--seed",
        "--url",
        "--database-url",
        "--json",
        "--help",
      ].sort(),
    );
  });

  it("never throw, and say what is wrong on one line", () => {
    const word = fc.oneof(
      fc.constantFrom("--file", "--seed", "--from", "--json", "--seed=", "-", "--", "-x", "12:00"),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(word), (argv) => {
        const parsed = parseReplayOptions(argv);
        if (parsed.kind === "error") expect(parsed.error).to.be.a("string").and.not.equal("");
      }),
    );
  });
});

describe("a speed that is asked for", () => {
  it("conflicts with a remote that runs at another one", () => {
    expect(speedConflict(undefined, 60)).to.equal(undefined);
    expect(speedConflict(60, 60)).to.equal(undefined);
    expect(speedConflict(0.1 + 0.2, 0.3)).to.equal(undefined);
    expect(speedConflict(175, 1)).to.equal(
      "--speed 175 cannot be had: the clock at --url runs at 1; leave --speed out",
    );
  });
});
