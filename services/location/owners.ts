/** Whose trips are: for the access policy. */
import type { Owners } from "../runtime/policy.js";
import type { Pool } from "../runtime/postgres.js";
import { findTrip } from "./store.js";

/** A trip can be followed by its rider, while it is active. */
export function locationOwners(pool: Pool): Owners {
  return {
    trip: async (tenantId, tripId) => {
      const trip = await findTrip(pool, tenantId, tripId);
      return trip?.active ? { tenantId, subjects: [trip.riderId] } : undefined;
    },
  };
}
