/** The port to whatever knows which available drivers are near a point. The embedded adapter is index.ts. */
import type { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import type { GeoPoint } from "../runtime/geo.js";

/** An available driver and where he was last. */
export interface IndexedDriver extends GeoPoint {
  driverId: string;
  cityId: string;
  vehicleClass: VehicleClass;
  /** When he was there, in domain milliseconds since the epoch. */
  timeMs: number;
}

export interface NearestQuery {
  point: GeoPoint;
  /** Great-circle radius. */
  radiusMeters: number;
  limit: number;
  /** Only drivers of this city; left out: of all. */
  cityId?: string | undefined;
  /** Only this class; left out: all. */
  vehicleClass?: VehicleClass | undefined;
  /** Only drivers who were heard of since, in domain milliseconds since the epoch. */
  seenSinceMs: number;
}

export interface FoundDriver {
  driver: IndexedDriver;
  distanceMeters: number;
}

/** Available drivers of all tenants. Tenants never see each other's. */
export interface GeoIndex {
  /** Adds a driver, or moves him and changes what is known of him. */
  put(tenantId: string, driver: IndexedDriver): void;
  remove(tenantId: string, driverId: string): void;
  /** The drivers within the radius who fit, nearest first. */
  nearest(tenantId: string, query: NearestQuery): FoundDriver[] | Promise<FoundDriver[]>;
}
