/** Handlers of IdentityInternalService: what the other services need to trust a token. */
import type { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import type { Handlers } from "../runtime/server.js";
import type { IdentityDeps } from "./deps.js";
import { redeemTicket } from "./sessions.js";
import { loadNames } from "./store.js";

/** Keys, revocations, tickets and names, for other services. */
export function identityInternalService(
  deps: IdentityDeps,
): Handlers<IdentityInternalServiceService> {
  return {
    watchTrust: async function* (_request, ctx) {
      for await (const { keys, revoked } of deps.trust.watch(ctx.signal)) {
        const revokedSessions = revoked.map(({ sessionId, until }) => ({
          sessionId,
          expireTime: until,
        }));
        yield { keys, revokedSessions };
      }
    },

    redeemStreamTicket: async ({ ticket }, ctx) => ({
      accessToken: await redeemTicket(deps, ticket, ctx),
    }),

    listDisplayNames: async ({ tenantId, userIds }) => ({
      displayNames: await loadNames(deps.pool, deps.secrets, tenantId, userIds),
    }),
  };
}
