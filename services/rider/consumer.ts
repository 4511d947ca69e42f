/** Events that concern riders: accounts that are made, and ratings that drivers give. */
import { UserRegistered } from "../../gen/grpc/ridemesh/identity/v1/identity_events.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { Party } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { TripRated } from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import type { WallClock } from "../runtime/clock.js";
import { on, once, type EventHandler } from "../runtime/consumer.js";
import type { Logger } from "../runtime/log.js";
import { StatusError } from "../runtime/status.js";
import { findOrMakeProfile, type ProfileDeps } from "./profiles.js";

/** The handlers. Making a profile needs no inbox: it is made where there is none. */
export function riderConsumer(
  deps: ProfileDeps & { wall: WallClock; log: Logger },
): EventHandler[] {
  const { pool, wall, store } = deps;
  return [
    on(UserRegistered, async ({ userId, roles }, { tenantId, traceparent }) => {
      if (!roles.includes(Role.RIDER)) return;
      try {
        await findOrMakeProfile(deps, tenantId, userId, { traceparent });
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        // The rider's own first read makes it too, so other events need not wait for this one.
        deps.log.warn({ err: error, user_id: userId }, "profile is left to its first reader");
      }
    }),
    on(TripRated, async ({ rater, riderId, stars }, meta) => {
      if (rater !== Party.DRIVER) return;
      await once(pool, wall, "rider", meta, (tx) =>
        store.addRating(tx, meta.tenantId, riderId, stars),
      );
    }),
  ];
}
