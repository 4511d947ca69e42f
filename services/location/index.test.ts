import { expect } from "chai";
import fc from "fast-check";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { distanceMeters, wrapLng, type GeoPoint } from "../runtime/geo.js";
import type { FoundDriver, GeoIndex, IndexedDriver, NearestQuery } from "./geo-index.js";
import { createGridIndex } from "./index.js";

const { ECONOMY, XL } = VehicleClass;

function driver(driverId: string, point: GeoPoint, rest: Partial<IndexedDriver> = {}) {
  return { driverId, cityId: "town", vehicleClass: ECONOMY, timeMs: 0, ...point, ...rest };
}

/** What the index must answer, by looking at every driver. */
function bruteForce(drivers: Iterable<IndexedDriver>, query: NearestQuery): number[] {
  return [...drivers]
    .filter((d) => d.timeMs >= query.seenSinceMs)
    .filter((d) => query.cityId === undefined || d.cityId === query.cityId)
    .filter((d) => query.vehicleClass === undefined || d.vehicleClass === query.vehicleClass)
    .map((d) => distanceMeters(query.point, d))
    .filter((distance) => distance <= query.radiusMeters)
    .sort((a, b) => a - b)
    .slice(0, query.limit);
}

function nearest(index: GeoIndex, query: NearestQuery): FoundDriver[] {
  return index.nearest("metro", query) as FoundDriver[];
}

function expectSame(found: FoundDriver[], query: NearestQuery, wanted: number[]): void {
  expect(found).lengthOf(wanted.length);
  for (const [i, one] of found.entries()) {
    expect(one.distanceMeters).closeTo(wanted[i]!, 1e-3);
    expect(distanceMeters(query.point, one.driver)).closeTo(one.distanceMeters, 1e-3);
  }
}

/** Centres where a grid on the globe goes wrong first. */
const centres: Record<string, GeoPoint> = {
  "New York": { lat: 40.75, lng: -73.98 },
  "the null point": { lat: 0, lng: 0 },
  "the antimeridian": { lat: -17, lng: 180 },
  Svalbard: { lat: 78.2, lng: 15.6 },
  "the north pole": { lat: 89.99, lng: 40 },
  "the south pole": { lat: -90, lng: 0 },
};

/** Points within some 10 km of a centre, close to cell borders and far from them. */
const around = (centre: GeoPoint) =>
  fc
    .record({
      dLat: fc.double({ min: -0.1, max: 0.1, noNaN: true }),
      dLng: fc.double({ min: -0.1, max: 0.1, noNaN: true }),
    })
    .map(({ dLat, dLng }) => ({
      lat: Math.max(-90, Math.min(90, centre.lat + dLat)),
      lng: wrapLng(
        centre.lng + Math.min(180, dLng / Math.max(0.001, Math.cos((centre.lat * Math.PI) / 180))),
      ),
    }));

describe("the grid index", () => {
  for (const [name, centre] of Object.entries(centres)) {
    it(`finds exactly the drivers that looking at each would, near ${name}`, () => {
      const point = around(centre);
      fc.assert(
        fc.property(
          fc.array(fc.record({ point, xl: fc.boolean(), timeMs: fc.nat(10) }), {
            maxLength: 400,
            size: "max",
          }),
          fc.record({
            point,
            radiusMeters: fc.constantFrom(50, 249, 250, 251, 1000, 2000, 7000, 50_000),
            limit: fc.integer({ min: 1, max: 30 }),
            vehicleClass: fc.constantFrom(undefined, ECONOMY, XL),
            cityId: fc.constantFrom(undefined, "town", "elsewhere"),
            seenSinceMs: fc.nat(10),
          }),
          (placed, query) => {
            const index = createGridIndex();
            const drivers = placed.map((p, i) =>
              driver(`d${i}`, p.point, { vehicleClass: p.xl ? XL : ECONOMY, timeMs: p.timeMs }),
            );
            for (const one of drivers) index.put("metro", one);
            expectSame(nearest(index, query), query, bruteForce(drivers, query));
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  it("finds the same in a dense city, where it stops long before it has seen all", () => {
    for (const centre of Object.values(centres)) {
      const samples = fc.sample(around(centre), { numRuns: 4100, seed: 7 });
      const drivers = samples.slice(100).map((p, i) => driver(`d${i}`, p));
      const index = createGridIndex();
      for (const one of drivers) index.put("metro", one);
      for (const [i, point] of samples.slice(0, 100).entries()) {
        const query = {
          point,
          radiusMeters: [300, 1000, 3000, 6000][i % 4]!,
          limit: [1, 5, 20, 1000][i % 3]!,
          seenSinceMs: 0,
        };
        expectSame(nearest(index, query), query, bruteForce(drivers, query));
      }
    }
  });

  it("stays exact when drivers are put, moved and removed in any order", () => {
    const point = around(centres["New York"]!);
    const step = fc.record({ id: fc.nat(40), point, gone: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: "max" }), (steps) => {
        const index = createGridIndex();
        const model = new Map<string, IndexedDriver>();
        for (const { id, point: to, gone } of steps) {
          const driverId = `d${id}`;
          if (gone) {
            index.remove("metro", driverId);
            model.delete(driverId);
          } else {
            index.put("metro", driver(driverId, to));
            model.set(driverId, driver(driverId, to));
          }
        }
        const query = {
          point: centres["New York"]!,
          radiusMeters: 6000,
          limit: 15,
          seenSinceMs: 0,
        };
        expectSame(nearest(index, query), query, bruteForce(model.values(), query));
      }),
      { numRuns: 60 },
    );
  });

  it("finds a driver just across a cell's border", () => {
    const index = createGridIndex();
    const metersPerDegree = 111_195.08;
    for (let cell = 0; cell < 4; cell += 1) {
      const border = (cell * 250) / metersPerDegree;
      index.put("metro", driver("west", { lat: 0.0001, lng: border - 1e-7 }));
      const query = {
        point: { lat: 0.0001, lng: border + 1e-7 },
        radiusMeters: 1,
        limit: 1,
        seenSinceMs: 0,
      };
      expect(nearest(index, query).map((found) => found.driver.driverId)).deep.equal(["west"]);
    }
  });

  it("keeps tenants apart", () => {
    const index = createGridIndex();
    const point = centres["New York"]!;
    index.put("metro", driver("one", point));
    index.put("harbor", driver("two", point));
    const query = { point, radiusMeters: 100, limit: 10, seenSinceMs: 0 };
    const ids = (tenant: string) =>
      (index.nearest(tenant, query) as FoundDriver[]).map((found) => found.driver.driverId);
    expect([ids("metro"), ids("harbor"), ids("nobody")]).deep.equal([["one"], ["two"], []]);
    index.remove("harbor", "one");
    expect(ids("metro")).deep.equal(["one"]);
  });
});
