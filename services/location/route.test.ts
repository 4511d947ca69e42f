import { expect } from "chai";
import fc from "fast-check";
import { chartAround, distanceMeters, type GeoPoint } from "../runtime/geo.js";
import { measureRoute, simplify, type RoutePoint } from "./route.js";

const origin = { lat: 40.75, lng: -73.98 };
const { toPoint } = chartAround(origin);
const t0 = Date.parse("2019-03-05T12:00:00Z");

interface Xy {
  x: number;
  y: number;
}

/** Pseudorandom numbers, the same in every run (Park–Miller). */
function randomFrom(seed: number) {
  let state = seed;
  const uniform = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (let i = 0; i < 20; i += 1) uniform();
  const gauss = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, gauss };
}
type Random = ReturnType<typeof randomFrom>;

/** Streets of Manhattan: long blocks east, short ones north, now and then around a corner. */
function throughTheGrid({ uniform }: Random, lengthMeters: number): Xy[] {
  const corners: Xy[] = [{ x: 0, y: 0 }];
  for (let done = 0, east = true; done < lengthMeters; east = !east) {
    const last = corners.at(-1)!;
    const run = Math.min(lengthMeters - done, (east ? 270 : 80) * (1 + Math.floor(uniform() * 4)));
    corners.push(east ? { x: last.x + run, y: last.y } : { x: last.x, y: last.y + run });
    done += run;
  }
  return corners;
}

/** A road that bends now left, now right, on radii of 100 m and more. */
function alongTheHills({ uniform }: Random, lengthMeters: number): Xy[] {
  const line: Xy[] = [{ x: 0, y: 0 }];
  for (let done = 0, heading = 0, bend = 0; done < lengthMeters; done += 10) {
    if (uniform() < 0.05) bend = (uniform() - 0.5) * 0.02;
    heading += bend * 10;
    const last = line.at(-1)!;
    line.push({ x: last.x + 10 * Math.cos(heading), y: last.y + 10 * Math.sin(heading) });
  }
  return line;
}

/** Drives a line with stops of up to a minute at lights; where the car is every half second. */
function drive(line: Xy[], { uniform }: Random): Xy[] {
  const ends = [0];
  for (let i = 1; i < line.length; i += 1) {
    ends.push(ends[i - 1]! + Math.hypot(line[i]!.x - line[i - 1]!.x, line[i]!.y - line[i - 1]!.y));
  }
  const total = ends.at(-1)!;
  const cruise = 8 + uniform() * 8;
  const places: Xy[] = [];
  let [driven, speed, standing, light] = [0, 0, 0, 200 + uniform() * 400];
  for (let i = 1; driven < total;) {
    while (i < line.length - 1 && ends[i]! < driven) i += 1;
    const share = (driven - ends[i - 1]!) / Math.max(1e-9, ends[i]! - ends[i - 1]!);
    const [a, b] = [line[i - 1]!, line[i]!];
    places.push({ x: a.x + (b.x - a.x) * share, y: a.y + (b.y - a.y) * share });
    if (standing > 0) {
      standing -= 0.5;
      continue;
    }
    const braking = light - driven <= (speed * speed) / 4;
    speed = braking ? Math.max(0.5, speed - 1) : Math.min(cruise, speed + 0.75);
    driven += speed * 0.5;
    if (driven >= light) {
      [speed, standing, light] = [0, uniform() * 60, driven + 150 + uniform() * 500];
    }
  }
  return places;
}

/** What a phone reports of a drive: every 3 to 5 s, with noise of this deviation along each axis. */
function report(places: Xy[], noiseMeters: number, { uniform, gauss }: Random): RoutePoint[] {
  const points: RoutePoint[] = [];
  for (let tick = 0; tick < places.length; tick += 6 + Math.round(uniform() * 4)) {
    const { x, y } = places[tick]!;
    const seen = { x: x + gauss() * noiseMeters, y: y + gauss() * noiseMeters };
    points.push({ ...toPoint(seen), timeMs: t0 + tick * 500 });
  }
  return points;
}

