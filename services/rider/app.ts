/** Wires the rider service. */
import { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import { RiderInternalServiceService } from "../../gen/grpc/ridemesh/rider/v1/rider_internal_service.js";
import { RiderServiceService } from "../../gen/grpc/ridemesh/rider/v1/rider_service.js";
import { createClient } from "../runtime/client.js";
import { serve } from "../runtime/server.js";
import { startService, type Host, type RunningService } from "../runtime/service.js";
import { riderConsumer } from "./consumer.js";
import { riderInternalService } from "./internal-service.js";
import { riderService } from "./service.js";
import { createRiderStore } from "./store.js";

/** Starts the rider service. */
export function startRider(host: Host): Promise<RunningService> {
  return startService(host, {
    name: "rider",
    migrations: new URL("./migrations/", import.meta.url),
    build: ({ pool, domain, wall, log, secrets, channel }) => {
      const store = createRiderStore(secrets);
      const identity = createClient(IdentityInternalServiceService, channel("identity"));
      const deps = { pool, domain, wall, log, store, identity };
      return {
        services: [
          serve(RiderServiceService, riderService(deps)),
          serve(RiderInternalServiceService, riderInternalService(deps)),
        ],
        consumes: riderConsumer(deps),
      };
    },
  });
}
