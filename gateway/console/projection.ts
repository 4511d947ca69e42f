/** Web Mercator, and the part of it that a screen shows. Pure. */

/** A point in degrees (WGS 84). */
export interface LatLng {
  lat: number;
  lng: number;
}

/** A point of the projected world, where both axes run from 0 to 1; y grows to the south. */
export interface WorldPoint {
  x: number;
  y: number;
}

/** A point on the screen, in CSS pixels from the top left. */
export interface ScreenPoint {
  x: number;
  y: number;
}

/** What a screen shows: its middle, and how large the world is, in CSS pixels. */
export interface View {
  center: WorldPoint;
  worldPixels: number;
}

/** A screen's size in CSS pixels. */
export interface Size {
  width: number;
  height: number;
}

/** A rectangle of the world. */
export interface Bounds {
  min: WorldPoint;
  max: WorldPoint;
}

/** What covers the screen's edges, in CSS pixels. */
export interface Insets {
  top: number;
  right: number;
  bottom: number;
  left: number;
}

/** Length of the equator of the sphere that Web Mercator (EPSG:3857) is made on. */
const equatorMeters = 2 * Math.PI * 6_378_137;
/** Where the projected world becomes a square. */
const maxLat = 85.0511287;

/** Projects a point (EPSG:3857, scaled to 0…1). */
export function project({ lat, lng }: LatLng): WorldPoint {
  const phi = (clamp(lat, -maxLat, maxLat) * Math.PI) / 180;
  return {
    x: (lng + 180) / 360,
    y: 0.5 - Math.log(Math.tan(Math.PI / 4 + phi / 2)) / (2 * Math.PI),
  };
}

/** The inverse of `project`. */
export function unproject({ x, y }: WorldPoint): LatLng {
  const phi = 2 * Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) - Math.PI / 2;
  return { lat: (phi * 180) / Math.PI, lng: x * 360 - 180 };
}

/** How much of the world a meter is, at a latitude. */
export function worldPerMeter(lat: number): number {
  return 1 / (equatorMeters * Math.cos((lat * Math.PI) / 180));
}

/** How many meters a pixel covers in the middle of the screen. */
export function metersPerPixel(view: View): number {
  return 1 / (worldPerMeter(unproject(view.center).lat) * view.worldPixels);
}

/** Where a point of the world is on the screen. */
export function toScreen(view: View, size: Size, point: WorldPoint): ScreenPoint {
  return {
    x: size.width / 2 + (point.x - view.center.x) * view.worldPixels,
    y: size.height / 2 + (point.y - view.center.y) * view.worldPixels,
  };
}

/** The inverse of `toScreen`. */
export function toWorld(view: View, size: Size, point: ScreenPoint): WorldPoint {
  return {
    x: view.center.x + (point.x - size.width / 2) / view.worldPixels,
    y: view.center.y + (point.y - size.height / 2) / view.worldPixels,
  };
}

/** The rectangle around points; throws when there are none. */
export function boundsOf(points: readonly WorldPoint[]): Bounds {
  if (points.length === 0) throw new RangeError("no points");
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  return {
    min: { x: Math.min(...xs), y: Math.min(...ys) },
    max: { x: Math.max(...xs), y: Math.max(...ys) },
  };
}

/** The view that shows a rectangle as large as it fits between what covers the edges. */
export function fit({ min, max }: Bounds, size: Size, insets: Insets): View {
  const width = Math.max(1, size.width - insets.left - insets.right);
  const height = Math.max(1, size.height - insets.top - insets.bottom);
  // A city of no extent is shown about 100 m wide.
  const smallest = worldPerMeter(0) * 100;
  const worldPixels = Math.min(
    width / Math.max(max.x - min.x, smallest),
    height / Math.max(max.y - min.y, smallest),
  );
  const offset = {
    x: (insets.left - insets.right) / 2 / worldPixels,
    y: (insets.top - insets.bottom) / 2 / worldPixels,
  };
  return {
    center: { x: (min.x + max.x) / 2 - offset.x, y: (min.y + max.y) / 2 - offset.y },
    worldPixels,
  };
}

/** Moves what is shown by so many pixels: to the right shows more of the west. */
export function pan(view: View, dx: number, dy: number): View {
  const { center, worldPixels } = view;
  return {
    center: { x: center.x - dx / worldPixels, y: center.y - dy / worldPixels },
    worldPixels,
  };
}

/** Enlarges around a point of the screen, which stays where it is. */
export function zoomAt(view: View, size: Size, anchor: ScreenPoint, factor: number): View {
  const held = toWorld(view, size, anchor);
  const worldPixels = view.worldPixels * factor;
  return {
    center: {
      x: held.x - (anchor.x - size.width / 2) / worldPixels,
      y: held.y - (anchor.y - size.height / 2) / worldPixels,
    },
    worldPixels,
  };
}

/** How far a person may go: middle within these bounds, not larger or smaller than this. */
export interface Limits {
  bounds: Bounds;
  minWorldPixels: number;
  maxWorldPixels: number;
}

/** The limits around a city that `home` shows as a whole: half as large, down to 0.25 m a pixel. */
export function limitsAround(bounds: Bounds, home: View): Limits {
  return {
    bounds,
    minWorldPixels: home.worldPixels / 2,
    maxWorldPixels: Math.max(home.worldPixels, 1 / (worldPerMeter(0) * 0.25)),
  };
}

/** The view nearest to this one that keeps to the limits; `anchor` stays where it is if it can. */
export function keepWithin(view: View, size: Size, limits: Limits, anchor?: ScreenPoint): View {
  const { bounds, minWorldPixels, maxWorldPixels } = limits;
  const worldPixels = clamp(view.worldPixels, minWorldPixels, maxWorldPixels);
  const middle = { x: size.width / 2, y: size.height / 2 };
  const sized =
    worldPixels === view.worldPixels
      ? view
      : zoomAt(view, size, anchor ?? middle, worldPixels / view.worldPixels);
  return {
    center: {
      x: clamp(sized.center.x, bounds.min.x, bounds.max.x),
      y: clamp(sized.center.y, bounds.min.y, bounds.max.y),
    },
    worldPixels,
  };
}

/** A view on the way from one to another; `share` runs from 0 to 1. Sizes change evenly to the eye. */
export function between(from: View, to: View, share: number): View {
  const worldPixels = from.worldPixels * (to.worldPixels / from.worldPixels) ** share;
  // The middle moves as the size does, so that an anchored zoom keeps its anchor on the way.
  const ends = 1 / to.worldPixels - 1 / from.worldPixels;
  const moved =
    Math.abs(ends * from.worldPixels) < 1e-9
      ? share
      : (1 / worldPixels - 1 / from.worldPixels) / ends;
  return {
    center: {
      x: from.center.x + (to.center.x - from.center.x) * moved,
      y: from.center.y + (to.center.y - from.center.y) * moved,
    },
    worldPixels,
  };
}

/** `value`, or the nearer of the two ends. */
export function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
