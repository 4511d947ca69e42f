import { expect } from "chai";
import fc from "fast-check";
import { foldDay, sampleOfDay, SECONDS_PER_DAY, windowSeconds } from "./demand.js";
import type { RecordedTrip } from "./trips-file.js";

const at = (hour: number, minute = 0, second = 0) => hour * 3600 + minute * 60 + second;

const trip = (line: number, pickupSecondOfDay: number): RecordedTrip => ({
  line,
  tripId: String(line),
  color: "yellow",
  pickupSecondOfDay,
  pickupDate: "2019-03-01",
  durationSeconds: 600,
  distanceMeters: 3000,
  pickupZoneId: 1,
  dropoffZoneId: 2,
  fareMinor: 950n,
  rateCode: 1,
  passengers: 1,
});

const anyTrips = fc
  .array(fc.integer({ min: 0, max: SECONDS_PER_DAY - 1 }))
  .map((seconds) => seconds.map((second, index) => trip(index + 2, second)));

describe("demand of a day", () => {
  it("comes by time of day, whatever the date, and in the file's order within a second", () => {
    const trips = [trip(2, at(9)), trip(3, at(8)), trip(4, at(9)), trip(5, at(0)), trip(6, at(9))];
    const { requests, leftOut } = foldDay(trips);
    expect(requests.map((request) => request.trip.line)).to.deep.equal([5, 3, 2, 4, 6]);
    expect(requests.map(({ offsetSeconds }) => offsetSeconds)).to.deep.equal(
      [0, 8, 9, 9, 9].map((hour) => at(hour)),
    );
    expect(requests.map(({ index }) => index)).to.deep.equal([0, 1, 2, 3, 4]);
    expect(leftOut).to.equal(0);
  });

  it("of a window counts from its start, and does not include its end", () => {
    const trips = [at(16, 59, 59), at(17), at(17, 30), at(17, 59, 59), at(18)].map(
      (second, index) => trip(index + 2, second),
    );
    const { requests, leftOut } = foldDay(trips, {
      window: { fromSecond: at(17), toSecond: at(18) },
    });
    expect(requests.map(({ offsetSeconds }) => offsetSeconds)).to.deep.equal([0, 1800, 3599]);
    expect(leftOut).to.equal(2);
  });

  it("of a window past midnight begins in the evening", () => {
    const trips = [at(1), at(23), at(2), at(12), at(0)].map((second, index) =>
      trip(index + 2, second),
    );
    const { requests } = foldDay(trips, { window: { fromSecond: at(22), toSecond: at(2) } });
    expect(requests.map((request) => request.trip.line)).to.deep.equal([3, 6, 2]);
    expect(requests.map(({ offsetSeconds }) => offsetSeconds)).to.deep.equal([at(1), at(2), at(3)]);
  });

  it("of a window up to midnight ends there", () => {
    const window = { fromSecond: at(22), toSecond: 0 };
    expect(windowSeconds(window)).to.equal(at(2));
    const { requests } = foldDay([trip(2, at(23, 59, 59)), trip(3, at(0))], { window });
    expect(requests.map((request) => request.trip.line)).to.deep.equal([2]);
  });

  it("with a limit holds the first ones of the window", () => {
    const trips = [trip(2, at(9)), trip(3, at(8)), trip(4, at(10)), trip(5, at(7))];
    const { requests, leftOut } = foldDay(trips, {
      window: { fromSecond: at(8), toSecond: at(11) },
      limit: 2,
    });
    expect(requests.map((request) => request.trip.line)).to.deep.equal([3, 2]);
    expect(leftOut).to.equal(2);
  });

  it("keeps fractions of seconds", () => {
    const { requests } = foldDay([trip(2, 0.75), trip(3, 0.5)]);
    expect(requests.map(({ offsetSeconds }) => offsetSeconds)).to.deep.equal([0.5, 0.75]);
  });

  it("never goes back in time, loses no trip and leaves the given ones alone", () => {
    const second = fc.integer({ min: 0, max: SECONDS_PER_DAY - 1 });
    fc.assert(
      fc.property(anyTrips, second, second, fc.nat({ max: 20 }), (trips, from, to, limit) => {
        const before = [...trips];
        const { requests, leftOut } = foldDay(trips, {
          window: { fromSecond: from, toSecond: to },
          limit,
        });
        expect(trips).to.deep.equal(before);
        expect(requests.length + leftOut).to.equal(trips.length);
        expect(requests.length).to.be.at.most(limit);
        for (const [index, request] of requests.entries()) {
          const previous = requests[index - 1];
          expect(request.offsetSeconds).to.be.within(previous?.offsetSeconds ?? 0, SECONDS_PER_DAY);
          expect((from + request.offsetSeconds) % SECONDS_PER_DAY).to.equal(
            request.trip.pickupSecondOfDay,
          );
          if (previous?.offsetSeconds === request.offsetSeconds) {
            expect(request.trip.line).to.be.above(previous.trip.line);
          }
        }
      }),
    );
  });

  it("splits between two windows that make up the day", () => {
    const second = fc.integer({ min: 0, max: SECONDS_PER_DAY - 1 });
    fc.assert(
      fc.property(anyTrips, second, second, (trips, from, to) => {
        fc.pre(from !== to);
        const lines = [
          { fromSecond: from, toSecond: to },
          { fromSecond: to, toSecond: from },
        ].flatMap((window) =>
          foldDay(trips, { window }).requests.map(({ trip: { line } }) => line),
        );
        expect(lines.sort((a, b) => a - b)).to.deep.equal(trips.map(({ line }) => line));
      }),
    );
  });
});

describe("sample of a day", () => {
  it("holds as many trips as asked for, or all, in the given order", () => {
    fc.assert(
      fc.property(anyTrips, fc.nat({ max: 40 }), (trips, count) => {
        const sample = sampleOfDay(trips, count);
        expect(sample).to.have.length(Math.min(count, trips.length));
        expect(sample.map(({ line }) => line)).to.deep.equal(
          sample.map(({ line }) => line).sort((a, b) => a - b),
        );
      }),
    );
  });

  it("is spread as the trips are", () => {
    const busy = Array.from({ length: 900 }, (_, index) => trip(index, at(18) + index));
    const quiet = Array.from({ length: 100 }, (_, index) => trip(1000 + index, at(4) + index));
    const sample = sampleOfDay([...busy, ...quiet], 100);
    expect(sample.filter(({ line }) => line < 1000)).to.have.length(90);
    expect(sample.filter(({ line }) => line >= 1000)).to.have.length(10);
  });
});
