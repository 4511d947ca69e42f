import { expect } from "chai";
import fc from "fast-check";
import { FareBasis, FareLineKind, type Fare } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import { fareOf, isWithinTolerance, upfrontFare, waitFee, type Ride } from "./fare.js";
import { usualCancellation, type Tariff } from "./tariff.js";

const square = (lat: number, lng: number) => [
  { lat, lng },
  { lat: lat + 0.1, lng },
  { lat: lat + 0.1, lng: lng + 0.1 },
  { lat, lng: lng + 0.1 },
];

const tariff: Tariff = {
  currencyCode: "USD",
  baseMinor: 250,
  perKmMilli: 100_000,
  perMinuteMilli: 30_000,
  bookingFeeMinor: 0,
  minimumMinor: 0,
  freeWaitSeconds: 180,
  waitPerMinuteMilli: 50_000,
  hourly: [
    {
      kind: "night",
      amountMinor: 50,
      fromMinute: 1200,
      toMinute: 360,
      weekdays: [0, 1, 2, 3, 4, 5, 6],
    },
    { kind: "peak", amountMinor: 100, fromMinute: 960, toMinute: 1200, weekdays: [1, 2, 3, 4, 5] },
  ],
  areas: [
    { name: "airport", polygon: square(40, -74) },
    { name: "center", polygon: square(41, -74) },
  ],
  fixed: [{ between: ["airport", "center"], amountMinor: 5200 }],
  zones: [{ area: "center", amountMinor: 275 }],
  tax: { kind: "flat", amountMinor: 80 },
  cancellation: usualCancellation,
};

/** Friday noon in New York. */
const ride: Ride = {
  distanceMeters: 5000,
  durationSeconds: 600,
  waitSeconds: 0,
  startTime: new Date("2019-03-01T17:00:00Z"),
  timeZone: "America/New_York",
  surgeMultiplier: 1,
};
const airport = { lat: 40.05, lng: -73.95 };
const center = { lat: 41.05, lng: -73.95 };
const elsewhere = { lat: 42, lng: -73.95 };

/** "BASE 250 + DISTANCE 500 = 750" */
function told(fare: Fare): string {
  const lines = fare.lines.map((line) => `${FareLineKind[line.kind]} ${line.amountMinor}`);
  return `${lines.join(" + ")} = ${fare.total!.amountMinor} ${fare.total!.currencyCode}`;
}

const priced = (changes: { tariff?: Partial<Tariff>; ride?: Partial<Ride> }) =>
  told(fareOf({ ...tariff, ...changes.tariff }, { ...ride, ...changes.ride }, FareBasis.ESTIMATE));

