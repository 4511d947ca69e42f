/** Whose payments are: for the access policy. */
import type { Owners } from "../runtime/policy.js";
import type { Pool } from "../runtime/postgres.js";
import { riderOfPayment } from "./store.js";

/** A payment belongs to the rider who pays it. */
export function paymentOwners(pool: Pool): Owners {
  const ownedBy = (tenantId: string, riderId: string | undefined) =>
    riderId === undefined ? undefined : { tenantId, subjects: [riderId] };
  return {
    payment: async (tenantId, paymentId) =>
      ownedBy(tenantId, await riderOfPayment(pool, tenantId, { paymentId })),
    payment_of_trip: async (tenantId, tripId) =>
      ownedBy(tenantId, await riderOfPayment(pool, tenantId, { tripId })),
  };
}
