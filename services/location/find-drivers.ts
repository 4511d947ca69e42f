/** Available drivers near a point, as the contract shows them. */
import type { NearbyDriver } from "../../gen/grpc/ridemesh/location/v1/location.js";
import type { DomainClock } from "../runtime/clock.js";
import type { GeoIndex, NearestQuery } from "./geo-index.js";
import { inactiveAfterMs } from "./presence.js";

export interface SearchDeps {
  index: GeoIndex;
  domain: DomainClock;
}

/** Nearest first; drivers who have been silent for too long are left out. */
export async function findDrivers(
  { index, domain }: SearchDeps,
  tenantId: string,
  query: Omit<NearestQuery, "seenSinceMs">,
): Promise<NearbyDriver[]> {
  const seenSinceMs = domain.now().getTime() - inactiveAfterMs;
  const found = await index.nearest(tenantId, { ...query, seenSinceMs });
  return found.map(({ driver, distanceMeters }) => ({
    driverId: driver.driverId,
    point: { lat: driver.lat, lng: driver.lng },
    distanceMeters,
    vehicleClass: driver.vehicleClass,
    observeTime: new Date(driver.timeMs),
  }));
}