describe("a fare", () => {
  const table: [string, { tariff?: Partial<Tariff>; ride?: Partial<Ride> }, string][] = [
    [
      "is base, distance, time and tax",
      {},
      "BASE 250 + DISTANCE 500 + TIME 300 + TAX 80 = 1130 USD",
    ],
    [
      "rounds each line half up",
      { ride: { distanceMeters: 1005, durationSeconds: 1 } },
      "BASE 250 + DISTANCE 101 + TIME 1 + TAX 80 = 432 USD",
    ],
    [
      "takes rates of a fraction of a cent",
      { tariff: { perKmMilli: 96_512 }, ride: { distanceMeters: 10_000 } },
      "BASE 250 + DISTANCE 965 + TIME 300 + TAX 80 = 1595 USD",
    ],
    [
      "is at least the minimum, before fees",
      {
        tariff: { minimumMinor: 800, bookingFeeMinor: 100 },
        ride: { distanceMeters: 100, durationSeconds: 60 },
      },
      "BASE 250 + DISTANCE 10 + TIME 30 + MINIMUM 510 + BOOKING 100 + TAX 80 = 980 USD",
    ],
    [
      "is not raised when it is the minimum exactly",
      { tariff: { minimumMinor: 1050 } },
      "BASE 250 + DISTANCE 500 + TIME 300 + TAX 80 = 1130 USD",
    ],
    [
      "multiplies base, distance and time by surge, not fees",
      { tariff: { bookingFeeMinor: 100 }, ride: { surgeMultiplier: 1.9 } },
      "BASE 250 + DISTANCE 500 + TIME 300 + SURGE 945 + BOOKING 100 + TAX 80 = 2175 USD",
    ],
    [
      "counts surge towards the minimum",
      { tariff: { minimumMinor: 1600 }, ride: { surgeMultiplier: 1.5 } },
      "BASE 250 + DISTANCE 500 + TIME 300 + SURGE 525 + MINIMUM 25 + TAX 80 = 1680 USD",
    ],
    [
      "never falls by surge",
      { ride: { surgeMultiplier: 0.5 } },
      "BASE 250 + DISTANCE 500 + TIME 300 + TAX 80 = 1130 USD",
    ],
    [
      "is fixed between the airport and the center",
      { ride: { pickup: airport, dropoff: center } },
      "FIXED 5200 + ZONE 275 + TAX 80 = 5555 USD",
    ],
    [
      "is fixed the other way too, whatever the way, time and surge",
      {
        ride: { pickup: center, dropoff: airport, distanceMeters: 90_000, surgeMultiplier: 3 },
      },
      "FIXED 5200 + ZONE 275 + TAX 80 = 5555 USD",
    ],
    [
      "is metered from the airport to elsewhere",
      { ride: { pickup: airport, dropoff: elsewhere } },
      "BASE 250 + DISTANCE 500 + TIME 300 + TAX 80 = 1130 USD",
    ],
    [
      "has the zone's fee once for a ride within the zone",
      { ride: { pickup: center, dropoff: center } },
      "BASE 250 + DISTANCE 500 + TIME 300 + ZONE 275 + TAX 80 = 1405 USD",
    ],
    [
      "has the zone's fee for a ride that ends there",
      { ride: { pickup: elsewhere, dropoff: center } },
      "BASE 250 + DISTANCE 500 + TIME 300 + ZONE 275 + TAX 80 = 1405 USD",
    ],
    [
      "taxes a percentage of everything but zone fees",
      {
        tariff: { tax: { kind: "percent", basisPoints: 887 }, bookingFeeMinor: 100 },
        ride: { dropoff: center },
      },
      // 8.87 % of 1150 is 102.005.
      "BASE 250 + DISTANCE 500 + TIME 300 + BOOKING 100 + ZONE 275 + TAX 102 = 1527 USD",
    ],
    [
      "has a line for the base alone when nothing was driven",
      {
        tariff: { tax: { kind: "flat", amountMinor: 0 } },
        ride: { distanceMeters: 0, durationSeconds: 0 },
      },
      "BASE 250 = 250 USD",
    ],
    [
      "charges the wait beyond three minutes",
      { ride: { waitSeconds: 270 } },
      "BASE 250 + DISTANCE 500 + TIME 300 + WAIT 75 + TAX 80 = 1205 USD",
    ],
  ];
  for (const [title, changes, expected] of table) {
    it(title, () => {
      expect(priced(changes)).to.equal(expected);
    });
  }

  const hours: [string, string, string][] = [
    ["Friday 15:59", "2019-03-01T20:59:59Z", ""],
    ["Friday 16:00", "2019-03-01T21:00:00Z", "PEAK 100"],
    ["Friday 19:59", "2019-03-02T00:59:59Z", "PEAK 100"],
    ["Friday 20:00", "2019-03-02T01:00:00Z", "NIGHT 50"],
    ["Saturday 00:00", "2019-03-02T05:00:00Z", "NIGHT 50"],
    ["Saturday 05:59", "2019-03-02T10:59:59Z", "NIGHT 50"],
    ["Saturday 06:00", "2019-03-02T11:00:00Z", ""],
    ["Saturday 17:00", "2019-03-02T22:00:00Z", ""],
    ["Sunday 01:59, before the clock is put forward", "2019-03-10T06:59:00Z", "NIGHT 50"],
    [
      "Sunday 06:00 of summer time, an hour earlier than the day before",
      "2019-03-10T10:00:00Z",
      "",
    ],
    ["Sunday 05:59 of standard time", "2019-11-03T10:59:00Z", "NIGHT 50"],
    ["Sunday 06:00 of standard time", "2019-11-03T11:00:00Z", ""],
    ["Monday 16:00 of summer time", "2019-03-11T20:00:00Z", "PEAK 100"],
    ["Monday 15:59 of summer time", "2019-03-11T19:59:00Z", ""],
  ];
  for (const [title, iso, expected] of hours) {
    it(`has ${expected || "no surcharge"} on ${title}`, () => {
      const fare = fareOf(tariff, { ...ride, startTime: new Date(iso) }, FareBasis.ESTIMATE);
      const surcharges = fare.lines
        .filter(({ kind }) => kind === FareLineKind.NIGHT || kind === FareLineKind.PEAK)
        .map(({ kind, amountMinor }) => `${FareLineKind[kind]} ${amountMinor}`);
      expect(surcharges.join(" + ")).to.equal(expected);
    });
  }

  it("says what it is for", () => {
    const { distanceMeters, durationSeconds, surgeMultiplier, basis } = fareOf(
      tariff,
      { ...ride, surgeMultiplier: 1.2 },
      FareBasis.METERED,
    );
    expect({ distanceMeters, durationSeconds, surgeMultiplier, basis }).to.deep.equal({
      distanceMeters: 5000,
      durationSeconds: 600,
      surgeMultiplier: 1.2,
      basis: FareBasis.METERED,
    });
  });
});

