import { expect } from "chai";
import { lockSeconds } from "./lockout.js";

describe("lock after failed logins", () => {
  it("comes with the fifth failure and doubles with each one more, up to an hour", () => {
    const seconds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 1000].map(lockSeconds);
    expect(seconds).to.deep.equal([0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
  });
});
