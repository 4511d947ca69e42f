import { expect } from "chai";
import fc from "fast-check";
import {
  buildResult,
  formatJson,
  formatTable,
  median,
  percentiles,
  type Outcome,
  type ReplayObservations,
  type RideObservation,
} from "./report.js";

const ride = (given: Partial<RideObservation> = {}): RideObservation => ({
  outcome: { kind: "completed" },
  movedDropoff: false,
  meterFareMinor: 1_000n,
  ...given,
});

const seen = (given: Partial<ReplayObservations> = {}): ReplayObservations => ({
  rides: [],
  rows: { read: 0, bad: [], skipped: [] },
  leftOutRows: 0,
  wallSeconds: 10,
  speed: 60,
  audit: null,
  events: null,
  peakRssBytes: null,
  cpuSeconds: {},
  unexpectedAnswers: {},
  ...given,
});

describe("percentiles", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  const known: [name: string, values: number[], expected: (number | null)[]][] = [
    ["none", [], [null, null, null]],
    ["one value", [7], [7, 7, 7]],
    ["two values", [3, 1], [1, 3, 3]],
    ["1 to 100", hundred, [50, 95, 99]],
    ["1 to 101", [...hundred, 101], [51, 96, 100]],
    ["ties", [5, 5, 5, 9], [5, 9, 9]],
    ["tenths", [0.14, 0.16], [0.1, 0.2, 0.2]],
  ];
  for (const [name, values, [p50, p95, p99]] of known) {
    it(`are exact, by nearest rank: ${name}`, () => {
      expect(percentiles(values)).to.deep.equal({ p50, p95, p99 });
    });
  }

  it("are values that so many percent do not exceed, and fewer would not do", () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const share = (limit: number) => values.filter((value) => value <= limit).length;
        for (const [name, value] of Object.entries(percentiles(values)) as [string, number][]) {
          const wanted = (Number(name.slice(1)) / 100) * values.length;
          expect(values).to.include(value);
          expect(share(value)).to.be.at.least(wanted);
          const below = values.filter((other) => other < value);
          if (below.length > 0) expect(share(Math.max(...below))).to.be.below(wanted);
        }
      }),
    );
  });

  it("leave the values in their order", () => {
    const values = [3, 1, 2];
    percentiles(values);
    median(values);
    expect(values).to.deep.equal([3, 1, 2]);
  });
});

