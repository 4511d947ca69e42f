import { expect } from "chai";
import {
  addSeconds,
  domainClock,
  secondsBetween,
  steerableClock,
  wallClock,
  type WallClock,
} from "./clock.js";

const noon = new Date("2026-03-01T12:00:00Z");

/** A wall clock that shows what it is told. */
function handOf(time: Date): WallClock & { time: Date } {
  const wall = { ...wallClock, time, now: () => wall.time };
  return wall;
}

describe("the wall clock", () => {
  it("tells the time, and measures without ever going back", () => {
    const before = wallClock.monotonicMs();
    expect(wallClock.now()).to.be.instanceOf(Date);
    expect(wallClock.monotonicMs()).to.be.at.least(before);
  });

  it("wakes a sleeper early when his signal aborts, before or during the sleep", async () => {
    const controller = new AbortController();
    const sleeping = wallClock.sleep(3_600_000, controller.signal);
    controller.abort();
    await sleeping;
    await wallClock.sleep(3_600_000, controller.signal);
  });

  it("takes a negative time for none", async () => {
    await wallClock.sleep(-5);
  });
});

describe("the domain clock", () => {
  it("follows the wall clock when nothing else is said", () => {
    const wall = handOf(noon);
    const clock = domainClock({ wall });
    wall.time = addSeconds(noon, 90);
    expect(clock.now()).to.deep.equal(addSeconds(noon, 90));
    expect(clock.rate).to.equal(1);
  });

  it("runs at its rate from its origin", () => {
    const wall = handOf(noon);
    const origin = new Date("2019-03-01T00:00:00Z");
    const clock = domainClock({ wall, rate: 60, origin });
    expect(clock.now()).to.deep.equal(origin);
    wall.time = addSeconds(noon, 2);
    expect(clock.now()).to.deep.equal(addSeconds(origin, 120));
  });

  it("shows the same in every process that is told the same", () => {
    const wall = handOf(noon);
    const course = { wall, rate: 7, origin: noon, wallOrigin: addSeconds(noon, -100) };
    const one = domainClock(course);
    wall.time = addSeconds(noon, 13);
    const two = domainClock(course);
    expect(one.now()).to.deep.equal(two.now());
    expect(two.now()).to.deep.equal(addSeconds(noon, 113 * 7));
  });

  it("says how long to wait by the wall clock until it shows a time", () => {
    const clock = domainClock({ wall: handOf(noon), rate: 10 });
    expect(clock.wallMsUntil(addSeconds(noon, 30))).to.equal(3000);
    expect(clock.wallMsUntil(addSeconds(noon, -30))).to.equal(0);
  });

  for (const rate of [0, -1, Number.NaN]) {
    it(`refuses the rate ${rate}`, () => {
      expect(() => domainClock({ wall: wallClock, rate })).to.throw(RangeError, String(rate));
    });
  }

  it("can be steered while it runs", () => {
    const wall = handOf(noon);
    const clock = steerableClock(wall);
    expect(clock.now()).to.deep.equal(noon);
    const origin = new Date("2019-03-01T17:00:00Z");
    clock.steer({ origin, rate: 100 });
    wall.time = addSeconds(noon, 1);
    expect(clock.now()).to.deep.equal(addSeconds(origin, 100));
    expect(clock.rate).to.equal(100);
    clock.steer({ origin, rate: 1, wallOrigin: noon });
    expect(clock.now()).to.deep.equal(addSeconds(origin, 1));
    expect(() => clock.steer({ origin, rate: 0 })).to.throw(RangeError);
  });
});

describe("seconds", () => {
  it("are added to a time and counted between two", () => {
    expect(addSeconds(noon, 0.25).getTime() - noon.getTime()).to.equal(250);
    expect(secondsBetween(noon, addSeconds(noon, 7.5))).to.equal(7.5);
    expect(secondsBetween(addSeconds(noon, 3), noon)).to.equal(-3);
  });
});
