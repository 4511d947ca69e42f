/**
 * How fast the nearest drivers are found and how fast drivers move, by the grid, by looking at every
 * driver, and by grids of H3 cells as they are often used: `tsx services/location/index.bench.ts`.
 * All in one run on the same drivers, so that the ratios hold on any machine.
 */
import { gridDisk, latLngToCell } from "h3-js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { chartAround, distanceMeters } from "../runtime/geo.js";
import type { FoundDriver, IndexedDriver, NearestQuery } from "./geo-index.js";
import { createGridIndex } from "./index.js";

const { toPoint } = chartAround({ lat: 40.75, lng: -73.98 });
let seed = 1;
/** Pseudorandom, the same in every run (Park–Miller). */
const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
const somewhere = () => toPoint({ x: (random() - 0.5) * 40_000, y: (random() - 0.5) * 40_000 });

function randomDriver(i: number): IndexedDriver {
  const vehicleClass = i % 5 === 0 ? VehicleClass.XL : VehicleClass.ECONOMY;
  return { driverId: `driver-${i}`, cityId: "new-york", vehicleClass, timeMs: 0, ...somewhere() };
}

interface Candidate {
  put(driver: IndexedDriver): void;
  nearest(query: NearestQuery): { distanceMeters: number }[];
}

function grid(): Candidate {
  const index = createGridIndex();
  return {
    put: (driver) => index.put("metro", driver),
    nearest: (query) => index.nearest("metro", query) as FoundDriver[],
  };
}

function scan(): Candidate {
  const drivers = new Map<string, IndexedDriver>();
  return {
    put: (driver) => drivers.set(driver.driverId, driver),
    nearest: (query) => pick(drivers.values(), query),
  };
}

function pick(drivers: Iterable<IndexedDriver>, query: NearestQuery) {
  const found: { distanceMeters: number }[] = [];
  for (const driver of drivers) {
    if (driver.vehicleClass !== query.vehicleClass) continue;
    const distance = distanceMeters(query.point, driver);
    if (distance <= query.radiusMeters) found.push({ distanceMeters: distance });
  }
  return found.sort((a, b) => a.distanceMeters - b.distanceMeters).slice(0, query.limit);
}

/** Cells of H3 resolution 9 (about 350 m across); rings of cells until they surely cover the radius. */
function h3(): Candidate {
  const cells = new Map<string, Map<string, IndexedDriver>>();
  const cellOf = new Map<string, string>();
  return {
    put: (driver) => {
      const cell = latLngToCell(driver.lat, driver.lng, 9);
      const before = cellOf.get(driver.driverId);
      if (before !== undefined && before !== cell) cells.get(before)?.delete(driver.driverId);
      let inCell = cells.get(cell);
      if (!inCell) cells.set(cell, (inCell = new Map<string, IndexedDriver>()));
      inCell.set(driver.driverId, driver);
      cellOf.set(driver.driverId, cell);
    },
    nearest: (query) => {
      const rings = Math.ceil(query.radiusMeters / 270) + 1;
      const disk = gridDisk(latLngToCell(query.point.lat, query.point.lng, 9), rings);
      const drivers = disk.flatMap((cell) => [...(cells.get(cell)?.values() ?? [])]);
      return pick(drivers, query);
    },
  };
}

/** Operations a second, from as many as fit into about `seconds`. */
function rate(seconds: number, operation: () => void): number {
  for (let i = 0; i < 3; i += 1) operation();
  const start = performance.now();
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < seconds * 1000) {
    for (let i = 0; i < 5; i += 1) operation();
    count += 5;
    elapsedMs = performance.now() - start;
  }
  return (count / elapsedMs) * 1000;
}

const ask = () => ({
  point: somewhere(),
  radiusMeters: 2000,
  limit: 5,
  vehicleClass: VehicleClass.ECONOMY,
  seenSinceMs: 0,
});

const show = (value: number) => Math.round(value).toLocaleString("en").padStart(11);

for (const count of [300, 10_000, 100_000]) {
  const drivers = Array.from({ length: count }, (_, i) => randomDriver(i));
  const candidates = { grid: grid(), "every driver": scan(), "H3 cells": h3() };
  console.log(
    `\n${count.toLocaleString("en")} drivers on 40 × 40 km, 5 nearest of a class in 2 km`,
  );
  console.log("                nearest/s   grid is × as fast      moves/s   grid is × as fast");
  let gridRates: [number, number] | undefined;
  for (const [name, candidate] of Object.entries(candidates)) {
    for (const driver of drivers) candidate.put(driver);
    const found = rate(1, () => candidate.nearest(ask()));
    // A car moves some 40 m between two points.
    const moved = rate(0.5, () => {
      const driver = drivers[Math.floor(random() * count)]!;
      driver.lat += (random() - 0.5) * 0.0007;
      candidate.put(driver);
    });
    gridRates ??= [found, moved];
    const ratios = [gridRates[0] / found, gridRates[1] / moved].map((r) =>
      r.toFixed(1).padStart(19),
    );
    console.log(`${name.padEnd(14)}${show(found)} ${ratios[0]}  ${show(moved)} ${ratios[1]}`);
  }
}
