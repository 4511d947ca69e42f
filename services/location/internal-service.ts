/** Handlers of LocationInternalService. */
import type { LocationInternalServiceService } from "../../gen/grpc/ridemesh/location/v1/location_internal_service.js";
import { addSeconds } from "../runtime/clock.js";
import { encodePolyline } from "../runtime/geo.js";
import type { Pool } from "../runtime/postgres.js";
import type { Handlers } from "../runtime/server.js";
import { invalidField } from "../runtime/status.js";
import { findDrivers, type SearchDeps } from "./find-drivers.js";
import type { History } from "./history.js";
import { measureRoute, neighbourMs } from "./route.js";
import { listPoints } from "./store.js";

/** A point a second for most of a day: no ride has more. */
const maxRoutePoints = 50_000;

/** Positions for the other services. */
export function locationInternalService(
  deps: SearchDeps & { pool: Pool; history: History },
): Handlers<LocationInternalServiceService> {
  return {
    findCandidates: async ({ tenantId, cityId, point, radiusMeters, limit, vehicleClass }) => ({
      drivers: await findDrivers(deps, tenantId, {
        point: point!,
        radiusMeters,
        limit,
        cityId,
        vehicleClass,
      }),
    }),

    measureRoute: async ({ tenantId, driverId, startTime, endTime }) => {
      const [start, end] = [startTime!, endTime!];
      if (start > end) throw invalidField("end_time", "is before start_time");
      // The driver's last points may still wait to be written.
      await deps.history.flush();
      const seconds = neighbourMs / 1000;
      const points = await listPoints(
        deps.pool,
        { tenantId, driverId },
        addSeconds(start, -seconds),
        addSeconds(end, seconds),
        maxRoutePoints,
      );
      const route = measureRoute(points, start.getTime(), end.getTime());
      return {
        distanceMeters: route.distanceMeters,
        pointCount: route.pointCount,
        polyline: encodePolyline(route.line),
      };
    },
  };
}
