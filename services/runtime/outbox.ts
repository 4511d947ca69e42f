/**
 * Events leave with the change that caused them: a row in the same transaction, sent later by the
 * relay. The relay reads behind the oldest running transaction, so that a late commit is never
 * skipped, in the order of seq, which was assigned while the aggregate's row was locked.
 */
import type { Bus, BusMessage } from "./bus.js";
import type { WallClock } from "./clock.js";
import { uuidv4 } from "./ids.js";
import { startLoop, type Loop } from "./lifecycle.js";
import type { Logger } from "./log.js";
import type { PoolClient } from "pg";
import { statement, type Db, type Pool, type Row } from "./postgres.js";

/** What ts-proto generates for a message, as far as it is needed to write one. */
export interface MessageType<T> {
  readonly $type: string;
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** An event before it has a place in the outbox. */
export interface OutboxEvent {
  id: string;
  type: string;
  key: string;
  tenantId: string;
  time: Date;
  payload: Uint8Array;
  traceparent?: string | undefined;
}

/** Makes an event; its topic is the package of its type. */
export function newEvent<T>(
  type: MessageType<T>,
  message: T,
  about: { key: string; tenantId: string; time: Date; traceparent?: string | undefined },
): OutboxEvent {
  return { id: uuidv4(), type: type.$type, payload: type.encode(message).finish(), ...about };
}

/** `ridemesh.trip.v1.TripAccepted` → `ridemesh.trip.v1`. */
export function topicOf(type: string): string {
  return type.slice(0, type.lastIndexOf("."));
}

const insert = statement(
  "outbox_insert",
  `INSERT INTO outbox (id, aggregatetype, aggregateid, type, tenant_id, payload, create_time, traceparent)
   SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[],
                        $7::timestamptz[], $8::text[])`,
);

/** Writes events within the caller's transaction. The relay must be woken after the commit. */
export async function appendEvents(db: Db, events: OutboxEvent[]): Promise<void> {
  if (events.length === 0) return;
  await insert(db, [
    events.map((e) => e.id),
    events.map((e) => topicOf(e.type)),
    events.map((e) => e.key),
    events.map((e) => e.type),
    events.map((e) => e.tenantId),
    events.map((e) => Buffer.from(e.payload)),
    events.map((e) => e.time),
    events.map((e) => e.traceparent ?? null),
  ]);
}

interface OutboxRow extends Row {
  id: string;
  aggregatetype: string;
  aggregateid: string;
  type: string;
  tenant_id: string;
  payload: Buffer;
  create_time: Date;
  traceparent: string | null;
}

const batchSize = 500;
const pollMs = 500;

const readBatch = statement<OutboxRow>(
  "outbox_read",
  `SELECT id, aggregatetype, aggregateid, type, tenant_id, payload, create_time, traceparent
   FROM outbox WHERE xid < pg_snapshot_xmin(pg_current_snapshot())
   ORDER BY seq LIMIT ${batchSize}`,
);
const forget = statement("outbox_forget", "DELETE FROM outbox WHERE id = ANY ($1::uuid[])");
const tryLock = statement<{ locked: boolean }>(
  "outbox_lock",
  "SELECT pg_try_advisory_lock(7264, hashtext(current_schema())) AS locked",
);

/**
 * Sends the outbox of one schema. Of several processes of a service only one sends, under an advisory
 * lock of its session; when that session ends, another takes over.
 */
export function startRelay(options: {
  name: string;
  pool: Pool;
  bus: Bus;
  wall: WallClock;
  log: Logger;
}): Loop {
  const { pool, bus } = options;
  let owner: PoolClient | undefined;
  const loop = startLoop({
    name: `relay-${options.name}`,
    wall: options.wall,
    log: options.log,
    work: async (signal) => {
      if (!owner) {
        const client = await pool.connect();
        const [row] = await tryLock(client, []);
        if (!row?.locked) {
          client.release();
          return 2000;
        }
        owner = client;
      }
      try {
        let rows: OutboxRow[];
        do {
          rows = await readBatch(owner, []);
          if (rows.length === 0) break;
          await bus.publish(rows.map(toMessage));
          await forget(owner, [rows.map((row) => row.id)]);
        } while (rows.length === batchSize && !signal.aborted);
        // A row behind the horizon becomes visible when its elders commit; look again soon.
        return rows.length > 0 ? 5 : pollMs;
      } catch (error) {
        owner.release(true);
        owner = undefined;
        throw error;
      }
    },
  });
  return {
    wake: loop.wake,
    stop: async () => {
      await loop.stop();
      // The session's end gives up the lock.
      owner?.release(true);
    },
  };
}

function toMessage(row: OutboxRow): BusMessage {
  return {
    id: row.id,
    topic: row.aggregatetype,
    key: row.aggregateid,
    type: row.type,
    tenantId: row.tenant_id,
    payload: row.payload,
    time: row.create_time,
    traceparent: row.traceparent ?? undefined,
  };
}
