/** Handlers of LocationService. */
import type { LocationPoint } from "../../gen/grpc/ridemesh/location/v1/location.js";
import type { LocationServiceService } from "../../gen/grpc/ridemesh/location/v1/location_service.js";
import type { CallContext } from "../runtime/call-context.js";
import { addSeconds, type WallClock } from "../runtime/clock.js";
import { decodePageToken, encodePageToken } from "../runtime/page-token.js";
import type { Pool } from "../runtime/postgres.js";
import type { Handlers } from "../runtime/server.js";
import { invalidField, notFound } from "../runtime/status.js";
import type { Cities } from "../runtime/watch.js";
import { findDrivers, type SearchDeps } from "./find-drivers.js";
import type { History } from "./history.js";
import { newTally, resultOf, takePoints, type ReportingDeps } from "./reporting.js";
import { listPoints, type StoredPoint } from "./store.js";
import { trackTrip, watchMap } from "./tracking.js";

export interface LocationDeps extends ReportingDeps, SearchDeps {
  pool: Pool;
  wall: WallClock;
  history: History;
  cities: Cities;
}

const nearbyRadiusMeters = 2000;
const nearbyLimit = 20;
const historySeconds = 24 * 3600;
const historyPageSize = 500;

/** Takes drivers' positions, finds drivers, and shows a trip's driver to its rider. */
export function locationService(deps: LocationDeps): Handlers<LocationServiceService> {
  const { pool, domain, history, presence } = deps;

  /** Takes the points of one call; what is acknowledged is committed. */
  const report = async (driverId: string, points: LocationPoint[], ctx: CallContext) => {
    history.checkRoom();
    const tally = newTally();
    const { tenantId } = ctx.caller;
    await history.write(takePoints(deps, { tenantId, driverId }, points, tally));
    return { result: resultOf(tally) };
  };

  return {
    reportLocation: ({ driverId, point }, ctx) => report(driverId, [point!], ctx),

    batchReportLocations: ({ driverId, points }, ctx) => report(driverId, points, ctx),

    streamLocations: async (requests, ctx) => {
      const { tenantId } = ctx.caller;
      const tally = newTally();
      for await (const { driverId, points } of requests) {
        history.checkRoom();
        await history.append(takePoints(deps, { tenantId, driverId }, points, tally));
      }
      await history.flush();
      return { result: resultOf(tally) };
    },

    findNearbyDrivers: async ({ lat, lng, radiusMeters, limit, vehicleClass }, ctx) => ({
      drivers: await findDrivers(deps, ctx.caller.tenantId, {
        point: { lat, lng },
        radiusMeters: radiusMeters || nearbyRadiusMeters,
        limit: limit || nearbyLimit,
        vehicleClass: vehicleClass || undefined,
      }),
    }),

    listDriverHistory: async (request, ctx) => {
      const { tenantId, subject } = ctx.caller;
      const { driverId } = request;
      if (driverId !== subject && !presence.find(tenantId, driverId)) throw notFound("driver");
      const until = request.untilTime ?? domain.now();
      const from = request.fromTime ?? addSeconds(until, -historySeconds);
      if (from > until) throw invalidField("from_time", "is after until_time");
      const size = request.pageSize || historyPageSize;
      const start = pageStart(request.pageToken) ?? from;
      await history.flush();
      const found = await listPoints(pool, { tenantId, driverId }, start, until, size + 1);
      const next = found[size];
      return {
        points: found.slice(0, size).map(pointOf),
        nextPageToken: next ? encodePageToken([String(next.timeMs)]) : "",
      };
    },

    trackTrip: ({ tripId }, ctx) => trackTrip(deps, tripId, ctx),

    watchMap: async function* ({ cityId }, ctx) {
      if (!deps.cities.get(ctx.caller.tenantId, cityId)) throw notFound("city");
      yield* watchMap(deps, cityId, ctx);
    },
  };
}

/** The moment at which a page begins, from its token. */
function pageStart(token: string): Date | undefined {
  const [ms] = decodePageToken(token, 1) ?? [];
  if (ms === undefined) return undefined;
  if (!/^\d{1,15}$/.test(ms)) {
    throw invalidField("page_token", "is not one that an earlier answer gave");
  }
  return new Date(Number(ms));
}

function pointOf(point: Omit<StoredPoint, "tenantId" | "driverId">): LocationPoint {
  return {
    point: { lat: point.lat, lng: point.lng },
    observeTime: new Date(point.timeMs),
    accuracyMeters: point.accuracyMeters,
    speedMps: point.speedMps,
    headingDegrees: point.heading,
  };
}
