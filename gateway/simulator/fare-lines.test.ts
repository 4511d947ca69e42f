import { expect } from "chai";
import { FareLineKind } from "../../gen/es/ridemesh/pricing/v1/fare_pb.js";
import { meteredPartMinor } from "./fare-lines.js";

const line = (kind: FareLineKind, amountMinor: bigint) => ({ kind, amountMinor });

describe("part of a fare that a taxi meter shows", () => {
  it("is start, distance and time, what lacks to the minimum, and waiting", () => {
    const lines = [
      line(FareLineKind.BASE, 250n),
      line(FareLineKind.DISTANCE, 600n),
      line(FareLineKind.TIME, 150n),
      line(FareLineKind.MINIMUM, 10n),
      line(FareLineKind.WAIT, 20n),
    ];
    expect(meteredPartMinor(lines)).to.equal(1_030n);
  });

  it("is a fixed fare, and what an upfront price differs by", () => {
    expect(meteredPartMinor([line(FareLineKind.FIXED, 5_200n)])).to.equal(5_200n);
    const kept = [line(FareLineKind.BASE, 250n), line(FareLineKind.UPFRONT, -30n)];
    expect(meteredPartMinor(kept)).to.equal(220n);
  });

  it("is without surge, taxes, extras and surcharges, which the records keep apart", () => {
    const { SURGE, TAX, NIGHT, PEAK, ZONE, BOOKING, CANCELLATION } = FareLineKind;
    const apart = [SURGE, TAX, NIGHT, PEAK, ZONE, BOOKING, CANCELLATION];
    const lines = [line(FareLineKind.BASE, 250n), ...apart.map((kind) => line(kind, 100n))];
    expect(meteredPartMinor(lines)).to.equal(250n);
  });

  it("is nothing of nothing", () => {
    expect(meteredPartMinor([])).to.equal(0n);
  });
});
