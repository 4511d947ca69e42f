/** Handlers of TripService. */
import { randomInt } from "node:crypto";
import { FareBasis, FareLineKind } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import type { PricingInternalServiceService } from "../../gen/grpc/ridemesh/pricing/v1/pricing_internal_service.js";
import {
  Party,
  PaymentMethodKind,
  type Trip as TripView,
} from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import {
  TripAction,
  type TripServiceService,
} from "../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import type { CallContext } from "../runtime/call-context.js";
import type { Client } from "../runtime/client.js";
import { isAnswered } from "../runtime/idempotency.js";
import { uuidv7 } from "../runtime/ids.js";
import { decodeTimePosition, encodeTimePosition } from "../runtime/page-token.js";
import { isUniqueViolation } from "../runtime/postgres.js";
import type { Secrets } from "../runtime/secrets.js";
import type { Handlers } from "../runtime/server.js";
import { failedPrecondition, invalidField, notFound } from "../runtime/status.js";
import { begin, execute, type CommandDeps } from "./commands.js";
import { newTrip } from "./new-trip.js";
import { rememberedTrip } from "./owners.js";
import { givenStars, rate, type Rating } from "./ratings.js";
import { findActiveTrip, findOwedTrip, listTrips, loadTrip } from "./store.js";
import type { Command, Trip } from "./trip.js";
import { partyOf, type Views } from "./view.js";
import { watchTrip } from "./watch.js";

export interface TripDeps extends CommandDeps {
  pricing: Pick<Client<PricingInternalServiceService>, "getTripTerms">;
  views: Views;
  secrets: Secrets;
}

/** Trips of riders and drivers. */
export function tripService(deps: TripDeps): Handlers<TripServiceService> {
  const { pool, domain, views } = deps;

  /** Carries a command of a party out, and answers with what the party then sees. */
  const run = async (
    tripId: string,
    command: Command,
    ctx: CallContext,
  ): Promise<{ trip: TripView }> => {
    const { tenantId, subject } = ctx.caller;
    let shown: TripView | undefined;
    const show = async (trip: Trip): Promise<TripView> => {
      const party = command.kind === "accept" ? Party.DRIVER : partyFor(command, trip, subject);
      return (shown = await views.view(trip, party));
    };
    await execute(deps, tenantId, tripId, command, {
      traceparent: ctx.traceparent,
      known: rememberedTrip(ctx.memo),
      answer: async (trip) => ctx.answer({ trip: await show(trip) }),
    });
    return { trip: shown! };
  };

  const load = async (ctx: CallContext, tripId: string): Promise<Trip> => {
    const trip = rememberedTrip(ctx.memo) ?? (await loadTrip(pool, ctx.caller.tenantId, tripId));
    if (!trip) throw notFound("trip");
    return trip;
  };

  /** A page of trips with what the reader gave the other party. */
  const page = async (
    of: { tenantId: string; party: "rider" | "driver"; id: string; state: number },
    viewer: Party,
    request: { pageSize: number; pageToken: string },
  ) => {
    const size = request.pageSize || 20;
    const after = decodeTimePosition(request.pageToken);
    const position = after && { requestTime: after.time, tripId: after.id };
    const found = await listTrips(pool, of, position, size + 1);
    const trips = found.slice(0, size);
    const rater = of.party === "rider" ? Party.RIDER : Party.DRIVER;
    const stars = await givenStars(
      pool,
      of.tenantId,
      trips.map((t) => t.tripId),
      rater,
    );
    const last = trips.at(-1);
    return {
      trips: await Promise.all(trips.map((t) => views.view(t, viewer, stars.get(t.tripId)))),
      nextPageToken:
        found.length > size && last
          ? encodeTimePosition({ time: last.requestTime, id: last.tripId })
          : "",
    };
  };

  const rateAs = async (tripId: string, rating: Omit<Rating, "rater">, ctx: CallContext) => {
    const trip = await load(ctx, tripId);
    const party = partyOf(trip, ctx.caller.subject);
    if (party === Party.STAFF) throw notFound("trip");
    const answer = ctx.answer({});
    await rate(deps, trip, { ...rating, rater: party }, domain.now(), answer, ctx.traceparent);
    deps.wakeRelay();
    return {};
  };

  return {
    requestTrip: async (request, ctx) => {
      const { tenantId, subject: riderId } = ctx.caller;
      const owedTripId = await findOwedTrip(pool, tenantId, riderId);
      if (owedTripId) {
        throw failedPrecondition("UNPAID_TRIP", "an earlier trip has not been paid", {
          trip_id: owedTripId,
        });
      }
      const { quoteToken, pickup, dropoff, vehicleClass } = request;
      const { terms } = await deps.pricing.getTripTerms(
        { tenantId, onBehalfOf: riderId, quoteToken, pickup, dropoff, vehicleClass },
        ctx,
      );
      const now = domain.now();
      const decision = newTrip({
        tenantId,
        tripId: uuidv7(now),
        riderId,
        terms: terms!,
        paymentMethod: {
          kind: request.paymentMethod || PaymentMethodKind.CASH,
          cardId: request.cardId,
        },
        pin: String(randomInt(10_000)).padStart(4, "0"),
        now,
      });
      const trip = await views.view(decision.trip, Party.RIDER);
      try {
        await begin(deps, decision, {
          traceparent: ctx.traceparent,
          answer: () => ctx.answer({ trip }),
        });
      } catch (error) {
        if (isAnswered(error)) throw error;
        if (isUniqueViolation(error, "trips_quote")) {
          const message = "the quote has booked a trip already";
          throw failedPrecondition("QUOTE_USED", message, {}, "quote_token");
        }
        if (isUniqueViolation(error, "trips_active_rider")) {
          const activeId = await findActiveTrip(pool, tenantId, riderId);
          throw failedPrecondition("ACTIVE_TRIP_EXISTS", "the rider has an active trip", {
            trip_id: activeId ?? "",
          });
        }
        throw error;
      }
      return { trip };
    },

    getTrip: async ({ tripId }, ctx) => {
      const trip = await load(ctx, tripId);
      const party = partyOf(trip, ctx.caller.subject);
      const stars = await givenStars(pool, trip.tenantId, [tripId], party);
      return { trip: await views.view(trip, party, stars.get(tripId)) };
    },

    listTrips: async (request, ctx) => {
      const { tenantId, subject, roles } = ctx.caller;
      // Who is both is shown his trips as a driver only where he asks as one: riders come first.
      const party = roles.includes(Role.RIDER) ? "rider" : "driver";
      const viewer = party === "rider" ? Party.RIDER : Party.DRIVER;
      return page({ tenantId, party, id: subject, state: request.state }, viewer, request);
    },

    listRiderTrips: async (request, ctx) => {
      const { tenantId, subject } = ctx.caller;
      const viewer = subject === request.riderId ? Party.RIDER : Party.STAFF;
      return page({ tenantId, party: "rider", id: request.riderId, state: 0 }, viewer, request);
    },

    acceptTrip: ({ tripId }, ctx) =>
      run(tripId, { kind: "accept", driverId: ctx.caller.subject }, ctx),

    startTrip: ({ tripId, pin }, ctx) => run(tripId, { kind: "start", pin }, ctx),

    completeTrip: ({ tripId }, ctx) => run(tripId, { kind: "complete" }, ctx),

    updateTripStatus: async ({ tripId, action, pin, reason }, ctx) => {
      const trip = await load(ctx, tripId);
      const party = partyOf(trip, ctx.caller.subject);
      if (party === Party.STAFF) throw notFound("trip");
      return run(tripId, actionCommand(action, party, pin, reason), ctx);
    },

    cancelTrip: async ({ tripId, reason }, ctx) => {
      const trip = await load(ctx, tripId);
      const party = partyOf(trip, ctx.caller.subject);
      return run(tripId, { kind: "cancel", party, reason }, ctx);
    },

    rateTrip: ({ tripId, stars, tags, comment }, ctx) =>
      rateAs(tripId, { stars, tags, comment }, ctx),

    rateRider: async ({ riderId, tripId, stars, tags, comment }, ctx) => {
      const trip = await load(ctx, tripId);
      if (trip.riderId !== riderId) throw notFound("trip of this rider");
      return rateAs(tripId, { stars, tags, comment }, ctx);
    },

    getReceipt: async ({ tripId }, ctx) => {
      const trip = await load(ctx, tripId);
      if (!trip.payTime) throw notFound("receipt");
      const fare = trip.finalFare ?? cancellationFare(trip);
      const { paymentId, paymentMethod, payTime } = trip;
      return { receipt: { tripId, paymentId, fare, paymentMethod, payTime } };
    },

    watchTrip: (request, ctx) => watchTrip(deps, request, ctx),
  };
}

