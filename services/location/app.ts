/** Wires the location service. */
import { LocationInternalServiceService } from "../../gen/grpc/ridemesh/location/v1/location_internal_service.js";
import { LocationServiceService } from "../../gen/grpc/ridemesh/location/v1/location_service.js";
import { createFanout } from "../runtime/fanout.js";
import { serve } from "../runtime/server.js";
import { startService, type Host, type RunningService } from "../runtime/service.js";
import { watchCities } from "../runtime/watch.js";
import type { LocationConfig } from "./config.js";
import { locationConsumer } from "./consumer.js";
import { startDays } from "./days.js";
import { startHistory } from "./history.js";
import { createGridIndex } from "./index.js";
import { locationInternalService } from "./internal-service.js";
import { locationOwners } from "./owners.js";
import { startPositions } from "./positions.js";
import { createPresence, inactiveAfterMs } from "./presence.js";
import { countPoints } from "./reporting.js";
import { locationService } from "./service.js";
import { loadPresence } from "./store.js";
import type { TrackUpdate } from "./tracking.js";

/** Starts the location service; drivers are where the last run of it left them. */
export function startLocation(
  host: Host,
  config: LocationConfig = { retentionDays: 90 },
): Promise<RunningService> {
  return startService(host, {
    name: "location",
    migrations: new URL("./migrations/", import.meta.url),
    build: async (context) => {
      const { pool, domain, wall, log, metrics } = context;
      const index = createGridIndex();
      const presence = createPresence(index, await loadPresence(pool));
      const tracks = createFanout<TrackUpdate>();
      const days = await startDays({ pool, domain, wall, log, ...config });
      const history = startHistory({ pool, wall, log });
      const positions = startPositions({ pool, presence, domain, wall, log });
      const cities = watchCities(context.channel("city"), { wall, log });
      metrics.gauge(
        "location_available_drivers",
        "Drivers who can be offered a trip: online, free, and heard of in the last 5 minutes.",
        { service: "location" },
        () => presence.countAvailable(domain.now().getTime() - inactiveAfterMs),
      );
      metrics.gauge(
        "location_uncommitted_points",
        "Accepted points that are not in the database yet.",
        { service: "location" },
        () => history.pending(),
      );
      const deps = { pool, domain, wall, index, presence, tracks, history, cities };
      const pointsCounter = countPoints(metrics);
      return {
        services: [
          serve(LocationServiceService, locationService({ ...deps, pointsCounter })),
          serve(LocationInternalServiceService, locationInternalService(deps)),
        ],
        owners: locationOwners(pool),
        consumes: locationConsumer(deps),
        background: [days, cities, positions, history],
      };
    },
  });
}
