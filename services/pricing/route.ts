/** How long a ride will be: from the eta service, or a rough guess while that is away. */
import type { EtaInternalServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_internal_service.js";
import type { LatLng } from "../../gen/grpc/ridemesh/type/v1/geo.js";
import type { CallOrigin, Client } from "../runtime/client.js";
import { distanceMeters } from "../runtime/geo.js";
import type { Logger } from "../runtime/log.js";
import type { Metrics } from "../runtime/metrics.js";

/** A ride's length and time. */
export interface Route {
  distanceMeters: number;
  durationSeconds: number;
  /** "learned" or "distance" as the eta service says; "fallback" when it did not answer. */
  source: string;
}

export type EstimateRoute = (
  ride: { tenantId: string; cityId: string; pickup: LatLng; dropoff: LatLng; departTime: Date },
  origin: CallOrigin,
) => Promise<Route>;

/** Streets are longer than the straight line by about this factor. */
const detourFactor = 1.3;
const fallbackSpeedMetersPerSecond = 6;

/** The rough guess. */
export function fallbackRoute(pickup: LatLng, dropoff: LatLng): Route {
  const meters = distanceMeters(pickup, dropoff) * detourFactor;
  return {
    distanceMeters: meters,
    durationSeconds: meters / fallbackSpeedMetersPerSecond,
    source: "fallback",
  };
}

/** Asks the eta service. When it fails a price is still made, and the guess is counted and logged. */
export function createRoutes(deps: {
  eta: Pick<Client<EtaInternalServiceService>, "estimateLegs">;
  metrics: Metrics;
  log: Logger;
}): EstimateRoute {
  const guesses = deps.metrics.counter(
    "pricing_eta_fallbacks_total",
    "Routes that were guessed because the eta service did not answer.",
    [],
  );
  return async ({ tenantId, cityId, pickup, dropoff, departTime }, origin) => {
    const legs = [{ origin: pickup, destination: dropoff }];
    try {
      const answer = await deps.eta.estimateLegs({ tenantId, cityId, legs, departTime }, origin);
      const [estimate] = answer.estimates;
      if (estimate && estimate.distanceMeters > 0) return estimate;
      throw new Error("the eta service answered without an estimate");
    } catch (error) {
      deps.log.warn({ err: error }, "route guessed from the straight line");
      guesses.inc();
      return fallbackRoute(pickup, dropoff);
    }
  };
}
