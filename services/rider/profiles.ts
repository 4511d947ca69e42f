/** Making profiles: a rider has one from his registration on, with the name that identity knows. */
import type { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import { RiderProfile } from "../../gen/grpc/ridemesh/rider/v1/rider.js";
import type { CallOrigin, Client } from "../runtime/client.js";
import type { DomainClock } from "../runtime/clock.js";
import type { Pool } from "../runtime/postgres.js";
import { notFound } from "../runtime/status.js";
import type { RiderStore } from "./store.js";

export interface ProfileDeps {
  pool: Pool;
  domain: DomainClock;
  store: RiderStore;
  identity: Pick<Client<IdentityInternalServiceService>, "listDisplayNames">;
}

/** Messages are written in it unless the rider chooses another. */
const defaultLanguage = "en";

/** The profile of a rider, if it has been made. */
export async function findProfile(
  deps: ProfileDeps,
  tenantId: string,
  riderId: string,
): Promise<RiderProfile | undefined> {
  return (await deps.store.load(deps.pool, tenantId, [riderId]))[0]?.profile;
}

/**
 * The profile of a rider, made when he has none. Of two who make it at once, one does.
 * NOT_FOUND when identity does not know the account; UNAVAILABLE when it does not answer.
 */
export async function findOrMakeProfile(
  deps: ProfileDeps,
  tenantId: string,
  riderId: string,
  origin: CallOrigin,
): Promise<RiderProfile> {
  const found = await findProfile(deps, tenantId, riderId);
  if (found) return found;
  const request = { tenantId, userIds: [riderId] };
  const { displayNames } = await deps.identity.listDisplayNames(request, origin);
  const displayName = displayNames[riderId];
  if (displayName === undefined) throw notFound("account");
  const profile = RiderProfile.fromPartial({ displayName, language: defaultLanguage });
  await deps.store.insert(deps.pool, tenantId, riderId, profile, deps.domain.now());
  const made = await findProfile(deps, tenantId, riderId);
  if (!made) throw new Error("a profile that was made is gone");
  return made;
}
