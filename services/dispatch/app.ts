/** Wires the dispatch service. */
import { DispatchServiceService } from "../../gen/grpc/ridemesh/dispatch/v1/dispatch_service.js";
import { EtaInternalServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_internal_service.js";
import { LocationInternalServiceService } from "../../gen/grpc/ridemesh/location/v1/location_internal_service.js";
import { TripInternalServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_internal_service.js";
import { createClient } from "../runtime/client.js";
import { createFanout } from "../runtime/fanout.js";
import { serve } from "../runtime/server.js";
import { startService, type Host, type RunningService } from "../runtime/service.js";
import { watchCities } from "../runtime/watch.js";
import { dispatchConsumer } from "./consumer.js";
import { startEngine } from "./engine.js";
import { dispatchOwners, dispatchService } from "./service.js";
import type { OfferRecord } from "./store.js";

/** Starts the dispatch service. */
export function startDispatch(host: Host): Promise<RunningService> {
  return startService(host, {
    name: "dispatch",
    migrations: new URL("./migrations/", import.meta.url),
    build: (context) => {
      const { pool, domain, wall, log, channel } = context;
      const trips = createClient(TripInternalServiceService, channel("trip"));
      const cities = watchCities(channel("city"), { wall, log });
      const offers = createFanout<OfferRecord>();
      const engine = startEngine({
        pool,
        domain,
        wall,
        log,
        cities,
        trips,
        locations: createClient(LocationInternalServiceService, channel("location")),
        eta: createClient(EtaInternalServiceService, channel("eta")),
        offers,
      });
      const deps = { pool, domain, wall, offers, trips, wakeEngine: engine.wake };
      return {
        services: [serve(DispatchServiceService, dispatchService(deps))],
        owners: dispatchOwners(pool),
        consumes: dispatchConsumer(deps),
        background: [cities, engine],
      };
    },
  });
}
