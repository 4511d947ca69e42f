/** Following drivers live: a rider his trip's driver, staff all drivers of a city. */
import type { LocationPoint } from "../../gen/grpc/ridemesh/location/v1/location.js";
import type {
  TrackTripResponse,
  WatchMapResponse,
} from "../../gen/grpc/ridemesh/location/v1/location_service.js";
import type { CallContext } from "../runtime/call-context.js";
import type { DomainClock, WallClock } from "../runtime/clock.js";
import type { Fanout } from "../runtime/fanout.js";
import type { Pool } from "../runtime/postgres.js";
import { inactiveAfterMs, never, type Driver, type Presence } from "./presence.js";
import { findTrip } from "./store.js";

/** What followers of a trip are told: where its driver is, or that it is over. */
export type TrackUpdate =
  { kind: "position"; driverId: string; location: LocationPoint } | { kind: "over" };

/** The channel of a trip's followers. */
export function trackChannel(tenantId: string, tripId: string): string {
  return `${tenantId}/${tripId}`;
}

/** Tells followers of the driver's trip where he is. `speedMps` 0 when not known. */
export function publishPosition(tracks: Fanout<TrackUpdate>, driver: Driver, speedMps = 0): void {
  if (driver.tripId === "" || driver.timeMs === never) return;
  tracks.publish(
    trackChannel(driver.tenantId, driver.tripId),
    { kind: "position", driverId: driver.driverId, location: locationOf(driver, speedMps) },
    "position",
  );
}

function locationOf(driver: Driver, speedMps: number): LocationPoint {
  return {
    point: { lat: driver.lat, lng: driver.lng },
    observeTime: new Date(driver.timeMs),
    accuracyMeters: driver.accuracyMeters,
    speedMps,
    headingDegrees: driver.heading,
  };
}

/**
 * Where the trip's driver is, from when there is one until the trip is over. When he gives the trip
 * back it goes on with the next. A slow reader misses positions in between, never the last.
 */
export async function* trackTrip(
  deps: { pool: Pool; presence: Presence; tracks: Fanout<TrackUpdate> },
  tripId: string,
  ctx: CallContext,
): AsyncGenerator<TrackTripResponse> {
  const { tenantId } = ctx.caller;
  // Listening begins before the trip is read, so that nothing falls between the two.
  const updates = deps.tracks.subscribe(trackChannel(tenantId, tripId), ctx.signal);
  const trip = await findTrip(deps.pool, tenantId, tripId);
  // Over since the caller's right to it was checked.
  if (!trip?.active) return;
  let shownDriverId = "";
  let shownMs = never;
  const driver = trip.driverId ? deps.presence.find(tenantId, trip.driverId) : undefined;
  if (driver?.tripId === tripId && driver.timeMs !== never) {
    [shownDriverId, shownMs] = [driver.driverId, driver.timeMs];
    yield { location: locationOf(driver, 0) };
  }
  for await (const update of updates) {
    if (update.kind === "over") return;
    const timeMs = update.location.observeTime!.getTime();
    if (update.driverId === shownDriverId && timeMs <= shownMs) continue;
    [shownDriverId, shownMs] = [update.driverId, timeMs];
    yield { location: update.location };
  }
}

/** The map is brought up to date so often, in wall milliseconds. */
const mapMs = 500;

/**
 * All drivers of a city who are to be seen, then every half second those who moved or changed and
 * those who are gone. A slow reader gets fewer and fuller messages.
 */
export async function* watchMap(
  deps: { presence: Presence; domain: DomainClock; wall: WallClock },
  cityId: string,
  ctx: CallContext,
): AsyncGenerator<WatchMapResponse> {
  const { presence, domain, wall } = deps;
  const { tenantId } = ctx.caller;
  const shown = new Set<string>();
  let seenChange = -1;
  while (!ctx.signal.aborted) {
    const first = seenChange < 0;
    const activeSinceMs = domain.now().getTime() - inactiveAfterMs;
    const visible = (driver: Driver | undefined) =>
      driver?.cityId === cityId && isOnMap(driver, activeSinceMs);
    const gone = [...shown].filter((id) => !visible(presence.find(tenantId, id)));
    for (const id of gone) shown.delete(id);
    const drivers = [];
    for (const driver of presence.inCity(tenantId, cityId)) {
      const isNew = !shown.has(driver.driverId);
      if ((driver.change <= seenChange && !isNew) || !visible(driver)) continue;
      shown.add(driver.driverId);
      drivers.push({
        driverId: driver.driverId,
        point: { lat: driver.lat, lng: driver.lng },
        busy: driver.tripId !== "",
        tripId: driver.tripId,
        headingDegrees: driver.heading,
      });
    }
    seenChange = presence.lastChange();
    if (first || drivers.length > 0 || gone.length > 0) yield { drivers, goneDriverIds: gone };
    await wall.sleep(mapMs, ctx.signal);
  }
}

/** Whoever is on a trip, and whoever is online and was heard of lately. */
function isOnMap(driver: Driver, activeSinceMs: number): boolean {
  if (driver.timeMs === never) return false;
  return driver.tripId !== "" || (driver.online && driver.timeMs >= activeSinceMs);
}
