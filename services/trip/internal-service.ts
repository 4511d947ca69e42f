/** Handlers of TripInternalService: what dispatch does to trips. */
import type { TripInternalServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_internal_service.js";
import type { Handlers } from "../runtime/server.js";
import { execute, type CommandDeps } from "./commands.js";
import type { Views } from "./view.js";

/** What dispatch does to trips. The trip decides who has it: dispatch only proposes. */
export function tripInternalService(
  deps: CommandDeps & { views: Views },
): Handlers<TripInternalServiceService> {
  return {
    beginMatching: async ({ tenantId, tripId, searchNumber }, ctx) => {
      const command = { kind: "begin_matching", searchNumber } as const;
      const trip = await execute(deps, tenantId, tripId, command, origin(ctx));
      const card = await deps.views.riderCard(tenantId, trip.riderId);
      return {
        riderId: trip.riderId,
        cityId: trip.terms.cityId,
        vehicleClass: trip.terms.vehicleClass,
        pickup: trip.terms.pickup,
        excludedDriverIds: trip.excludedDriverIds,
        rider: card && { firstName: card.firstName, ratingAverage: card.ratingAverage },
      };
    },

    offerTrip: async ({ tenantId, tripId, searchNumber, offers }, ctx) => {
      const command = {
        kind: "offer",
        searchNumber,
        offers: offers.map((offer) => ({ ...offer, expireTime: offer.expireTime! })),
      } as const;
      await execute(deps, tenantId, tripId, command, origin(ctx));
      return {};
    },

    withdrawOffer: async ({ tenantId, tripId, offerId }, ctx) => {
      await execute(deps, tenantId, tripId, { kind: "withdraw_offer", offerId }, origin(ctx));
      return {};
    },

    expireTrip: async ({ tenantId, tripId, searchNumber, reason }, ctx) => {
      await execute(deps, tenantId, tripId, { kind: "expire", searchNumber, reason }, origin(ctx));
      return {};
    },
  };
}

function origin(ctx: { traceparent: string | undefined }) {
  return { traceparent: ctx.traceparent };
}
