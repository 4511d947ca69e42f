import { expect } from "chai";
import { readFile } from "node:fs/promises";
import { directionShare, estimateDrive, parseModel, usualDrive, type ModelFile } from "./model.js";

const plain = {
  format: 1,
  knots: [
    { meters: 0, seconds: 0, detour: 1.5 },
    { meters: 1000, seconds: 200, detour: 1.5 },
    { meters: 3000, seconds: 500, detour: 1.3 },
  ],
  hours: Array.from({ length: 168 }, (_, hour) => (hour === 100 ? 2 : 1)),
  cellDegrees: 0.02,
  areas: [
    { row: 2037, column: -3700, origin: 1.2, destination: 0.9, grid: true },
    { row: 2038, column: -3699, origin: 1, destination: 1.1, grid: true },
    { row: 2040, column: -3690, origin: 1.5, destination: 1, grid: false },
  ],
  directions: [1, 3, 1, 1],
};
const inFirst = { lat: 40.74, lng: -74 };
const inSecond = { lat: 40.76, lng: -73.98 };
const inThird = { lat: 40.8, lng: -73.8 };
const nowhere = { lat: 50, lng: 8 };

describe("the model", () => {
  const model = parseModel(plain);
  const seconds = (origin: typeof inFirst, destination: typeof inFirst, hourOfWeek = 0) =>
    estimateDrive(model, { origin, destination, meters: 1000, hourOfWeek }).durationSeconds;

  it("interpolates between its distances and goes on beyond the last at the same speed", () => {
    expect(usualDrive(model.knots, 0)).deep.equal({ distanceMeters: 0, durationSeconds: 0 });
    expect(usualDrive(model.knots, 500)).deep.equal({ distanceMeters: 750, durationSeconds: 100 });
    expect(usualDrive(model.knots, 2000).durationSeconds).closeTo(350, 1e-9);
    expect(usualDrive(model.knots, 2000).distanceMeters).closeTo(2800, 1e-9);
    expect(usualDrive(model.knots, 3000)).deep.equal({
      distanceMeters: 3900,
      durationSeconds: 500,
    });
    expect(usualDrive(model.knots, 6000).durationSeconds).closeTo(1000, 1e-9);
  });

  it("knows the hour, the areas of both ends, and the direction within a grid", () => {
    expect(seconds(nowhere, nowhere)).equal(200);
    expect(seconds(nowhere, nowhere, 100)).equal(400);
    expect(seconds(inFirst, nowhere)).closeTo(240, 1e-9);
    expect(seconds(nowhere, inFirst)).closeTo(180, 1e-9);
    expect(seconds(inThird, inSecond)).closeTo(200 * 1.5 * 1.1, 1e-9);
    // Of four parts of half a turn: 37° from north lies in the first, 90° in the third, 75° in the second.
    expect(seconds(inFirst, inSecond)).closeTo(200 * 1.2 * 1.1, 1e-9);
    expect(seconds(inFirst, { lat: 40.74, lng: -73.995 })).closeTo(200 * 1.2 * 0.9, 1e-9);
    expect(seconds(inFirst, { lat: 40.741, lng: -73.995 })).closeTo(200 * 1.2 * 0.9 * 3, 1e-9);
  });

  it("takes a line and its way back for one direction", () => {
    expect(directionShare(nowhere, { lat: 51, lng: 8 })).equal(0);
    expect(directionShare(nowhere, { lat: 49, lng: 8 })).closeTo(0, 1e-9);
    expect(directionShare({ lat: 0, lng: 0 }, { lat: 0, lng: 1 })).equal(0.5);
    expect(directionShare({ lat: 0, lng: 0 }, { lat: 0, lng: -1 })).equal(0.5);
    expect(directionShare({ lat: 0, lng: 0 }, { lat: 1, lng: 1 })).closeTo(0.25, 1e-9);
    expect(directionShare({ lat: 0, lng: 179.9 }, { lat: 0.2, lng: -179.9 })).closeTo(0.25, 1e-9);
    expect(directionShare({ lat: 0, lng: 0 }, { lat: 1, lng: -1e-300 })).within(0, 0.999999999);
  });

  it("is refused when it cannot be used, with what is wrong", () => {
    const broken: [unknown, string][] = [
      [null, "format"],
      [{ ...plain, format: 2 }, "format"],
      [{ ...plain, knots: plain.knots.slice(1) }, "knots"],
      [{ ...plain, knots: [...plain.knots].reverse() }, "knots"],
      [{ ...plain, hours: [1, 2] }, "hours"],
      [{ ...plain, hours: plain.hours.map(() => -1) }, "hours"],
      [{ ...plain, cellDegrees: 0 }, "cells"],
      [{ ...plain, directions: [] }, "directions"],
      [{ ...plain, areas: [{ row: 1, column: 1 }] }, "areas"],
    ];
    for (const [value, what] of broken) {
      expect(() => parseModel(value)).throw(what);
    }
  });

  it("that comes along is usable, and much better than a constant speed on later trips", async () => {
    const text = await readFile(new URL("model.json", import.meta.url), "utf8");
    const file = JSON.parse(text) as ModelFile;
    parseModel(file);
    const { maeSeconds, constantSpeedMaeSeconds, trips } = file.evaluation;
    expect(maeSeconds / constantSpeedMaeSeconds).below(0.75);
    expect(trips).above(900);
    expect(text.length).below(20_000);
  });
});
