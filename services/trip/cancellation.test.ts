import { expect } from "chai";
import { addSeconds } from "../runtime/clock.js";
import { cancellationFee } from "./cancellation.js";
import { noon, sampleTerms } from "./sample.test.js";

describe("the fee of a rider who cancels", () => {
  const terms = sampleTerms();
  const cases: [secondsAfterAcceptance: number, fee: bigint][] = [
    [0, 0n],
    [60, 0n],
    [119.999, 0n],
    [120, 500n],
    [299.999, 500n],
    [300, 1000n],
    [86_400, 1000n],
  ];
  for (const [seconds, fee] of cases) {
    it(`is ${fee} minor units ${seconds} s after acceptance`, () => {
      expect(cancellationFee(terms, noon, addSeconds(noon, seconds))).to.equal(fee);
    });
  }

  it("is nothing while nobody has accepted, however long that takes", () => {
    expect(cancellationFee(terms, undefined, addSeconds(noon, 86_400))).to.equal(0n);
  });

  it("is nothing when the clock seems to have gone back", () => {
    expect(cancellationFee(terms, noon, addSeconds(noon, -10))).to.equal(0n);
  });

  it("follows the terms that the trip was booked on", () => {
    const strict = { ...terms, freeCancelSeconds: 0, cancelFeeMinor: 7n, lateCancelSeconds: 1 };
    expect(cancellationFee(strict, noon, noon)).to.equal(7n);
    expect(cancellationFee(strict, noon, addSeconds(noon, 1))).to.equal(1000n);
  });
});