function lengthOf(places: Xy[]): number {
  return places
    .slice(1)
    .reduce((sum, to, i) => sum + Math.hypot(to.x - places[i]!.x, to.y - places[i]!.y), 0);
}

/** Relative errors over 20 drives of 5 to 10 km: of the measured route, and of the plain sum. */
function errors(noiseMeters: number, road: (random: Random, length: number) => Xy[]) {
  const measured: number[] = [];
  const plain: number[] = [];
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = randomFrom(seed * 7919);
    const places = drive(road(random, 5000 + random.uniform() * 5000), random);
    const points = report(places, noiseMeters, random);
    const last = points.at(-1)!.timeMs;
    const truth = lengthOf(places.slice(0, (last - t0) / 500 + 1));
    measured.push(measureRoute(points, t0, last).distanceMeters / truth - 1);
    plain.push(sum(points) / truth - 1);
  }
  const mean = (values: number[]) =>
    values.reduce((total, value) => total + Math.abs(value), 0) / values.length;
  const worst = (values: number[]) => Math.max(...values.map(Math.abs));
  return { mean: mean(measured), worst: worst(measured), plain: mean(plain) };
}

function sum(points: GeoPoint[]): number {
  return points.slice(1).reduce((total, to, i) => total + distanceMeters(points[i]!, to), 0);
}

