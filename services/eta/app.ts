/** Wires the eta service. */
import { EtaInternalServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_internal_service.js";
import { EtaServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_service.js";
import { distanceMeters, encodePolyline } from "../runtime/geo.js";
import { serve } from "../runtime/server.js";
import { startService, type Host, type RunningService } from "../runtime/service.js";

/** Starts the eta service. */
export function startEta(host: Host): Promise<RunningService> {
  const estimate = (a: { lat: number; lng: number }, b: { lat: number; lng: number }) => {
    const meters = distanceMeters(a, b) * 1.35;
    return { distanceMeters: meters, durationSeconds: 60 + meters / 6, source: "distance" };
  };
  return startService(host, {
    name: "eta",
    migrations: new URL("./migrations/", import.meta.url),
    build: () => ({
      services: [
        serve(EtaServiceService, {
          estimateRoute: (r) =>
            Promise.resolve({
              estimate: estimate(r.origin!, r.destination!),
              polyline: encodePolyline([r.origin!, r.destination!]),
            }),
        }),
        serve(EtaInternalServiceService, {
          estimateLegs: (r) =>
            Promise.resolve({ estimates: r.legs.map((l) => estimate(l.origin!, l.destination!)) }),
        }),
      ],
    }),
  });
}
