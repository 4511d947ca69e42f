/** The operators and cities that come along: New York for "metro", and a small second operator. */
import { FareMode, type City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import type { Operator } from "./store.js";

export const defaultOperators: Operator[] = [
  { tenantId: "metro", name: "Metro Rides", hosts: ["localhost", "127.0.0.1"] },
  { tenantId: "harbor", name: "Harbor Cabs", hosts: ["harbor.localhost"] },
];

const broadcast = {
  offerSeconds: 15,
  roundSeconds: 15,
  roundRadiusMeters: [2000, 5000, 5000],
  maxOffers: 5,
};

/** Around the five boroughs and the three airports, with a kilometre to spare. */
const newYorkArea = [
  { lat: 40.52, lng: -74.28 },
  { lat: 40.49, lng: -74.26 },
  { lat: 40.49, lng: -74.18 },
  { lat: 40.53, lng: -73.9 },
  { lat: 40.58, lng: -73.73 },
  { lat: 40.65, lng: -73.7 },
  { lat: 40.75, lng: -73.67 },
  { lat: 40.89, lng: -73.77 },
  { lat: 40.93, lng: -73.85 },
  { lat: 40.93, lng: -73.93 },
  { lat: 40.71, lng: -74.22 },
  { lat: 40.54, lng: -74.28 },
];

/** Lower Manhattan and the Brooklyn waterfront. */
const harborArea = [
  { lat: 40.73, lng: -74.02 },
  { lat: 40.73, lng: -73.96 },
  { lat: 40.67, lng: -73.96 },
  { lat: 40.67, lng: -74.02 },
];

export const defaultCities: Partial<City>[] = [
  {
    tenantId: "metro",
    cityId: "new-york",
    name: "New York",
    timeZone: "America/New_York",
    currencyCode: "USD",
    serviceArea: newYorkArea,
    vehicleClasses: [VehicleClass.ECONOMY, VehicleClass.COMFORT, VehicleClass.XL],
    dispatch: broadcast,
    fareMode: FareMode.UPFRONT,
    version: 1n,
  },
  {
    tenantId: "harbor",
    cityId: "harbor",
    name: "Harbor",
    timeZone: "America/New_York",
    currencyCode: "USD",
    serviceArea: harborArea,
    vehicleClasses: [VehicleClass.ECONOMY],
    dispatch: broadcast,
    fareMode: FareMode.METERED,
    version: 1n,
  },
];
