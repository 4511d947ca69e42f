/** The map on the screen: two canvases, one for the ground and one for the drivers. */
import type { Fleet } from "./fleet.js";
import { listenForGestures } from "./map-gestures.js";
import { positionAt } from "./motion.js";
import { paintGround, type Ground } from "./paint-ground.js";
import { driverAt, paintMarks } from "./paint-marks.js";
import {
  between,
  boundsOf,
  fit,
  keepWithin,
  limitsAround,
  metersPerPixel,
  pan,
  zoomAt,
  type Bounds,
  type Insets,
  type ScreenPoint,
  type Size,
  type View,
  type WorldPoint,
} from "./projection.js";
import { readTheme } from "./theme.js";

export interface MapDeps {
  element: HTMLElement;
  ground: HTMLCanvasElement;
  marks: HTMLCanvasElement;
  fleet: Fleet;
  /** What is drawn below the drivers, whatever the city. */
  background: Pick<Ground, "cells" | "districts">;
  /** What covers the map's edges. */
  insets(): Insets;
  onSelect(driverId: string | undefined): void;
  onScale(metersPerPixel: number): void;
  /** Whether the person asked for less motion. */
  still(): boolean;
  /** Milliseconds of a clock that only goes forward; the fleet's own. */
  nowMs(): number;
}

export interface MapView {
  /** Shows a city by its service area. */
  showArea(area: readonly WorldPoint[]): void;
  select(driverId: string | undefined): void;
  /** Moves a driver to the middle of what panels leave free, enlarged if need be. */
  goTo(driverId: string): void;
  home(): void;
  zoomStep(factor: number): void;
  /** Draws again, after the fleet has changed. */
  refresh(): void;
}

const glideMs = 220;
const keyStepPixels = 90;
/** Marks glide slowly; more pictures a second would only cost power. */
const frameMs = 1000 / 30;

/** Draws the map and listens to the person. */
export function createMapView(deps: MapDeps): MapView {
  const { element, fleet, nowMs } = deps;
  const groundContext = deps.ground.getContext("2d", { alpha: false })!;
  const marksContext = deps.marks.getContext("2d")!;
  const world: Bounds = { min: { x: 0, y: 0 }, max: { x: 1, y: 1 } };
  let theme = readTheme();
  let size: Size = { width: 1, height: 1 };
  let area: readonly WorldPoint[] = [];
  let bounds = world;
  let view: View = { center: { x: 0.5, y: 0.5 }, worldPixels: 1 };
  let homeView = view;
  let atHome = true;
  let glide: { from: View; to: View; startMs: number } | undefined;
  let selected: string | undefined;
  let groundIsStale = true;
  let frame: number | undefined;
  let paintedMs = -Infinity;

  const draw = () => {
    frame = undefined;
    const now = nowMs();
    if (glide) {
      const share = Math.min(1, (now - glide.startMs) / glideMs);
      view = between(glide.from, glide.to, 1 - (1 - share) ** 3);
      groundIsStale = true;
      if (share === 1) glide = undefined;
    } else if (!groundIsStale && now - paintedMs < frameMs - 2) {
      refresh();
      return;
    }
    paintedMs = now;
    if (groundIsStale) {
      groundIsStale = false;
      paintGround(groundContext, view, size, theme, { ...deps.background, area });
      deps.onScale(metersPerPixel(view));
    }
    paintMarks(marksContext, view, size, theme, fleet, selected, now);
    if (glide || fleet.isMoving()) refresh();
  };
  const refresh = () => {
    frame ??= requestAnimationFrame(draw);
  };

  const look = (next: View, options: { glide?: boolean; anchor?: ScreenPoint } = {}) => {
    const to = keepWithin(next, size, limitsAround(bounds, homeView), options.anchor);
    atHome = false;
    if (options.glide && !deps.still()) {
      glide = { from: view, to, startMs: nowMs() };
    } else {
      glide = undefined;
      view = to;
    }
    groundIsStale = true;
    refresh();
  };
  const home = () => {
    look(homeView, { glide: true });
    atHome = true;
  };
  const target = () => glide?.to ?? view;
  const zoomStep = (factor: number, anchor?: ScreenPoint) => {
    const at = anchor ?? { x: size.width / 2, y: size.height / 2 };
    look(zoomAt(target(), size, at, factor), { glide: true, anchor: at });
  };
  const select = (driverId: string | undefined) => {
    selected = driverId;
    refresh();
  };
  const find = (point: ScreenPoint, reachPixels: number) =>
    driverAt(fleet, view, size, point, nowMs(), reachPixels);

  listenForGestures(element, {
    pan: (dx, dy) => look(pan(view, dx, dy)),
    step: (right, down) =>
      look(pan(target(), -right * keyStepPixels, -down * keyStepPixels), { glide: true }),
    zoom: (factor, anchor) => look(zoomAt(view, size, anchor, factor), { anchor }),
    zoomStep,
    home,
    click: (point, touch) => deps.onSelect(find(point, touch ? 24 : 14)?.driverId),
    hover: (point) =>
      element.classList.toggle("pointing", point !== undefined && find(point, 14) !== undefined),
    escape: () => deps.onSelect(undefined),
  });

  const settle = () => {
    homeView = area.length > 0 ? fit(bounds, size, deps.insets()) : fit(world, size, deps.insets());
    if (atHome) {
      glide = undefined;
      view = homeView;
    } else {
      view = keepWithin(view, size, limitsAround(bounds, homeView));
    }
    groundIsStale = true;
    refresh();
  };
  const resize = () => {
    const { clientWidth, clientHeight } = element;
    if (clientWidth === 0 || clientHeight === 0) return;
    size = { width: clientWidth, height: clientHeight };
    const ratio = window.devicePixelRatio || 1;
    for (const context of [groundContext, marksContext]) {
      context.canvas.width = Math.round(size.width * ratio);
      context.canvas.height = Math.round(size.height * ratio);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    settle();
    // A resized canvas is blank until it is drawn on.
    if (frame !== undefined) cancelAnimationFrame(frame);
    paintedMs = -Infinity;
    draw();
  };
  new ResizeObserver(resize).observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    theme = readTheme();
    groundIsStale = true;
    refresh();
  });

  return {
    showArea: (next) => {
      area = next;
      bounds = next.length > 0 ? boundsOf(next) : world;
      atHome = true;
      settle();
    },
    select,
    goTo: (driverId) => {
      const driver = fleet.get(driverId);
      if (!driver) return;
      const { x, y } = positionAt(driver.track, nowMs());
      const worldPixels = Math.max(target().worldPixels, homeView.worldPixels * 4);
      const { top, right, bottom, left } = deps.insets();
      const center = {
        x: x + (right - left) / 2 / worldPixels,
        y: y + (bottom - top) / 2 / worldPixels,
      };
      look({ center, worldPixels }, { glide: true });
    },
    home,
    zoomStep: (factor) => zoomStep(factor),
    refresh,
  };
}
