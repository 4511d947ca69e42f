/**
 * Events that change who is available and who may follow whom. Each is written to its row first and
 * then to memory, both guarded by the event's version or time: one that comes twice, or late, changes
 * nothing, so that no inbox is needed.
 */
import {
  DriverAvailabilityChanged,
  DriverRegistered,
} from "../../gen/grpc/ridemesh/driver/v1/driver_events.js";
import { Availability } from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import {
  TripAccepted,
  TripCancelled,
  TripCompleted,
  TripDriverCancelled,
  TripExpired,
  TripRequested,
} from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import { on, type EventHandler, type EventMeta } from "../runtime/consumer.js";
import type { Fanout } from "../runtime/fanout.js";
import type { Pool } from "../runtime/postgres.js";
import type { Presence } from "./presence.js";
import {
  saveAvailability,
  saveRegistered,
  saveTripAccepted,
  saveTripLeft,
  saveTripRequested,
} from "./store.js";
import { publishPosition, trackChannel, type TrackUpdate } from "./tracking.js";

export interface ConsumerDeps {
  pool: Pool;
  presence: Presence;
  tracks: Fanout<TrackUpdate>;
}

/** The handlers. */
export function locationConsumer(deps: ConsumerDeps): EventHandler[] {
  const { pool, presence, tracks } = deps;

  /** The driver is free again; when the trip is over, whoever follows it is told. */
  const leave = async (
    event: { tripId: string; version: bigint; riderId: string; driverId: string },
    { tenantId, time }: EventMeta,
    ended: boolean,
  ): Promise<void> => {
    const { tripId, version, riderId, driverId } = event;
    await saveTripLeft(pool, { tenantId, tripId, version, riderId, driverId, time, ended });
    if (driverId) presence.tripLeft({ tenantId, driverId, tripId });
    if (ended) tracks.publish(trackChannel(tenantId, tripId), { kind: "over" });
  };

  return [
    on(DriverRegistered, async ({ driverId, cityId }, { tenantId }) => {
      await saveRegistered(pool, { tenantId, driverId, cityId });
      presence.registered({ tenantId, driverId, cityId });
    }),
    on(DriverAvailabilityChanged, async (event, { tenantId }) => {
      const { driverId, cityId, vehicleClass, version } = event;
      // A driver on a trip is online too; that the trip keeps him busy is known from the trip.
      const online = [Availability.ONLINE, Availability.BUSY].includes(event.availability);
      const change = { tenantId, driverId, cityId, vehicleClass, online, version };
      await saveAvailability(pool, change);
      presence.availabilityChanged(change);
    }),
    on(TripRequested, async ({ tripId, version, riderId }, { tenantId, time }) => {
      await saveTripRequested(pool, { tenantId, tripId, version, riderId, time });
    }),
    on(TripAccepted, async ({ tripId, version, riderId, driverId }, { tenantId, time }) => {
      await saveTripAccepted(pool, { tenantId, tripId, version, riderId, driverId, time });
      const driver = presence.tripAccepted({ tenantId, driverId, tripId, time });
      if (driver) publishPosition(tracks, driver);
    }),
    on(TripDriverCancelled, (event, meta) => leave(event, meta, false)),
    on(TripCompleted, (event, meta) => leave(event, meta, true)),
    on(TripCancelled, (event, meta) => leave(event, meta, true)),
    on(TripExpired, (event, meta) => leave({ ...event, driverId: "" }, meta, true)),
  ];
}
