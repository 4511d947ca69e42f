/**
 * Areas of New York that prices depend on, as rough polygons after public maps. They reach into the
 * rivers and a little beyond the airport's fence, so that a position at the edge is not lost.
 */
import type { LatLng } from "../../gen/grpc/ridemesh/type/v1/geo.js";
import type { Area } from "./tariff.js";

/** Up the Hudson from the Battery to where 96th Street meets it. */
const hudsonTo96th: LatLng[] = [
  { lat: 40.7, lng: -74.008 },
  { lat: 40.697, lng: -74.021 },
  { lat: 40.718, lng: -74.025 },
  { lat: 40.745, lng: -74.016 },
  { lat: 40.772, lng: -74.0 },
  { lat: 40.7972, lng: -73.98 },
];

/** Around the northern tip: the Hudson, Spuyten Duyvil, Marble Hill and the Harlem River. */
const northOf96th: LatLng[] = [
  { lat: 40.83, lng: -73.962 },
  { lat: 40.852, lng: -73.951 },
  { lat: 40.879, lng: -73.931 },
  { lat: 40.88, lng: -73.907 },
  { lat: 40.866, lng: -73.909 },
  { lat: 40.845, lng: -73.926 },
  { lat: 40.826, lng: -73.931 },
  { lat: 40.808, lng: -73.929 },
  { lat: 40.799, lng: -73.926 },
];

/** Down the East River from 96th Street, west of Roosevelt Island. */
const eastRiverFrom96th: LatLng[] = [
  { lat: 40.7829, lng: -73.94 },
  { lat: 40.776, lng: -73.938 },
  { lat: 40.766, lng: -73.948 },
  { lat: 40.757, lng: -73.957 },
  { lat: 40.748, lng: -73.966 },
  { lat: 40.735, lng: -73.97 },
  { lat: 40.725, lng: -73.97 },
  { lat: 40.711, lng: -73.973 },
  { lat: 40.705, lng: -73.995 },
];

export const newYorkAreas: Area[] = [
  { name: "manhattan", polygon: [...hudsonTo96th, ...northOf96th, ...eastRiverFrom96th] },
  { name: "manhattan-south-of-96th", polygon: [...hudsonTo96th, ...eastRiverFrom96th] },
  {
    name: "jfk",
    polygon: [
      { lat: 40.669, lng: -73.815 },
      { lat: 40.669, lng: -73.757 },
      { lat: 40.648, lng: -73.745 },
      { lat: 40.625, lng: -73.757 },
      { lat: 40.622, lng: -73.79 },
      { lat: 40.632, lng: -73.82 },
      { lat: 40.652, lng: -73.828 },
    ],
  },
];
