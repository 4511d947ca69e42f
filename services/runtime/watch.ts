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

/** After a stream that has told something, it is opened again after this long; else ever later. */
const againMs = 100;

/** Reads a stream to its end, and says when to read it again. Throws when it told nothing at all. */
async function follow<T>(
  stream: AsyncIterable<T>,
  log: Logger,
  take: (message: T) => void,
): Promise<number> {
  let told = false;
  try {
    for await (const message of stream) {
      take(message);
      told = true;
    }
  } catch (error) {
    if (!told) throw error;
    log.info({ err: error }, "stream lost, opening it again");
  }
  return againMs;
}

export interface TrustWatch extends Runnable {
  /** Resolves when keys have come: a token can be verified from then on. */
  known: Promise<void>;
}

/** Keeps `trust` filled with identity's keys and revoked sessions. */
export function watchTrust(identity: Channel, trust: Trust, deps: WatchDeps): TrustWatch {
  const client = createClient(IdentityInternalServiceService, identity);
  let tell: () => void;
  const known = new Promise<void>((resolve) => (tell = resolve));
  const { stop } = startLoop({
    name: "watch-trust",
    ...deps,
    work: (signal) =>
      follow(client.watchTrust({}, { signal }), deps.log, (update) => {
        if (update.keys.length > 0) {
          trust.setKeys({ keys: update.keys });
          tell();
        }
        for (const session of update.revokedSessions) {
          trust.revokeSession(session.sessionId, session.expireTime!);
        }
      }),
  });
  return { known, stop };
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
    work: (signal) =>
      follow(client.watchCities({}, { signal }), deps.log, ({ cities }) => {
        byTenant = new Map();
        for (const one of cities) {
          byTenant.set(one.tenantId, [...(byTenant.get(one.tenantId) ?? []), one]);
        }
      }),
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
