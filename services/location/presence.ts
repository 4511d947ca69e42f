/**
 * What is known of each driver now, in memory: where he was last, whether he is online, and which
 * trip keeps him busy. Rows keep it over a restart (store.ts); events and points change it.
 */
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import type { GeoIndex, IndexedDriver } from "./geo-index.js";
import { gateAfter, newGate, type Gate } from "./ingest.js";
import type { PresenceRow, StoredPoint } from "./store.js";

/** A driver who has not been heard of for so long, in domain milliseconds, is not found. */
export const inactiveAfterMs = 5 * 60_000;

export interface Driver extends IndexedDriver {
  tenantId: string;
  online: boolean;
  /** Version of the last availability that was heard of. */
  version: bigint;
  /** Empty while he is free. */
  tripId: string;
  /** When the last trip was accepted, in domain milliseconds; this one or one before it. */
  tripTimeMs: number;
  /** Degrees clockwise from north. */
  heading: number;
  accuracyMeters: number;
  gate: Gate;
  /** Number of the last change that the map shows. */
  change: number;
}

export interface Presence {
  find(tenantId: string, driverId: string): Driver | undefined;
  /** The driver, made known when he was not. */
  know(tenantId: string, driverId: string): Driver;
  /** A point of his was accepted. */
  moved(driver: Driver, point: StoredPoint): void;
  registered(change: { tenantId: string; driverId: string; cityId: string }): void;
  availabilityChanged(change: {
    tenantId: string;
    driverId: string;
    cityId: string;
    vehicleClass: VehicleClass;
    online: boolean;
    version: bigint;
  }): void;
  /** He took a trip. Returns him if it keeps him busy now: not when he has taken a later one. */
  tripAccepted(trip: {
    tenantId: string;
    driverId: string;
    tripId: string;
    time: Date;
  }): Driver | undefined;
  /** He gave a trip back, or it ended. */
  tripLeft(trip: { tenantId: string; driverId: string; tripId: string }): void;
  inCity(tenantId: string, cityId: string): Iterable<Driver>;
  /** Number of the last change of anything that the map shows. */
  lastChange(): number;
  /** Drivers who moved since this was asked last. */
  takeMoved(): Driver[];
  /** These could not be saved: they count as moved. */
  keepMoved(drivers: Driver[]): void;
  /** Takes drivers out of the index who were last heard of before `timeMs`. */
  forgetInactive(timeMs: number): void;
  /** How many available drivers were heard of since. */
  countAvailable(sinceMs: number): number;
}

/** No point is known. */
export const never = Number.NEGATIVE_INFINITY;

/** Presence of these drivers; whoever of them is available is put into the index. */
export function createPresence(index: GeoIndex, rows: PresenceRow[]): Presence {
  const tenants = new Map<string, Map<string, Driver>>();
  const cities = new Map<string, Set<Driver>>();
  let moved = new Set<Driver>();
  let changes = 0;

  const find = (tenantId: string, driverId: string) => tenants.get(tenantId)?.get(driverId);

  const know = (tenantId: string, driverId: string): Driver => {
    let drivers = tenants.get(tenantId);
    if (!drivers) tenants.set(tenantId, (drivers = new Map<string, Driver>()));
    let driver = drivers.get(driverId);
    if (!driver) drivers.set(driverId, (driver = newDriver(tenantId, driverId)));
    return driver;
  };

  const changed = (driver: Driver): void => {
    changes += 1;
    driver.change = changes;
    if (isAvailable(driver)) index.put(driver.tenantId, driver);
    else index.remove(driver.tenantId, driver.driverId);
  };

  const inCity = (tenantId: string, cityId: string): Set<Driver> => {
    const key = JSON.stringify([tenantId, cityId]);
    let drivers = cities.get(key);
    if (!drivers) cities.set(key, (drivers = new Set()));
    return drivers;
  };

  const moveToCity = (driver: Driver, cityId: string): void => {
    inCity(driver.tenantId, driver.cityId).delete(driver);
    driver.cityId = cityId;
    inCity(driver.tenantId, cityId).add(driver);
  };

  for (const row of rows) {
    const driver = know(row.tenantId, row.driverId);
    moveToCity(driver, row.cityId);
    driver.vehicleClass = row.vehicleClass;
    driver.online = row.online;
    driver.version = row.version;
    driver.tripId = row.tripId;
    driver.tripTimeMs = row.tripTime?.getTime() ?? never;
    if (row.last) {
      Object.assign(driver, row.last);
      driver.gate = gateAfter(row.last);
    }
    changed(driver);
  }

  return {
    find,
    know,
    moved: (driver, point) => {
      driver.lat = point.lat;
      driver.lng = point.lng;
      driver.timeMs = point.timeMs;
      driver.heading = point.heading;
      driver.accuracyMeters = point.accuracyMeters;
      moved.add(driver);
      changed(driver);
    },
    registered: ({ tenantId, driverId, cityId }) => {
      if (!find(tenantId, driverId)) moveToCity(know(tenantId, driverId), cityId);
    },
    availabilityChanged: (change) => {
      const driver = know(change.tenantId, change.driverId);
      if (change.version <= driver.version) return;
      moveToCity(driver, change.cityId);
      driver.vehicleClass = change.vehicleClass;
      driver.online = change.online;
      driver.version = change.version;
      changed(driver);
    },
    tripAccepted: ({ tenantId, driverId, tripId, time }) => {
      const driver = know(tenantId, driverId);
      if (time.getTime() <= driver.tripTimeMs) return undefined;
      driver.tripId = tripId;
      driver.tripTimeMs = time.getTime();
      changed(driver);
      return driver;
    },
    tripLeft: ({ tenantId, driverId, tripId }) => {
      const driver = find(tenantId, driverId);
      if (driver?.tripId !== tripId) return;
      driver.tripId = "";
      changed(driver);
    },
    inCity,
    lastChange: () => changes,
    takeMoved: () => {
      const taken = [...moved];
      moved = new Set();
      return taken;
    },
    keepMoved: (drivers) => {
      for (const driver of drivers) moved.add(driver);
    },
    forgetInactive: (timeMs) => {
      for (const drivers of tenants.values()) {
        for (const driver of drivers.values()) {
          if (isAvailable(driver) && driver.timeMs < timeMs)
            index.remove(driver.tenantId, driver.driverId);
        }
      }
    },
    countAvailable: (sinceMs) => {
      let count = 0;
      for (const drivers of tenants.values()) {
        for (const driver of drivers.values()) {
          if (isAvailable(driver) && driver.timeMs >= sinceMs) count += 1;
        }
      }
      return count;
    },
  };
}

function newDriver(tenantId: string, driverId: string): Driver {
  return {
    tenantId,
    driverId,
    cityId: "",
    vehicleClass: VehicleClass.UNSPECIFIED,
    online: false,
    version: 0n,
    tripId: "",
    tripTimeMs: never,
    timeMs: never,
    lat: 0,
    lng: 0,
    heading: 0,
    accuracyMeters: 0,
    gate: newGate(),
    change: 0,
  };
}

/** Online, on no trip, and somewhere. */
function isAvailable(driver: Driver): boolean {
  return driver.online && driver.tripId === "" && driver.timeMs !== never;
}
