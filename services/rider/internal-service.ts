/** Handlers of RiderInternalService: what other services need to know of riders. */
import type { RiderInternalServiceService } from "../../gen/grpc/ridemesh/rider/v1/rider_internal_service.js";
import type { CallContext } from "../runtime/call-context.js";
import type { WallClock } from "../runtime/clock.js";
import type { Handlers } from "../runtime/server.js";
import type { ProfileDeps } from "./profiles.js";

/** A card is shown without a name rather than late. */
const nameWaitMs = 700;

/** What other services need to know of riders. */
export function riderInternalService(
  deps: ProfileDeps & { wall: WallClock },
): Handlers<RiderInternalServiceService> {
  /** Identity's names of riders who have no profile yet; none when it does not answer in time. */
  const namesOf = async (
    tenantId: string,
    userIds: string[],
    ctx: CallContext,
  ): Promise<Record<string, string>> => {
    if (userIds.length === 0) return {};
    const waitUntilMs = deps.wall.now().getTime() + nameWaitMs;
    const deadlineMs = Math.min(waitUntilMs, ctx.deadlineMs ?? waitUntilMs);
    try {
      const origin = { ...ctx, deadlineMs };
      return (await deps.identity.listDisplayNames({ tenantId, userIds }, origin)).displayNames;
    } catch (error) {
      ctx.log.warn({ err: error }, "no names for the moment");
      return {};
    }
  };

  return {
    listRiderCards: async ({ tenantId, riderIds }, ctx) => {
      const riders = await deps.store.load(deps.pool, tenantId, riderIds);
      const unnamed = riders.filter((rider) => !rider.profile).map((rider) => rider.riderId);
      const names = await namesOf(tenantId, unnamed, ctx);
      return {
        cards: riders.map(({ riderId, profile, ratingAverage }) => ({
          riderId,
          firstName: firstWord(profile?.displayName ?? names[riderId] ?? ""),
          ratingAverage,
        })),
      };
    },
  };
}

function firstWord(name: string): string {
  return name.trim().split(/\s+/)[0]!;
}
