/** Copies of reference data that another service streams: kept fresh, connected again when lost. */
import type { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import { createClient, type Channel } from "./client.js";
import type { WallClock } from "./clock.js";
import { startLoop, type Runnable } from "./lifecycle.js";
import type { Logger } from "./log.js";
import { unavailable } from "./status.js";
import type { Trust } from "./token.js";

interface WatchDeps {
  wall: WallClock;
  log: Logger;
}

/** Keeps `trust` filled with identity's keys and revoked sessions. */
export function watchTrust(identity: Channel, trust: Trust, deps: WatchDeps): Runnable {
  const client = createClient(IdentityInternalServiceService, identity);
  return startLoop({
    name: "watch-trust",
    ...deps,
    work: async (signal) => {
      for await (const update of client.watchTrust({}, { signal })) {
        if (update.keys.length > 0) trust.setKeys({ keys: update.keys });
        for (const session of update.revokedSessions) {
          trust.revokeSession(session.sessionId, session.expireTime!);
        }
      }
      return 100;
    },
  });
}

/** The cities of all operators, as last heard. */
export interface Cities extends Runnable {
  /** The cities of an operator. UNAVAILABLE before the first word from the city service. */
  list(tenantId: string): City[];
  get(tenantId: string, cityId: string): City | undefined;
}

/** Follows the city service. */
export function watchCities(city: Channel, deps: WatchDeps): Cities {
  const client = createClient(CityInternalServiceService, city);
  let byTenant: Map<string, City[]> | undefined;
  const loop = startLoop({
    name: "watch-cities",
    ...deps,
    work: async (signal) => {
      for await (const { cities } of client.watchCities({}, { signal })) {
        byTenant = new Map();
        for (const one of cities) {
          byTenant.set(one.tenantId, [...(byTenant.get(one.tenantId) ?? []), one]);
        }
      }
      return 100;
    },
  });
  const list = (tenantId: string): City[] => {
    if (!byTenant) throw unavailable("the cities are not known yet");
    return byTenant.get(tenantId) ?? [];
  };
  return {
    list,
    get: (tenantId, cityId) => list(tenantId).find((c) => c.cityId === cityId),
    stop: loop.stop,
  };
}
