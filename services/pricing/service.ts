/** Handlers of PricingService. */
import { latLngToCell } from "h3-js";
import type { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { FareBasis, type Quote } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import type { PricingServiceService } from "../../gen/grpc/ridemesh/pricing/v1/pricing_service.js";
import type { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import type { CallContext } from "../runtime/call-context.js";
import { addSeconds, type DomainClock } from "../runtime/clock.js";
import { uuidv7 } from "../runtime/ids.js";
import type { Secrets } from "../runtime/secrets.js";
import type { Handlers } from "../runtime/server.js";
import { notFound } from "../runtime/status.js";
import type { Cities } from "../runtime/watch.js";
import { checkClass, cityOfRide } from "./city-of-ride.js";
import { fareOf } from "./fare.js";
import { sealQuote } from "./quote-token.js";
import type { EstimateRoute } from "./route.js";
import type { Tariffs } from "./store.js";
import { fixedSurge, makeTerms } from "./terms.js";

export interface PricingDeps {
  cities: Pick<Cities, "list" | "get">;
  tariffs: Tariffs;
  estimateRoute: EstimateRoute;
  secrets: Secrets;
  domain: DomainClock;
  /** How long a quote holds, in domain seconds. */
  quoteSeconds: number;
}

/** H3 resolution of surge cells: hexagons of about 0.7 km². */
const cellResolution = 8;

/** Prices for riders. */
export function pricingService(deps: PricingDeps): Handlers<PricingServiceService> {
  const { cities, tariffs, secrets, domain } = deps;

  return {
    createQuotes: async ({ pickup: from, dropoff: to, vehicleClass }, ctx) => {
      const { tenantId, subject: riderId } = ctx.caller;
      const pickup = from!;
      const dropoff = to!;
      const city = cityOfRide(cities.list(tenantId), pickup, dropoff);
      if (vehicleClass) checkClass(city, vehicleClass);
      const now = domain.now();
      const expireTime = addSeconds(now, deps.quoteSeconds);
      const route = await deps.estimateRoute(
        {
          tenantId,
          cityId: city.cityId,
          pickup: pickup.point!,
          dropoff: dropoff.point!,
          departTime: now,
        },
        ctx,
      );
      const quote = async (wanted: VehicleClass): Promise<Quote> => {
        const tariff = await tariffs.of(city, wanted);
        const quoteId = uuidv7(now);
        const terms = makeTerms({
          quoteId,
          city,
          vehicleClass: wanted,
          tariff,
          pickup,
          dropoff,
          route,
          startTime: now,
        });
        return {
          quoteToken: sealQuote(secrets, { tenantId, riderId, expireTime, terms }),
          quoteId,
          cityId: city.cityId,
          vehicleClass: wanted,
          fare: terms.fare,
          expireTime,
        };
      };
      const classes = vehicleClass ? [vehicleClass] : [...new Set(city.vehicleClasses)];
      const quotes = await Promise.all(classes.map(quote));
      return { quotes: quotes.sort(byPrice) };
    },

    calculateFare: async (request, ctx) => {
      const { vehicleClass, distanceMeters, durationSeconds, waitSeconds, startTime } = request;
      const city = findCity(deps, ctx, request.cityId);
      checkClass(city, vehicleClass);
      const ride = {
        distanceMeters,
        durationSeconds,
        waitSeconds,
        startTime: startTime ?? domain.now(),
        timeZone: city.timeZone,
        surgeMultiplier: fixedSurge,
      };
      const tariff = await tariffs.of(city, vehicleClass);
      return { fare: fareOf(tariff, ride, FareBasis.ESTIMATE) };
    },

    getSurge: ({ lat, lng }) =>
      Promise.resolve({
        multiplier: fixedSurge,
        cell: latLngToCell(lat, lng, cellResolution),
        dynamic: false,
      }),
  };
}

function findCity(deps: PricingDeps, ctx: CallContext, cityId: string): City {
  const city = deps.cities.get(ctx.caller.tenantId, cityId);
  if (!city) throw notFound("city");
  return city;
}

function byPrice(a: Quote, b: Quote): number {
  const difference = a.fare!.total!.amountMinor - b.fare!.total!.amountMinor;
  return difference === 0n ? a.vehicleClass - b.vehicleClass : difference < 0n ? -1 : 1;
}
