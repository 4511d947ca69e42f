import { expect } from "chai";
import fc from "fast-check";
import { distanceMeters, offset, type LatLng } from "./geometry.js";
import {
  pathOfLength,
  positionAt,
  straightDrive,
  straightPath,
  waypoints,
  type Path,
  type Waypoint,
} from "./path.js";
import { randomOf } from "./random.js";

const HOME = { lat: 40.75, lng: -73.98 };

const lengthOf = (points: readonly LatLng[]) =>
  points.slice(1).reduce((sum, point, index) => sum + distanceMeters(points[index]!, point), 0);

/** Ways such as trips have: up to 45 km apart, up to 60 km longer than that, in any direction. */
const ways = fc
  .record({
    gap: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 45_000, noNaN: true })),
    bearing: fc.double({ min: 0, max: 2 * Math.PI, noNaN: true }),
    more: fc.oneof(
      fc.constant(0),
      fc.double({ min: 0, max: 100, noNaN: true }),
      fc.double({ min: 0, max: 60_000, noNaN: true }),
    ),
    seed: fc.nat(),
  })
  .map(({ gap, bearing, more, seed }) => {
    const to = offset(HOME, gap * Math.cos(bearing), gap * Math.sin(bearing));
    const meters = distanceMeters(HOME, to) + more;
    return { to, meters, path: pathOfLength(HOME, to, meters, randomOf(seed)) };
  });