describe("the measured route", () => {
  const roads = { "a grid of streets": throughTheGrid, "a winding road": alongTheHills };
  // Corners are cut between two points even without noise: 2 % on a grid at 4 s.
  const limits = [
    { noiseMeters: 0, mean: 0.03, worst: 0.04 },
    { noiseMeters: 5, mean: 0.03, worst: 0.05 },
    { noiseMeters: 15, mean: 0.04, worst: 0.08 },
  ];
  for (const [name, road] of Object.entries(roads)) {
    for (const { noiseMeters, mean, worst } of limits) {
      it(`is right within ${mean * 100} % on ${name} with ${noiseMeters} m of noise`, () => {
        const found = errors(noiseMeters, road);
        expect(found.mean).below(mean);
        expect(found.worst).below(worst);
        if (noiseMeters > 0) expect(found.plain).above(4 * found.mean);
      });
    }
  }

  it("is exact on points without noise", () => {
    const random = randomFrom(5);
    for (const road of [throughTheGrid, alongTheHills]) {
      const points = report(drive(road(random, 6000), random), 0, random);
      const route = measureRoute(points, t0, points.at(-1)!.timeMs);
      expect(route.distanceMeters).closeTo(sum(points), 1e-6);
      expect(route.pointCount).equal(points.length);
    }
  });

  it("does not grow while the car stands", () => {
    const random = randomFrom(9);
    const standing = Array.from({ length: 1200 }, () => ({ x: 0, y: 0 }));
    const points = report(standing, 5, random);
    expect(sum(points)).above(900);
    expect(measureRoute(points, t0, t0 + 600_000).distanceMeters).below(50);
  });

  it("bridges a gap by the straight line", () => {
    const places = Array.from({ length: 601 }, (_, i) => ({ x: i * 5, y: 0 }));
    const all = report(places, 0, randomFrom(3));
    const some = all.filter(({ timeMs }) => timeMs < t0 + 60_000 || timeMs > t0 + 200_000);
    const end = all.at(-1)!.timeMs;
    const whole = measureRoute(all, t0, end).distanceMeters;
    expect(measureRoute(some, t0, end).distanceMeters).closeTo(whole, 1);
  });

  it("leaves out a point that the car cannot have been at", () => {
    const places = Array.from({ length: 200 }, (_, i) => ({ x: i * 5, y: 0 }));
    const points = report(places, 0, randomFrom(3));
    const end = points.at(-1)!.timeMs;
    const wrong = points.map((point, i) =>
      i === 10 ? { ...point, ...toPoint({ x: 200, y: 190 }) } : point,
    );
    expect(sum(wrong) - sum(points)).above(200);
    const route = measureRoute(wrong, t0, end);
    expect(route.distanceMeters).closeTo(sum(points), 1);
    expect(route.pointCount).equal(points.length - 1);
  });

  it("keeps a turn back on the same road", () => {
    const places = Array.from({ length: 241 }, (_, i) => ({
      x: 600 - Math.abs(120 - i) * 5,
      y: 0,
    }));
    const points = places
      .map((xy, i) => ({ ...toPoint(xy), timeMs: t0 + i * 500 }))
      .filter((_, i) => i % 60 === 0);
    expect(measureRoute(points, t0, t0 + 120_000).distanceMeters).closeTo(1200, 1);
  });

  it("begins and ends between the points around the start and the end", () => {
    // 10 m/s, a point every 20 s.
    const points = Array.from({ length: 10 }, (_, i) => ({
      ...toPoint({ x: i * 200, y: 0 }),
      timeMs: t0 + i * 20_000,
    }));
    const route = measureRoute(points, t0 + 30_000, t0 + 75_000);
    expect(route.distanceMeters).closeTo(450, 0.1);
    expect(route.pointCount).equal(4);
    const within = measureRoute(points, t0 + 42_000, t0 + 43_000);
    expect(within.distanceMeters).closeTo(10, 0.1);
    expect(within.pointCount).equal(2);
  });

  it("takes no end from points more than a minute away", () => {
    const point = (x: number, seconds: number) => ({
      ...toPoint({ x, y: 0 }),
      timeMs: t0 + seconds * 1000,
    });
    const points = [point(0, 0), point(1000, 100), point(2000, 200), point(3000, 300)];
    const route = measureRoute(points, t0 + 61_000, t0 + 239_000);
    expect(route.distanceMeters).closeTo(1000, 0.1);
    expect(route.pointCount).equal(2);
  });

  it("has no length without points, or with one", () => {
    expect(measureRoute([], t0, t0 + 1000)).deep.equal({
      distanceMeters: 0,
      pointCount: 0,
      line: [],
    });
    const one = { ...origin, timeMs: t0 };
    expect(measureRoute([one], t0, t0 + 1000)).deep.include({ distanceMeters: 0, pointCount: 1 });
    expect(measureRoute([one], t0 + 500, t0 + 1000).pointCount).equal(0);
  });

  it("leads through the ends and the corners", () => {
    const corners = [
      { x: 0, y: 0 },
      { x: 1000, y: 0 },
      { x: 1000, y: 1000 },
    ];
    const points = Array.from({ length: 101 }, (_, i) => i * 20).map((s, i) => ({
      ...toPoint(s <= 1000 ? { x: s, y: 0 } : { x: 1000, y: s - 1000 }),
      timeMs: t0 + i * 2000,
    }));
    const { line } = measureRoute(points, t0, t0 + 200_000);
    expect(line).lengthOf(3);
    for (const [i, corner] of corners.entries()) {
      expect(distanceMeters(line[i]!, toPoint(corner))).below(0.1);
    }
  });
});

describe("a simplified line", () => {
  it("keeps its ends and stays within the tolerance of every point", () => {
    const xy = fc.record({
      x: fc.double({ min: 0, max: 2000, noNaN: true }),
      y: fc.double({ min: 0, max: 2000, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(xy, { minLength: 2, maxLength: 60 }), (places) => {
        const line = places.map(toPoint);
        const simple = simplify(line, 20);
        expect([simple[0], simple.at(-1)]).deep.equal([line[0], line.at(-1)]);
        for (const point of line) {
          const flat = simple.map(chartAround(point).toXy);
          const nearest = Math.min(...flat.slice(1).map((to, i) => distanceFromZero(flat[i]!, to)));
          expect(nearest).below(20.1);
        }
      }),
    );
  });
});

/** Distance of the chart's origin from a segment, by trying points on it. */
function distanceFromZero(a: Xy, b: Xy): number {
  const d = { x: b.x - a.x, y: b.y - a.y };
  const square = d.x * d.x + d.y * d.y;
  const t = square === 0 ? 0 : Math.max(0, Math.min(1, -(a.x * d.x + a.y * d.y) / square));
  return Math.hypot(a.x + t * d.x, a.y + t * d.y);
}
