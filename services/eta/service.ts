/** Handlers of EtaService and EtaInternalService. */
import type { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import type { EtaInternalServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_internal_service.js";
import type { EtaServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_service.js";
import type { DomainClock } from "../runtime/clock.js";
import { distanceToPolygonMeters, encodePolyline, type GeoPoint } from "../runtime/geo.js";
import type { Handlers } from "../runtime/server.js";
import { notFound } from "../runtime/status.js";
import type { Cities } from "../runtime/watch.js";
import { hourOfWeekAt, hourOfWeekIn, type Estimator } from "./estimator.js";

export interface EtaDeps {
  estimator: Estimator;
  cities: Cities;
  domain: DomainClock;
}

/** Further from a city than this its time zone says nothing. */
const nearCityMeters = 100_000;

/** Routes for people. */
export function etaService(deps: EtaDeps): Handlers<EtaServiceService> {
  const { estimator, cities, domain } = deps;
  return {
    estimateRoute: async ({ origin, destination, departTime }, ctx) => {
      const time = departTime ?? domain.now();
      const city = nearestCity(cities.list(ctx.caller.tenantId), origin!);
      const hour = city ? hourOfWeekIn(time, city.timeZone) : hourOfWeekAt(time, origin!.lng);
      return {
        estimate: estimator.estimate(origin!, destination!, hour),
        polyline: encodePolyline([origin!, destination!]),
      };
    },
  };
}

/** The city whose service area holds the point, else the nearest, unless it is far away. */
function nearestCity(cities: City[], point: GeoPoint): City | undefined {
  let nearest: City | undefined;
  let distance = nearCityMeters;
  for (const city of cities) {
    const away = distanceToPolygonMeters(point, city.serviceArea);
    if (away < distance) [nearest, distance] = [city, away];
  }
  return nearest;
}

/** Travel times for the other services. */
export function etaInternalService(deps: EtaDeps): Handlers<EtaInternalServiceService> {
  const { estimator, cities, domain } = deps;
  return {
    estimateLegs: async ({ tenantId, cityId, legs, departTime }) => {
      const city = cities.get(tenantId, cityId);
      if (!city) throw notFound("city");
      const hour = hourOfWeekIn(departTime ?? domain.now(), city.timeZone);
      return {
        estimates: legs.map(({ origin, destination }) =>
          estimator.estimate(origin!, destination!, hour),
        ),
      };
    },
  };
}
