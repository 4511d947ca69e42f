import { expect } from "chai";
import { parquetWriteBuffer, type ParquetWriteOptions } from "hyparquet-writer";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { SAMPLE_TRIPS_FILE, ZONES_FILE } from "./data-files.js";
import { InputError } from "./input-error.js";
import { openPublished } from "./published-trips.js";
import { readTrips, TRIP_COLUMNS } from "./trips-file.js";
import { readZones } from "./zones-file.js";

type Column = ParquetWriteOptions["columnData"][number];
type Element = NonNullable<ParquetWriteOptions["schema"]>[number];

const PICKUPS = ["2019-03-01 00:03:29", "2019-03-10 02:30:00", "2019-03-31 23:59:59"];
const DROPOFFS = ["2019-03-01 00:13:32", "2019-03-10 03:00:00", "2019-04-01 00:20:00"];

/** Microseconds since 1970 on the wall clock, as the published files hold times. */
const micros = (time: string) => BigInt(Date.parse(`${time.replace(" ", "T")}Z`)) * 1000n;

/** Three rows with the columns and types of a yellow file; the second one lacks what may lack. */
const yellowColumns = (): Column[] => [
  { name: "VendorID", data: [1n, 2n, 2n], type: "INT64" },
  { name: "tpep_pickup_datetime", data: PICKUPS.map(micros), type: "INT64" },
  { name: "tpep_dropoff_datetime", data: DROPOFFS.map(micros), type: "INT64" },
  { name: "passenger_count", data: [3, null, 1], type: "DOUBLE" },
  { name: "trip_distance", data: [2.16, 4, 0.5], type: "DOUBLE" },
  { name: "RatecodeID", data: [1, null, 5], type: "DOUBLE" },
  { name: "store_and_fwd_flag", data: ["N", null, "Y"], type: "STRING" },
  { name: "PULocationID", data: [142n, 132n, 7n], type: "INT64" },
  { name: "DOLocationID", data: [236n, 230n, 7n], type: "INT64" },
  { name: "payment_type", data: [1n, 0n, 2n], type: "INT64" },
  { name: "fare_amount", data: [10, 52, -3.5], type: "DOUBLE" },
  { name: "extra", data: [0.5, 0, 0], type: "DOUBLE" },
  { name: "mta_tax", data: [0.5, 0.5, 0.5], type: "DOUBLE" },
  { name: "tip_amount", data: [2, 0, 0], type: "DOUBLE" },
  { name: "tolls_amount", data: [0, 5.76, 0], type: "DOUBLE" },
  { name: "improvement_surcharge", data: [0.3, 0.3, 0.3], type: "DOUBLE" },
  { name: "total_amount", data: [15.8, 58.56, -2.7], type: "DOUBLE" },
  { name: "congestion_surcharge", data: [2.5, null, 0], type: "DOUBLE" },
  { name: "airport_fee", data: [null, null, null], type: "DOUBLE" },
];

const OURS = [
  TRIP_COLUMNS.join(","),
  "0,yellow,2019-03-01 00:03:29,2019-03-01 00:13:32,3,2.16,1,142,236,1,10,0.5,0.5,2,0,0.3,2.5,15.8",
  "1,yellow,2019-03-10 02:30:00,2019-03-10 03:00:00,,4,,132,230,0,52,0,0.5,0,5.76,0.3,,58.56",
  "2,yellow,2019-03-31 23:59:59,2019-04-01 00:20:00,1,0.5,5,7,7,2,-3.5,0,0.5,0,0,0.3,0,-2.7",
];

/** Writes a file with the types of the city's: local timestamps without a time zone, in microseconds. */
const parquetOf = (columns: Column[], options: Partial<ParquetWriteOptions> = {}): Buffer => {
  const schema: Element[] = [
    { name: "schema", num_children: columns.length },
    ...columns.map(({ name, type }): Element => {
      const element: Element = { name, repetition_type: "OPTIONAL" };
      if (type === "STRING") return { ...element, type: "BYTE_ARRAY", converted_type: "UTF8" };
      element.type = type as "INT64" | "DOUBLE" | "INT32";
      if (name.endsWith("_datetime")) {
        element.logical_type = { type: "TIMESTAMP", isAdjustedToUTC: false, unit: "MICROS" };
      }
      return element;
    }),
  ];
  const columnData = columns.map(({ name, data }) => ({ name, data }));
  return Buffer.from(parquetWriteBuffer({ columnData, schema, ...options }));
};

