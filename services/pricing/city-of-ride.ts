/** Which city a ride is in, or why it is in none. */
import type { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import type { LatLng, Place } from "../../gen/grpc/ridemesh/type/v1/geo.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { distanceMeters, distanceToPolygonMeters, pointInPolygon } from "../runtime/geo.js";
import { Code, StatusError, failedPrecondition, invalidField } from "../runtime/status.js";

/** Rides are at least this long, as the crow flies. */
const shortestMeters = 5;
/** And at most this long. */
const longestMeters = 200_000;

/** The operator's city whose service area holds both places; refuses a ride that cannot be. */
export function cityOfRide(cities: City[], pickup: Place, dropoff: Place): City {
  const from = pickup.point!;
  const to = dropoff.point!;
  const holding = cities.filter((city) => pointInPolygon(from, city.serviceArea));
  if (holding.length === 0) throw outside(cities, from, "pickup");
  const city = holding.find((one) => pointInPolygon(to, one.serviceArea));
  if (!city) throw outside(cities, to, "dropoff");
  const apart = distanceMeters(from, to);
  if (apart < shortestMeters || apart > longestMeters) {
    const problem = apart < shortestMeters ? "less than 5 m" : "more than 200 km";
    throw invalidField("dropoff", `is ${problem} from the pickup`, "BAD_ROUTE");
  }
  return city;
}

/** Refuses a class that the city does not have. */
export function checkClass(city: City, vehicleClass: VehicleClass): void {
  if (city.vehicleClasses.includes(vehicleClass)) return;
  const served = city.vehicleClasses.map((one) => `VEHICLE_CLASS_${VehicleClass[one]}`).join(", ");
  const metadata = { city_id: city.cityId, vehicle_classes: served };
  const message = `${city.name} has only ${served}`;
  throw failedPrecondition("CLASS_NOT_SERVED", message, metadata, "vehicle_class");
}

function outside(cities: City[], point: LatLng, field: "pickup" | "dropoff"): StatusError {
  const nearest = cities
    .map((city) => ({ city, meters: distanceToPolygonMeters(point, city.serviceArea) }))
    .sort((a, b) => a.meters - b.meters)
    .at(0);
  const problem = nearest
    ? // Inside one city, and the other place not: there is no distance to tell.
      nearest.meters === 0
      ? `lies in ${nearest.city.name}, and the ride would leave its city`
      : `lies outside every service area; the nearest city is ${nearest.city.name}`
    : "lies outside every service area";
  return new StatusError(Code.FAILED_PRECONDITION, {
    reason: "OUTSIDE_SERVICE_AREA",
    message: `${field}: ${problem}`,
    metadata: nearest ? { nearest_city: nearest.city.cityId } : {},
    violations: [{ field, message: problem }],
  });
}
