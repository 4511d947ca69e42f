/** What trip events tell of drivers: whether they are on a trip, and how they are rated. */
import { statement, type Db } from "../runtime/postgres.js";

const upsert = statement(
  "driver_trip_upsert",
  `INSERT INTO driver_trips (tenant_id, driver_id, trip_id, version, active)
   VALUES ($1, $2, $3, $4, $5)
   ON CONFLICT (tenant_id, driver_id, trip_id) DO UPDATE SET version = $4, active = $5
   WHERE driver_trips.version < $4`,
);
const addStars = statement(
  "driver_rate",
  `UPDATE drivers SET rating_sum = rating_sum + $3, rating_count = rating_count + 1
   WHERE tenant_id = $1 AND driver_id = $2`,
);

/**
 * Notes whether a trip, at its version, keeps a driver busy. What an older version said does not
 * count any more, so that events may come twice and, after a replay, late.
 */
export async function noteTrip(
  db: Db,
  trip: { tenantId: string; driverId: string; tripId: string; version: bigint; active: boolean },
): Promise<void> {
  await upsert(db, [trip.tenantId, trip.driverId, trip.tripId, trip.version, trip.active]);
}

/** Adds a rating of 1 to 5 stars. */
export async function addRating(
  tx: Db,
  tenantId: string,
  driverId: string,
  stars: number,
): Promise<void> {
  await addStars(tx, [tenantId, driverId, stars]);
}
