import { expect } from "chai";
import { listed, positionText, shortId, stateWord } from "./driver-words.js";
import type { DriverReport } from "./fleet.js";

const driver = (driverId: string, busy: boolean): DriverReport => ({
  driverId,
  point: { lat: 0, lng: 0 },
  busy,
  tripId: busy ? `trip-of-${driverId}` : "",
  headingDegrees: 0,
});

describe("a driver in words", () => {
  it("has the end of his id, by which ids of one day differ", () => {
    expect(shortId("01937a6e-8b1c-7d2f-9a44-5b06c1dc7e21")).to.equal("c1dc7e21");
    expect(shortId("d-1")).to.equal("d-1");
  });

  it("has a state that does not need colours", () => {
    expect([stateWord({ busy: true }), stateWord({ busy: false })]).to.deep.equal([
      "On a trip",
      "Free",
    ]);
  });

  for (const [lat, lng, text] of [
    [40.758012, -73.98554, "40.75801° N, 73.98554° W"],
    [-33.85678, 151.2153, "33.85678° S, 151.21530° E"],
  ] as const) {
    it(`is at ${text}`, () => {
      expect(positionText({ point: { lat, lng } })).to.equal(text);
    });
  }
});

describe("the driver list", () => {
  const drivers = [driver("c", false), driver("b", true), driver("a", false), driver("d", true)];
  for (const [filter, ids] of [
    ["all", ["b", "d", "a", "c"]],
    ["busy", ["b", "d"]],
    ["free", ["a", "c"]],
  ] as const) {
    it(`of ${filter} is in a lasting order, the busy first`, () => {
      expect(listed(drivers, filter).map(({ driverId }) => driverId)).to.deep.equal(ids);
    });
  }
});
