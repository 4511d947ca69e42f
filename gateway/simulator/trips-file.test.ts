import { expect } from "chai";
import fc from "fast-check";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SAMPLE_TRIPS_FILE, ZONES_FILE } from "./data-files.js";
import type { Zone } from "./geometry.js";
import { InputError } from "./input-error.js";
import { readTrips, TRIP_COLUMNS } from "./trips-file.js";
import { readZones } from "./zones-file.js";

type Cells = Partial<Record<(typeof TRIP_COLUMNS)[number], string>>;

/** A row that can be played, with other values where they are given. */
const row = (cells: Cells = {}): string => {
  const whole: Cells = {
    trip_id: "17",
    color: "yellow",
    pickup_at: "2019-03-01 08:00:00",
    dropoff_at: "2019-03-01 08:10:00",
    passengers: "1",
    distance_mi: "2.0",
    rate_code: "1",
    pickup_zone_id: "1",
    dropoff_zone_id: "2",
    payment_type: "1",
    fare: "9.5",
    extra: "0.5",
    mta_tax: "0.5",
    tip: "2.0",
    tolls: "0.0",
    improvement_surcharge: "0.3",
    congestion_surcharge: "2.5",
    total: "15.3",
    ...cells,
  };
  return TRIP_COLUMNS.map((column) => whole[column]).join(",");
};

