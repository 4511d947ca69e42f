/** Whose trips are: for the access policy. */
import type { Owners } from "../runtime/policy.js";
import type { Pool } from "../runtime/postgres.js";
import { loadTrip } from "./store.js";
import type { Trip } from "./trip.js";

/** Under this name the memo of a call holds the trip that its right was checked against. */
const tripMemo = "trip";

/** The trip that the right to this call was checked against. */
export function rememberedTrip(memo: Map<string, unknown>): Trip | undefined {
  return memo.get(tripMemo) as Trip | undefined;
}

/** A trip belongs to its rider and its assigned driver; an offered trip to those who were offered it. */
export function tripOwners(pool: Pool): Owners {
  return {
    trip: async (tenantId, tripId, memo) => {
      const trip = await loadTrip(pool, tenantId, tripId);
      memo.set(tripMemo, trip);
      return (
        trip && {
          tenantId,
          subjects: trip.driverId ? [trip.riderId, trip.driverId] : [trip.riderId],
        }
      );
    },
    offered_trip: async (tenantId, tripId, memo) => {
      const trip = await loadTrip(pool, tenantId, tripId);
      memo.set(tripMemo, trip);
      return trip && { tenantId, subjects: trip.offers.map((offer) => offer.driverId) };
    },
  };
}
