/** Handlers of PricingInternalService: what the trip service is told. */
import { FareMode } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { FareBasis, type TripTerms } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import type {
  GetTripTermsRequest,
  PricingInternalServiceService,
} from "../../gen/grpc/ridemesh/pricing/v1/pricing_internal_service.js";
import type { CallOrigin } from "../runtime/client.js";
import type { Handlers } from "../runtime/server.js";
import { invalidField, notFound } from "../runtime/status.js";
import { checkClass, cityOfRide } from "./city-of-ride.js";
import { fareOf, isWithinTolerance, upfrontFare } from "./fare.js";
import { openQuote } from "./quote-token.js";
import type { PricingDeps } from "./service.js";
import { makeTerms } from "./terms.js";

/** Prices for the trip service. */
export function pricingInternalService(deps: PricingDeps): Handlers<PricingInternalServiceService> {
  const { cities, tariffs, secrets, domain } = deps;

  /** Terms without a quote: at the price that a quote would have now. */
  const newTerms = async (request: GetTripTermsRequest, origin: CallOrigin): Promise<TripTerms> => {
    const { tenantId, pickup, dropoff, vehicleClass } = request;
    if (!pickup?.point) throw invalidField("pickup", "is required without a quote_token");
    if (!dropoff?.point) throw invalidField("dropoff", "is required without a quote_token");
    if (!vehicleClass) throw invalidField("vehicle_class", "is required without a quote_token");
    const city = cityOfRide(cities.list(tenantId), pickup, dropoff);
    checkClass(city, vehicleClass);
    const now = domain.now();
    const [tariff, route] = await Promise.all([
      tariffs.of(city, vehicleClass),
      deps.estimateRoute(
        {
          tenantId,
          cityId: city.cityId,
          pickup: pickup.point,
          dropoff: dropoff.point,
          departTime: now,
        },
        origin,
      ),
    ]);
    return makeTerms({
      quoteId: "",
      city,
      vehicleClass,
      tariff,
      pickup,
      dropoff,
      route,
      startTime: now,
    });
  };

  return {
    getTripTerms: async (request, ctx) => {
      const { tenantId, onBehalfOf: riderId, quoteToken } = request;
      const terms = quoteToken
        ? openQuote(secrets, quoteToken, { tenantId, riderId }, domain.now())
        : await newTerms(request, ctx);
      return { terms };
    },

    priceFinalFare: async (request) => {
      const { tenantId, waitSeconds, durationSeconds } = request;
      const terms = request.terms!;
      const quoted = terms.fare;
      if (!quoted?.total) throw invalidField("terms.fare", "is required");
      const city = cities.get(tenantId, terms.cityId);
      if (!city) throw notFound("city");
      const tariff = await tariffs.of(city, terms.vehicleClass);
      const distanceMeters = request.distanceMeters || quoted.distanceMeters;
      const keepsPrice =
        city.fareMode === FareMode.UPFRONT &&
        isWithinTolerance(distanceMeters, quoted.distanceMeters);
      const fare = keepsPrice
        ? upfrontFare(tariff, quoted, waitSeconds)
        : fareOf(
            tariff,
            {
              distanceMeters,
              durationSeconds,
              waitSeconds,
              startTime: request.startTime!,
              timeZone: city.timeZone,
              pickup: terms.pickup?.point,
              dropoff: terms.dropoff?.point,
              surgeMultiplier: quoted.surgeMultiplier,
            },
            FareBasis.METERED,
          );
      return { fare };
    },
  };
}
