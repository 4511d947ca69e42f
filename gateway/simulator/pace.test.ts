import { expect } from "chai";
import { createPace, fastest, firstPace, highSeconds, lowSeconds, slowest } from "./pace.js";

describe("the pace of a replay", () => {
  const after = (pace: { saw(seconds: number): void; next(): number }, ...seconds: number[]) => {
    for (const one of seconds) pace.saw(one);
    return pace.next();
  };

  const many = (seconds: number) => Array.from({ length: 10 }, () => seconds);

  it("rises while offers are answered in time, or nobody asks, up to the fastest", () => {
    const pace = createPace();
    let last = firstPace;
    for (let beat = 0; beat < 60; beat += 1) {
      const next = beat % 2 === 0 ? pace.next() : after(pace, ...many(lowSeconds - 0.1));
      expect(next).to.be.at.least(last);
      last = next;
    }
    expect(last).to.equal(fastest);
  });

  it("stays where the delays are neither small nor large", () => {
    expect(after(createPace(), ...many(lowSeconds), ...many(highSeconds))).to.equal(firstPace);
  });

  it("falls as far as the delays are too long, and then waits for what that brings", () => {
    const pace = createPace();
    const slowed = after(pace, ...many(highSeconds * 1.25));
    expect(slowed).to.be.closeTo(firstPace / 1.25, 1e-9);
    expect(after(pace, ...many(1000))).to.equal(slowed);
    expect(after(pace, ...many(1000))).to.equal(slowed);
    expect(after(pace, ...many(1000))).to.be.lessThan(slowed);
  });

  it("does not mind a few slow answers, whenever they come", () => {
    const pace = createPace();
    let last = firstPace;
    for (let beat = 0; beat < 8; beat += 1) {
      const next = after(pace, 1, 100, 1, 1, 1, 1);
      expect(next).to.be.above(last);
      last = next;
    }
    expect(after(createPace(), 100)).to.be.above(firstPace);
  });

  it("never stands still", () => {
    const pace = createPace();
    for (let beat = 0; beat < 100; beat += 1) after(pace, ...many(1e6));
    expect(after(pace, ...many(1e6))).to.equal(slowest);
  });
});
