/** Distances, polygons and lines on the earth, taken as a sphere. */

/** A point, WGS 84 degrees. The contract's LatLng is one. */
export interface GeoPoint {
  lat: number;
  lng: number;
}

/** Mean radius of the earth (IUGG R1). */
export const earthRadiusMeters = 6_371_008.8;

const radians = Math.PI / 180;

/** Great-circle distance in meters (haversine formula: exact on a sphere, also for close points). */
export function distanceMeters(a: GeoPoint, b: GeoPoint): number {
  const sinLat = Math.sin(((b.lat - a.lat) * radians) / 2);
  const sinLng = Math.sin(((b.lng - a.lng) * radians) / 2);
  const h =
    sinLat * sinLat + Math.cos(a.lat * radians) * Math.cos(b.lat * radians) * sinLng * sinLng;
  return 2 * earthRadiusMeters * Math.asin(Math.sqrt(Math.min(1, h)));
}

/** The same meridian as a longitude from -180 up to, not including, 180. */
export function wrapLng(lng: number): number {
  if (lng >= -180 && lng < 180) return lng;
  return ((((lng + 180) % 360) + 360) % 360) - 180;
}

/** The point a fraction of the way from `a` to `b`, for points close enough that a chart is flat. */
export function between(a: GeoPoint, b: GeoPoint, fraction: number): GeoPoint {
  return {
    lat: a.lat + (b.lat - a.lat) * fraction,
    lng: wrapLng(a.lng + wrapLng(b.lng - a.lng) * fraction),
  };
}

/**
 * A flat chart around `origin`: meters east (x) and north (y) of it. Lengths to the east are off by the
 * share tan(latitude) × distance / earth's radius: 0.07 % at 5 km from New York.
 */
export function chartAround(origin: GeoPoint): {
  toXy: (point: GeoPoint) => { x: number; y: number };
  toPoint: (xy: { x: number; y: number }) => GeoPoint;
} {
  const metersPerLat = earthRadiusMeters * radians;
  const metersPerLng = metersPerLat * Math.max(1e-9, Math.cos(origin.lat * radians));
  return {
    toXy: ({ lat, lng }) => ({
      x: wrapLng(lng - origin.lng) * metersPerLng,
      y: (lat - origin.lat) * metersPerLat,
    }),
    toPoint: ({ x, y }) => ({
      lat: origin.lat + y / metersPerLat,
      lng: wrapLng(origin.lng + x / metersPerLng),
    }),
  };
}

/**
 * Whether the point lies within the polygon, whose last point is joined to its first; its edges are
 * straight in degrees. Right across the antimeridian, not around a pole. By counting the edges that a
 * line to the east crosses.
 */
export function pointInPolygon(point: GeoPoint, polygon: readonly GeoPoint[]): boolean {
  let inside = false;
  // Longitudes are followed from vertex to vertex, so that an edge over the antimeridian stays short.
  let x2 = wrapLng((polygon[0]?.lng ?? 0) - point.lng);
  const x0 = x2;
  for (let i = 0; i < polygon.length; i += 1) {
    const from = polygon[i]!;
    const to = polygon[(i + 1) % polygon.length]!;
    const x1 = x2;
    x2 = i + 1 === polygon.length ? x0 : x1 + wrapLng(to.lng - from.lng);
    if (from.lat > point.lat === to.lat > point.lat) continue;
    const x = x1 + ((point.lat - from.lat) / (to.lat - from.lat)) * (x2 - x1);
    if (x > 0) inside = !inside;
  }
  return inside;
}

/**
 * Meters from the point to the polygon, 0 within it. On a flat chart around the point: right to 1 %
 * within 100 km, and further away still good for telling which of several polygons is nearest.
 */
export function distanceToPolygonMeters(point: GeoPoint, polygon: readonly GeoPoint[]): number {
  if (pointInPolygon(point, polygon)) return 0;
  const { toXy } = chartAround(point);
  const corners = polygon.map(toXy);
  let nearest = Number.POSITIVE_INFINITY;
  for (const [i, from] of corners.entries()) {
    const to = corners[(i + 1) % corners.length]!;
    nearest = Math.min(nearest, distanceToSegment({ x: 0, y: 0 }, from, to));
  }
  return nearest;
}

/** Distance from `p` to the segment between `a` and `b`, in the chart's meters. */
export function distanceToSegment(
  p: { x: number; y: number },
  a: { x: number; y: number },
  b: { x: number; y: number },
): number {
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const lengthSquared = dx * dx + dy * dy;
  const along = lengthSquared === 0 ? 0 : ((p.x - a.x) * dx + (p.y - a.y) * dy) / lengthSquared;
  const t = Math.min(1, Math.max(0, along));
  return Math.hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/** The points as an encoded polyline of precision 5 (Google's Encoded Polyline Algorithm Format). */
export function encodePolyline(points: readonly GeoPoint[]): string {
  let line = "";
  let lastLat = 0;
  let lastLng = 0;
  for (const point of points) {
    const lat = Math.round(point.lat * 1e5);
    const lng = Math.round(point.lng * 1e5);
    line += encodeNumber(lat - lastLat) + encodeNumber(lng - lastLng);
    lastLat = lat;
    lastLng = lng;
  }
  return line;
}

function encodeNumber(value: number): string {
  let left = value < 0 ? ~(value << 1) : value << 1;
  let text = "";
  while (left >= 0x20) {
    text += String.fromCharCode((0x20 | (left & 0x1f)) + 63);
    left >>>= 5;
  }
  return text + String.fromCharCode(left + 63);
}

/** The points of an encoded polyline of precision 5. */
export function decodePolyline(line: string): GeoPoint[] {
  const points: GeoPoint[] = [];
  let at = 0;
  const number = (): number => {
    let result = 0;
    for (let shift = 0; ; shift += 5) {
      const bits = line.charCodeAt(at) - 63;
      at += 1;
      result |= (bits & 0x1f) << shift;
      if (!(bits >= 0x20)) return result & 1 ? ~(result >>> 1) : result >>> 1;
    }
  };
  let lat = 0;
  let lng = 0;
  while (at < line.length) {
    lat += number();
    lng += number();
    points.push({ lat: lat / 1e5, lng: lng / 1e5 });
  }
  return points;
}
