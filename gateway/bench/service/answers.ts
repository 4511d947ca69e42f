/** What the measured service answers: a ride in full, and a price. */
import { FareBasis, FareLineKind, type Fare } from "../../../gen/grpc/ridemesh/pricing/v1/fare.js";
import { PaymentMethodKind, Trip, TripState } from "../../../gen/grpc/ridemesh/trip/v1/trip.js";
import { VehicleClass } from "../../../gen/grpc/ridemesh/type/v1/vehicle_class.js";

export const fare: Fare = {
  total: { amountMinor: 2375n, currencyCode: "USD" },
  lines: [
    { kind: FareLineKind.BASE, amountMinor: 250n },
    { kind: FareLineKind.DISTANCE, amountMinor: 1250n },
    { kind: FareLineKind.TIME, amountMinor: 625n },
    { kind: FareLineKind.BOOKING, amountMinor: 250n },
  ],
  surgeMultiplier: 1,
  distanceMeters: 5200.5,
  durationSeconds: 900,
  basis: FareBasis.ESTIMATE,
};

export const trip: Trip = Trip.fromPartial({
  tripId: "018f3c5e-7a4b-7cc1-8d2e-0123456789ab",
  state: TripState.STARTED,
  version: 6n,
  riderId: "018f3c5e-7a4b-7cc1-8d2e-0123456789ac",
  driverId: "018f3c5e-7a4b-7cc1-8d2e-0123456789ad",
  cityId: "new-york",
  vehicleClass: VehicleClass.ECONOMY,
  pickup: { point: { lat: 40.7505, lng: -73.9934 }, address: "Pennsylvania Station" },
  dropoff: { point: { lat: 40.7527, lng: -73.9772 }, address: "Grand Central Terminal" },
  pin: "1234",
  driver: {
    firstName: "Drew",
    ratingAverage: 4.9,
    vehicleDescription: "black Toyota Camry",
    plate: "T123456C",
  },
  quotedFare: fare,
  paymentMethod: { kind: PaymentMethodKind.CASH, cardId: "" },
  requestTime: new Date("2026-03-06T17:00:00.125Z"),
  acceptTime: new Date("2026-03-06T17:00:05.250Z"),
  arriveTime: new Date("2026-03-06T17:04:00.375Z"),
  startTime: new Date("2026-03-06T17:05:00.500Z"),
});
