import { expect } from "chai";
import fc from "fast-check";
import { ZONES_FILE } from "./data-files.js";
import {
  boundingBox,
  distanceMeters,
  offset,
  placeTrip,
  pointInZone,
  type LatLng,
  type Zone,
} from "./geometry.js";
import { randomOf } from "./random.js";
import { readZones } from "./zones-file.js";

const zoneAt = (lat: number, lng: number, radiusMeters: number): Zone => ({
  id: 1,
  name: "",
  borough: "",
  center: { lat, lng },
  radiusMeters,
});
const seeds = fc.nat();

describe("distances", () => {
  const known: [name: string, from: LatLng, to: LatLng, meters: number][] = [
    ["nowhere", { lat: 40.7, lng: -74 }, { lat: 40.7, lng: -74 }, 0],
    ["a degree of latitude", { lat: 40, lng: -74 }, { lat: 41, lng: -74 }, 111_195],
    ["a degree of longitude at 60°", { lat: 60, lng: 10 }, { lat: 60, lng: 11 }, 55_596],
    ["JFK to LaGuardia", { lat: 40.6398, lng: -73.7789 }, { lat: 40.7772, lng: -73.8726 }, 17_207],
    ["over the date line", { lat: 0, lng: 179.5 }, { lat: 0, lng: -179.5 }, 111_195],
  ];
  for (const [name, from, to, meters] of known) {
    it(`are right: ${name}`, () => {
      expect(distanceMeters(from, to)).to.be.closeTo(meters, meters * 0.001);
      expect(distanceMeters(to, from)).to.be.closeTo(meters, meters * 0.001);
    });
  }

  it("agree with offsets across a city", () => {
    const meters = fc.double({ min: -20_000, max: 20_000, noNaN: true });
    fc.assert(
      fc.property(meters, meters, (north, east) => {
        const from = { lat: 40.7, lng: -74 };
        const length = Math.hypot(north, east);
        expect(distanceMeters(from, offset(from, north, east))).to.be.closeTo(
          length,
          length * 0.002 + 1e-6,
        );
      }),
    );
  });
});

describe("points of a zone", () => {
  it("lie within its disc", () => {
    fc.assert(
      fc.property(seeds, fc.double({ min: 0, max: 5_000, noNaN: true }), (seed, radius) => {
        const zone = zoneAt(40.7, -74, radius);
        const point = pointInZone(zone, randomOf(seed));
        expect(distanceMeters(zone.center, point)).to.be.at.most(radius * 1.001 + 1e-6);
      }),
    );
  });

  it("fill it evenly: a quarter of them within half of its radius", () => {
    const zone = zoneAt(40.7, -74, 1_000);
    const random = randomOf(5);
    const distances = Array.from({ length: 8_000 }, () =>
      distanceMeters(zone.center, pointInZone(zone, random)),
    );
    expect(distances.filter((distance) => distance < 500).length / 8_000).to.be.closeTo(0.25, 0.02);
  });
});

describe("pickup and dropoff", () => {
  let zones: Zone[];
  before(async () => {
    zones = [...(await readZones(ZONES_FILE)).values()];
  });

  it("are not further apart than the recorded length, for any zones and length", () => {
    const zone = fc.nat({ max: 259 });
    const length = fc.double({ min: 0.5, max: 80_000, noNaN: true });
    fc.assert(
      fc.property(zone, zone, length, seeds, (from, to, meters, seed) => {
        const pair = { pickup: zones[from]!, dropoff: zones[to]! };
        const placed = placeTrip(pair, meters, randomOf(seed));
        expect(distanceMeters(placed.pickup, placed.dropoff)).to.be.at.most(meters);
        const { pickup, dropoff } = pair;
        expect(distanceMeters(placed.pickup, pickup.center)).to.be.at.most(
          pickup.radiusMeters * 1.001,
        );
        if (!placed.movedDropoff) {
          expect(distanceMeters(placed.dropoff, dropoff.center)).to.be.at.most(
            dropoff.radiusMeters * 1.001,
          );
        }
      }),
      { numRuns: 400 },
    );
  });

  it("keep the zones wherever the length allows it", () => {
    const here = zoneAt(40.7, -74, 500);
    const there = zoneAt(40.72, -74, 500);
    for (let seed = 0; seed < 200; seed += 1) {
      const placed = placeTrip({ pickup: here, dropoff: there }, 2_500, randomOf(seed));
      expect(placed.movedDropoff).to.equal(false);
    }
  });

  it("move the dropoff towards the pickup, by no more than needed, when zones are too far apart", () => {
    const here = zoneAt(40.7, -74, 100);
    const there = zoneAt(40.9, -74, 100);
    const placed = placeTrip({ pickup: here, dropoff: there }, 1_000, randomOf(1));
    expect(placed.movedDropoff).to.equal(true);
    expect(distanceMeters(placed.pickup, placed.dropoff)).to.be.closeTo(1_000, 0.001);
    expect(placed.dropoff.lat).to.be.above(placed.pickup.lat);
    expect(placed.dropoff.lng).to.be.closeTo(placed.pickup.lng, 0.001);
  });

  it("may lie in the same zone, and as close together as a short ride asks", () => {
    const zone = zoneAt(40.7, -74, 1_000);
    for (let seed = 0; seed < 50; seed += 1) {
      const { pickup, dropoff } = placeTrip({ pickup: zone, dropoff: zone }, 20, randomOf(seed));
      expect(distanceMeters(pickup, dropoff)).to.be.at.most(20);
      // Moving along a line within a disc does not leave it.
      expect(distanceMeters(dropoff, zone.center)).to.be.at.most(1_001);
    }
  });

  it("are never so close together that nobody would ride, nor in a zone without an area", () => {
    for (const radius of [0, 3, 12]) {
      const zone = zoneAt(40.7, -74, radius);
      for (let seed = 0; seed < 200; seed += 1) {
        const { pickup, dropoff } = placeTrip({ pickup: zone, dropoff: zone }, 16, randomOf(seed));
        expect(distanceMeters(pickup, dropoff)).to.be.within(5.9, 16);
      }
    }
  });

  it("are the same for the same seed", () => {
    const pair = { pickup: zones[3]!, dropoff: zones[40]! };
    expect(placeTrip(pair, 9_000, randomOf(8))).to.deep.equal(placeTrip(pair, 9_000, randomOf(8)));
    expect(placeTrip(pair, 9_000, randomOf(8))).not.to.deep.equal(
      placeTrip(pair, 9_000, randomOf(9)),
    );
  });
});

describe("the box of all zones", () => {
  it("holds every point that can be drawn, and the margin", async () => {
    const zones = [...(await readZones(ZONES_FILE)).values()];
    const { southWest, northEast } = boundingBox(zones, 500);
    const random = randomOf(2);
    for (const zone of zones) {
      for (let draw = 0; draw < 20; draw += 1) {
        const point = offset(pointInZone(zone, random), random.between(-500, 500), 0);
        expect(point.lat).to.be.within(southWest.lat, northEast.lat);
        expect(point.lng).to.be.within(southWest.lng, northEast.lng);
      }
    }
    expect(distanceMeters(southWest, northEast)).to.be.below(80_000);
  });
});
