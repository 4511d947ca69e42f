/** Wires the eta service. It has no rows of its own. */
import { EtaInternalServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_internal_service.js";
import { EtaServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_service.js";
import { serve } from "../runtime/server.js";
import { startService, type Host, type RunningService } from "../runtime/service.js";
import { watchCities } from "../runtime/watch.js";
import { defaultEtaConfig, type EtaConfig } from "./config.js";
import { loadEstimator } from "./estimator.js";
import { etaInternalService, etaService } from "./service.js";

/** Starts the eta service. */
export function startEta(
  host: Host,
  config: EtaConfig = defaultEtaConfig,
): Promise<RunningService> {
  return startService(host, {
    name: "eta",
    build: async ({ domain, wall, log, channel }) => {
      const estimator = await loadEstimator(config.modelFile, log);
      const cities = watchCities(channel("city"), { wall, log });
      const deps = { estimator, cities, domain };
      return {
        services: [
          serve(EtaServiceService, etaService(deps)),
          serve(EtaInternalServiceService, etaInternalService(deps)),
        ],
        background: [cities],
      };
    },
  });
}
