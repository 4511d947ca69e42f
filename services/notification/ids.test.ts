import { expect } from "chai";
import { idAfter } from "./ids.js";

const now = new Date("2019-03-01T12:00:00Z");
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("ids of notifications", () => {
  it("sort by the moment of their making", () => {
    const first = idAfter(undefined, now);
    const second = idAfter(first, new Date(now.getTime() + 1));
    expect(second > first).to.equal(true);
    expect(first).to.match(uuid);
  });

  it("sort in the order of their making within one millisecond, and when the clock is set back", () => {
    let last: string | undefined;
    for (let i = 0; i < 1000; i += 1) {
      const id = idAfter(last, new Date(now.getTime() - (i % 3)));
      expect(id).to.match(uuid);
      if (last !== undefined) expect(id > last).to.equal(true);
      last = id;
    }
  });

  it("carry over from one group of digits to the next", () => {
    const last = "01693913-1800-7fff-8000-ffffffffffff";
    expect(idAfter(last, new Date(0))).to.equal("01693913-1800-7fff-8001-000000000000");
  });
});