/** A driver who gave the trip back is still answered as its driver. */
function partyFor(command: Command, trip: Trip, subject: string): Party {
  if (command.kind === "cancel" && command.party === Party.DRIVER) return Party.DRIVER;
  return partyOf(trip, subject);
}

/** The command of an action, where the party may give it. */
function actionCommand(
  action: TripAction,
  party: Party.RIDER | Party.DRIVER,
  pin: string,
  reason: string,
): Command {
  const driversOnly = (command: Command): Command => {
    if (party === Party.DRIVER) return command;
    throw invalidField("action", "only the driver may do this");
  };
  switch (action) {
    case TripAction.ARRIVING:
      return driversOnly({ kind: "arriving" });
    case TripAction.ARRIVED:
      return driversOnly({ kind: "arrived" });
    case TripAction.START:
      if (!pin) throw invalidField("pin", "is needed to start the ride");
      return driversOnly({ kind: "start", pin });
    case TripAction.COMPLETE:
      return driversOnly({ kind: "complete" });
    case TripAction.CANCEL:
      return { kind: "cancel", party, reason };
    case TripAction.NO_SHOW:
      return driversOnly({ kind: "no_show" });
    case TripAction.UNSPECIFIED:
      throw invalidField("action", "is required");
    default:
      return action satisfies never;
  }
}

/** What a receipt shows for a cancelled trip: its fee alone. */
function cancellationFare(trip: Trip) {
  const fee = trip.cancellation!.fee!;
  return {
    total: fee,
    lines: [{ kind: FareLineKind.CANCELLATION, amountMinor: fee.amountMinor }],
    surgeMultiplier: 1,
    distanceMeters: 0,
    durationSeconds: 0,
    basis: FareBasis.METERED,
  };
}
