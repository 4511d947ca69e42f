/**
 * The service behind the gateways: the runtime's own server with all that it does to a call (mTLS,
 * token, policy, rules), its answers held in memory so that the gateways are what is measured.
 */
import { PricingServiceService } from "../../../gen/grpc/ridemesh/pricing/v1/pricing_service.js";
import { TripServiceService } from "../../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import { wallClock } from "../../../services/runtime/clock.js";
import { silentLogger } from "../../../services/runtime/log.js";
import { createMetrics } from "../../../services/runtime/metrics.js";
import { createPool } from "../../../services/runtime/postgres.js";
import { createSecrets } from "../../../services/runtime/secrets.js";
import {
  serve,
  startServer,
  type Handlers,
  type ServedService,
} from "../../../services/runtime/server.js";
import { Code, StatusError } from "../../../services/runtime/status.js";
import type { TlsIdentity } from "../../../services/runtime/tls.js";
import { createTokenVerifier } from "../../../services/runtime/token.js";
import { runChild } from "../child.js";
import type { Keys } from "../people.js";
import { fare, trip } from "./answers.js";

/** What the process is given. */
export interface ServiceSetup {
  identities: { trip: TlsIdentity; pricing: TlsIdentity };
  keys: Keys;
  subjects: string[];
}

/** Where it answers. */
export type Addresses = Record<"trip" | "pricing", string>;

const refuse = () => {
  throw new StatusError(Code.UNIMPLEMENTED, { reason: "UNIMPLEMENTED", message: "not measured" });
};
const refuseAll = (definition: object) =>
  Object.fromEntries(Object.keys(definition).map((name) => [name, refuse]));

runChild<ServiceSetup>(process, async ({ identities, keys, subjects }) => {
  const wall = wallClock;
  const log = silentLogger;
  const verifier = createTokenVerifier(wall);
  verifier.setKeys(keys);
  // Never connects: these methods have no rows.
  const url = "postgres://nobody@127.0.0.1:1/nothing";
  const pool = createPool({ url, max: 1, name: "bench", log });
  const start = (service: "trip" | "pricing", served: ServedService) =>
    startServer({
      services: [served],
      deps: {
        service,
        pool,
        verifier,
        owners: { trip: () => Promise.resolve({ tenantId: "metro", subjects }) },
        secrets: createSecrets([{ id: "bench", key: Buffer.alloc(32) }]),
        wall,
        metrics: createMetrics(),
        log,
      },
      identity: identities[service],
      host: "127.0.0.1",
      port: 0,
    });
  const servers = {
    trip: await start(
      "trip",
      serve(TripServiceService, {
        ...(refuseAll(TripServiceService) as unknown as Handlers<TripServiceService>),
        getTrip: ({ tripId }) => Promise.resolve({ trip: { ...trip, tripId } }),
      }),
    ),
    pricing: await start(
      "pricing",
      serve(PricingServiceService, {
        ...(refuseAll(PricingServiceService) as unknown as Handlers<PricingServiceService>),
        calculateFare: ({ distanceMeters, durationSeconds }) =>
          Promise.resolve({ fare: { ...fare, distanceMeters, durationSeconds } }),
      }),
    ),
  };
  const ready: Addresses = {
    trip: `127.0.0.1:${servers.trip.port}`,
    pricing: `127.0.0.1:${servers.pricing.port}`,
  };
  return {
    ready,
    stop: async () => {
      await Promise.all([servers.trip.stop(), servers.pricing.stop()]);
    },
  };
});
