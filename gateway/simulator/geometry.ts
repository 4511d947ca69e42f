/** Where riders wait and where they go: the records tell only zones, so points are drawn in them. */
import type { Random } from "./random.js";

/** A point in degrees (WGS 84). */
export interface LatLng {
  lat: number;
  lng: number;
}

/** A taxi zone, taken as a disc. */
export interface Zone {
  id: number;
  name: string;
  borough: string;
  center: LatLng;
  /** Radius of the disc that has the zone's area. */
  radiusMeters: number;
}

/** Mean radius of the Earth (IUGG). */
const EARTH_RADIUS_METERS = 6_371_008.8;

/** Meters of a degree of latitude. */
export const METERS_PER_DEGREE = (EARTH_RADIUS_METERS * Math.PI) / 180;

/** A rider's pickup and dropoff. */
export interface PlacedTrip {
  pickup: LatLng;
  dropoff: LatLng;
  /** Whether the dropoff had to leave its place, because the recorded way is shorter than the gap. */
  movedDropoff: boolean;
}

/** Great-circle distance (haversine). */
export function distanceMeters(from: LatLng, to: LatLng): number {
  const fromLat = radians(from.lat);
  const toLat = radians(to.lat);
  const chord =
    Math.sin((toLat - fromLat) / 2) ** 2 +
    Math.cos(fromLat) * Math.cos(toLat) * Math.sin(radians(to.lng - from.lng) / 2) ** 2;
  return 2 * EARTH_RADIUS_METERS * Math.asin(Math.min(1, Math.sqrt(chord)));
}

/** The point so many meters north and east of another, for city-sized distances. */
export function offset(from: LatLng, northMeters: number, eastMeters: number): LatLng {
  return {
    lat: from.lat + northMeters / METERS_PER_DEGREE,
    lng: from.lng + eastMeters / (METERS_PER_DEGREE * Math.cos(radians(from.lat))),
  };
}

/** A point of the zone, every place of its disc as likely as any other. */
export function pointInZone(zone: Zone, random: Random): LatLng {
  const radius = zone.radiusMeters * Math.sqrt(random.next());
  const bearing = random.between(0, 2 * Math.PI);
  return offset(zone.center, radius * Math.cos(bearing), radius * Math.sin(bearing));
}

/** Draws before a dropoff is moved. Most trips need one; neighbours of small zones need some. */
const MAX_DRAWS = 64;
/** Nobody rides less: the platform refuses places that are closer than 5 m. */
const LEAST_METERS = 6;

/**
 * Draws a pickup and a dropoff in these zones whose straight line is not longer than `lengthMeters`.
 * Where none is found, the dropoff of the closest pair moves towards the pickup until it is. They are
 * at least 6 m apart, unless the length itself is less.
 */
export function placeTrip(
  zones: { pickup: Zone; dropoff: Zone },
  lengthMeters: number,
  random: Random,
): PlacedTrip {
  const least = Math.min(LEAST_METERS, lengthMeters);
  const { center } = zones.pickup;
  // Stays where every pair that is drawn is too close.
  let closest = { pickup: center, dropoff: offset(center, 2 * least, 0), gap: Infinity };
  for (let draw = 0; draw < MAX_DRAWS; draw += 1) {
    const pickup = pointInZone(zones.pickup, random);
    const dropoff = pointInZone(zones.dropoff, random);
    const gap = distanceMeters(pickup, dropoff);
    if (gap < least) continue;
    if (gap <= lengthMeters) return { pickup, dropoff, movedDropoff: false };
    if (gap < closest.gap) closest = { pickup, dropoff, gap };
  }
  const { pickup } = closest;
  let { dropoff } = closest;
  let gap = distanceMeters(pickup, dropoff);
  // A straight line of degrees is not quite a great circle, so one step may fall a hair short. Aiming
  // a micrometer below the length, which coordinates still resolve, makes every step one forward.
  const aim = Math.max(0, lengthMeters - 1e-6);
  while (gap > lengthMeters) {
    dropoff = between(pickup, dropoff, aim / gap);
    gap = distanceMeters(pickup, dropoff);
  }
  return { pickup, dropoff, movedDropoff: true };
}

/** The smallest box, in degrees, that holds all zones with a margin around them. */
export function boundingBox(
  zones: Iterable<Zone>,
  marginMeters: number,
): { southWest: LatLng; northEast: LatLng } {
  const box = {
    southWest: { lat: Infinity, lng: Infinity },
    northEast: { lat: -Infinity, lng: -Infinity },
  };
  for (const { center, radiusMeters } of zones) {
    const reach = radiusMeters + marginMeters;
    const low = offset(center, -reach, -reach);
    const high = offset(center, reach, reach);
    box.southWest.lat = Math.min(box.southWest.lat, low.lat);
    box.southWest.lng = Math.min(box.southWest.lng, low.lng);
    box.northEast.lat = Math.max(box.northEast.lat, high.lat);
    box.northEast.lng = Math.max(box.northEast.lng, high.lng);
  }
  return box;
}

/** The point at a fraction of the straight line of degrees. */
export function between(from: LatLng, to: LatLng, fraction: number): LatLng {
  return {
    lat: from.lat + (to.lat - from.lat) * fraction,
    lng: from.lng + (to.lng - from.lng) * fraction,
  };
}

/** Degrees as radians. */
export function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
