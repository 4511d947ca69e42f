/**
 * A sketch of a city's land from what is known of its zones: a point and an area each. Every zone is
 * a disc of its area, a little enlarged to close the gaps, and where discs overlap the power diagram
 * (Laguerre) divides them: its borders run through the points where their circles cross. Pure.
 */
import { project, worldPerMeter, type LatLng, type WorldPoint } from "./projection.js";

/** A zone of a city. */
export interface Zone {
  name: string;
  district: string;
  center: LatLng;
  /** Radius of the disc that has the zone's area. */
  radiusMeters: number;
}

/** A zone as it is drawn. */
export interface Cell {
  name: string;
  district: string;
  center: WorldPoint;
  /** Radius of the zone's own disc, as a part of the world. */
  radius: number;
  /** Corners in order; empty when its neighbours leave it nothing. */
  outline: WorldPoint[];
}

const enlargement = 1.4;
const corners = 36;

/** The cells of zones, in their order. */
export function cellsOf(zones: readonly Zone[]): Cell[] {
  const discs = zones.map(({ center, radiusMeters }) => ({
    center: project(center),
    radius: radiusMeters * worldPerMeter(center.lat),
  }));
  return zones.map(({ name, district }, index) => {
    const own = discs[index]!;
    const reach = own.radius * enlargement;
    let outline = circle(reach);
    for (const other of discs) {
      if (other === own || outline.length === 0) continue;
      const otherReach = other.radius * enlargement;
      const dx = other.center.x - own.center.x;
      const dy = other.center.y - own.center.y;
      const distanceSquared = dx * dx + dy * dy;
      if (distanceSquared >= (reach + otherReach) ** 2 || distanceSquared === 0) continue;
      const limit = (distanceSquared + reach ** 2 - otherReach ** 2) / 2;
      outline = clip(outline, dx, dy, limit);
    }
    // Corners were reckoned from the zone's own center, for the sake of precision.
    const placed = outline.map(({ x, y }) => ({ x: own.center.x + x, y: own.center.y + y }));
    return { name, district, ...own, outline: placed };
  });
}

/** Where the names of districts go: the middle of their zones, weighed by area. */
export function districtLabels(cells: readonly Cell[]): { name: string; center: WorldPoint }[] {
  const sums = new Map<string, { x: number; y: number; weight: number; zones: number }>();
  for (const { district, center, radius } of cells) {
    const sum = sums.get(district) ?? { x: 0, y: 0, weight: 0, zones: 0 };
    const weight = radius ** 2;
    sum.x += center.x * weight;
    sum.y += center.y * weight;
    sum.weight += weight;
    sum.zones += 1;
    sums.set(district, sum);
  }
  // What is only one zone has that zone's name already.
  return [...sums]
    .filter(([, { zones }]) => zones > 1)
    .map(([name, { x, y, weight }]) => ({ name, center: { x: x / weight, y: y / weight } }));
}

function circle(radius: number): WorldPoint[] {
  return Array.from({ length: corners }, (_, index) => {
    const angle = (index * 2 * Math.PI) / corners;
    return { x: radius * Math.cos(angle), y: radius * Math.sin(angle) };
  });
}

/** The part of a convex outline where dx·x + dy·y ≤ limit (Sutherland and Hodgman). */
function clip(outline: WorldPoint[], dx: number, dy: number, limit: number): WorldPoint[] {
  const excess = ({ x, y }: WorldPoint) => dx * x + dy * y - limit;
  return outline.flatMap((point, index) => {
    const next = outline[(index + 1) % outline.length]!;
    const here = excess(point);
    const there = excess(next);
    const kept = here <= 0 ? [point] : [];
    if (here <= 0 === there <= 0) return kept;
    const share = here / (here - there);
    return [
      ...kept,
      { x: point.x + (next.x - point.x) * share, y: point.y + (next.y - point.y) * share },
    ];
  });
}
