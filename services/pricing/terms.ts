/** What a trip is booked on, for each class: the priced route with the rules of cancelling. */
import type { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { FareBasis, type TripTerms } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import type { Place } from "../../gen/grpc/ridemesh/type/v1/geo.js";
import type { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { fareOf } from "./fare.js";
import type { Route } from "./route.js";
import type { Tariff } from "./tariff.js";

/** Surge is fixed for now. */
export const fixedSurge = 1;

/** Terms of a class in a city for a route that starts at `startTime`. `quoteId` is empty without one. */
export function makeTerms(options: {
  quoteId: string;
  city: City;
  vehicleClass: VehicleClass;
  tariff: Tariff;
  pickup: Place;
  dropoff: Place;
  route: Route;
  startTime: Date;
}): TripTerms {
  const { city, tariff, pickup, dropoff, route } = options;
  const { cancellation } = tariff;
  return {
    quoteId: options.quoteId,
    cityId: city.cityId,
    vehicleClass: options.vehicleClass,
    pickup,
    dropoff,
    fare: fareOf(
      tariff,
      {
        distanceMeters: route.distanceMeters,
        durationSeconds: route.durationSeconds,
        waitSeconds: 0,
        startTime: options.startTime,
        timeZone: city.timeZone,
        pickup: pickup.point,
        dropoff: dropoff.point,
        surgeMultiplier: fixedSurge,
      },
      FareBasis.ESTIMATE,
    ),
    freeCancelSeconds: cancellation.freeSeconds,
    cancelFeeMinor: BigInt(cancellation.feeMinor),
    lateCancelSeconds: cancellation.lateSeconds,
    lateCancelFeeMinor: BigInt(cancellation.lateFeeMinor),
    noShowSeconds: cancellation.noShowSeconds,
  };
}
