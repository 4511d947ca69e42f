/** A stand-in for identity that knows the names which a test tells it. */
import { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import { unavailable } from "../runtime/status.js";
import type { TestHost } from "./host.js";
import { startStandIn } from "./stand-in.js";

export interface IdentityStandIn {
  /** Whether it refuses every call as unavailable. */
  away: boolean;
  /** Makes an account known. */
  know(tenantId: string, userId: string, displayName: string): void;
}

/** Starts it; it stops with the host. */
export async function startIdentityStandIn(testHost: TestHost): Promise<IdentityStandIn> {
  const names = new Map<string, string>();
  const standIn: IdentityStandIn = {
    away: false,
    know: (tenantId, userId, displayName) => names.set(`${tenantId}/${userId}`, displayName),
  };
  await startStandIn(testHost, "identity", IdentityInternalServiceService, {
    listDisplayNames: async ({ tenantId, userIds }) => {
      if (standIn.away) throw unavailable("identity is away");
      const known = userIds.filter((id) => names.has(`${tenantId}/${id}`));
      const entries = known.map((id) => [id, names.get(`${tenantId}/${id}`)!] as const);
      return { displayNames: Object.fromEntries(entries) };
    },
  });
  return standIn;
}
