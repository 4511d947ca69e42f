import { expect } from "chai";
import fc from "fast-check";
import {
  between,
  chartAround,
  decodePolyline,
  distanceMeters,
  distanceToPolygonMeters,
  encodePolyline,
  pointInPolygon,
  wrapLng,
  type GeoPoint,
} from "./geo.js";

const anywhere = fc.record({
  lat: fc.double({ min: -90, max: 90, noNaN: true }),
  lng: fc.double({ min: -180, max: 180, noNaN: true }),
});

/** The angle between two points by their vectors: another way to the same distance. */
function byVectors(a: GeoPoint, b: GeoPoint): number {
  const vector = ({ lat, lng }: GeoPoint) => {
    const [phi, lambda] = [(lat * Math.PI) / 180, (lng * Math.PI) / 180];
    return [
      Math.cos(phi) * Math.cos(lambda),
      Math.cos(phi) * Math.sin(lambda),
      Math.sin(phi),
    ] as const;
  };
  const [u, v] = [vector(a), vector(b)];
  const chord = Math.hypot(u[0] - v[0], u[1] - v[1], u[2] - v[2]);
  return 2 * 6_371_008.8 * Math.asin(Math.min(1, chord / 2));
}

describe("great-circle distance", () => {
  it("is that of known pairs of places", () => {
    // JFK to LAX, a degree of the equator, half the earth.
    expect(
      distanceMeters({ lat: 40.6413, lng: -73.7781 }, { lat: 33.9416, lng: -118.4085 }),
    ).closeTo(3_974_000, 5_000);
    expect(distanceMeters({ lat: 0, lng: 0 }, { lat: 0, lng: 1 })).closeTo(111_195, 1);
    expect(distanceMeters({ lat: 90, lng: 0 }, { lat: -90, lng: 77 })).closeTo(20_015_114, 1);
  });

  it("agrees with the angle between vectors anywhere", () => {
    fc.assert(
      fc.property(anywhere, anywhere, (a, b) => {
        expect(distanceMeters(a, b)).closeTo(byVectors(a, b), 1);
        expect(distanceMeters(a, b)).closeTo(distanceMeters(b, a), 1e-6);
      }),
    );
  });

  it("is short across the antimeridian", () => {
    expect(distanceMeters({ lat: 0, lng: 179.999 }, { lat: 0, lng: -179.999 })).closeTo(222.4, 0.1);
  });
});

describe("longitudes", () => {
  it("are wrapped to -180 up to 180", () => {
    expect([0, 180, -180, 540, 359, -181].map(wrapLng)).deep.equal([0, -180, -180, -180, -1, 179]);
  });

  it("are interpolated the short way around", () => {
    const middle = between({ lat: 10, lng: 179 }, { lat: 12, lng: -177 }, 0.5);
    expect(middle.lat).closeTo(11, 1e-9);
    expect(middle.lng).closeTo(-179, 1e-9);
  });
});

describe("a flat chart", () => {
  it("keeps lengths around its origin and leads back to the point", () => {
    const near = fc.record({
      origin: fc.record({
        lat: fc.double({ min: -80, max: 80, noNaN: true }),
        lng: fc.double({ min: -180, max: 180, noNaN: true }),
      }),
      x: fc.double({ min: -5000, max: 5000, noNaN: true }),
      y: fc.double({ min: -5000, max: 5000, noNaN: true }),
    });
    fc.assert(
      fc.property(near, ({ origin, x, y }) => {
        const chart = chartAround(origin);
        const point = chart.toPoint({ x, y });
        expect(distanceMeters(origin, point)).closeTo(
          Math.hypot(x, y),
          0.01 + Math.hypot(x, y) * 5e-3,
        );
        expect(chart.toXy(point).x).closeTo(x, 1e-4);
        expect(chart.toXy(point).y).closeTo(y, 1e-4);
      }),
    );
  });
});

const square = [
  { lat: 40, lng: -74 },
  { lat: 40, lng: -73 },
  { lat: 41, lng: -73 },
  { lat: 41, lng: -74 },
];
const overAntimeridian = [
  { lat: -1, lng: 179 },
  { lat: -1, lng: -179 },
  { lat: 1, lng: -179 },
  { lat: 1, lng: 179 },
];

