/**
 * Events leave with the change that caused them: a row in the same transaction, sent later by the
 * relay, in the order of seq, which was assigned while the aggregate's row was locked. The relay stops
 * at the first row that is not behind the oldest running transaction: so a late commit is not
 * overtaken, and no event of an aggregate by a later one.
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
  /** Whether every transaction that is as old has ended. */
  ready: boolean;
}

const batchSize = 500;
const pollMs = 500;
/** While rows wait for a running transaction, looks follow each other from this fast to this slow. */
const horizonMs = 2;
const longHorizonMs = 64;

// Removes what was sent and reads what is next. Rows that are not ready are read as well: the relay
// must know that they are there, and not go past them. Of two rows of an aggregate the later can be
// ready first, when its transaction got its number before the other's.
const turnOver = statement<OutboxRow>(
  "outbox_turn",
  `WITH gone AS (DELETE FROM outbox WHERE id = ANY ($1::uuid[]))
   SELECT id, aggregatetype, aggregateid, type, tenant_id, payload, create_time, traceparent,
     xid < pg_snapshot_xmin(pg_current_snapshot()) AS ready
   FROM outbox WHERE id <> ALL ($1::uuid[]) ORDER BY seq LIMIT ${batchSize}`,
);
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
  let waitMs = horizonMs;
  /** The session's end gives up the lock. */
  const giveUp = () => {
    owner?.release(true);
    owner = undefined;
  };
  const loop = startLoop({
    name: `relay-${options.name}`,
    wall: options.wall,
    log: options.log,
    work: async (signal) => {
      owner ??= await ownerOf(pool);
      if (!owner) return 2000;
      try {
        let sent: string[] = [];
        for (;;) {
          const rows = await turnOver(owner, [sent]);
          if (signal.aborted || rows.length === 0) return pollMs;
          const held = rows.findIndex((row) => !row.ready);
          const ready = held < 0 ? rows : rows.slice(0, held);
          // A row behind the horizon is ready when its elders have committed: in a moment.
          if (ready.length === 0) return (waitMs = Math.min(longHorizonMs, waitMs * 2));
          waitMs = horizonMs;
          await bus.publish(ready.map(toMessage));
          sent = ready.map((row) => row.id);
        }
      } catch (error) {
        giveUp();
        throw error;
      }
    },
  });
  return {
    wake: loop.wake,
    stop: async () => {
      await loop.stop();
      giveUp();
    },
  };
}

/** A session that has the lock; undefined when another one has it. */
async function ownerOf(pool: Pool): Promise<PoolClient | undefined> {
  const client = await pool.connect();
  try {
    const [row] = await tryLock(client, []);
    if (row?.locked) return client;
  } catch (error) {
    client.release(true);
    throw error;
  }
  client.release();
  return undefined;
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
