/**
 * All SQL of trips. A change is one statement: the row, its event, the outbox row, the stored answer
 * and the settlement that it makes due commit together or not at all.
 */
import { answerValues, type Answer } from "../runtime/idempotency.js";
import { topicOf, type OutboxEvent } from "../runtime/outbox.js";
import { statement, type Db, type Row } from "../runtime/postgres.js";
import { toTrip, tripColumns, tripValues, type TripRow } from "./rows.js";
import type { Trip } from "./trip.js";

const columns = tripColumns.join(", ");
const width = tripColumns.length;

/** What commits with a change. */
export interface Change {
  trip: Trip;
  event: OutboxEvent;
  answer: Answer | undefined;
  /** Wall time at which settling is due; undefined when nothing is to be settled. */
  settleAt: Date | undefined;
}

/** The part of a change's statement that follows the row itself, its parameters from `n` on. */
function consequences(n: number): string {
  return `
  event AS (
    INSERT INTO trip_events (tenant_id, trip_id, version, type, payload, event_time)
    SELECT $1, $2::uuid, $3, $${n}, $${n + 1}, $${n + 2}::timestamptz FROM changed),
  sent AS (
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, tenant_id, payload, create_time, traceparent)
    SELECT $${n + 3}::uuid, $${n + 4}, $2::text, $${n}, $1, $${n + 1}, $${n + 2}::timestamptz, $${n + 5}
    FROM changed),
  answered AS (
    INSERT INTO idempotency_keys
      (tenant_id, subject, method, request_id, body_hash, code, answer, encrypted, create_time)
    SELECT $${n + 7}, $${n + 8}, $${n + 9}, $${n + 10}, $${n + 11}::bytea, $${n + 12}::int,
           $${n + 13}::bytea, $${n + 14}::boolean, $${n + 15}::timestamptz
    FROM changed WHERE $${n + 10}::text IS NOT NULL),
  due AS (
    INSERT INTO settlements (tenant_id, trip_id, next_attempt_time)
    SELECT $1, $2::uuid, $${n + 6}::timestamptz FROM changed WHERE $${n + 6}::timestamptz IS NOT NULL)
  SELECT 1 FROM changed`;
}

function consequenceValues({ event, answer, settleAt }: Change): unknown[] {
  return [
    event.type,
    Buffer.from(event.payload),
    event.time,
    event.id,
    topicOf(event.type),
    event.traceparent ?? null,
    settleAt ?? null,
    ...(answer ? answerValues(answer) : noAnswer),
  ];
}

const noAnswer = Array.from({ length: 9 }, () => null);
const placeholders = tripColumns.map((_, i) => `$${i + 1}`).join(", ");
const assignments = tripColumns
  .map((column, i) => `${column} = $${i + 1}`)
  .slice(2)
  .join(", ");

const insertStatement = statement(
  "trip_insert",
  `WITH changed AS (INSERT INTO trips (${columns}) VALUES (${placeholders}) RETURNING 1),
   ${consequences(width + 1)}`,
);
const updateStatement = statement(
  "trip_update",
  `WITH changed AS (
     UPDATE trips SET ${assignments}
     WHERE tenant_id = $1 AND trip_id = $2 AND version = $3::bigint - 1 RETURNING 1),
   ${consequences(width + 1)}`,
);
const select = statement<TripRow>(
  "trip_select",
  `SELECT ${columns} FROM trips WHERE tenant_id = $1 AND trip_id = $2`,
);

/** Adds a trip. Throws a unique violation when the rider has an active one or the quote is used. */
export async function insertTrip(db: Db, change: Change): Promise<void> {
  await insertStatement(db, [...tripValues(change.trip), ...consequenceValues(change)]);
}

/** Changes a trip if it is still at the version before. Returns whether it was. */
export async function updateTrip(db: Db, change: Change): Promise<boolean> {
  const values = [...tripValues(change.trip), ...consequenceValues(change)];
  return (await updateStatement(db, values)).length > 0;
}

/** One trip; undefined when there is none. */
export async function loadTrip(
  db: Db,
  tenantId: string,
  tripId: string,
): Promise<Trip | undefined> {
  const [row] = await select(db, [tenantId, tripId]);
  return row && toTrip(row);
}

/** A position in a list of trips, newest first. */
export interface Position {
  requestTime: Date;
  tripId: string;
}

const listOf = (party: "rider_id" | "driver_id") =>
  statement<TripRow>(
    `trips_of_${party}`,
    `SELECT ${columns} FROM trips
     WHERE tenant_id = $1 AND ${party} = $2 AND ($3::smallint = 0 OR state = $3::smallint)
       AND (request_time, trip_id) < ($4::timestamptz, $5::uuid)
     ORDER BY request_time DESC, trip_id DESC LIMIT $6`,
  );
const listOfRider = listOf("rider_id");
const listOfDriver = listOf("driver_id");
const end: Position = {
  requestTime: new Date("9999-01-01T00:00:00Z"),
  tripId: "ffffffff-ffff-ffff-ffff-ffffffffffff",
};

/** Trips of a rider or a driver, newest first, after a position. State 0 means all. */
export async function listTrips(
  db: Db,
  of: { tenantId: string; party: "rider" | "driver"; id: string; state: number },
  after: Position | undefined,
  limit: number,
): Promise<Trip[]> {
  const { requestTime, tripId } = after ?? end;
  const list = of.party === "rider" ? listOfRider : listOfDriver;
  const rows = await list(db, [of.tenantId, of.id, of.state, requestTime, tripId, limit]);
  return rows.map(toTrip);
}

const owed = statement<Row & { trip_id: string }>(
  "trips_owed",
  `SELECT trip_id FROM trips WHERE tenant_id = $1 AND rider_id = $2 AND payment_failure <> '' LIMIT 1`,
);
const active = statement<Row & { trip_id: string }>(
  "trips_active",
  `SELECT trip_id FROM trips WHERE tenant_id = $1 AND rider_id = $2 AND state BETWEEN 1 AND 6`,
);

/** A trip that the rider owes the payment of. */
export async function findOwedTrip(
  db: Db,
  tenantId: string,
  riderId: string,
): Promise<string | undefined> {
  return (await owed(db, [tenantId, riderId]))[0]?.trip_id;
}

/** The rider's active trip. */
export async function findActiveTrip(
  db: Db,
  tenantId: string,
  riderId: string,
): Promise<string | undefined> {
  return (await active(db, [tenantId, riderId]))[0]?.trip_id;
}

/** An event of a trip, as its history keeps it. */
export interface RecordedEvent {
  version: bigint;
  type: string;
  time: Date;
}

const eventsAfter = statement<Row & { version: bigint; type: string; event_time: Date }>(
  "trip_events_after",
  `SELECT version, type, event_time FROM trip_events
   WHERE tenant_id = $1 AND trip_id = $2 AND version > $3 ORDER BY version`,
);

/** What has happened to a trip since a version, oldest first. */
export async function listEvents(
  db: Db,
  tenantId: string,
  tripId: string,
  afterVersion: bigint,
): Promise<RecordedEvent[]> {
  const rows = await eventsAfter(db, [tenantId, tripId, afterVersion]);
  return rows.map((row) => ({ version: row.version, type: row.type, time: row.event_time }));
}