describe("published files of the city", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ridemesh-published-"));
  });
  after(() => rm(folder, { recursive: true }));

  const put = async (name: string, content: string | Buffer): Promise<string> => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  const convert = async (path: string, every = 1, firstId = 0) => {
    const { color, rows, counts } = await openPublished({ path, every, firstId });
    const lines = [TRIP_COLUMNS.join(",")];
    for await (const row of rows) lines.push(row.join(","));
    return { color, counts, lines };
  };
  const failing = async (promise: Promise<unknown>): Promise<string> => {
    const error = await promise.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(InputError);
    return (error as InputError).message;
  };

  it("are converted from Parquet, with its times, counts, amounts and blanks", async () => {
    const path = await put("yellow.parquet", parquetOf(yellowColumns()));
    const { color, counts, lines } = await convert(path);
    expect(color).to.equal("yellow");
    expect(counts).to.deep.equal({ read: 3, damaged: 0 });
    expect(lines).to.deep.equal(OURS);
  });

  it("are converted from Parquet with other compression, row groups and whole-number types", async () => {
    const zipped = parquetOf(yellowColumns(), {
      codec: "GZIP",
      compressors: { GZIP: (data) => Uint8Array.from(gzipSync(data)) },
      rowGroupSize: 2,
    });
    expect((await convert(await put("a.parquet", zipped))).lines).to.deep.equal(OURS);

    const narrow = yellowColumns().map((column): Column =>
      /LocationID|payment_type/.test(column.name)
        ? { ...column, data: Array.from(column.data as bigint[], Number), type: "INT32" }
        : column,
    );
    const path = await put("b.parquet", parquetOf(narrow, { codec: "UNCOMPRESSED" }));
    expect((await convert(path)).lines).to.deep.equal(OURS);
  });

  it("of green taxis are known by their columns", async () => {
    const green = yellowColumns().map((column) => ({
      ...column,
      name: column.name.replace("tpep_", "lpep_"),
    }));
    const { color, lines } = await convert(await put("green.parquet", parquetOf(green)));
    expect(color).to.equal("green");
    expect(lines.slice(1)).to.deep.equal(
      OURS.slice(1).map((line) => line.replace("yellow", "green")),
    );
  });

  it("are taken every so many rows, across row groups, with ids that lead back", async () => {
    const many = Array.from({ length: 50 }, (_, index) => index);
    const columns = yellowColumns().map((column) => ({
      ...column,
      data: many.map((index) =>
        column.name === "trip_distance" ? index + 0.5 : (column.data as unknown[])[index % 3],
      ),
    }));
    const file = parquetOf(columns, { rowGroupSize: 7 });
    const path = await put("many.parquet", file);
    for (const every of [1, 3, 7, 10, 49, 50, 100]) {
      const { lines, counts } = await convert(path, every, 1000);
      const cells = lines.slice(1).map((line) => line.split(","));
      const taken = many.filter((index) => index % every === 0);
      expect(cells.map(([id]) => Number(id))).to.deep.equal(taken.map((index) => 1000 + index));
      expect(cells.map((row) => Number(row[5]))).to.deep.equal(taken.map((index) => index + 0.5));
      expect(counts.read).to.equal(50);
    }
  });

  const csvHeader =
    "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID," +
    "store_and_fwd_flag,PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount," +
    "tolls_amount,improvement_surcharge,total_amount,congestion_surcharge";
  const csvRows = [
    "1,2019-03-01 00:03:29,2019-03-01 00:13:32,3,2.16,1,N,142,236,1,10,0.5,0.5,2,0,0.3,15.8,2.5",
    "2,2019-03-10 02:30:00,2019-03-10 03:00:00,,4,,,132,230,0,52,0,0.5,0,5.76,0.3,58.56,",
    "2,2019-03-31 23:59:59,2019-04-01 00:20:00,1,0.5,5,Y,7,7,2,-3.5,0,0.5,0,0,0.3,-2.7,0",
  ];

  it("are converted from CSV as before 2022", async () => {
    const path = await put("yellow.csv", [csvHeader, ...csvRows].join("\r\n"));
    const { color, counts, lines } = await convert(path);
    expect(color).to.equal("yellow");
    expect(counts).to.deep.equal({ read: 3, damaged: 0 });
    expect(lines).to.deep.equal(OURS);
    expect((await convert(path, 2)).lines).to.deep.equal([OURS[0], OURS[1], OURS[3]]);
  });

  it("of before 2019 lack the congestion surcharge, which stays blank", async () => {
    const text = [csvHeader, csvRows[0]!].map((line) => line.slice(0, line.lastIndexOf(",")));
    const { lines } = await convert(await put("old.csv", text.join("\n")));
    expect(lines[1]).to.equal(OURS[1]!.replace(",2.5,15.8", ",,15.8"));
  });

  it("keep their ids when rows are damaged, and tell how many are", async () => {
    const path = await put("damaged.csv", [csvHeader, csvRows[0], "1,2", csvRows[2]].join("\n"));
    const { lines, counts } = await convert(path);
    expect(lines).to.deep.equal([OURS[0], OURS[1], OURS[3]]);
    expect(counts).to.deep.equal({ read: 3, damaged: 1 });
  });

  it("are refused when a column lacks, when they are about other cars, or no such files", async () => {
    const lacking = yellowColumns().filter(({ name }) => name !== "PULocationID");
    const path = await put("lacking.parquet", parquetOf(lacking));
    expect(await failing(convert(path))).to.contain(
      'lacking.parquet has no column "pulocationid"; it has: vendorid',
    );
    const others = await put("fhv.csv", "dispatching_base_num,pickup_datetime\nB1,2019\n");
    expect(await failing(convert(others))).to.contain(
      "fhv.csv is no file of yellow or green taxis",
    );
    const wrong = yellowColumns().map((column): Column =>
      column.name === "extra" ? { ...column, data: ["a", "b", "c"], type: "STRING" } : column,
    );
    expect(await failing(convert(await put("wrong.parquet", parquetOf(wrong))))).to.contain(
      "wrong.parquet cannot be read as Parquet: column extra holds a string",
    );
    const whole = parquetOf(yellowColumns());
    expect(await failing(convert(await put("cut.parquet", whole.subarray(0, 900))))).to.contain(
      "cut.parquet cannot be read as Parquet",
    );
    expect(await failing(convert(await put("empty.parquet", "")))).to.equal(
      "empty.parquet is empty",
    );
    expect(await failing(convert(join(folder, "none.parquet")))).to.contain(
      "there is no such file",
    );
    expect(await failing(convert(folder))).to.contain("this is a folder");
  });
});