describe("a polygon", () => {
  it("contains what is within it, whichever way around it is drawn", () => {
    for (const polygon of [square, [...square].reverse()]) {
      expect(pointInPolygon({ lat: 40.5, lng: -73.5 }, polygon)).equal(true);
      expect(pointInPolygon({ lat: 40.5, lng: -72.9 }, polygon)).equal(false);
      expect(pointInPolygon({ lat: 40.5, lng: -74.1 }, polygon)).equal(false);
      expect(pointInPolygon({ lat: 41.1, lng: -73.5 }, polygon)).equal(false);
      expect(pointInPolygon({ lat: 40.5, lng: 106.5 }, polygon)).equal(false);
    }
  });

  it("may have a notch", () => {
    const notched = [...square.slice(0, 2), { lat: 40.5, lng: -73.5 }, ...square.slice(2)];
    expect(pointInPolygon({ lat: 40.5, lng: -73.2 }, notched)).equal(false);
    expect(pointInPolygon({ lat: 40.5, lng: -73.8 }, notched)).equal(true);
  });

  it("may lie across the antimeridian", () => {
    for (const lng of [179.5, 180, -180, -179.5]) {
      expect(pointInPolygon({ lat: 0, lng }, overAntimeridian)).equal(true);
    }
    for (const lng of [178.5, -178.5, 0, 90]) {
      expect(pointInPolygon({ lat: 0, lng }, overAntimeridian)).equal(false);
    }
  });

  it("contains nothing when it is empty", () => {
    expect(pointInPolygon({ lat: 0, lng: 0 }, [])).equal(false);
  });

  it("agrees with a test by triangles when it is convex", () => {
    const fan = [
      { lat: 40, lng: -74 },
      { lat: 39.9, lng: -73.4 },
      { lat: 40.3, lng: -73 },
      { lat: 40.9, lng: -73.3 },
      { lat: 41, lng: -73.9 },
    ];
    const side = (p: GeoPoint, a: GeoPoint, b: GeoPoint) =>
      (b.lng - a.lng) * (p.lat - a.lat) - (b.lat - a.lat) * (p.lng - a.lng);
    const close = fc.record({
      lat: fc.double({ min: 39.7, max: 41.2, noNaN: true }),
      lng: fc.double({ min: -74.2, max: -72.8, noNaN: true }),
    });
    fc.assert(
      fc.property(close, (point) => {
        const sides = fan.map((from, i) => side(point, from, fan[(i + 1) % fan.length]!));
        fc.pre(sides.every((value) => Math.abs(value) > 1e-9));
        expect(pointInPolygon(point, fan)).equal(sides.every((value) => value > 0));
      }),
    );
  });
});

describe("the distance to a polygon", () => {
  it("is zero within, and to the nearest edge or corner outside", () => {
    expect(distanceToPolygonMeters({ lat: 40.5, lng: -73.5 }, square)).equal(0);
    expect(distanceToPolygonMeters({ lat: 41.01, lng: -73.5 }, square)).closeTo(1112, 1);
    const corner = distanceMeters({ lat: 41, lng: -73 }, { lat: 41.01, lng: -72.99 });
    expect(distanceToPolygonMeters({ lat: 41.01, lng: -72.99 }, square)).closeTo(corner, 2);
    expect(distanceToPolygonMeters({ lat: 0, lng: -178.99 }, overAntimeridian)).closeTo(1112, 1);
  });
});

describe("an encoded polyline", () => {
  it("is the format's published example", () => {
    const line = encodePolyline([
      { lat: 38.5, lng: -120.2 },
      { lat: 40.7, lng: -120.95 },
      { lat: 43.252, lng: -126.453 },
    ]);
    expect(line).equal("_p~iF~ps|U_ulLnnqC_mqNvxq`@");
  });

  it("decodes to the points within half of its last digit", () => {
    fc.assert(
      fc.property(fc.array(anywhere), (points) => {
        const decoded = decodePolyline(encodePolyline(points));
        expect(decoded).lengthOf(points.length);
        for (const [i, point] of points.entries()) {
          expect(decoded[i]!.lat).closeTo(point.lat, 0.500001e-5);
          expect(decoded[i]!.lng).closeTo(point.lng, 0.500001e-5);
        }
      }),
    );
  });
});
