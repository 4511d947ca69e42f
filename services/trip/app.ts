/** Wires the trip service. */
import { DriverInternalServiceService } from "../../gen/grpc/ridemesh/driver/v1/driver_internal_service.js";
import { LocationInternalServiceService } from "../../gen/grpc/ridemesh/location/v1/location_internal_service.js";
import { PaymentInternalServiceService } from "../../gen/grpc/ridemesh/payment/v1/payment_internal_service.js";
import { PricingInternalServiceService } from "../../gen/grpc/ridemesh/pricing/v1/pricing_internal_service.js";
import { RiderInternalServiceService } from "../../gen/grpc/ridemesh/rider/v1/rider_internal_service.js";
import { TripInternalServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_internal_service.js";
import { TripServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import { createClient } from "../runtime/client.js";
import { createFanout } from "../runtime/fanout.js";
import { serve } from "../runtime/server.js";
import { startService, type Host, type RunningService } from "../runtime/service.js";
import type { TripUpdate } from "./commands.js";
import { tripConsumer } from "./consumer.js";
import { tripInternalService } from "./internal-service.js";
import { tripOwners } from "./owners.js";
import { tripService } from "./service.js";
import { startSettlement } from "./settlement.js";
import { createViews } from "./view.js";

/** Starts the trip service. */
export function startTrip(host: Host): Promise<RunningService> {
  return startService(host, {
    name: "trip",
    migrations: new URL("./migrations/", import.meta.url),
    build: (context) => {
      const { pool, domain, wall, log, secrets, channel, wakeRelay } = context;
      const views = createViews({
        riders: createClient(RiderInternalServiceService, channel("rider")),
        drivers: createClient(DriverInternalServiceService, channel("driver")),
        wall,
        log,
      });
      const pricing = createClient(PricingInternalServiceService, channel("pricing"));
      const commands = {
        pool,
        domain,
        wall,
        changes: createFanout<TripUpdate>(),
        wakeRelay,
        wakeSettlement: () => settlement.wake(),
      };
      const settlement = startSettlement({
        ...commands,
        location: createClient(LocationInternalServiceService, channel("location")),
        pricing,
        payment: createClient(PaymentInternalServiceService, channel("payment")),
        log,
      });
      return {
        services: [
          serve(TripServiceService, tripService({ ...commands, pricing, views, secrets })),
          serve(TripInternalServiceService, tripInternalService({ ...commands, views })),
        ],
        owners: tripOwners(pool),
        consumes: tripConsumer(commands),
        background: [settlement],
      };
    },
  });
}
