/** Wires the city service. */
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import { CityServiceService } from "../../gen/grpc/ridemesh/city/v1/city_service.js";
import { createFanout } from "../runtime/fanout.js";
import { serve } from "../runtime/server.js";
import { startService, type Host, type RunningService } from "../runtime/service.js";
import type { CityConfig } from "./config.js";
import { cityInternalService, cityService } from "./service.js";
import { addMissing } from "./store.js";

/** Starts the city service; operators and cities of the config that are missing are added first. */
export function startCity(host: Host, config: CityConfig): Promise<RunningService> {
  return startService(host, {
    name: "city",
    migrations: new URL("./migrations/", import.meta.url),
    build: async ({ pool, domain, wakeRelay }) => {
      const now = domain.now();
      await addMissing(
        pool,
        config.operators,
        config.cities.map((city) => ({ ...city, updateTime: now })),
      );
      const deps = { pool, domain, wakeRelay, changes: createFanout<true>() };
      return {
        services: [
          serve(CityServiceService, cityService(deps)),
          serve(CityInternalServiceService, cityInternalService(deps)),
        ],
      };
    },
  });
}
