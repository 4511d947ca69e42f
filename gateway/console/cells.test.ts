import { expect } from "chai";
import { cellsOf, districtLabels, type Zone } from "./cells.js";
import type { WorldPoint } from "./projection.js";

const zone = (lat: number, lng: number, radiusMeters: number, district = "Center"): Zone => ({
  name: `${lat}/${lng}`,
  district,
  center: { lat, lng },
  radiusMeters,
});
const distance = (a: WorldPoint, b: WorldPoint) => Math.hypot(a.x - b.x, a.y - b.y);

describe("the cells of zones", () => {
  it("are discs where no neighbour is near", () => {
    const [cell] = cellsOf([zone(40, -74, 1000), zone(41, -74, 1000)]);
    const radii = cell!.outline.map((corner) => distance(corner, cell!.center));
    expect(Math.max(...radii) / Math.min(...radii)).to.be.closeTo(1, 1e-9);
    expect(radii[0]).to.be.within(cell!.radius, cell!.radius * 1.5);
  });

  it("meet neighbours of the same size halfway", () => {
    const [west, east] = cellsOf([zone(0, 0, 1000), zone(0, 0.01, 1000)]);
    const middle = (west!.center.x + east!.center.x) / 2;
    expect(Math.max(...west!.outline.map(({ x }) => x))).to.be.closeTo(middle, 1e-12);
    expect(Math.min(...east!.outline.map(({ x }) => x))).to.be.closeTo(middle, 1e-12);
  });

  it("leave more to the larger of two neighbours", () => {
    const [small, large] = cellsOf([zone(0, 0, 500), zone(0, 0.01, 1000)]);
    const middle = (small!.center.x + large!.center.x) / 2;
    expect(Math.max(...small!.outline.map(({ x }) => x))).to.be.below(middle);
  });

  it("are empty for a zone that lies deep in another", () => {
    const [lost] = cellsOf([zone(0, 0, 10), zone(0, 0.001, 5000)]);
    expect(lost!.outline).to.be.empty;
  });

  it("stay whole for two zones at one point", () => {
    const cells = cellsOf([zone(0, 0, 100), zone(0, 0, 100)]);
    for (const { outline } of cells) expect(outline.length).to.be.above(2);
  });
});

describe("the names of districts", () => {
  const cells = cellsOf([
    zone(0, 0, 1000, "West"),
    zone(0, 1, 3000, "West"),
    zone(0, 5, 1000, "Airport"),
  ]);

  it("stand in the middle of their zones, weighed by area", () => {
    const [west] = districtLabels(cells);
    const [near, far] = cells;
    const share = (west!.center.x - near!.center.x) / (far!.center.x - near!.center.x);
    expect(west!.name).to.equal("West");
    expect(share).to.be.closeTo(0.9, 1e-9);
  });

  it("are left out for districts of one zone", () => {
    expect(districtLabels(cells).map(({ name }) => name)).to.deep.equal(["West"]);
  });
});
