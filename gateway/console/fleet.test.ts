import { expect } from "chai";
import { createFleet, fadeMs, type DriverReport } from "./fleet.js";
import { positionAt } from "./motion.js";
import { project } from "./projection.js";

const report = (driverId: string, change: Partial<DriverReport> = {}): DriverReport => ({
  driverId,
  point: { lat: 40.7, lng: -74 },
  busy: false,
  tripId: "",
  headingDegrees: 0,
  ...change,
});
const elsewhere = { lat: 40.8, lng: -73.9 };

describe("the fleet on the map", () => {
  let nowMs: number;
  const clock = () => nowMs;
  const ids = (fleet: ReturnType<typeof createFleet>) =>
    [...fleet.drivers()].map(({ driverId }) => driverId);
  beforeEach(() => (nowMs = 1000));

  it("counts who is free and who is busy", () => {
    const fleet = createFleet(clock);
    fleet.apply({ drivers: [report("a"), report("b", { busy: true })], goneDriverIds: [] }, true);
    fleet.apply({ drivers: [report("c"), report("a", { busy: true })], goneDriverIds: [] }, false);
    expect(fleet.counts()).to.deep.equal({ free: 1, busy: 2 });
  });

  it("lets go who went away", () => {
    const fleet = createFleet(clock);
    fleet.apply({ drivers: [report("a"), report("b")], goneDriverIds: [] }, true);
    fleet.apply({ drivers: [], goneDriverIds: ["a", "stranger"] }, false);
    expect(ids(fleet)).to.deep.equal(["b"]);
    expect(fleet.counts()).to.deep.equal({ free: 1, busy: 0 });
  });

  it("lets go who is not in the first message of a stream that was opened again", () => {
    const fleet = createFleet(clock);
    fleet.apply({ drivers: [report("a"), report("b")], goneDriverIds: [] }, true);
    fleet.apply({ drivers: [report("b"), report("c")], goneDriverIds: [] }, true);
    expect(ids(fleet)).to.have.members(["b", "c"]);
  });

  it("shows those who went for as long as they fade", () => {
    const fleet = createFleet(clock);
    fleet.apply({ drivers: [report("a")], goneDriverIds: [] }, true);
    fleet.apply({ drivers: [], goneDriverIds: ["a"] }, false);
    expect(fleet.leaving().map(({ driver }) => driver.driverId)).to.deep.equal(["a"]);
    nowMs += fadeMs;
    expect(fleet.leaving()).to.be.empty;
  });

  it("is at rest when all have arrived", () => {
    const fleet = createFleet(clock);
    fleet.apply({ drivers: [report("a")], goneDriverIds: [] }, true);
    expect(fleet.isMoving()).to.be.true;
    nowMs += fadeMs;
    expect(fleet.isMoving()).to.be.false;
    fleet.apply({ drivers: [report("a", { point: elsewhere })], goneDriverIds: [] }, false);
    expect(fleet.isMoving()).to.be.true;
    nowMs += 60_000;
    expect(fleet.isMoving()).to.be.false;
    expect(positionAt(fleet.get("a")!.track, nowMs)).to.deep.equal(project(elsewhere));
  });

  it("jumps when less motion is asked for", () => {
    const fleet = createFleet(clock, { still: () => true });
    fleet.apply({ drivers: [report("a")], goneDriverIds: [] }, true);
    fleet.apply({ drivers: [report("a", { point: elsewhere })], goneDriverIds: [] }, false);
    expect(positionAt(fleet.get("a")!.track, nowMs)).to.deep.equal(project(elsewhere));
  });

  it("keeps a trail for as long as a trip lasts", () => {
    const fleet = createFleet(clock);
    const trail = () => fleet.get("a")!.track.trail.length;
    const move = (lat: number, tripId: string) => {
      nowMs += 1000;
      const change = { point: { lat, lng: -74 }, busy: tripId !== "", tripId };
      fleet.apply({ drivers: [report("a", change)], goneDriverIds: [] }, false);
    };
    move(40.1, "one");
    move(40.2, "one");
    move(40.3, "one");
    expect(trail()).to.equal(2);
    move(40.4, "two");
    expect(trail()).to.equal(0);
    move(40.5, "two");
    expect(trail()).to.equal(1);
    move(40.6, "");
    move(40.7, "");
    expect(trail()).to.equal(0);
  });

  it("is empty after it was cleared", () => {
    const fleet = createFleet(clock);
    fleet.apply({ drivers: [report("a"), report("b")], goneDriverIds: ["b"] }, true);
    fleet.clear();
    expect(fleet.counts()).to.deep.equal({ free: 0, busy: 0 });
    expect(fleet.leaving()).to.be.empty;
  });
});
