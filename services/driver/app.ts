/** Wires the driver service. */
import { join } from "node:path";
import { DriverInternalServiceService } from "../../gen/grpc/ridemesh/driver/v1/driver_internal_service.js";
import { DriverServiceService } from "../../gen/grpc/ridemesh/driver/v1/driver_service.js";
import { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import { createClient } from "../runtime/client.js";
import { startLoop } from "../runtime/lifecycle.js";
import { serve } from "../runtime/server.js";
import { startService, type Host, type RunningService } from "../runtime/service.js";
import { watchCities } from "../runtime/watch.js";
import { createFolderStore } from "./blob-store.js";
import { driverConsumer } from "./consumer.js";
import { sweepOrphans } from "./documents.js";
import { driverInternalService } from "./internal-service.js";
import { driverService } from "./service.js";
import { createDriverStore } from "./store.js";

const sweepEveryMs = 3_600_000;

/** Starts the driver service. Files of documents lie in the folder `documents` of the host's data. */
export function startDriver(host: Host): Promise<RunningService> {
  return startService(host, {
    name: "driver",
    migrations: new URL("./migrations/", import.meta.url),
    build: ({ pool, domain, wall, log, secrets, channel, wakeRelay, dataDir }) => {
      const store = createDriverStore(secrets);
      const blobs = createFolderStore(join(dataDir, "documents"));
      const cities = watchCities(channel("city"), { wall, log });
      const identity = createClient(IdentityInternalServiceService, channel("identity"));
      const deps = { pool, domain, secrets, wakeRelay, store, blobs, cities, identity };
      const sweep = startLoop({
        name: "sweep-documents",
        wall,
        log,
        work: async () => {
          const removed = await sweepOrphans({ pool, store, blobs, wall });
          if (removed > 0) log.info({ removed }, "removed files that no document has");
          return sweepEveryMs;
        },
      });
      return {
        services: [
          serve(DriverServiceService, driverService(deps)),
          serve(DriverInternalServiceService, driverInternalService({ pool, store })),
        ],
        consumes: driverConsumer({ pool, wall }),
        background: [cities, sweep],
      };
    },
  });
}
