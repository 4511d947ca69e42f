import { expect } from "chai";
import { FareBasis, FareLineKind } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import type { LatLng } from "../../gen/grpc/ridemesh/type/v1/geo.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { pointInPolygon } from "../runtime/geo.js";
import { newYorkAreas } from "./areas.js";
import { defaultTariff } from "./defaults.js";
import { fareOf } from "./fare.js";
import { scaleTariff, tariffProblems, type Tariff } from "./tariff.js";

const newYork = { cityId: "new-york", currencyCode: "USD" };
const classes = [
  VehicleClass.ECONOMY,
  VehicleClass.COMFORT,
  VehicleClass.XL,
  VehicleClass.PREMIUM,
] as const;

describe("the areas of New York", () => {
  const places: [string, LatLng, string[]][] = [
    ["Times Square", { lat: 40.758, lng: -73.9855 }, ["manhattan", "manhattan-south-of-96th"]],
    ["the Battery", { lat: 40.7033, lng: -74.017 }, ["manhattan", "manhattan-south-of-96th"]],
    ["Hudson Yards", { lat: 40.7538, lng: -74.0022 }, ["manhattan", "manhattan-south-of-96th"]],
    ["Alphabet City", { lat: 40.7238, lng: -73.977 }, ["manhattan", "manhattan-south-of-96th"]],
    ["Yorkville", { lat: 40.7759, lng: -73.9465 }, ["manhattan", "manhattan-south-of-96th"]],
    [
      "Riverside at 90th Street",
      { lat: 40.7925, lng: -73.9775 },
      ["manhattan", "manhattan-south-of-96th"],
    ],
    [
      "Third Avenue at 95th Street",
      { lat: 40.7846, lng: -73.9495 },
      ["manhattan", "manhattan-south-of-96th"],
    ],
    ["Third Avenue at 98th Street", { lat: 40.788, lng: -73.948 }, ["manhattan"]],
    ["Broadway at 100th Street", { lat: 40.7975, lng: -73.9695 }, ["manhattan"]],
    ["Columbia University", { lat: 40.8075, lng: -73.9626 }, ["manhattan"]],
    ["125th Street", { lat: 40.8079, lng: -73.9454 }, ["manhattan"]],
    ["the Cloisters", { lat: 40.8649, lng: -73.9319 }, ["manhattan"]],
    ["JFK, terminal 4", { lat: 40.6446, lng: -73.7824 }, ["jfk"]],
    ["LaGuardia", { lat: 40.7769, lng: -73.874 }, []],
    ["Roosevelt Island", { lat: 40.7619, lng: -73.9499 }, []],
    ["Williamsburg", { lat: 40.7142, lng: -73.9614 }, []],
    ["Long Island City", { lat: 40.7447, lng: -73.9485 }, []],
    ["Hoboken", { lat: 40.744, lng: -74.0324 }, []],
    ["Yankee Stadium", { lat: 40.8296, lng: -73.9262 }, []],
    ["Downtown Brooklyn", { lat: 40.6928, lng: -73.9903 }, []],
  ];
  for (const [name, point, expected] of places) {
    it(`put ${name} in ${expected.at(-1) ?? "none"}`, () => {
      const holding = newYorkAreas.filter(({ polygon }) => pointInPolygon(point, polygon));
      expect(holding.map((area) => area.name)).to.deep.equal(expected);
    });
  }
});

describe("the tariffs that come along", () => {
  for (const cityId of ["new-york", "harbor", "anywhere"]) {
    it(`are well formed for every class in ${cityId}`, () => {
      for (const one of classes) {
        expect(tariffProblems(defaultTariff({ cityId, currencyCode: "USD" }, one))).to.deep.equal(
          [],
        );
      }
    });
  }

  it("have the city's currency", () => {
    const tariff = defaultTariff({ cityId: "anywhere", currencyCode: "EUR" }, VehicleClass.ECONOMY);
    expect(tariff.currencyCode).to.equal("EUR");
  });

  it("raise what pays for the ride with the class, and leave fees and taxes", () => {
    const amounts = classes.map((one) => {
      const tariff = defaultTariff(newYork, one);
      const fixed = tariff.fixed.map((fare) => fare.amountMinor);
      return [tariff.baseMinor, ...fixed, ...tariff.zones.map((z) => z.amountMinor), tariff.tax];
    });
    const tax = { kind: "flat", amountMinor: 80 };
    expect(amounts).to.deep.equal([
      [225, 5200, 275, tax],
      [293, 6760, 275, tax],
      [360, 8320, 275, tax],
      [450, 10_400, 275, tax],
    ]);
  });

  it("charge the fixed fare from Times Square to JFK on a workday evening", () => {
    const fare = fareOf(
      defaultTariff(newYork, VehicleClass.ECONOMY),
      {
        distanceMeters: 27_000,
        durationSeconds: 3600,
        waitSeconds: 0,
        startTime: new Date("2019-03-01T22:00:00Z"),
        timeZone: "America/New_York",
        pickup: { lat: 40.758, lng: -73.9855 },
        dropoff: { lat: 40.6446, lng: -73.7824 },
        surgeMultiplier: 1,
      },
      FareBasis.ESTIMATE,
    );
    expect(fare.lines).to.deep.equal([
      { kind: FareLineKind.FIXED, amountMinor: 5200n },
      { kind: FareLineKind.PEAK, amountMinor: 100n },
      { kind: FareLineKind.ZONE, amountMinor: 275n },
      { kind: FareLineKind.TAX, amountMinor: 80n },
    ]);
  });
});

describe("a tariff's check", () => {
  const good = defaultTariff(newYork, VehicleClass.ECONOMY);
  const bad: [string, Partial<Tariff>, string][] = [
    ["a fraction of a minor unit", { baseMinor: 2.5 }, "baseMinor"],
    ["a negative rate", { perKmMilli: -1 }, "perKmMilli"],
    ["text for a number", { minimumMinor: "300" as never }, "minimumMinor"],
    ["an unknown area of a zone", { zones: [{ area: "atlantis", amountMinor: 1 }] }, "atlantis"],
    [
      "an unknown area of a fixed fare",
      { fixed: [{ between: ["jfk", "atlantis"], amountMinor: 1 }] },
      "atlantis",
    ],
    ["no currency", { currencyCode: "" }, "currencyCode"],
    ["a tax of half a point", { tax: { kind: "percent", basisPoints: 0.5 } }, "tax"],
    [
      "a negative cancellation fee",
      { cancellation: { ...good.cancellation, feeMinor: -500 } },
      "feeMinor",
    ],
  ];
  for (const [what, change, named] of bad) {
    it(`finds ${what}`, () => {
      const problems = tariffProblems({ ...good, ...change });
      expect(problems).to.have.length(1);
      expect(problems[0]).to.contain(named);
    });
  }

  it("is passed by a scaled tariff", () => {
    expect(tariffProblems(scaleTariff(good, 1.337))).to.deep.equal([]);
  });
});