describe("commands for trip files", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ridemesh-commands-"));
  });
  after(() => rm(folder, { recursive: true }));

  const run = async (command: string, ...argv: string[]) => {
    const script = fileURLToPath(new URL(command, import.meta.url));
    try {
      const done = await promisify(execFile)(process.execPath, ["--import=tsx", script, ...argv]);
      return { code: 0, ...done };
    } catch (error) {
      return error as { code: number; stdout: string; stderr: string };
    }
  };

  it("convert several files into one that the replay reads", async () => {
    const yellow = join(folder, "yellow.parquet");
    const green = join(folder, "green.parquet");
    const columns = yellowColumns();
    await writeFile(yellow, parquetOf(columns));
    await writeFile(
      green,
      parquetOf(columns.map((each) => ({ ...each, name: each.name.replace("tpep_", "lpep_") }))),
    );
    const out = join(folder, "trips.csv");
    const { code, stdout, stderr } = await run(
      "convert.ts",
      "--in",
      yellow,
      "--in",
      green,
      "--out",
      out,
    );
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    expect(stdout.split("\n")).to.deep.equal([
      `${yellow}: 3 rows of yellow taxis`,
      `${green}: 3 rows of green taxis`,
      `${out}: 6 rows, of which 6 can be played; 0 bad, 0 skipped`,
      "",
    ]);
    const { trips } = await readTrips(out, await readZones(ZONES_FILE));
    expect(trips.map(({ tripId, color }) => `${tripId} ${color}`)).to.deep.equal([
      "0 yellow",
      "1 yellow",
      "2 yellow",
      "3 green",
      "4 green",
      "5 green",
    ]);
  });

  it("choose a sample, the same one each time", async () => {
    const [first, second] = [join(folder, "first.csv"), join(folder, "second.csv")];
    for (const out of [first, second]) {
      const { code } = await run(
        "sample.ts",
        "--in",
        SAMPLE_TRIPS_FILE,
        "--out",
        out,
        "--count",
        "24",
      );
      expect(code).to.equal(0);
    }
    const { trips } = await readTrips(first, await readZones(ZONES_FILE));
    expect(trips).to.have.length(24);
    expect(await readFile(first, "utf8")).to.equal(await readFile(second, "utf8"));
  });

  it("say in one line what is wrong, and fail", async () => {
    const wrong: [command: string, argv: string[], line: string][] = [
      ["convert.ts", ["--output", "x"], "unknown option --output; did you mean --out?"],
      ["convert.ts", ["--in", "x"], "--in and --out are needed; --help tells more"],
      ["sample.ts", ["--in", "none.csv"], "none.csv: there is no such file or folder"],
    ];
    for (const [command, argv, line] of wrong) {
      const { code, stdout, stderr } = await run(command, ...argv);
      expect({ code, stdout, stderr }).to.deep.equal({ code: 1, stdout: "", stderr: `${line}\n` });
    }
  });
});
