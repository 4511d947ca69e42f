/** Trips in every state, as commands lead to it: what the tests of the rules and views share. */
import { randomUUID } from "node:crypto";
import { TripTerms } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import { Party, PaymentMethodKind, TripState } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { addSeconds } from "../runtime/clock.js";
import { newTrip } from "./new-trip.js";
import { decide, type Command, type Decision, type Trip } from "./trip.js";

/** When the sample trips are requested. */
export const noon = new Date("2019-03-01T12:00:00Z");
export const riderId = randomUUID();
export const driverId = randomUUID();
export const otherDriverId = randomUUID();
export const strangerId = randomUUID();

export const dollars = (amount: number) => ({
  amountMinor: BigInt(Math.round(amount * 100)),
  currencyCode: "USD",
});

/** Terms as a quote of New York gives them. */
export function sampleTerms(quoteId: string = randomUUID()): TripTerms {
  return TripTerms.fromPartial({
    quoteId,
    cityId: "new-york",
    vehicleClass: VehicleClass.ECONOMY,
    pickup: { point: { lat: 40.75, lng: -73.98 }, address: "5 Pickup Street" },
    dropoff: { point: { lat: 40.77, lng: -73.96 }, address: "9 Dropoff Avenue" },
    fare: { total: dollars(12.5), distanceMeters: 3200, durationSeconds: 600, surgeMultiplier: 1 },
    freeCancelSeconds: 120,
    cancelFeeMinor: 500n,
    lateCancelSeconds: 300,
    lateCancelFeeMinor: 1000n,
    noShowSeconds: 300,
  });
}

/** A trip that was requested just now. */
export function requested(): Trip {
  return newTrip({
    tenantId: "metro",
    tripId: randomUUID(),
    riderId,
    terms: sampleTerms(),
    paymentMethod: { kind: PaymentMethodKind.CARD, cardId: randomUUID() },
    pin: "4711",
    now: noon,
  }).trip;
}

/** The trip after the command, which must be carried out. */
export function after(trip: Trip, command: Command, now: Date): Trip {
  return carriedOut(trip, command, now).trip;
}

/** What the command does, which must not be refused. */
export function carriedOut(trip: Trip, command: Command, now: Date): Decision {
  const decision = decide(trip, command, now);
  if (decision.refused) throw new Error(`${command.kind}: ${decision.message}`);
  return decision;
}

/** An offer to each of the drivers, for 15 s from `now` on. */
export function offerTo(trip: Trip, driverIds: string[], now: Date): Command {
  return {
    kind: "offer",
    searchNumber: trip.searchNumber,
    offers: driverIds.map((id) => ({
      offerId: randomUUID(),
      driverId: id,
      expireTime: addSeconds(now, 15),
    })),
  };
}

const { RIDER } = Party;
const payment = { paymentId: randomUUID(), total: dollars(12.5) };
const fare = sampleTerms().fare!;

/** How each state is reached: from another state, by a command, so many seconds after the request. */
const ways: [TripState, from: TripState, (trip: Trip, now: Date) => Command, atSeconds: number][] =
  [
    [
      TripState.MATCHING,
      TripState.REQUESTED,
      () => ({ kind: "begin_matching", searchNumber: 1 }),
      1,
    ],
    [TripState.ACCEPTED, TripState.MATCHING, () => ({ kind: "accept", driverId }), 10],
    [TripState.DRIVER_ARRIVING, TripState.ACCEPTED, () => ({ kind: "arriving" }), 12],
    [TripState.DRIVER_ARRIVED, TripState.DRIVER_ARRIVING, () => ({ kind: "arrived" }), 20],
    [TripState.STARTED, TripState.DRIVER_ARRIVED, () => ({ kind: "start", pin: "4711" }), 25],
    [TripState.COMPLETED, TripState.STARTED, () => ({ kind: "complete" }), 30],
    [
      TripState.PAYMENT_PROCESSED,
      TripState.COMPLETED,
      () => ({ kind: "paid", ...payment, driverShare: dollars(10) }),
      31,
    ],
    [
      TripState.PAYMENT_FAILED,
      TripState.COMPLETED,
      () => ({ kind: "payment_failed", ...payment, reason: "card_declined" }),
      31,
    ],
    [
      TripState.CANCELLED,
      TripState.MATCHING,
      () => ({ kind: "cancel", party: RIDER, reason: "changed_mind" }),
      5,
    ],
    [
      TripState.EXPIRED,
      TripState.MATCHING,
      () => ({ kind: "expire", searchNumber: 1, reason: "no_driver_accepted" }),
      45,
    ],
  ];

/**
 * A trip in this state. While it is being matched, both drivers hold offers until 17 s after the
 * request; of a completed one the fare is known.
 */
export function tripIn(state: TripState): Trip {
  if (state === TripState.REQUESTED) return requested();
  const [, from, command, atSeconds] = ways.find(([reached]) => reached === state)!;
  const before = tripIn(from);
  const now = addSeconds(noon, atSeconds);
  const trip = after(before, command(before, now), now);
  if (state === TripState.MATCHING) {
    const later = addSeconds(now, 1);
    return after(trip, offerTo(trip, [driverId, otherDriverId], later), later);
  }
  if (state === TripState.COMPLETED) {
    return after(trip, { kind: "record_fare", fare, distanceMeters: 3300 }, now);
  }
  return trip;
}

/** All states that a trip can be in. */
export const allStates: TripState[] = [
  TripState.REQUESTED,
  TripState.MATCHING,
  TripState.ACCEPTED,
  TripState.DRIVER_ARRIVING,
  TripState.DRIVER_ARRIVED,
  TripState.STARTED,
  TripState.COMPLETED,
  TripState.PAYMENT_PROCESSED,
  TripState.PAYMENT_FAILED,
  TripState.CANCELLED,
  TripState.EXPIRED,
];
