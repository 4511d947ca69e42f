/** How a trip begins. */
import { latLngToCell } from "h3-js";
import type { TripTerms } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import { TripState, type PaymentMethod } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { TripRequested } from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import type { Place } from "../../gen/grpc/ridemesh/type/v1/geo.js";
import type { Decision, Trip, TripEvent } from "./trip.js";

/** H3 resolution of the cells in events: hexagons of about 0.7 km². */
const cellResolution = 8;

/** A requested trip at version 1, with its event. */
export function newTrip(request: {
  tenantId: string;
  tripId: string;
  riderId: string;
  terms: TripTerms;
  paymentMethod: PaymentMethod;
  pin: string;
  now: Date;
}): Decision {
  const { terms } = request;
  const trip: Trip = {
    tenantId: request.tenantId,
    tripId: request.tripId,
    version: 1n,
    state: TripState.REQUESTED,
    riderId: request.riderId,
    driverId: undefined,
    terms,
    paymentMethod: request.paymentMethod,
    pin: request.pin,
    searchNumber: 1,
    offers: [],
    excludedDriverIds: [],
    requestTime: request.now,
    acceptTime: undefined,
    arriveTime: undefined,
    startTime: undefined,
    completeTime: undefined,
    endTime: undefined,
    cancellation: undefined,
    expireReason: "",
    distanceMeters: 0,
    finalFare: undefined,
    paymentId: "",
    paymentFailure: "",
    payTime: undefined,
  };
  const event: TripEvent<TripRequested> = {
    type: TripRequested,
    message: {
      tripId: trip.tripId,
      version: trip.version,
      riderId: trip.riderId,
      cityId: terms.cityId,
      vehicleClass: terms.vehicleClass,
      pickupCell: cellOf(terms.pickup!),
      dropoffCell: cellOf(terms.dropoff!),
      quotedTotal: terms.fare!.total,
      paymentMethod: trip.paymentMethod.kind,
    },
  };
  return { refused: false, trip, event: event as unknown as TripEvent };
}

function cellOf(place: Place): string {
  return latLngToCell(place.point!.lat, place.point!.lng, cellResolution);
}
