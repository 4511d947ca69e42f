import { expect } from "chai";
import fc from "fast-check";
import { formatLocalTime, parseLocalTime, parseNumber } from "./numbers.js";

describe("numbers of tables", () => {
  const read: [string, number][] = [
    ["0", 0],
    ["-0.5", -0.5],
    ["+3", 3],
    ["2.", 2],
    [".5", 0.5],
    ["1e3", 1000],
    ["12.50E-1", 1.25],
    ["9999999999999", 9999999999999],
  ];
  for (const [text, value] of read) {
    it(`read "${text}"`, () => expect(parseNumber(text)).to.equal(value));
  }

  const refused = ["", " ", "NaN", "nan", "Infinity", "-inf", "0x10", "1,5", "1 000", "$5", "abc"];
  refused.push("1e14", "-1e300", "1e999", "--1", "1.2.3", ".", "e5", "1_000", "٣");
  for (const text of refused) {
    it(`refuse "${text}"`, () => expect(parseNumber(text)).to.equal(undefined));
  }
});

describe("local times of tables", () => {
  it("count seconds on the same wall clock", () => {
    expect(parseLocalTime("1970-01-01 00:00:00")).to.equal(0);
    expect(parseLocalTime("2019-03-01 08:12:28")).to.equal(Date.UTC(2019, 2, 1, 8, 12, 28) / 1000);
  });

  it("may leave out seconds, have parts of them, and a T", () => {
    const whole = parseLocalTime("2019-03-01 08:12:00");
    expect(parseLocalTime("2019-03-01T08:12:00")).to.equal(whole);
    expect(parseLocalTime("2019-03-01 08:12")).to.equal(whole);
    expect(parseLocalTime("2019-03-01 08:12:00.250")).to.equal(whole! + 0.25);
  });

  it("know leap days, and the hour that summer time skips", () => {
    expect(parseLocalTime("2020-02-29 12:00:00")).to.be.a("number");
    expect(parseLocalTime("2019-03-10 02:30:00")).to.be.a("number");
  });

  const refused = ["", "2019-02-29 12:00:00", "2019-04-31 12:00:00", "2019-13-01 00:00:00"];
  refused.push("2019-00-10 00:00:00", "2019-01-00 00:00:00", "2019-03-01 24:00:00");
  refused.push("2019-03-01 23:60:00", "2019-03-01 23:59:60", "2019-03-01", "08:12:28", "NaT");
  refused.push("2019-03-01 08:12:28Z", "2019-03-01T08:12:28+01:00", "2019-3-1 8:12:28");
  refused.push("03/01/2019 08:12:28 AM", "2019-03-01 08:12:28 x", "1551427948");
  for (const text of refused) {
    it(`refuse "${text}"`, () => expect(parseLocalTime(text)).to.equal(undefined));
  }

  it("are written as they are read", () => {
    fc.assert(
      fc.property(fc.integer({ min: -2_208_988_800, max: 7_258_118_399 }), (second) => {
        expect(parseLocalTime(formatLocalTime(second))).to.equal(second);
      }),
    );
  });

  it("are blank when no trip can have had them", () => {
    for (const second of [NaN, Infinity, -1e12, 1e18]) {
      expect(formatLocalTime(second)).to.equal("");
    }
  });
});