describe("waiting at the pickup", () => {
  const table: [number, number][] = [
    [0, 0],
    [180, 0],
    [180.5, 0],
    [181, 1],
    [240, 50],
    [270, 75],
    [780, 500],
  ];
  for (const [seconds, minor] of table) {
    it(`of ${seconds} s costs ${minor}`, () => {
      expect(waitFee(tariff, seconds)).to.equal(minor);
    });
  }
});

describe("the tolerance of an upfront price", () => {
  const table: [number, number, boolean][] = [
    [1000, 1500, true],
    [1000, 1500.1, false],
    [1000, 500, true],
    [1000, 499, false],
    [5000, 5500, true],
    [5000, 5501, false],
    [20_000, 22_000, true],
    [20_000, 22_001, false],
    [20_000, 18_000, true],
    [20_000, 17_999, false],
    [20_000, 20_000, true],
  ];
  for (const [quoted, measured, within] of table) {
    it(`${within ? "takes" : "does not take"} ${measured} m for the quoted ${quoted} m`, () => {
      expect(isWithinTolerance(measured, quoted)).to.equal(within);
    });
  }
});

describe("a kept upfront price", () => {
  const quoted = fareOf(tariff, { ...ride, dropoff: center }, FareBasis.ESTIMATE);

  it("is the quoted one, line by line", () => {
    const kept = upfrontFare(tariff, quoted, 180);
    expect(told(kept)).to.equal(told(quoted));
    expect(kept.basis).to.equal(FareBasis.UPFRONT);
  });

  it("has the wait on top", () => {
    expect(told(upfrontFare(tariff, quoted, 300))).to.equal(
      "BASE 250 + DISTANCE 500 + TIME 300 + ZONE 275 + WAIT 100 + TAX 80 = 1505 USD",
    );
  });

  it("taxes the wait where tax is a percentage", () => {
    const taxed: Tariff = { ...tariff, tax: { kind: "percent", basisPoints: 1000 } };
    const before = fareOf(taxed, ride, FareBasis.ESTIMATE);
    expect(told(before)).to.equal("BASE 250 + DISTANCE 500 + TIME 300 + TAX 105 = 1155 USD");
    expect(told(upfrontFare(taxed, before, 300))).to.equal(
      "BASE 250 + DISTANCE 500 + TIME 300 + WAIT 100 + TAX 115 = 1265 USD",
    );
  });
});

