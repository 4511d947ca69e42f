/** Handlers of RiderService. */
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import type { RiderServiceService } from "../../gen/grpc/ridemesh/rider/v1/rider_service.js";
import { saveAnswer } from "../runtime/idempotency.js";
import { transaction } from "../runtime/postgres.js";
import type { Handlers } from "../runtime/server.js";
import { invalidField, notFound } from "../runtime/status.js";
import { findOrMakeProfile, findProfile, type ProfileDeps } from "./profiles.js";

/** Riders' profiles. */
export function riderService(deps: ProfileDeps): Handlers<RiderServiceService> {
  const { pool, domain, store } = deps;
  return {
    getRiderProfile: async ({ riderId }, ctx) => {
      const { tenantId, subject, roles } = ctx.caller;
      const isOwner = subject === riderId && roles.includes(Role.RIDER);
      const profile = isOwner
        ? await findOrMakeProfile(deps, tenantId, riderId, ctx)
        : await findProfile(deps, tenantId, riderId);
      if (!profile) throw notFound("rider");
      return { profile };
    },

    updateRiderProfile: async ({ riderId, profile }, ctx) => {
      const { tenantId } = ctx.caller;
      const wanted = profile!;
      checkLanguage(wanted.language);
      await findOrMakeProfile(deps, tenantId, riderId, ctx);
      const response = await transaction(pool, async (tx) => {
        const known = await store.lock(tx, tenantId, riderId);
        if (!known) throw notFound("rider");
        const { ratingAverage, ratingCount } = known;
        // A person can change his name but not be without one.
        const displayName = wanted.displayName.trim() || known.displayName;
        const after = { ...wanted, riderId, displayName, ratingAverage, ratingCount };
        await store.update(tx, tenantId, riderId, after, domain.now());
        await saveAnswer(tx, ctx.answer({ profile: after }));
        return { profile: after };
      });
      return response;
    },
  };
}

function checkLanguage(language: string): void {
  if (!language) return;
  try {
    Intl.getCanonicalLocales(language);
  } catch {
    throw invalidField("profile.language", "is not a BCP 47 tag");
  }
}
