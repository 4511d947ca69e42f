/** Row ↔ Trip. */
import { Fare, TripTerms } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import type { Party, PaymentMethodKind, TripState } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import type { Row } from "../runtime/postgres.js";
import type { Trip, TripOffer } from "./trip.js";

/** The columns of `trips`, in the order of `tripValues`. */
export const tripColumns = [
  "tenant_id",
  "trip_id",
  "version",
  "state",
  "rider_id",
  "driver_id",
  "city_id",
  "vehicle_class",
  "quote_id",
  "terms",
  "payment_kind",
  "card_id",
  "pin",
  "search_number",
  "offers",
  "excluded_driver_ids",
  "request_time",
  "accept_time",
  "arrive_time",
  "start_time",
  "complete_time",
  "end_time",
  "cancel_party",
  "cancel_reason",
  "cancel_fee_minor",
  "expire_reason",
  "distance_meters",
  "final_fare",
  "payment_id",
  "payment_failure",
  "pay_time",
] as const;

export interface TripRow extends Row {
  tenant_id: string;
  trip_id: string;
  version: bigint;
  state: TripState;
  rider_id: string;
  driver_id: string | null;
  terms: Buffer;
  payment_kind: PaymentMethodKind;
  card_id: string;
  pin: string;
  search_number: number;
  offers: (Omit<TripOffer, "expireTime"> & { expireTime: string })[];
  excluded_driver_ids: string[];
  request_time: Date;
  accept_time: Date | null;
  arrive_time: Date | null;
  start_time: Date | null;
  complete_time: Date | null;
  end_time: Date | null;
  cancel_party: Party | null;
  cancel_reason: string;
  cancel_fee_minor: bigint;
  expire_reason: string;
  distance_meters: number;
  final_fare: Buffer | null;
  payment_id: string;
  payment_failure: string;
  pay_time: Date | null;
}

/** The values of a trip's row. */
export function tripValues(trip: Trip): unknown[] {
  return [
    trip.tenantId,
    trip.tripId,
    trip.version,
    trip.state,
    trip.riderId,
    trip.driverId ?? null,
    trip.terms.cityId,
    trip.terms.vehicleClass,
    trip.terms.quoteId || null,
    Buffer.from(TripTerms.encode(trip.terms).finish()),
    trip.paymentMethod.kind,
    trip.paymentMethod.cardId,
    trip.pin,
    trip.searchNumber,
    JSON.stringify(trip.offers),
    trip.excludedDriverIds,
    trip.requestTime,
    trip.acceptTime ?? null,
    trip.arriveTime ?? null,
    trip.startTime ?? null,
    trip.completeTime ?? null,
    trip.endTime ?? null,
    trip.cancellation?.party ?? null,
    trip.cancellation?.reason ?? "",
    trip.cancellation?.fee?.amountMinor ?? 0n,
    trip.expireReason,
    trip.distanceMeters,
    trip.finalFare ? Buffer.from(Fare.encode(trip.finalFare).finish()) : null,
    trip.paymentId,
    trip.paymentFailure,
    trip.payTime ?? null,
  ];
}

/** The trip of a row. */
export function toTrip(row: TripRow): Trip {
  const terms = TripTerms.decode(row.terms);
  const { currencyCode } = terms.fare!.total!;
  return {
    tenantId: row.tenant_id,
    tripId: row.trip_id,
    version: row.version,
    state: row.state,
    riderId: row.rider_id,
    driverId: row.driver_id ?? undefined,
    terms,
    paymentMethod: { kind: row.payment_kind, cardId: row.card_id },
    pin: row.pin,
    searchNumber: row.search_number,
    offers: row.offers.map((o) => ({ ...o, expireTime: new Date(o.expireTime) })),
    excludedDriverIds: row.excluded_driver_ids,
    requestTime: row.request_time,
    acceptTime: row.accept_time ?? undefined,
    arriveTime: row.arrive_time ?? undefined,
    startTime: row.start_time ?? undefined,
    completeTime: row.complete_time ?? undefined,
    endTime: row.end_time ?? undefined,
    cancellation:
      row.cancel_party === null
        ? undefined
        : {
            party: row.cancel_party,
            reason: row.cancel_reason,
            fee: { amountMinor: row.cancel_fee_minor, currencyCode },
          },
    expireReason: row.expire_reason,
    distanceMeters: row.distance_meters,
    finalFare: row.final_fare ? Fare.decode(row.final_fare) : undefined,
    paymentId: row.payment_id,
    paymentFailure: row.payment_failure,
    payTime: row.pay_time ?? undefined,
  };
}