describe("any fare", () => {
  const amount = fc.integer({ min: 0, max: 100_000 });
  const rate = fc.integer({ min: 0, max: 1_000_000 });
  const anyTariff = fc
    .record({
      baseMinor: amount,
      perKmMilli: rate,
      perMinuteMilli: rate,
      bookingFeeMinor: amount,
      minimumMinor: amount,
      waitPerMinuteMilli: rate,
      tax: fc.oneof(
        fc.record({ kind: fc.constant("flat" as const), amountMinor: amount }),
        fc.record({
          kind: fc.constant("percent" as const),
          basisPoints: fc.integer({ min: 0, max: 3000 }),
        }),
      ),
    })
    .map((changes): Tariff => ({ ...tariff, ...changes }));
  const place = fc.constantFrom(undefined, airport, center, elsewhere);
  const anyRide = fc
    .record({
      distanceMeters: fc.double({ min: 0, max: 1_000_000, noNaN: true }),
      durationSeconds: fc.double({ min: 0, max: 86_400, noNaN: true }),
      waitSeconds: fc.double({ min: 0, max: 86_400, noNaN: true }),
      startTime: fc.date({
        min: new Date("2015-01-01"),
        max: new Date("2035-01-01"),
        noInvalidDate: true,
      }),
      surgeMultiplier: fc.integer({ min: 10, max: 30 }).map((tenths) => tenths / 10),
      pickup: place,
      dropoff: place,
    })
    .map((changes): Ride => ({ ...ride, ...changes }));

  const sumOf = (fare: Fare) => fare.lines.reduce((sum, line) => sum + line.amountMinor, 0n);
  const amountOf = (fare: Fare, kind: FareLineKind) =>
    Number(fare.lines.find((line) => line.kind === kind)?.amountMinor ?? 0n);

  it("is exactly the sum of its lines, none of which is negative", () => {
    fc.assert(
      fc.property(anyTariff, anyRide, (anyone, some) => {
        const fare = fareOf(anyone, some, FareBasis.METERED);
        expect(sumOf(fare)).to.equal(fare.total!.amountMinor);
        expect(fare.lines.every((line) => line.amountMinor >= 0n)).to.equal(true);
      }),
    );
  });

  it("is exactly the sum of its lines when it is kept", () => {
    fc.assert(
      fc.property(
        anyTariff,
        anyRide,
        fc.double({ min: 0, max: 7200, noNaN: true }),
        (t, r, wait) => {
          const fare = upfrontFare(t, fareOf(t, r, FareBasis.ESTIMATE), wait);
          expect(sumOf(fare)).to.equal(fare.total!.amountMinor);
        },
      ),
    );
  });

  it("is within a minor unit a line of the formula", () => {
    fc.assert(
      fc.property(anyTariff, anyRide, (t, some) => {
        const metered = { ...some, pickup: undefined, dropoff: undefined };
        const fare = fareOf(t, metered, FareBasis.METERED);
        const { distanceMeters, durationSeconds, surgeMultiplier } = metered;
        const ridden =
          t.baseMinor +
          (distanceMeters / 1000) * (t.perKmMilli / 1000) +
          (durationSeconds / 60) * (t.perMinuteMilli / 1000);
        const expected = Math.max(t.minimumMinor, ridden * surgeMultiplier);
        const { BASE, DISTANCE, TIME, SURGE, MINIMUM } = FareLineKind;
        const found = [BASE, DISTANCE, TIME, SURGE, MINIMUM].reduce(
          (sum, kind) => sum + amountOf(fare, kind),
          0,
        );
        // Half a unit for each of distance and time, times surge, and half a unit for surge itself.
        expect(Math.abs(found - expected)).to.be.at.most(surgeMultiplier + 0.5 + 1e-6 * expected);
      }),
    );
  });

  it("does not fall when the ride is longer or takes longer", () => {
    fc.assert(
      fc.property(
        anyTariff,
        anyRide,
        fc.double({ min: 0, max: 10_000, noNaN: true }),
        (t, r, more) => {
          const total = (one: Ride) => fareOf(t, one, FareBasis.METERED).total!.amountMinor;
          const here = total(r);
          expect(total({ ...r, distanceMeters: r.distanceMeters + more }) >= here).to.equal(true);
          expect(total({ ...r, durationSeconds: r.durationSeconds + more }) >= here).to.equal(true);
        },
      ),
    );
  });
});
