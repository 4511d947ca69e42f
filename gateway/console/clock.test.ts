import { expect } from "chai";
import { domainTime, localTimeIn, rateText, readClock } from "./clock.js";

describe("the domain clock", () => {
  const now = new Date("2019-03-12T21:00:00Z");

  it("is taken to be read halfway between question and answer", () => {
    expect(readClock({ now, rate: 1 }, 1000, 1200).heardMs).to.equal(1100);
  });

  for (const [rate, iso] of [
    [1, "2019-03-12T21:00:10.000Z"],
    [60, "2019-03-12T21:10:00.000Z"],
    [0.5, "2019-03-12T21:00:05.000Z"],
  ] as const) {
    it(`is followed at ${rate} domain seconds a second`, () => {
      const reading = readClock({ now, rate }, 5000, 5000);
      expect(domainTime(reading, 15_000).toISOString()).to.equal(iso);
    });
  }

  for (const [rate, text] of [
    [1, "real time"],
    [60, "60 × real time"],
    [174.6789, "175 × real time"],
    [0.5, "0.5 × real time"],
  ] as const) {
    it(`is said to run at "${text}"`, () => {
      expect(rateText(rate)).to.equal(text);
    });
  }

  it("is shown in the city's time", () => {
    const { time, date } = localTimeIn("America/New_York", "en-GB")(now);
    expect(time).to.equal("17:00:00");
    expect(date).to.match(/^Tue,? 12 Mar 2019$/);
  });

  it("is shown with midnight as 00, and in UTC where the zone is unknown", () => {
    const midnight = new Date("2019-03-12T00:00:00Z");
    expect(localTimeIn("Nowhere/At_All", "en")(midnight).time).to.equal("00:00:00");
  });
});
