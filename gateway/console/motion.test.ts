import { expect } from "chai";
import {
  bearingDegrees,
  headingAt,
  isMoving,
  moveTrack,
  positionAt,
  startTrack,
  type Track,
} from "./motion.js";

const origin = { x: 0, y: 0 };
const east = { x: 1, y: 0 };

describe("a mark", () => {
  it("stands where it appeared", () => {
    const track = startTrack({ x: 0.3, y: 0.4 }, 90, 1000);
    expect(positionAt(track, 5000)).to.deep.equal({ x: 0.3, y: 0.4 });
    expect(headingAt(track, 5000)).to.equal(90);
    expect(isMoving(track, 1000)).to.be.false;
  });

  it("glides evenly to where it was reported", () => {
    const track = moveTrack(startTrack(origin, 0, 0), east, 90, 1000, 400);
    const shares: [atMs: number, x: number][] = [
      [1000, 0],
      [1100, 0.25],
      [1200, 0.5],
      [1400, 1],
      [9000, 1],
    ];
    for (const [atMs, x] of shares) {
      expect(positionAt(track, atMs).x, `at ${atMs}`).to.be.closeTo(x, 1e-12);
    }
    expect(isMoving(track, 1399)).to.be.true;
    expect(isMoving(track, 1400)).to.be.false;
  });

  it("goes on from where it is when it is reported elsewhere on its way", () => {
    const first = moveTrack(startTrack(origin, 0, 0), east, 90, 1000, 400);
    const second = moveTrack(first, { x: 0.5, y: 1 }, 180, 1200, 400);
    expect(positionAt(second, 1200).x).to.be.closeTo(0.5, 1e-12);
    expect(positionAt(second, 1600)).to.deep.equal({ x: 0.5, y: 1 });
    expect(second.trail).to.deep.equal([origin, { x: 0.5, y: 0 }]);
  });

  it("goes there at once when it shall", () => {
    const track = moveTrack(startTrack(origin, 0, 0), east, 90, 1000, 0);
    expect(positionAt(track, 1000)).to.deep.equal(east);
    expect(isMoving(track, 1000)).to.be.false;
  });

  const pace = (apartMs: number): Track => {
    let track = startTrack(origin, 0, 0);
    for (let n = 1; n <= 12; n++) track = moveTrack(track, { x: n, y: 0 }, 90, n * apartMs);
    return track;
  };
  const paces: [apartMs: number, min: number, max: number][] = [
    [1000, 1000, 1300],
    [4000, 4000, 5000],
    [50, 300, 500],
    [60_000, 8000, 8000],
  ];
  for (const [apartMs, min, max] of paces) {
    it(`takes ${min} to ${max} ms for its way when reports are ${apartMs} ms apart`, () => {
      expect(pace(apartMs).durationMs).to.be.within(min, max);
    });
  }

  it("does not start again for a report from the same place", () => {
    const track = moveTrack(startTrack(origin, 0, 0), east, 90, 1000, 400);
    expect(moveTrack(track, east, 0, 1200)).to.equal(track);
    expect(moveTrack(track, east, 120, 1200)).to.deep.equal({ ...track, toHeading: 120 });
  });

  it("keeps a short trail", () => {
    expect(pace(1000).trail).to.have.length(10);
  });
});

describe("a heading", () => {
  const bearings: [name: string, dx: number, dy: number, degrees: number][] = [
    ["north", 0, -1, 0],
    ["north-east", 1, -1, 45],
    ["east", 1, 0, 90],
    ["south", 0, 1, 180],
    ["west", -1, 0, 270],
  ];
  for (const [name, x, y, degrees] of bearings) {
    it(`is ${degrees}° to the ${name}`, () => {
      expect(bearingDegrees(origin, { x, y })).to.be.closeTo(degrees, 1e-9);
    });
  }

  it("follows from the movement when it is not known", () => {
    const track = moveTrack(startTrack(origin, 0, 0), east, 0, 1000, 400);
    expect(headingAt(track, 2000)).to.be.closeTo(90, 1e-9);
  });

  it("turns the shorter way", () => {
    const track = moveTrack(startTrack(origin, 350, 0), east, 10, 1000, 400);
    const half = headingAt(track, 1050);
    expect(half).to.be.closeTo(0, 1e-9);
    expect(headingAt(track, 1100)).to.be.closeTo(10, 1e-9);
  });
});
