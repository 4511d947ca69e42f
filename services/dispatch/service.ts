/** Handlers of DispatchService: offers, as drivers get them. */
import { OfferStatus, type Offer } from "../../gen/grpc/ridemesh/dispatch/v1/offer.js";
import type { DispatchServiceService } from "../../gen/grpc/ridemesh/dispatch/v1/dispatch_service.js";
import type { TripInternalServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_internal_service.js";
import type { Client } from "../runtime/client.js";
import { saveAnswer } from "../runtime/idempotency.js";
import type { Owners } from "../runtime/policy.js";
import { transaction, type Pool } from "../runtime/postgres.js";
import type { Handlers } from "../runtime/server.js";
import { failedPrecondition, notFound } from "../runtime/status.js";
import { announce, offerChannel, type EngineDeps } from "./engine.js";
import { decline, findOffer, liveOffersOfDriver, noteDecline } from "./store.js";

export interface DispatchDeps extends Pick<EngineDeps, "pool" | "domain" | "offers"> {
  trips: Pick<Client<TripInternalServiceService>, "withdrawOffer">;
  wakeEngine: () => void;
}

/** Offers, as drivers get them. */
export function dispatchService(deps: DispatchDeps): Handlers<DispatchServiceService> {
  const { pool, domain } = deps;

  const standing = async (tenantId: string, driverId: string): Promise<Offer[]> => {
    const records = await liveOffersOfDriver(pool, tenantId, driverId);
    const now = domain.now();
    return records.map((record) => record.offer).filter((offer) => offer.expireTime! > now);
  };

  return {
    watchOffers: async function* (_request, ctx) {
      const { tenantId, subject } = ctx.caller;
      const updates = deps.offers.subscribe(offerChannel(tenantId, subject), ctx.signal);
      for (const offer of await standing(tenantId, subject)) yield toMessage(offer);
      for await (const record of updates) yield toMessage(record.offer);
    },

    listOffers: async (_request, ctx) => ({
      offers: await standing(ctx.caller.tenantId, ctx.caller.subject),
    }),

    declineOffer: async ({ offerId }, ctx) => {
      const { tenantId, subject } = ctx.caller;
      const record = await findOffer(pool, tenantId, offerId);
      if (!record) throw notFound("offer");
      const { tripId } = record.offer;
      if (record.offer.status !== OfferStatus.LIVE) throw notLive(record.offer.status);
      // The trip first: once it has forgotten the offer, nobody can accept it any more.
      await deps.trips.withdrawOffer({ tenantId, tripId, offerId }, ctx);
      const offer = { ...record.offer, status: OfferStatus.DECLINED };
      const answer = ctx.answer({ offer });
      const declined = await transaction(pool, async (tx) => {
        if (!(await decline(tx, tenantId, offerId))) return false;
        await noteDecline(tx, tenantId, tripId, subject, domain.now());
        await saveAnswer(tx, answer);
        return true;
      });
      if (!declined) {
        const now = await findOffer(pool, tenantId, offerId);
        throw notLive(now?.offer.status ?? OfferStatus.WITHDRAWN);
      }
      announce(deps, [{ ...record, offer }]);
      deps.wakeEngine();
      return { offer };
    },
  };
}

/** An offer belongs to the driver who was asked. */
export function dispatchOwners(pool: Pool): Owners {
  return {
    offer: async (tenantId, offerId) => {
      const record = await findOffer(pool, tenantId, offerId);
      return record && { tenantId, subjects: [record.driverId] };
    },
  };
}

function toMessage(offer: Offer) {
  return { eventId: `${offer.offerId}.${offer.status}`, offer };
}

function notLive(status: OfferStatus) {
  const name = `OFFER_STATUS_${OfferStatus[status]}`;
  return failedPrecondition("OFFER_NOT_LIVE", `the offer no longer stands: ${name}`, {
    status: name,
  });
}
