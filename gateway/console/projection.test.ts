import { expect } from "chai";
import {
  between,
  boundsOf,
  fit,
  keepWithin,
  limitsAround,
  metersPerPixel,
  pan,
  project,
  toScreen,
  toWorld,
  unproject,
  worldPerMeter,
  zoomAt,
  type LatLng,
  type View,
} from "./projection.js";

const size = { width: 800, height: 600 };
const view: View = { center: project({ lat: 40.7, lng: -73.95 }), worldPixels: 500_000 };

describe("Web Mercator", () => {
  // Tile numbers of EPSG:3857 at zoom z are floor(x · 2^z), floor(y · 2^z).
  const tiles: [place: string, point: LatLng, zoom: number, x: number, y: number][] = [
    ["the origin", { lat: 0, lng: 0 }, 1, 1, 1],
    ["Times Square", { lat: 40.758, lng: -73.9855 }, 12, 1206, 1539],
    ["Sydney", { lat: -33.8568, lng: 151.2153 }, 10, 942, 614],
    ["the far north, cut off", { lat: 89.9, lng: -180 }, 4, 0, 0],
  ];
  for (const [place, point, zoom, x, y] of tiles) {
    it(`puts ${place} into tile ${zoom}/${x}/${y}`, () => {
      const at = project(point);
      expect([Math.floor(at.x * 2 ** zoom), Math.floor(at.y * 2 ** zoom)]).to.deep.equal([x, y]);
    });
  }

  for (const point of [
    { lat: 40.7, lng: -74 },
    { lat: -80, lng: 179.9 },
    { lat: 0, lng: -0.001 },
  ]) {
    it(`comes back to ${point.lat}, ${point.lng}`, () => {
      const back = unproject(project(point));
      expect(back.lat).to.be.closeTo(point.lat, 1e-9);
      expect(back.lng).to.be.closeTo(point.lng, 1e-9);
    });
  }

  it("stretches meters by the latitude", () => {
    expect(worldPerMeter(60) / worldPerMeter(0)).to.be.closeTo(2, 1e-9);
    const across = project({ lat: 0, lng: 1 }).x - project({ lat: 0, lng: 0 }).x;
    expect(across / worldPerMeter(0)).to.be.closeTo(111_319.5, 1);
  });
});

describe("a view", () => {
  it("has its center in the middle of the screen, east to the right and north up", () => {
    expect(toScreen(view, size, view.center)).to.deep.equal({ x: 400, y: 300 });
    const northEast = toScreen(view, size, project({ lat: 40.75, lng: -73.9 }));
    expect(northEast.x).to.be.above(400);
    expect(northEast.y).to.be.below(300);
  });

  it("finds the point of the world that is on the screen", () => {
    const point = toWorld(view, size, { x: 123, y: 456 });
    expect(toScreen(view, size, point).x).to.be.closeTo(123, 1e-6);
    expect(toScreen(view, size, point).y).to.be.closeTo(456, 1e-6);
  });

  it("knows how many meters a pixel is", () => {
    const degreeMeters = 111_319.5 * Math.cos((40.7 * Math.PI) / 180);
    expect(metersPerPixel(view)).to.be.closeTo((360 * degreeMeters) / 500_000, 0.1);
  });

  it("moves with the finger", () => {
    const held = toWorld(view, size, { x: 100, y: 100 });
    const at = toScreen(pan(view, 30, -20), size, held);
    expect(at.x).to.be.closeTo(130, 1e-6);
    expect(at.y).to.be.closeTo(80, 1e-6);
  });

  for (const factor of [0.25, 1.6, 7]) {
    it(`keeps what is under the pointer there when enlarged ${factor} times`, () => {
      const anchor = { x: 700, y: 50 };
      const held = toWorld(view, size, anchor);
      const zoomed = zoomAt(view, size, anchor, factor);
      expect(zoomed.worldPixels).to.equal(view.worldPixels * factor);
      expect(toScreen(zoomed, size, held).x).to.be.closeTo(700, 1e-6);
      expect(toScreen(zoomed, size, held).y).to.be.closeTo(50, 1e-6);
    });
  }
});

describe("a city on the screen", () => {
  const corners = [
    { lat: 40.92, lng: -74.27 },
    { lat: 40.48, lng: -73.7 },
  ].map(project);
  const bounds = boundsOf(corners);
  const insets = { top: 20, right: 30, bottom: 40, left: 250 };
  const home = fit(bounds, size, insets);

  it("fits beside what covers the edges, and touches it on two sides", () => {
    const northWest = toScreen(home, size, bounds.min);
    const southEast = toScreen(home, size, bounds.max);
    const gaps = [
      northWest.x - insets.left,
      northWest.y - insets.top,
      size.width - insets.right - southEast.x,
      size.height - insets.bottom - southEast.y,
    ];
    expect(Math.min(...gaps)).to.be.closeTo(0, 1e-6);
    expect(gaps[0]).to.be.closeTo(gaps[2]!, 1e-6);
    expect(gaps[1]).to.be.closeTo(gaps[3]!, 1e-6);
  });

  it("is shown at a sensible size when it is only a point", () => {
    const point = project({ lat: 1, lng: 1 });
    expect(fit({ min: point, max: point }, size, insets).worldPixels).to.be.finite;
  });

  it("cannot be drawn around no points", () => {
    expect(() => boundsOf([])).to.throw(RangeError, "no points");
  });

  const limits = limitsAround(bounds, home);
  const beyond: [title: string, wanted: View][] = [
    ["far too small", { ...home, worldPixels: 1 }],
    ["far too large", { ...home, worldPixels: 1e15 }],
    ["of another continent", { ...home, center: { x: 0.9, y: 0.1 } }],
  ];
  for (const [title, wanted] of beyond) {
    it(`does not give way to a view ${title}`, () => {
      const kept = keepWithin(wanted, size, limits);
      expect(kept.worldPixels).to.be.within(limits.minWorldPixels, limits.maxWorldPixels);
      expect(kept.center.x).to.be.within(bounds.min.x, bounds.max.x);
      expect(kept.center.y).to.be.within(bounds.min.y, bounds.max.y);
    });
  }

  it("stays as it is within the limits", () => {
    const within = { ...home, center: corners[0]!, worldPixels: home.worldPixels * 3 };
    expect(keepWithin(within, size, limits)).to.deep.equal(within);
  });
});

describe("the way from one view to another", () => {
  const anchor = { x: 650, y: 200 };
  const to = zoomAt(view, size, anchor, 4);

  it("begins and ends at them", () => {
    expect(between(view, to, 0)).to.deep.equal(view);
    expect(between(view, to, 1).worldPixels).to.be.closeTo(to.worldPixels, 1e-6);
    expect(between(view, to, 1).center.x).to.be.closeTo(to.center.x, 1e-12);
  });

  it("keeps what is under the pointer there all the way", () => {
    const held = toWorld(view, size, anchor);
    for (const share of [0.1, 0.5, 0.9]) {
      const at = toScreen(between(view, to, share), size, held);
      expect(at.x).to.be.closeTo(anchor.x, 1e-6);
      expect(at.y).to.be.closeTo(anchor.y, 1e-6);
    }
  });

  it("is even when only the place changes", () => {
    const moved = pan(view, 100, 0);
    const half = between(view, moved, 0.5);
    expect(half.center.x).to.be.closeTo((view.center.x + moved.center.x) / 2, 1e-12);
    expect(half.worldPixels).to.equal(view.worldPixels);
  });
});
