/** Wires the pricing service. */
import { EtaInternalServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_internal_service.js";
import { PricingInternalServiceService } from "../../gen/grpc/ridemesh/pricing/v1/pricing_internal_service.js";
import { PricingServiceService } from "../../gen/grpc/ridemesh/pricing/v1/pricing_service.js";
import { createClient } from "../runtime/client.js";
import { serve } from "../runtime/server.js";
import { startService, type Host, type RunningService } from "../runtime/service.js";
import { watchCities } from "../runtime/watch.js";
import { defaultPricingConfig, type PricingConfig } from "./config.js";
import { pricingInternalService } from "./internal-service.js";
import { createRoutes } from "./route.js";
import { pricingService } from "./service.js";
import { createTariffs } from "./store.js";

/** Starts the pricing service. */
export function startPricing(
  host: Host,
  config: PricingConfig = defaultPricingConfig,
): Promise<RunningService> {
  return startService(host, {
    name: "pricing",
    migrations: new URL("./migrations/", import.meta.url),
    build: ({ pool, wall, domain, secrets, metrics, log, channel }) => {
      const cities = watchCities(channel("city"), { wall, log });
      const deps = {
        cities,
        tariffs: createTariffs({ pool, wall, domain, ttlMs: config.tariffTtlMs }),
        estimateRoute: createRoutes({
          eta: createClient(EtaInternalServiceService, channel("eta")),
          metrics,
          log,
        }),
        secrets,
        domain,
        quoteSeconds: config.quoteSeconds,
      };
      return {
        services: [
          serve(PricingServiceService, pricingService(deps)),
          serve(PricingInternalServiceService, pricingInternalService(deps)),
        ],
        background: [cities],
      };
    },
  });
}
