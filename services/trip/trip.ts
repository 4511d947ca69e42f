/**
 * The rules of a trip, without I/O: what each command does in each state. `decide` returns the trip
 * after the command and the one event that says so, or why it is refused.
 */
import { Fare, type TripTerms } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import type { Money } from "../../gen/grpc/ridemesh/type/v1/money.js";
import {
  Party,
  TripState,
  type Cancellation,
  type PaymentMethod,
} from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import * as events from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import { secondsBetween } from "../runtime/clock.js";
import type { MessageType } from "../runtime/outbox.js";
import { cancellationFee } from "./cancellation.js";

/** An offer of the trip to a driver. */
export interface TripOffer {
  offerId: string;
  driverId: string;
  searchNumber: number;
  expireTime: Date;
}

/** A trip. */
export interface Trip {
  tenantId: string;
  tripId: string;
  version: bigint;
  state: TripState;
  riderId: string;
  /** Undefined while nobody has it. */
  driverId: string | undefined;
  terms: TripTerms;
  paymentMethod: PaymentMethod;
  pin: string;
  /** Which search for drivers is the present one; raised when a driver gives the trip back. */
  searchNumber: number;
  offers: TripOffer[];
  excludedDriverIds: string[];
  requestTime: Date;
  acceptTime: Date | undefined;
  arriveTime: Date | undefined;
  startTime: Date | undefined;
  completeTime: Date | undefined;
  endTime: Date | undefined;
  cancellation: Cancellation | undefined;
  expireReason: string;
  distanceMeters: number;
  finalFare: Fare | undefined;
  paymentId: string;
  /** Why the last attempt to charge failed: the rider owes it. */
  paymentFailure: string;
  payTime: Date | undefined;
}

export type Command =
  | { kind: "begin_matching"; searchNumber: number }
  | { kind: "offer"; searchNumber: number; offers: Omit<TripOffer, "searchNumber">[] }
  | { kind: "withdraw_offer"; offerId: string }
  | { kind: "accept"; driverId: string }
  | { kind: "arriving" }
  | { kind: "arrived" }
  | { kind: "start"; pin: string }
  | { kind: "complete" }
  | { kind: "cancel"; party: Party.RIDER | Party.DRIVER | Party.STAFF; reason: string }
  | { kind: "no_show" }
  | { kind: "expire"; searchNumber: number; reason: string }
  | { kind: "record_fare"; fare: Fare; distanceMeters: number }
  | { kind: "paid"; paymentId: string; total: Money; driverShare: Money }
  | { kind: "payment_failed"; paymentId: string; total: Money; reason: string };

/** An event with its type. */
export interface TripEvent<T = never> {
  type: MessageType<T>;
  message: T;
}

/** Why a command is refused: a reason of ridemesh.trip.v1.ErrorReason, and words. */
export interface Rejection {
  refused: true;
  reason: string;
  message: string;
  metadata: Record<string, string>;
}

/** What a command does. Without an event nothing has changed: the command had been carried out before. */
export interface Decision {
  refused: false;
  trip: Trip;
  event: TripEvent | undefined;
}

const { REQUESTED, MATCHING, ACCEPTED, DRIVER_ARRIVING, DRIVER_ARRIVED, STARTED, COMPLETED } =
  TripState;

/** From request to start: the rider cannot ask for another trip. */
export function isActive(state: TripState): boolean {
  return state >= REQUESTED && state <= STARTED;
}

/** Nothing more will happen, but for a payment that may be made later. */
export function isOver(state: TripState): boolean {
  return state > COMPLETED;
}

/** What the command does to the trip at the domain time `now`. */
export function decide(trip: Trip, command: Command, now: Date): Decision | Rejection {
  switch (command.kind) {
    case "begin_matching":
      return beginMatching(trip, command.searchNumber);
    case "offer":
      return offer(trip, command.searchNumber, command.offers);
    case "withdraw_offer":
      return withdrawOffer(trip, command.offerId);
    case "accept":
      return accept(trip, command.driverId, now);
    case "arriving":
      if (trip.state !== ACCEPTED) return illegal(trip, "set off to the pickup");
      return changed(trip, { state: DRIVER_ARRIVING }, events.DriverArriving, driverFacts);
    case "arrived":
      if (trip.state !== DRIVER_ARRIVING) return illegal(trip, "arrive at the pickup");
      return changed(
        trip,
        { state: DRIVER_ARRIVED, arriveTime: now },
        events.DriverArrived,
        driverFacts,
      );
    case "start":
      if (trip.state !== DRIVER_ARRIVED) return illegal(trip, "start the ride");
      if (command.pin !== trip.pin) return refuse("WRONG_PIN", "the PIN is not the rider's");
      return changed(trip, { state: STARTED, startTime: now }, events.TripStarted, driverFacts);
    case "complete":
      if (trip.state !== STARTED) return illegal(trip, "complete the ride");
      return changed(trip, { state: COMPLETED, completeTime: now }, events.TripCompleted, (t) => ({
        ...driverFacts(t),
        cityId: t.terms.cityId,
      }));
    case "cancel":
      return cancel(trip, command.party, command.reason, now);
    case "no_show":
      return reportNoShow(trip, now);
    case "expire":
      return expire(trip, command.searchNumber, command.reason, now);
    case "record_fare":
      return recordFare(trip, command.fare, command.distanceMeters);
    case "paid":
      return paid(trip, command, now);
    case "payment_failed":
      return paymentFailed(trip, command);
    default:
      return command satisfies never;
  }
}

