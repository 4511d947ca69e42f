/** Handlers of DriverInternalService: what other services need to know of drivers. */
import type { DriverInternalServiceService } from "../../gen/grpc/ridemesh/driver/v1/driver_internal_service.js";
import type { Pool } from "../runtime/postgres.js";
import type { Handlers } from "../runtime/server.js";
import type { DriverStore } from "./store.js";
import { toCard } from "./view.js";

/** What other services need to know of drivers. */
export function driverInternalService(deps: {
  pool: Pool;
  store: DriverStore;
}): Handlers<DriverInternalServiceService> {
  return {
    listDriverCards: async ({ tenantId, driverIds }) => ({
      cards: (await deps.store.load(deps.pool, tenantId, driverIds)).map(toCard),
    }),
  };
}