describe("result of a replay", () => {
  it("has the keys that are promised", () => {
    expect(Object.keys(buildResult(seen()))).to.include.ordered.members([
      "trips_requested",
      "trips_completed",
      "trips_cancelled",
      "trips_expired",
      "trips_stuck",
      "double_assignments",
      "ledger_imbalance_minor",
      "first_offer_ms",
      "accept_ms",
      "wait_seconds",
      "pickup_distance_meters",
      "upfront_kept_percent",
      "fare_error_median_percent",
      "events_per_second",
      "peak_rss_bytes",
      "cpu_seconds",
      "bad_rows",
      "skipped_rows",
      "moved_dropoffs",
      "wall_seconds",
      "speed",
    ]);
  });

  it("counts every requested trip under one outcome", () => {
    const outcome = fc.oneof(
      fc.constant<Outcome>({ kind: "completed" }),
      fc.constant<Outcome>({ kind: "cancelled" }),
      fc.constantFrom("NO_DRIVERS", "NOBODY_ACCEPTED").map<Outcome>((reason) => ({
        kind: "expired",
        reason,
      })),
      fc.constant<Outcome>({ kind: "stuck", reason: "MATCHING" }),
    );
    fc.assert(
      fc.property(fc.array(outcome), (outcomes) => {
        const result = buildResult(
          seen({ rides: outcomes.map((each) => ride({ outcome: each })) }),
        );
        const expired = Object.values(result.trips_expired).reduce((sum, count) => sum + count, 0);
        expect(result.trips_requested).to.equal(outcomes.length);
        expect(
          result.trips_completed + result.trips_cancelled + expired + result.trips_stuck,
        ).to.equal(result.trips_requested);
      }),
    );
  });

  it("tells expired and stuck trips by reason", () => {
    const reasons: Outcome[] = [
      { kind: "expired", reason: "NO_DRIVERS" },
      { kind: "expired", reason: "NO_DRIVERS" },
      { kind: "expired", reason: "NOBODY_ACCEPTED" },
      { kind: "stuck", reason: "TRIP_STARTED" },
    ];
    const result = buildResult(seen({ rides: reasons.map((outcome) => ride({ outcome })) }));
    expect(result.trips_expired).to.deep.equal({ NO_DRIVERS: 2, NOBODY_ACCEPTED: 1 });
    expect(result.trips_stuck).to.equal(1);
    expect(result.stuck_reasons).to.deep.equal({ TRIP_STARTED: 1 });
  });

  it("says null, not 0, of what was not measured", () => {
    const result = buildResult(seen({ rides: [ride()] }));
    const nothing = { p50: null, p95: null, p99: null };
    expect(result).to.deep.include({
      double_assignments: null,
      ledger_imbalance_minor: null,
      first_offer_ms: nothing,
      accept_ms: nothing,
      wait_seconds: nothing,
      pickup_distance_meters: nothing,
      upfront_kept_percent: null,
      fare_error_median_percent: null,
      events_per_second: null,
      peak_rss_bytes: null,
      cpu_seconds: {},
      trips_expired: {},
    });
  });

  it("gives the audit's findings, a balanced ledger as 0", () => {
    const audit = { doubleAssignments: 0, ledgerImbalanceMinor: { USD: 0n, EUR: -12n } };
    const result = buildResult(seen({ audit }));
    expect(result.double_assignments).to.equal(0);
    expect(result.ledger_imbalance_minor).to.deep.equal({ USD: 0, EUR: -12 });
  });

  it("takes the median of the fare errors, of fares above 0 only", () => {
    const rides = [
      ride({ meterFareMinor: 1_000n, finalFareMinor: 1_100n }),
      ride({ meterFareMinor: 1_000n, finalFareMinor: 970n }),
      ride({ meterFareMinor: 2_000n, finalFareMinor: 2_000n }),
      ride({ meterFareMinor: 0n, finalFareMinor: 900n }),
      ride({ meterFareMinor: -500n, finalFareMinor: 900n }),
      ride({ meterFareMinor: 1_000n }),
    ];
    expect(buildResult(seen({ rides })).fare_error_median_percent).to.equal(3);
    expect(buildResult(seen({ rides: rides.slice(0, 2) })).fare_error_median_percent).to.equal(6.5);
    expect(buildResult(seen({ rides: rides.slice(3) })).fare_error_median_percent).to.equal(null);
  });

  it("counts kept upfront prices among the rides that had one", () => {
    const rides = [true, true, false].map((upfrontKept) => ride({ upfrontKept }));
    expect(buildResult(seen({ rides: [...rides, ride()] })).upfront_kept_percent).to.equal(66.67);
  });

  it("counts rows, moved dropoffs and events", () => {
    const result = buildResult(
      seen({
        rides: [ride({ movedDropoff: true }), ride(), ride({ movedDropoff: true })],
        rows: {
          read: 7,
          bad: [{ line: 3, reason: "unknown zone 264 in pickup_zone_id" }],
          skipped: [{ line: 5, reason: "the distance is 0" }],
        },
        leftOutRows: 2,
        events: 55,
        unexpectedAnswers: { "429 TripService.CreateTrip": 2 },
      }),
    );
    expect(result).to.include({
      bad_rows: 1,
      skipped_rows: 1,
      rows_read: 7,
      left_out_rows: 2,
      moved_dropoffs: 2,
      events_per_second: 5.5,
    });
    expect(result.unexpected_answers).to.deep.equal({ "429 TripService.CreateTrip": 2 });
    const { trips_requested, bad_rows, skipped_rows, left_out_rows } = result;
    expect(trips_requested + bad_rows + skipped_rows + left_out_rows).to.equal(result.rows_read);
  });

  it("measures what was reached, also of rides that did not end well", () => {
    const result = buildResult(
      seen({
        rides: [
          ride({ firstOfferMs: 12, acceptMs: 3, waitSeconds: 240, pickupDistanceMeters: 900 }),
          ride({ firstOfferMs: 0, outcome: { kind: "cancelled" } }),
        ],
      }),
    );
    expect(result.first_offer_ms).to.deep.equal({ p50: 0, p95: 12, p99: 12 });
    expect(result.accept_ms.p50).to.equal(3);
    expect(result.wait_seconds.p50).to.equal(240);
    expect(result.pickup_distance_meters.p50).to.equal(900);
  });
});

describe("printed result", () => {
  const bad = [{ line: 9, reason: "the dropoff is not after the pickup" }];
  const skipped = [{ line: 4, reason: "the distance is 0" }];
  const result = buildResult(
    seen({
      rides: [
        ride({ firstOfferMs: 5 }),
        ride({ outcome: { kind: "expired", reason: "NO_DRIVERS" } }),
      ],
      rows: { read: 4, bad, skipped },
      audit: { doubleAssignments: 0, ledgerImbalanceMinor: { USD: 0n } },
      cpuSeconds: { platform: 12.345 },
    }),
  );

  it("is one JSON object on one line, equal to the result", () => {
    const text = formatJson(result);
    expect(text).not.to.contain("\n");
    expect(JSON.parse(text)).to.deep.equal(result);
    expect(result.bad_row_list).to.deep.equal(bad);
  });

  it("is a table with a line for each figure, and the rows that were not played in order", () => {
    const expected = [
      "trips_requested            2",
      "trips_expired              NO_DRIVERS 1",
      "ledger_imbalance_minor     USD 0",
      "first_offer_ms             p50 5, p95 5, p99 5",
      "accept_ms                  p50 unknown, p95 unknown, p99 unknown",
      "upfront_kept_percent       unknown",
      "cpu_seconds                platform 12.35",
      "unexpected_answers         none",
      "rows not played:",
      "  line 4       skipped  the distance is 0",
      "  line 9       bad      the dropoff is not after the pickup",
    ];
    const lines = formatTable(result).split("\n");
    expect(lines.filter((line) => expected.includes(line))).to.deep.equal(expected);
    for (const name of Object.keys(result).filter((key) => !key.endsWith("_list"))) {
      expect(lines.filter((line) => line.startsWith(`${name} `))).to.have.length(1);
    }
  });

  it("cuts a long list of rows, and says so", () => {
    const many = Array.from({ length: 250 }, (_, index) => ({ line: index + 2, reason: "x" }));
    const long = buildResult(seen({ rows: { read: 250, bad: many, skipped: [] } }));
    expect(formatTable(long)).to.match(/\n {2}and 50 more; --json lists all$/);
    expect(JSON.parse(formatJson(long))).to.deep.equal(long);
    expect(long.bad_row_list).to.have.length(250);
  });
});
