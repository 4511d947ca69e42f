import { expect } from "chai";
import { fitConstantSpeed, fitModel, meanAbsoluteError, type RecordedTrip } from "./fit.js";
import { estimateDrive, parseModel } from "./model.js";

/** Pseudorandom numbers, the same in every run (Park–Miller). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

const slowCell = { lat: 40.76, lng: -73.98 };
const fastCell = { lat: 40.8, lng: -73.9 };

/** Trips of a city whose truth is known: rush hours, a slow middle, roads that wind. */
function trips(count: number, seed: number): RecordedTrip[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, () => {
    const meters = 400 + random() * 15_000;
    const hourOfWeek = Math.floor(random() * 168);
    const [origin, destination] = [random(), random()].map((r) => (r < 0.5 ? slowCell : fastCell));
    const rush = [8, 9, 17, 18].includes(hourOfWeek % 24) && hourOfWeek >= 24 && hourOfWeek < 144;
    const noise = 0.85 + random() * 0.3;
    const seconds = (60 + meters / 8) * (rush ? 1.6 : 1) * (origin === slowCell ? 1.3 : 1) * noise;
    const roadMeters = meters * 1.35 * (0.95 + random() * 0.1);
    const grid = false;
    return {
      origin: origin!,
      destination: destination!,
      meters,
      hourOfWeek,
      seconds,
      roadMeters,
      grid,
    };
  });
}

describe("fitting a model", () => {
  const known = trips(4000, 1);
  const unknown = trips(1000, 2);
  const empty = { format: 1 as const };
  const model = parseModel({ ...empty, ...fitModel(known) });

  it("finds the hours, the areas and the detours that the trips were made with", () => {
    const hour = (h: number) => model.hours[h]!;
    // Tuesday morning against Tuesday noon, Sunday morning against Sunday noon.
    expect(hour(56) / hour(60)).closeTo(1.6, 0.12);
    expect(hour(8) / hour(12)).closeTo(1, 0.1);
    const drive = { meters: 5000, hourOfWeek: 60 };
    const slow = estimateDrive(model, { ...drive, origin: slowCell, destination: fastCell });
    const fast = estimateDrive(model, { ...drive, origin: fastCell, destination: slowCell });
    expect(slow.durationSeconds / fast.durationSeconds).closeTo(1.3, 0.05);
    expect(slow.distanceMeters / 5000).closeTo(1.35, 0.02);
  });

  it("is nearly as good on trips that it has not seen as the noise allows", () => {
    const error = meanAbsoluteError(unknown, (t) => estimateDrive(model, t).durationSeconds);
    const plain = fitConstantSpeed(known);
    const plainError = meanAbsoluteError(unknown, ({ meters }) => meters / plain);
    const mean = unknown.reduce((sum, t) => sum + t.seconds, 0) / unknown.length;
    // Noise of ±15 % alone makes 7.5 %.
    expect(error / mean).below(0.095);
    expect(error / plainError).below(0.5);
  });

  it("fits the constant speed that is best by the same measure", () => {
    const best = fitConstantSpeed(known);
    const error = (speed: number) => meanAbsoluteError(known, ({ meters }) => meters / speed);
    for (const other of [0.97, 0.99, 1.01, 1.03]) {
      expect(error(best)).at.most(error(best * other));
    }
  });

  it("makes durations grow with distance, also where no trip was that long", () => {
    const short = known.filter(({ meters }) => meters < 4000);
    const { knots } = fitModel(short);
    for (const [i, knot] of knots.entries()) {
      if (i > 0) expect(knot.seconds).above(knots[i - 1]!.seconds);
    }
  });
});
