/** The land that is drawn below the drivers: sketched from the zones that the bundle was built with. */
import { cellsOf, districtLabels, type Cell, type Zone } from "./cells.js";
import type { WorldPoint } from "./projection.js";

/** A zone as the bundle carries it: name, district, latitude, longitude, radius in meters. */
export type ZoneTuple = [
  name: string,
  district: string,
  lat: number,
  lng: number,
  radiusMeters: number,
];

/** Put in by the bundler; empty where the repository has no zones file. */
declare const RIDEMESH_ZONES: ZoneTuple[];

export interface Background {
  cells: Cell[];
  districts: { name: string; center: WorldPoint }[];
}

/** The background of all cities. */
export function createBackground(): Background {
  const zones = RIDEMESH_ZONES.map(([name, district, lat, lng, radiusMeters]): Zone => ({
    name,
    district,
    center: { lat, lng },
    radiusMeters,
  }));
  const cells = cellsOf(zones);
  return { cells, districts: districtLabels(cells) };
}