describe("trips file", () => {
  let folder: string;
  let zones: Map<number, Zone>;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ridemesh-trips-"));
    zones = await readZones(ZONES_FILE);
  });
  after(() => rm(folder, { recursive: true }));

  const readText = async (text: string) => {
    const path = join(folder, "trips.csv");
    await writeFile(path, text);
    return readTrips(path, zones);
  };
  const readRows = (...rows: string[]) => readText([TRIP_COLUMNS.join(","), ...rows].join("\n"));

  it("gives a playable row as a trip, in meters, seconds and cents", async () => {
    const { trips, bad, skipped, rowsRead } = await readRows(row());
    expect({ bad, skipped, rowsRead }).to.deep.equal({ bad: [], skipped: [], rowsRead: 1 });
    expect(trips).to.deep.equal([
      {
        line: 2,
        tripId: "17",
        color: "yellow",
        pickupSecondOfDay: 8 * 3600,
        pickupDate: "2019-03-01",
        durationSeconds: 600,
        distanceMeters: 3218.688,
        pickupZoneId: 1,
        dropoffZoneId: 2,
        fareMinor: 950n,
        rateCode: 1,
        passengers: 1,
      },
    ]);
  });

  const playable: [name: string, cells: Cells][] = [
    ["a negative fare", { fare: "-4.5" }],
    ["no fare", { fare: "0" }],
    ["a trip id that is a word, or blank", { trip_id: "" }],
    ["blanks where a value only describes", { passengers: "", rate_code: "", total: "NaN" }],
    ["no congestion surcharge", { congestion_surcharge: "" }],
    ["a zone id written as a decimal", { pickup_zone_id: "132.0" }],
    ["the same zone twice", { pickup_zone_id: "7", dropoff_zone_id: "7" }],
    ["3 h sharp", { dropoff_at: "2019-03-01 11:00:00" }],
    ["150 km/h sharp", { distance_mi: String(25 / 1.609344) }],
    [
      "midnight on the way",
      { pickup_at: "2019-03-01 23:55:00", dropoff_at: "2019-03-02 00:05:00" },
    ],
    ["one second", { dropoff_at: "2019-03-01 08:00:01", distance_mi: "0.01" }],
    ["an unknown rate code", { rate_code: "99" }],
  ];
  for (const [name, cells] of playable) {
    it(`plays a row with ${name}`, async () => {
      const { trips, bad, skipped } = await readRows(row(cells));
      expect([...bad, ...skipped]).to.deep.equal([]);
      expect(trips).to.have.length(1);
    });
  }

  const badRows: [cells: Cells, reason: string][] = [
    [{ pickup_at: "" }, 'pickup_at is not a local time: ""'],
    [{ pickup_at: "2019-02-30 08:00:00" }, 'pickup_at is not a local time: "2019-02-30 08:00:00"'],
    [{ dropoff_at: "soon" }, 'dropoff_at is not a local time: "soon"'],
    [{ distance_mi: "NaN" }, 'distance_mi is not a number: "NaN"'],
    [{ distance_mi: "Infinity" }, 'distance_mi is not a number: "Infinity"'],
    [{ distance_mi: "" }, 'distance_mi is not a number: ""'],
    [{ fare: "free" }, 'fare is not a number: "free"'],
    [{ fare: "" }, 'fare is not a number: ""'],
    [{ fare: "1e300" }, 'fare is not a number: "1e300"'],
    [{ pickup_zone_id: "N/A" }, 'pickup_zone_id is not a number: "N/A"'],
    [{ dropoff_zone_id: "" }, 'dropoff_zone_id is not a number: ""'],
    [{ passengers: "two" }, 'passengers is not a number: "two"'],
    [{ tip: "x".repeat(60) }, `tip is not a number: "${"x".repeat(39)}…"`],
    [{ pickup_zone_id: "264" }, "unknown zone 264 in pickup_zone_id"],
    [{ dropoff_zone_id: "265" }, "unknown zone 265 in dropoff_zone_id"],
    [{ dropoff_zone_id: "7.5" }, "unknown zone 7.5 in dropoff_zone_id"],
    [{ dropoff_zone_id: "-1" }, "unknown zone -1 in dropoff_zone_id"],
    [{ dropoff_at: "2019-03-01 08:00:00" }, "the dropoff is not after the pickup"],
    [{ dropoff_at: "2019-03-01 07:59:59" }, "the dropoff is not after the pickup"],
    [
      { dropoff_at: "2019-03-01 08:00:00", distance_mi: "0" },
      "the dropoff is not after the pickup",
    ],
    [{ pickup_zone_id: "264", distance_mi: "0" }, "unknown zone 264 in pickup_zone_id"],
  ];
  for (const [cells, reason] of badRows) {
    it(`calls a row bad: ${reason}, given ${JSON.stringify(cells)}`, async () => {
      const file = await readRows(row(), row(cells), row());
      expect(file.bad).to.deep.equal([{ line: 3, reason }]);
      expect(file.skipped).to.deep.equal([]);
      expect(file.trips.map(({ line }) => line)).to.deep.equal([2, 4]);
    });
  }

  const skippedRows: [cells: Cells, reason: string][] = [
    [{ distance_mi: "0" }, "the distance is 0"],
    [{ distance_mi: "-0.0" }, "the distance is 0"],
    [{ distance_mi: "-2" }, "the distance is negative"],
    [{ dropoff_at: "2019-03-01 11:00:01" }, "it took 3.0 h, over 3 h"],
    [{ dropoff_at: "2019-03-02 07:30:00" }, "it took 23.5 h, over 3 h"],
    [{ distance_mi: "20" }, "193 km/h, over 150 km/h"],
  ];
  for (const [cells, reason] of skippedRows) {
    it(`skips a row: ${reason}, given ${JSON.stringify(cells)}`, async () => {
      const file = await readRows(row(), row(cells));
      expect(file.skipped).to.deep.equal([{ line: 3, reason }]);
      expect(file.bad).to.deep.equal([]);
      expect(file.trips.map(({ line }) => line)).to.deep.equal([2]);
    });
  }

  it("calls a damaged row bad and goes on", async () => {
    const { trips, bad, rowsRead } = await readRows("1,2,3", row(), `"${row()}`, row());
    expect(bad).to.deep.equal([
      { line: 2, reason: "3 fields where the header has 18" },
      { line: 4, reason: "a quote is never closed" },
    ]);
    expect(trips).to.have.length(2);
    expect(rowsRead).to.equal(4);
  });

  it("calls a header in the middle bad, as files that were joined have it", async () => {
    const { bad, trips } = await readRows(row(), TRIP_COLUMNS.join(","), row());
    expect(bad.map(({ line }) => line)).to.deep.equal([3]);
    expect(trips).to.have.length(2);
  });

  it("keeps trips of the same id", async () => {
    const { trips } = await readRows(row(), row(), row());
    expect(trips.map(({ line }) => line)).to.deep.equal([2, 3, 4]);
  });

  it("reads other orders of columns, additional ones, CRLF, quotes and a byte order mark", async () => {
    const order = TRIP_COLUMNS.toReversed();
    const cells = row().split(",").toReversed();
    const text = [
      ["note", ...order],
      ["a, b", ...cells],
    ].map((line) => line.map((cell) => `"${cell}"`).join(","));
    const { trips } = await readText(`\uFEFF${text.join("\r\n")}\r\n`);
    expect(trips).to.deep.equal((await readRows(row())).trips);
  });

  it("counts every row once, whatever the rows hold", async () => {
    const cell = fc.oneof(
      fc.constantFrom("", "0", "-1", "2.5", "132", "264", "NaN", "1e99", "x,y", '"x,y"', "é"),
      fc.constantFrom("2019-03-01 08:00:00", "2019-03-01 08:20:00", "2019-03-02 08:00:00"),
    );
    const cells = fc.record(
      Object.fromEntries(TRIP_COLUMNS.map((column) => [column, cell])) as Record<
        string,
        typeof cell
      >,
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(cells, { minLength: 1, maxLength: 8 }), async (rows) => {
        const { trips, bad, skipped, rowsRead } = await readRows(...rows.map((each) => row(each)));
        const lines = [...trips, ...bad, ...skipped].map(({ line }) => line).sort((a, b) => a - b);
        expect(rowsRead).to.equal(rows.length);
        expect(lines).to.deep.equal(rows.map((_, index) => index + 2));
      }),
      { numRuns: 150 },
    );
  });

  for (const column of TRIP_COLUMNS) {
    it(`is refused without its column ${column}`, async () => {
      const header = TRIP_COLUMNS.filter((each) => each !== column).join(",");
      const error = await readText(`${header}\n${row()}\n`).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(InputError);
      expect((error as InputError).message).to.match(
        new RegExp(`^trips.csv has no column "${column}"; it has: `),
      );
    });
  }

  it("is refused when it is empty, or has a header only", async () => {
    const problem = (text: string) =>
      readText(text).then(
        () => "none",
        (error: unknown) => (error instanceof InputError ? error.message : "another error"),
      );
    expect(await problem("")).to.equal("trips.csv is empty");
    expect(await problem(`${TRIP_COLUMNS.join(",")}\n`)).to.equal(
      "trips.csv has no rows below its header",
    );
  });

  it("comes with a sample that can be played whole, with trips of every hour", async () => {
    const { trips, bad, skipped } = await readTrips(SAMPLE_TRIPS_FILE, zones);
    expect([...bad, ...skipped]).to.deep.equal([]);
    expect(trips).to.have.length(300);
    const hours = new Set(trips.map((trip) => Math.floor(trip.pickupSecondOfDay / 3600)));
    expect(hours.size).to.equal(24);
    const header = (await readFile(SAMPLE_TRIPS_FILE, "utf8")).split("\n")[0];
    expect(header).to.equal(TRIP_COLUMNS.join(","));
  });
});
