/**
 * A tiny real service for tests of the runtime itself: methods of the trip and location contracts,
 * answered by handlers that a test sets, on a real port with real PostgreSQL.
 */
import { LocationServiceService } from "../../gen/grpc/ridemesh/location/v1/location_service.js";
import { TripInternalServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_internal_service.js";
import { TripServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import { uuidv4 } from "../runtime/ids.js";
import type { Runnable } from "../runtime/lifecycle.js";
import type { Logger } from "../runtime/log.js";
import { migrateService } from "../runtime/migrate.js";
import type { Owners } from "../runtime/policy.js";
import { createPool, type Pool } from "../runtime/postgres.js";
import { serve, startServer, type Handlers, type StubDefinition } from "../runtime/server.js";
import { Code, StatusError } from "../runtime/status.js";
import type { TestHost } from "./host.js";

type Settable<T> = { -readonly [K in keyof T]?: T[K] };
type TinyHandlers = Settable<Handlers<TripServiceService>> &
  Settable<Handlers<TripInternalServiceService>> &
  Settable<Handlers<LocationServiceService>>;

/** The one trip that there is. */
export const tinyTrip = {
  tripId: uuidv4(),
  tenantId: "metro",
  riderId: uuidv4(),
  driverId: uuidv4(),
};

export interface TinyService {
  /** What answers; what is not set is UNIMPLEMENTED. */
  handlers: TinyHandlers;
  pool: Pool;
  port: number;
  server: Runnable;
}

const unimplemented = () => {
  throw new StatusError(Code.UNIMPLEMENTED, { reason: "UNIMPLEMENTED", message: "not answered" });
};

/** Starts it as "trip" and "location"; it stops with the host, whose services include both. */
export async function startTinyService(
  testHost: TestHost,
  options: { log?: Logger } = {},
): Promise<TinyService> {
  const { host } = testHost;
  const { wall, metrics, secrets, log } = { ...host, ...options };
  await migrateService({ url: host.database.ownerUrl, schema: "trip", log });
  const pool = createPool({ url: host.database.url("trip"), max: 8, name: "trip", log });
  const handlers: TinyHandlers = {};
  const routed = <D extends StubDefinition>(definition: D) => {
    const entries = Object.keys(definition).map((name) => [
      name,
      (...args: unknown[]) =>
        ((handlers as Record<string, unknown>)[name] as typeof unimplemented | undefined)?.(
          ...(args as []),
        ) ?? unimplemented(),
    ]);
    return serve(definition, Object.fromEntries(entries) as Handlers<D>);
  };
  const { tripId, tenantId, riderId, driverId } = tinyTrip;
  const owner = (subjects: string[]) => (tenant: string, id: string) =>
    Promise.resolve(id === tripId && tenant === tenantId ? { tenantId, subjects } : undefined);
  const owners: Owners = {
    trip: owner([riderId, driverId]),
    offered_trip: owner([driverId]),
  };
  const start = async (service: string, definitions: StubDefinition[]) => {
    const server = await startServer({
      services: definitions.map(routed),
      deps: { service, pool, verifier: testHost.verifier, owners, secrets, wall, metrics, log },
      identity: host.identity(service),
      host: "127.0.0.1",
      port: 0,
    });
    testHost.started({ name: service, check: () => Promise.resolve(), ...server });
    return server;
  };
  testHost.started({
    name: "pool",
    port: 0,
    check: () => Promise.resolve(),
    stop: () => pool.end(),
  });
  const server = await start("trip", [TripServiceService, TripInternalServiceService]);
  await start("location", [LocationServiceService]);
  return { handlers, pool, port: server.port, server };
}