function beginMatching(trip: Trip, searchNumber: number): Decision | Rejection {
  if (trip.searchNumber !== searchNumber) return searchOver(trip);
  if (trip.state === MATCHING) return unchanged(trip);
  if (trip.state !== REQUESTED) return illegal(trip, "search for drivers");
  return changed(trip, { state: MATCHING }, events.TripMatchingStarted, (t) => ({
    tripId: t.tripId,
    version: t.version,
    searchNumber,
  }));
}

function offer(
  trip: Trip,
  searchNumber: number,
  offers: Omit<TripOffer, "searchNumber">[],
): Decision | Rejection {
  if (trip.state !== MATCHING) return illegal(trip, "offer the trip");
  if (trip.searchNumber !== searchNumber) return searchOver(trip);
  const known = new Set(trip.offers.map((o) => o.offerId));
  const fresh = offers.filter((o) => !known.has(o.offerId)).map((o) => ({ ...o, searchNumber }));
  if (fresh.length === 0) return unchanged(trip);
  return changed(trip, { offers: [...trip.offers, ...fresh] }, events.TripMatched, (t) => ({
    tripId: t.tripId,
    version: t.version,
    searchNumber,
    driverIds: fresh.map((o) => o.driverId),
  }));
}

function withdrawOffer(trip: Trip, offerId: string): Decision | Rejection {
  const found = trip.offers.find((o) => o.offerId === offerId);
  if (trip.state !== MATCHING || !found) return unchanged(trip);
  const offers = trip.offers.filter((o) => o !== found);
  return changed(trip, { offers }, events.TripOfferWithdrawn, (t) => ({
    tripId: t.tripId,
    version: t.version,
    driverId: found.driverId,
  }));
}

function accept(trip: Trip, driverId: string, now: Date): Decision | Rejection {
  if (trip.state > MATCHING && trip.state <= STARTED && trip.driverId !== driverId) {
    return refuse("TRIP_TAKEN", "another driver has taken the trip");
  }
  if (trip.state !== MATCHING) return illegal(trip, "accept the trip");
  const live = trip.offers.some(
    (o) => o.driverId === driverId && o.searchNumber === trip.searchNumber && o.expireTime > now,
  );
  if (!live) return refuse("OFFER_EXPIRED", "the offer has expired or was withdrawn");
  return changed(
    trip,
    { state: ACCEPTED, driverId, acceptTime: now },
    events.TripAccepted,
    (t) => ({ ...driverFacts(t), cityId: t.terms.cityId, searchNumber: t.searchNumber }),
  );
}

function cancel(
  trip: Trip,
  party: Party.RIDER | Party.DRIVER | Party.STAFF,
  reason: string,
  now: Date,
): Decision | Rejection {
  if (trip.state >= STARTED) return illegal(trip, "cancel the trip");
  if (party === Party.DRIVER) return giveBack(trip);
  const fee = party === Party.RIDER ? cancellationFee(trip.terms, trip.acceptTime, now) : 0n;
  return cancelled(trip, party, reason, fee, false, now);
}

/** The driver gives the trip back: others are asked, he is not. */
function giveBack(trip: Trip): Decision | Rejection {
  if (trip.state < ACCEPTED || !trip.driverId) return illegal(trip, "give the trip back");
  const driverId = trip.driverId;
  return changed(
    trip,
    {
      state: MATCHING,
      driverId: undefined,
      acceptTime: undefined,
      arriveTime: undefined,
      searchNumber: trip.searchNumber + 1,
      offers: [],
      excludedDriverIds: [...new Set([...trip.excludedDriverIds, driverId])],
    },
    events.TripDriverCancelled,
    (t) => ({
      tripId: t.tripId,
      version: t.version,
      riderId: t.riderId,
      driverId,
      searchNumber: t.searchNumber,
      cityId: t.terms.cityId,
    }),
  );
}

function reportNoShow(trip: Trip, now: Date): Decision | Rejection {
  if (trip.state !== DRIVER_ARRIVED) return illegal(trip, "report a no-show");
  const leftSeconds = trip.terms.noShowSeconds - secondsBetween(trip.arriveTime!, now);
  if (leftSeconds > 0) {
    return refuse("TOO_EARLY", "the rider has more time to come", {
      allowed_in_seconds: String(Math.ceil(leftSeconds)),
    });
  }
  const fee = trip.terms.lateCancelFeeMinor;
  return cancelled(trip, Party.DRIVER, "no_show", fee, true, now);
}

