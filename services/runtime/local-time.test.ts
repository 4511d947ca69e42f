import { expect } from "chai";
import { localTime } from "./local-time.js";

const at = (iso: string, zone: string) => {
  const { weekday, minuteOfDay } = localTime(new Date(iso), zone);
  const two = (n: number) => String(n).padStart(2, "0");
  const day = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][weekday];
  return `${day} ${two(Math.floor(minuteOfDay / 60))}:${two(minuteOfDay % 60)}`;
};

describe("local time", () => {
  const cases: [string, string, string, string][] = [
    ["standard time", "2019-03-10T06:59:59Z", "America/New_York", "Sun 01:59"],
    ["the hour that spring skips", "2019-03-10T07:00:00Z", "America/New_York", "Sun 03:00"],
    ["summer time", "2019-07-01T00:30:00Z", "America/New_York", "Sun 20:30"],
    [
      "the hour that autumn repeats, first",
      "2019-11-03T05:30:00Z",
      "America/New_York",
      "Sun 01:30",
    ],
    [
      "the hour that autumn repeats, second",
      "2019-11-03T06:30:00Z",
      "America/New_York",
      "Sun 01:30",
    ],
    ["after the repeated hour", "2019-11-03T07:00:00Z", "America/New_York", "Sun 02:00"],
    ["midnight", "2019-03-01T05:00:00Z", "America/New_York", "Fri 00:00"],
    ["an offset of 45 minutes", "2024-01-01T00:00:00Z", "Asia/Kathmandu", "Mon 05:45"],
    ["a shift of half an hour", "2024-04-06T15:00:00Z", "Australia/Lord_Howe", "Sun 01:30"],
    ["the far side of the date line", "2024-01-01T11:00:00Z", "Pacific/Kiritimati", "Tue 01:00"],
    ["UTC", "2024-02-29T23:59:00Z", "UTC", "Thu 23:59"],
  ];
  for (const [what, iso, zone, expected] of cases) {
    it(`tells ${what}: ${iso} in ${zone} is ${expected}`, () => {
      expect(at(iso, zone)).to.equal(expected);
      // From memory as from Intl.
      expect(at(iso, zone)).to.equal(expected);
    });
  }

  it("agrees with Intl at every quarter of an hour around both changes of the clock", () => {
    const intl = new Intl.DateTimeFormat("en-US", {
      timeZone: "Europe/Berlin",
      hourCycle: "h23",
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit",
    });
    const wrong: string[] = [];
    for (const day of ["2024-03-31", "2024-10-27"]) {
      for (let quarter = 0; quarter < 96; quarter += 1) {
        const time = new Date(Date.parse(`${day}T00:00:00Z`) + quarter * 900_000 + 7 * 60_000);
        const parts = Object.fromEntries(intl.formatToParts(time).map((p) => [p.type, p.value]));
        const expected = `${parts["weekday"]} ${parts["hour"]}:${parts["minute"]}`;
        if (at(time.toISOString(), "Europe/Berlin") !== expected) wrong.push(time.toISOString());
      }
    }
    expect(wrong).to.deep.equal([]);
  });

  it("refuses a time zone that does not exist", () => {
    expect(() => localTime(new Date(0), "Mars/Olympus")).to.throw(RangeError);
  });
});
