/** Whose trips are: for the access policy. */
import type { Owners } from "../runtime/policy.js";
import type { Pool } from "../runtime/postgres.js";
import { loadTrip } from "./store.js";

/** A trip belongs to its rider and its assigned driver; an offered trip to those who were offered it. */
export function tripOwners(pool: Pool): Owners {
  return {
    trip: async (tenantId, tripId) => {
      const trip = await loadTrip(pool, tenantId, tripId);
      return (
        trip && {
          tenantId,
          subjects: trip.driverId ? [trip.riderId, trip.driverId] : [trip.riderId],
        }
      );
    },
    offered_trip: async (tenantId, tripId) => {
      const trip = await loadTrip(pool, tenantId, tripId);
      return trip && { tenantId, subjects: trip.offers.map((offer) => offer.driverId) };
    },
  };
}