describe("paths of a recorded length", () => {
  it("have that length, begin at the pickup and end at the dropoff", () => {
    fc.assert(
      fc.property(ways, ({ to, meters, path }) => {
        expect(path.points[0]).to.deep.equal(HOME);
        expect(path.points.at(-1)).to.deep.equal(to);
        expect(lengthOf(path.points)).to.be.closeTo(meters, meters * 1e-4 + 1e-6);
        expect(path.lengthMeters).to.be.closeTo(lengthOf(path.points), 1e-6 * meters + 1e-9);
      }),
      { numRuns: 500 },
    );
  });

  it("stay within 400 m of the straight line", () => {
    fc.assert(
      fc.property(ways, ({ to, path }) => {
        for (const corner of path.points) {
          const nearest = Math.min(
            ...Array.from({ length: 401 }, (_, step) =>
              distanceMeters(corner, {
                lat: HOME.lat + ((to.lat - HOME.lat) * step) / 400,
                lng: HOME.lng + ((to.lng - HOME.lng) * step) / 400,
              }),
            ),
          );
          expect(nearest).to.be.at.most(410);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("are straight where the length leaves no room", () => {
    const to = offset(HOME, 3_000, 4_000);
    const gap = distanceMeters(HOME, to);
    for (const meters of [gap, gap * 0.9, 0]) {
      expect(pathOfLength(HOME, to, meters, randomOf(1)).points).to.deep.equal([HOME, to]);
    }
  });

  it("go out and come back where pickup and dropoff are one point", () => {
    const path = pathOfLength(HOME, HOME, 2_000, randomOf(1));
    expect(lengthOf(path.points)).to.be.closeTo(2_000, 0.2);
    expect(path.points.at(-1)).to.deep.equal(HOME);
  });

  it("have few corners: two a kilometer at most", () => {
    fc.assert(
      fc.property(ways, ({ meters, path }) => {
        expect(path.points.length).to.be.at.most(3 + meters / 500);
      }),
    );
  });

  it("are the same for the same seed and swing to the other side for others", () => {
    const to = offset(HOME, 2_000, 0);
    const corners = new Set(
      Array.from({ length: 20 }, (_, seed) =>
        JSON.stringify(pathOfLength(HOME, to, 2_200, randomOf(seed)).points),
      ),
    );
    expect(corners.size).to.equal(2);
  });
});

describe("positions on a path", () => {
  it("divide its length as the fraction says", () => {
    fc.assert(
      fc.property(ways, fc.double({ min: 0, max: 1, noNaN: true }), ({ path }, fraction) => {
        const position = positionAt(path, fraction);
        const passed = path.points.filter(
          (_, index) => path.metersAt[index]! < fraction * path.lengthMeters,
        );
        const covered = lengthOf([...passed, position]);
        expect(covered).to.be.closeTo(
          fraction * path.lengthMeters,
          1e-5 * path.lengthMeters + 1e-6,
        );
      }),
    );
  });

  it("are the ends at and beyond the ends", () => {
    const path = pathOfLength(HOME, offset(HOME, 500, 0), 900, randomOf(1));
    for (const fraction of [0, -1]) expect(positionAt(path, fraction)).to.deep.equal(HOME);
    for (const fraction of [1, 2]) {
      expect(positionAt(path, fraction)).to.deep.equal(path.points.at(-1));
    }
  });

  it("are the one point of a path without length", () => {
    for (const fraction of [0, 0.5, 1]) {
      expect(positionAt(straightPath(HOME, HOME), fraction)).to.deep.equal(HOME);
    }
  });
});

describe("reported positions of a drive", () => {
  const drives = fc.record({
    way: ways,
    speedKmh: fc.double({ min: 2, max: 150, noNaN: true }),
    everySeconds: fc.integer({ min: 3, max: 120 }),
  });
  const reports = (
    path: Path,
    durationSeconds: number,
    report: { everySeconds: number; messageSeconds: number },
  ): Waypoint[] => {
    const all: Waypoint[] = [];
    for (let after = -1, until = 0; after < durationSeconds; until += report.messageSeconds) {
      const { everySeconds } = report;
      const batch = { everySeconds, afterSeconds: after, untilSeconds: until };
      all.push(...waypoints({ path, durationSeconds }, batch));
      after = until;
    }
    return all;
  };

  it("measure the length of the way, in however many messages they are sent", () => {
    fc.assert(
      fc.property(drives, ({ way: { path, meters }, speedKmh, everySeconds }) => {
        const durationSeconds = Math.max(1, (meters / speedKmh) * 3.6);
        const sent = reports(path, durationSeconds, { everySeconds, messageSeconds: 30 });
        expect(lengthOf(sent.map(({ point }) => point))).to.be.closeTo(
          meters,
          meters * 1e-3 + 1e-6,
        );
        expect(sent[0]).to.deep.equal({ atSeconds: 0, point: path.points[0] });
        expect(sent.at(-1)).to.deep.equal({
          atSeconds: durationSeconds,
          point: path.points.at(-1),
        });
      }),
      { numRuns: 150 },
    );
  });

  it("come in order, often enough, and never faster than the drive is", () => {
    fc.assert(
      fc.property(drives, ({ way: { path, meters }, speedKmh, everySeconds }) => {
        const durationSeconds = Math.max(1, (meters / speedKmh) * 3.6);
        const sent = reports(path, durationSeconds, { everySeconds, messageSeconds: 30 });
        for (const [index, { atSeconds, point }] of sent.entries()) {
          const last = sent[index - 1];
          if (last === undefined) continue;
          const seconds = atSeconds - last.atSeconds;
          expect(seconds)
            .to.be.above(0.1)
            .and.at.most(everySeconds + 1);
          // As the platform sees it: times are rounded to milliseconds.
          const rounded = Math.round(atSeconds * 1e3) - Math.round(last.atSeconds * 1e3);
          const kmh = (distanceMeters(last.point, point) / rounded) * 3_600;
          expect(kmh).to.be.below(Math.max(speedKmh, 1) * 1.02);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("of a straight drive take the time that its speed needs", () => {
    const to = offset(HOME, 1_000, 0);
    const drive = straightDrive(HOME, to, 10);
    expect(drive.durationSeconds).to.be.closeTo(100, 0.2);
    const sent = waypoints(drive, { everySeconds: 30, afterSeconds: 0, untilSeconds: 1_000 });
    expect(sent.map(({ atSeconds }) => Math.round(atSeconds))).to.deep.equal([30, 60, 90, 100]);
  });

  it("of a drive to where one is are its start and its end", () => {
    const drive = straightDrive(HOME, HOME, 10);
    expect(drive.durationSeconds).to.equal(0);
    const sent = waypoints(drive, { everySeconds: 30, afterSeconds: -1, untilSeconds: 60 });
    for (const { atSeconds, point } of sent) {
      expect(atSeconds).to.equal(0);
      expect(point).to.deep.equal(HOME);
    }
  });
});
