/** Trip events: whether drivers are busy, how they are rated and what they earn. */
import { Party } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import {
  PaymentProcessed,
  TripAccepted,
  TripCancelled,
  TripCompleted,
  TripDriverCancelled,
  TripRated,
} from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import type { WallClock } from "../runtime/clock.js";
import { on, once, type EventHandler, type EventMeta } from "../runtime/consumer.js";
import type { Pool } from "../runtime/postgres.js";
import { addEarning } from "./earnings.js";
import { addRating, noteTrip } from "./trips.js";

/**
 * The handlers. Busy and earnings need no inbox: the version of the trip, and the trip itself, make a
 * second delivery do nothing.
 */
export function driverConsumer(deps: { pool: Pool; wall: WallClock }): EventHandler[] {
  const { pool, wall } = deps;

  const note =
    (active: boolean) =>
    async (
      event: { tripId: string; driverId: string; version: bigint },
      { tenantId }: EventMeta,
    ): Promise<void> => {
      const { tripId, driverId, version } = event;
      // A trip that nobody had accepted keeps nobody busy.
      if (driverId) await noteTrip(pool, { tenantId, driverId, tripId, version, active });
    };

  return [
    on(TripAccepted, note(true)),
    on(TripDriverCancelled, note(false)),
    on(TripCompleted, note(false)),
    on(TripCancelled, note(false)),
    on(PaymentProcessed, async ({ tripId, driverId, driverShare }, { tenantId, time }) => {
      if (!driverId || !driverShare || driverShare.amountMinor === 0n) return;
      await addEarning(pool, { tenantId, driverId, tripId, share: driverShare, earnTime: time });
    }),
    on(TripRated, async ({ rater, driverId, stars }, meta) => {
      if (rater !== Party.RIDER) return;
      await once(pool, wall, "driver", meta, (tx) => addRating(tx, meta.tenantId, driverId, stars));
    }),
  ];
}
