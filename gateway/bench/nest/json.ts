/** The compared gateway's JSON, written by hand: the generated types have no JSON of their own. */
import { FareBasis, FareLineKind, type Fare } from "../../../gen/grpc/ridemesh/pricing/v1/fare.js";
import {
  PaymentMethodKind,
  TripState,
  type Trip,
} from "../../../gen/grpc/ridemesh/trip/v1/trip.js";

/** By number. */
export const vehicleClasses = [
  "VEHICLE_CLASS_UNSPECIFIED",
  "VEHICLE_CLASS_ECONOMY",
  "VEHICLE_CLASS_COMFORT",
  "VEHICLE_CLASS_XL",
  "VEHICLE_CLASS_PREMIUM",
];

/** A fare, with money as text: JSON's numbers cannot hold 64 bits. */
export function fareJson(fare: Fare): object {
  return {
    ...fare,
    total: fare.total && { ...fare.total, amountMinor: String(fare.total.amountMinor) },
    lines: fare.lines.map((line) => ({
      kind: `FARE_LINE_KIND_${FareLineKind[line.kind]}`,
      amountMinor: String(line.amountMinor),
    })),
    basis: `FARE_BASIS_${FareBasis[fare.basis]}`,
  };
}

/** A trip; what is absent is left out, dates are ISO 8601. */
export function tripJson(trip: Trip): object {
  return {
    ...trip,
    state: `TRIP_STATE_${TripState[trip.state]}`,
    version: String(trip.version),
    vehicleClass: vehicleClasses[trip.vehicleClass],
    quotedFare: trip.quotedFare && fareJson(trip.quotedFare),
    finalFare: trip.finalFare && fareJson(trip.finalFare),
    paymentMethod: trip.paymentMethod && {
      ...trip.paymentMethod,
      kind: `PAYMENT_METHOD_KIND_${PaymentMethodKind[trip.paymentMethod.kind]}`,
    },
  };
}