function cancelled(
  trip: Trip,
  party: Party,
  reason: string,
  amountMinor: bigint,
  noShow: boolean,
  now: Date,
): Decision {
  const fee = { amountMinor, currencyCode: trip.terms.fare!.total!.currencyCode };
  return changed(
    trip,
    { state: TripState.CANCELLED, endTime: now, cancellation: { party, reason, fee } },
    events.TripCancelled,
    (t) => ({ ...driverFacts(t), party, fee, noShow, cityId: t.terms.cityId }),
  );
}

function expire(trip: Trip, searchNumber: number, reason: string, now: Date): Decision | Rejection {
  if (trip.state === TripState.EXPIRED) return unchanged(trip);
  if (trip.state !== MATCHING) return illegal(trip, "end the search");
  if (trip.searchNumber !== searchNumber) return searchOver(trip);
  return changed(
    trip,
    { state: TripState.EXPIRED, endTime: now, expireReason: reason },
    events.TripExpired,
    (t) => ({ tripId: t.tripId, version: t.version, riderId: t.riderId, reason }),
  );
}

function recordFare(trip: Trip, fare: Fare, distanceMeters: number): Decision | Rejection {
  if (trip.finalFare) return unchanged(trip);
  if (trip.state !== COMPLETED) return illegal(trip, "price the ride");
  return changed(trip, { finalFare: fare, distanceMeters }, events.FareCalculated, (t) => ({
    tripId: t.tripId,
    version: t.version,
    fare,
  }));
}

function paid(
  trip: Trip,
  payment: { paymentId: string; total: Money; driverShare: Money },
  now: Date,
): Decision | Rejection {
  if (trip.payTime) return unchanged(trip);
  const state = afterPayment(trip, TripState.PAYMENT_PROCESSED);
  if (state === undefined) return illegal(trip, "settle the payment");
  const { paymentId, total, driverShare } = payment;
  return changed(
    trip,
    { state, paymentId, paymentFailure: "", payTime: now },
    events.PaymentProcessed,
    (t) => ({ ...driverFacts(t), paymentId, total, driverShare }),
  );
}

function paymentFailed(
  trip: Trip,
  payment: { paymentId: string; total: Money; reason: string },
): Decision | Rejection {
  if (trip.payTime || trip.paymentFailure) return unchanged(trip);
  const state = afterPayment(trip, TripState.PAYMENT_FAILED);
  if (state === undefined) return illegal(trip, "fail the payment");
  const { paymentId, total } = payment;
  // Never empty: by its reason a debt is known.
  const reason = payment.reason || "unknown";
  return changed(trip, { state, paymentId, paymentFailure: reason }, events.PaymentFailed, (t) => ({
    tripId: t.tripId,
    version: t.version,
    riderId: t.riderId,
    reason,
    total,
  }));
}

/** A cancelled trip stays cancelled whatever becomes of its fee. Undefined: nothing is due. */
function afterPayment(trip: Trip, target: TripState): TripState | undefined {
  if (trip.state === COMPLETED || trip.state === TripState.PAYMENT_FAILED) return target;
  if (trip.state === TripState.CANCELLED && owesFee(trip)) return trip.state;
  return undefined;
}

/** Whether a cancelled trip has a fee to be paid. */
export function owesFee(trip: Trip): boolean {
  return (trip.cancellation?.fee?.amountMinor ?? 0n) > 0n;
}

/** Whether the command that led here leaves something to settle: a fare or a fee. */
export function needsSettlement(before: Trip | undefined, after: Trip): boolean {
  if (before?.state === after.state) return false;
  return after.state === COMPLETED || (after.state === TripState.CANCELLED && owesFee(after));
}

function driverFacts(trip: Trip) {
  return {
    tripId: trip.tripId,
    version: trip.version,
    riderId: trip.riderId,
    driverId: trip.driverId ?? "",
  };
}

function changed<T>(
  trip: Trip,
  change: Partial<Trip>,
  type: MessageType<T>,
  message: (after: Trip) => T,
): Decision {
  const after = { ...trip, ...change, version: trip.version + 1n };
  const event: TripEvent<T> = { type, message: message(after) };
  return { refused: false, trip: after, event: event as unknown as TripEvent };
}

function unchanged(trip: Trip): Decision {
  return { refused: false, trip, event: undefined };
}

function refuse(reason: string, message: string, metadata: Record<string, string> = {}): Rejection {
  return { refused: true, reason, message, metadata };
}

/** The state's name as the contract writes it: "TRIP_STATE_MATCHING". */
export function stateName(state: TripState): string {
  return `TRIP_STATE_${TripState[state]}`;
}

function illegal(trip: Trip, what: string): Rejection {
  const state = stateName(trip.state);
  return refuse("ILLEGAL_TRANSITION", `cannot ${what} in state ${state}`, { state });
}

function searchOver(trip: Trip): Rejection {
  return refuse("SEARCH_OVER", `the trip is at search ${trip.searchNumber}`, {
    search_number: String(trip.searchNumber),
  });
}
