/** Handlers of IdentityService. */
import type { IdentityServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_service.js";
import type { Handlers } from "../runtime/server.js";
import { notFound } from "../runtime/status.js";
import { createUser, registerUser } from "./accounts.js";
import type { IdentityDeps } from "./deps.js";
import { logIn } from "./login.js";
import { createTicket, logOut, refreshSession } from "./sessions.js";
import { loadAccount } from "./store.js";

/** Accounts and sessions. */
export function identityService(deps: IdentityDeps): Handlers<IdentityServiceService> {
  return {
    registerUser: (request, ctx) => registerUser(deps, request, ctx),

    login: (request, ctx) => logIn(deps, request, ctx),

    refreshToken: async ({ refreshToken }, ctx) => ({
      session: await refreshSession(deps, refreshToken, ctx),
    }),

    logout: async (_request, ctx) => {
      await logOut(deps, ctx);
      return {};
    },

    validateToken: (_request, { caller }) =>
      Promise.resolve({
        userId: caller.subject,
        tenantId: caller.tenantId,
        roles: caller.roles,
        expireTime: caller.expireTime,
      }),

    listSigningKeys: () => Promise.resolve({ keys: deps.keyring.published() }),

    createStreamTicket: (_request, ctx) => createTicket(deps, ctx),

    createUser: (request, ctx) => createUser(deps, request, ctx),

    getUser: async ({ userId }, { caller }) => {
      const account = await loadAccount(deps.pool, deps.secrets, caller.tenantId, userId);
      if (!account) throw notFound("user");
      return { user: account.user };
    },
  };
}
