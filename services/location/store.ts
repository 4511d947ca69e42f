/** The rows of drivers' presence, of trips that riders follow, and of the history of points. */
import type { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { statement, type Db, type Row } from "../runtime/postgres.js";

/** A driver as his row says. */
export interface PresenceRow {
  tenantId: string;
  driverId: string;
  cityId: string;
  vehicleClass: VehicleClass;
  online: boolean;
  version: bigint;
  tripId: string;
  tripTime: Date | undefined;
  last:
    | { timeMs: number; lat: number; lng: number; accuracyMeters: number; heading: number }
    | undefined;
}

interface StoredPresence extends Row {
  tenant_id: string;
  driver_id: string;
  city_id: string;
  vehicle_class: VehicleClass;
  online: boolean;
  availability_version: bigint;
  trip_id: string | null;
  trip_time: Date | null;
  observe_time: Date | null;
  lat: number;
  lng: number;
  accuracy_meters: number;
  heading_degrees: number;
}

const allPresence = statement<StoredPresence>(
  "presence_all",
  `SELECT tenant_id, driver_id, city_id, vehicle_class, online, availability_version, trip_id,
          trip_time, observe_time, lat, lng, accuracy_meters, heading_degrees
   FROM driver_presence`,
);

/** Every driver of every tenant. */
export async function loadPresence(db: Db): Promise<PresenceRow[]> {
  return (await allPresence(db, [])).map((row) => ({
    tenantId: row.tenant_id,
    driverId: row.driver_id,
    cityId: row.city_id,
    vehicleClass: row.vehicle_class,
    online: row.online,
    version: row.availability_version,
    tripId: row.trip_id ?? "",
    tripTime: row.trip_time ?? undefined,
    last: row.observe_time
      ? {
          timeMs: row.observe_time.getTime(),
          lat: row.lat,
          lng: row.lng,
          accuracyMeters: row.accuracy_meters,
          heading: row.heading_degrees,
        }
      : undefined,
  }));
}

const upsertRegistered = statement(
  "presence_registered",
  `INSERT INTO driver_presence (tenant_id, driver_id, city_id) VALUES ($1, $2, $3)
   ON CONFLICT DO NOTHING`,
);

/** Makes a driver known who was not. */
export async function saveRegistered(
  db: Db,
  driver: { tenantId: string; driverId: string; cityId: string },
): Promise<void> {
  await upsertRegistered(db, [driver.tenantId, driver.driverId, driver.cityId]);
}

const upsertAvailability = statement(
  "presence_availability",
  `INSERT INTO driver_presence AS p
     (tenant_id, driver_id, city_id, vehicle_class, online, availability_version)
   VALUES ($1, $2, $3, $4, $5, $6)
   ON CONFLICT (tenant_id, driver_id) DO UPDATE
   SET city_id = excluded.city_id, vehicle_class = excluded.vehicle_class,
       online = excluded.online, availability_version = excluded.availability_version
   WHERE p.availability_version < excluded.availability_version`,
);

/** What a driver's availability became, unless something newer is known. */
export async function saveAvailability(
  db: Db,
  change: {
    tenantId: string;
    driverId: string;
    cityId: string;
    vehicleClass: VehicleClass;
    online: boolean;
    version: bigint;
  },
): Promise<void> {
  const { tenantId, driverId, cityId, vehicleClass, online, version } = change;
  await upsertAvailability(db, [tenantId, driverId, cityId, vehicleClass, online, version]);
}

/** An event of a trip, as far as followers of the trip are concerned. */
export interface TripChange {
  tenantId: string;
  tripId: string;
  version: bigint;
  riderId: string;
  time: Date;
}

const tripRow = `
  INSERT INTO tracked_trips AS t
    (tenant_id, trip_id, version, rider_id, driver_id, active, event_time)
  VALUES ($1, $2, $3, $4, $5, $6, $7)
  ON CONFLICT (tenant_id, trip_id) DO UPDATE
  SET version = excluded.version, driver_id = excluded.driver_id, active = excluded.active,
      event_time = excluded.event_time
  WHERE t.version < excluded.version`;

const upsertTrip = statement("trip_changed", tripRow);
const acceptTrip = statement(
  "trip_accepted",
  `WITH trip AS (${tripRow})
   INSERT INTO driver_presence AS p (tenant_id, driver_id, trip_id, trip_time)
   VALUES ($1, $5, $2, $7)
   ON CONFLICT (tenant_id, driver_id) DO UPDATE
   SET trip_id = excluded.trip_id, trip_time = excluded.trip_time
   WHERE p.trip_time IS NULL OR p.trip_time < excluded.trip_time`,
);
const leaveTrip = statement(
  "trip_left",
  `WITH trip AS (${tripRow})
   UPDATE driver_presence SET trip_id = NULL
   WHERE tenant_id = $1 AND driver_id = $8 AND trip_id = $2`,
);

/** A rider asked for a trip. */
export async function saveTripRequested(db: Db, trip: TripChange): Promise<void> {
  const { tenantId, tripId, version, riderId, time } = trip;
  await upsertTrip(db, [tenantId, tripId, version, riderId, null, true, time]);
}

/** A driver took a trip: he is busy, unless he has taken a later one by now. */
export async function saveTripAccepted(
  db: Db,
  trip: TripChange & { driverId: string },
): Promise<void> {
  const { tenantId, tripId, version, riderId, driverId, time } = trip;
  await acceptTrip(db, [tenantId, tripId, version, riderId, driverId, true, time]);
}

/** A driver gave a trip back, or it ended: he is free, if that trip kept him busy. */
export async function saveTripLeft(
  db: Db,
  trip: TripChange & { driverId: string; ended: boolean },
): Promise<void> {
  const { tenantId, tripId, version, riderId, driverId, time, ended } = trip;
  const values = [tenantId, tripId, version, riderId, null, !ended, time];
  if (driverId) await leaveTrip(db, [...values, driverId]);
  else await upsertTrip(db, values);
}

interface StoredTrip extends Row {
  rider_id: string;
  driver_id: string | null;
  active: boolean;
}

const selectTrip = statement<StoredTrip>(
  "trip_by_id",
  `SELECT rider_id, driver_id, active FROM tracked_trips WHERE tenant_id = $1 AND trip_id = $2`,
);

/** A trip that its rider may follow while it is active; `driverId` is empty while nobody drives. */
export async function findTrip(
  db: Db,
  tenantId: string,
  tripId: string,
): Promise<{ riderId: string; driverId: string; active: boolean } | undefined> {
  const [row] = await selectTrip(db, [tenantId, tripId]);
  return row && { riderId: row.rider_id, driverId: row.driver_id ?? "", active: row.active };
}

const trimTrips = statement(
  "trips_trim",
  "DELETE FROM tracked_trips WHERE NOT active AND event_time < $1",
);

/** Forgets trips that ended before `time`. */
export async function forgetTrips(db: Db, time: Date): Promise<void> {
  await trimTrips(db, [time]);
}

const upsertPositions = statement(
  "presence_positions",
  `INSERT INTO driver_presence AS p
     (tenant_id, driver_id, observe_time, lat, lng, accuracy_meters, heading_degrees)
   SELECT tenant_id, driver_id, to_timestamp(ms / 1000.0), lat, lng, accuracy, heading
   FROM unnest($1::text[], $2::uuid[], $3::float8[], $4::float8[], $5::float8[], $6::real[], $7::real[])
        AS u (tenant_id, driver_id, ms, lat, lng, accuracy, heading)
   -- Always in one order, so that two writers wait for each other and never deadlock.
   ORDER BY tenant_id, driver_id
   ON CONFLICT (tenant_id, driver_id) DO UPDATE
   SET observe_time = excluded.observe_time, lat = excluded.lat, lng = excluded.lng,
       accuracy_meters = excluded.accuracy_meters, heading_degrees = excluded.heading_degrees
   WHERE p.observe_time IS NULL OR p.observe_time < excluded.observe_time`,
);

/** A point of a driver, as the history and the last positions are written. */
export interface StoredPoint {
  tenantId: string;
  driverId: string;
  /** Domain milliseconds since the epoch. */
  timeMs: number;
  lat: number;
  lng: number;
  accuracyMeters: number;
  speedMps: number;
  heading: number;
}

/** Writes where drivers were last; one row each driver. */
export async function savePositions(
  db: Db,
  points: Omit<StoredPoint, "speedMps">[],
): Promise<void> {
  await upsertPositions(db, [
    textArray(points.map((p) => p.tenantId)),
    plainArray(points.map((p) => p.driverId)),
    plainArray(points.map((p) => p.timeMs)),
    plainArray(points.map((p) => p.lat)),
    plainArray(points.map((p) => p.lng)),
    plainArray(points.map((p) => p.accuracyMeters)),
    plainArray(points.map((p) => p.heading)),
  ]);
}

const insertPointRows = statement(
  "points_insert",
  `INSERT INTO driver_points
     (tenant_id, driver_id, observe_time, lat, lng, accuracy_meters, speed_mps, heading_degrees)
   SELECT tenant_id, driver_id, to_timestamp(ms / 1000.0), lat, lng, accuracy, speed, heading
   FROM unnest($1::text[], $2::uuid[], $3::float8[], $4::float8[], $5::float8[], $6::real[],
               $7::real[], $8::real[])
        AS u (tenant_id, driver_id, ms, lat, lng, accuracy, speed, heading)
   ON CONFLICT DO NOTHING`,
);

/** Appends to the history; points that are there already stay as they are. */
export async function insertPoints(db: Db, points: StoredPoint[]): Promise<void> {
  await insertPointRows(db, [
    textArray(points.map((p) => p.tenantId)),
    plainArray(points.map((p) => p.driverId)),
    plainArray(points.map((p) => p.timeMs)),
    plainArray(points.map((p) => p.lat)),
    plainArray(points.map((p) => p.lng)),
    plainArray(points.map((p) => p.accuracyMeters)),
    plainArray(points.map((p) => p.speedMps)),
    plainArray(points.map((p) => p.heading)),
  ]);
}

/** An array of numbers or uuids in PostgreSQL's text form: several times cheaper than the driver's own. */
function plainArray(values: (number | string)[]): string {
  return `{${values.join(",")}}`;
}

function textArray(values: string[]): string {
  return `{${values.map((value) => `"${value.replace(/[\\"]/g, "\\$&")}"`).join(",")}}`;
}

