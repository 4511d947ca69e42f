import { expect } from "chai";
import { DropReason } from "../../gen/grpc/ridemesh/location/v1/location.js";
import { chartAround } from "../runtime/geo.js";
import { freshStartAfter, gateAfter, newGate, passGate, type Gate } from "./ingest.js";

const { toPoint } = chartAround({ lat: 40.75, lng: -73.98 });
const t0 = Date.parse("2019-03-05T12:00:00Z");

/** A point so many meters east of the start, so many seconds after noon. */
function at(eastMeters: number, seconds: number, accuracyMeters = 5) {
  return { ...toPoint({ x: eastMeters, y: 0 }), timeMs: t0 + seconds * 1000, accuracyMeters };
}

/** What becomes of the points, the clock being at each point's time. */
function fates(gate: Gate, ...points: ReturnType<typeof at>[]): (DropReason | undefined)[] {
  return points.map((point) => passGate(gate, point, point.timeMs));
}

const accepted = undefined;

describe("the gate of a driver's points", () => {
  it("accepts a plausible drive", () => {
    const drive = Array.from({ length: 20 }, (_, i) => at(i * 60, i * 4));
    expect(fates(newGate(), ...drive)).deep.equal(drive.map(() => accepted));
  });

  it("drops a point less accurate than 50 m, and accepts one of 50 m or of unknown accuracy", () => {
    const gate = newGate();
    expect(fates(gate, at(0, 0, 50.1), at(0, 1, 50), at(0, 2, 0))).deep.equal([
      DropReason.INACCURATE,
      accepted,
      accepted,
    ]);
  });

  it("drops a point that is not newer than the last accepted one", () => {
    const gate = newGate();
    expect(fates(gate, at(0, 10), at(0, 10), at(0, 9), at(0, 11))).deep.equal([
      accepted,
      DropReason.STALE,
      DropReason.STALE,
      accepted,
    ]);
  });

  it("drops a first point of more than a day ago", () => {
    const now = t0 + 25 * 3_600_000;
    expect(passGate(newGate(), at(0, 0), now)).equal(DropReason.STALE);
    expect(passGate(newGate(), at(0, 3 * 3600), now)).equal(accepted);
  });

  it("drops a point more than 30 s ahead of the clock", () => {
    const gate = newGate();
    expect(passGate(gate, at(0, 30), t0)).equal(accepted);
    expect(passGate(gate, at(0, 30.001), t0)).equal(DropReason.FUTURE);
  });

  it("drops a jump faster than 200 km/h and accepts what comes after from where the driver was", () => {
    // 200 km/h for 10 s is 556 m.
    const gate = newGate();
    expect(fates(gate, at(0, 0), at(600, 10), at(100, 14), at(540, 24))).deep.equal([
      accepted,
      DropReason.IMPOSSIBLE,
      accepted,
      accepted,
    ]);
  });

  it("grants two fixes that are close in time what their accuracy explains", () => {
    expect(fates(newGate(), at(0, 0, 15), at(40, 0.2, 15))).deep.equal([accepted, accepted]);
    expect(fates(newGate(), at(0, 0, 15), at(120, 0.2, 15))[1]).equal(DropReason.IMPOSSIBLE);
  });

  it("does not let a burst of points add up the tolerance of each", () => {
    const gate = newGate();
    const burst = Array.from({ length: 20 }, (_, i) => at(i * 50, i * 0.1));
    const fate = fates(gate, ...burst);
    expect(fate.slice(0, 2)).deep.equal([accepted, accepted]);
    expect(fate.slice(2, 10)).deep.equal(fate.slice(2, 10).map(() => DropReason.IMPOSSIBLE));
  });

  it("lets a driver recover after one accepted point was wrong", () => {
    const gate = newGate();
    passGate(gate, at(50_000, 0), t0);
    const real = Array.from({ length: freshStartAfter + 2 }, (_, i) => at(i * 40, 4 + i * 4));
    expect(fates(gate, ...real)).deep.equal([
      ...Array.from({ length: freshStartAfter - 1 }, () => DropReason.IMPOSSIBLE),
      accepted,
      accepted,
      accepted,
    ]);
  });

  it("does not believe impossible points that contradict each other", () => {
    const gate = gateAfter(at(0, 0));
    const wild = Array.from({ length: 8 }, (_, i) => at(i % 2 ? 90_000 : -90_000, 4 + i * 4));
    expect(fates(gate, ...wild)).deep.equal(wild.map(() => DropReason.IMPOSSIBLE));
    expect(fates(gate, at(30, 60))).deep.equal([accepted]);
  });

  it("is not confused by the antimeridian", () => {
    const gate = newGate();
    const fiji = (lng: number, seconds: number) => ({ ...at(0, seconds), lat: -17, lng });
    expect(fates(gate, fiji(179.9999, 0), fiji(-179.9999, 4), fiji(-179.5, 8))).deep.equal([
      accepted,
      accepted,
      DropReason.IMPOSSIBLE,
    ]);
  });
});
