import { expect } from "chai";
import { degreesText, graticuleStep, multiplesWithin, scaleBar } from "./scale.js";

describe("the scale bar", () => {
  const cases: [metersPerPixel: number, maxPixels: number, text: string, meters: number][] = [
    [1, 96, "50 m", 50],
    [1, 100, "100 m", 100],
    [65, 96, "5 km", 5000],
    [12, 96, "1 km", 1000],
    [0.3, 96, "20 m", 20],
    [250, 96, "20 km", 20_000],
    [0.001, 96, "0.05 m", 0.05],
  ];
  for (const [metersPerPixel, maxPixels, text, meters] of cases) {
    it(`is ${text} at ${metersPerPixel} m a pixel`, () => {
      const bar = scaleBar(metersPerPixel, maxPixels);
      expect(bar.text).to.equal(text);
      expect(bar.meters).to.equal(meters);
      expect(bar.pixels).to.be.at.most(maxPixels);
      expect(bar.pixels).to.be.closeTo(meters / metersPerPixel, 1e-9);
    });
  }
});

describe("the graticule", () => {
  const cases: [pixelsPerDegree: number, step: number][] = [
    [10, 10],
    [900, 0.1],
    [899, 0.2],
    [1300, 0.1],
    [9000, 0.01],
    [1e9, 0.001],
    [0.001, 10],
  ];
  for (const [pixelsPerDegree, step] of cases) {
    it(`has a line each ${step}° where a degree is ${pixelsPerDegree} pixels`, () => {
      expect(graticuleStep(pixelsPerDegree, 90)).to.equal(step);
    });
  }

  it("has its lines at round degrees", () => {
    expect(multiplesWithin(-74.25, -73.9, 0.1)).to.deep.equal([-74.2, -74.1, -74, -73.9]);
    expect(multiplesWithin(40.101, 40.299, 0.1)).to.deep.equal([40.2]);
    expect(multiplesWithin(0.11, 0.19, 0.1)).to.deep.equal([]);
  });

  it("says on which side of the earth a line is", () => {
    expect(degreesText(40.75, "N", "S")).to.equal("40.75° N");
    expect(degreesText(-73.9, "E", "W")).to.equal("73.9° W");
    expect(degreesText(0, "N", "S")).to.equal("0°");
  });
});