interface PointRow extends Row {
  observe_time: Date;
  lat: number;
  lng: number;
  accuracy_meters: number;
  speed_mps: number;
  heading_degrees: number;
}

const selectPoints = statement<PointRow>(
  "points_of_driver",
  `SELECT observe_time, lat, lng, accuracy_meters, speed_mps, heading_degrees
   FROM driver_points
   WHERE tenant_id = $1 AND driver_id = $2 AND observe_time >= $3 AND observe_time <= $4
   ORDER BY observe_time LIMIT $5`,
);

/** A driver's points from one moment to another, both included, oldest first. */
export async function listPoints(
  db: Db,
  of: { tenantId: string; driverId: string },
  from: Date,
  until: Date,
  limit: number,
): Promise<Omit<StoredPoint, "tenantId" | "driverId">[]> {
  const rows = await selectPoints(db, [of.tenantId, of.driverId, from, until, limit]);
  return rows.map((row) => ({
    timeMs: row.observe_time.getTime(),
    lat: row.lat,
    lng: row.lng,
    accuracyMeters: row.accuracy_meters,
    speedMps: row.speed_mps,
    heading: row.heading_degrees,
  }));
}

const addDay = statement("points_add_day", "SELECT add_points_day($1::date)");
const dropDays = statement<Row & { dropped: number }>(
  "points_drop_before",
  "SELECT drop_points_before($1::date) AS dropped",
);

/** Makes room in the history for a day, "2019-03-05" (UTC); does nothing when there is. */
export async function addPointsDay(db: Db, day: string): Promise<void> {
  await addDay(db, [day]);
}

/** Drops the history of the days before this one; returns how many days it had. */
export async function dropPointsBefore(db: Db, day: string): Promise<number> {
  const [row] = await dropDays(db, [day]);
  return row?.dropped ?? 0;
}
