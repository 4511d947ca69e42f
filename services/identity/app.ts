/** Wires the identity service. */
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import { IdentityServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_service.js";
import { createClient } from "../runtime/client.js";
import { startLoop } from "../runtime/lifecycle.js";
import { serve } from "../runtime/server.js";
import { startService, type Host, type RunningService } from "../runtime/service.js";
import { ensureAccounts } from "./accounts.js";
import { checkConfig, type IdentityConfig } from "./config.js";
import type { IdentityDeps } from "./deps.js";
import { identityInternalService } from "./internal-service.js";
import { trimKeys } from "./key-store.js";
import { createKeyring } from "./keyring.js";
import { createOperators } from "./operators.js";
import { createPasswords } from "./passwords.js";
import { createRefreshTokens } from "./refresh-token.js";
import { identityService } from "./service.js";
import { trimSessions } from "./session-store.js";
import { trimFailures } from "./store.js";
import { createTrust, trustPollMs } from "./trust.js";
import { createTurns } from "./turns.js";

const trimMs = 60_000;

/**
 * Starts the identity service. The first accounts of the config are made for tenants that have no
 * admin. Rejects when the config would keep passwords badly.
 */
export async function startIdentity(host: Host, config: IdentityConfig): Promise<RunningService> {
  const { bcryptCost, firstAccounts, breachedPasswords } = checkConfig(config);
  return startService(host, {
    name: "identity",
    migrations: new URL("./migrations/", import.meta.url),
    build: async (context) => {
      const { pool, wall, domain, log, secrets, verifier, channel, wakeRelay } = context;
      const keyring = createKeyring({ pool, secrets, wall });
      const trust = createTrust({ pool, wall, keyring });
      const city = createClient(CityInternalServiceService, channel("city"));
      const deps: IdentityDeps = {
        pool,
        secrets,
        wall,
        domain,
        wakeRelay,
        verifier,
        keyring,
        trust,
        passwords: createPasswords({ cost: bcryptCost, secrets, breached: breachedPasswords }),
        operators: createOperators({ city, wall }),
        refreshTokens: createRefreshTokens(secrets),
        turns: createTurns(),
      };
      // Before the first call: a process without keys can neither sign nor say whom to trust.
      await trust.poll();
      await ensureAccounts(deps, firstAccounts);
      return {
        services: [
          serve(IdentityServiceService, identityService(deps)),
          serve(IdentityInternalServiceService, identityInternalService(deps)),
        ],
        background: [
          startLoop({
            name: "trust",
            wall,
            log,
            work: async () => {
              await trust.poll();
              return trustPollMs;
            },
          }),
          startLoop({
            name: "trim-identity",
            wall,
            log,
            work: async () => {
              const now = wall.now();
              await trimSessions(pool, now);
              await trimFailures(pool, now);
              await trimKeys(pool, now);
              return trimMs;
            },
          }),
        ],
      };
    },
  });
}
