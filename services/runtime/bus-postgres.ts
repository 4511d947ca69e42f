/**
 * The bus on PostgreSQL. Its tables belong to the schema's owner; this adapter reaches them through
 * functions only. A topic has 8 partitions by key; a group's members lease equal
 * shares of the partitions; who has one reads behind its position, and acknowledges by moving it.
 */
import pg from "pg";
import {
  deadLetterSuffix,
  maxDeliveries,
  type Bus,
  type BusMessage,
  type Subscription,
} from "./bus.js";
import type { WallClock } from "./clock.js";
import { uuidv4 } from "./ids.js";
import { startLoop, type Loop, type Runnable } from "./lifecycle.js";
import type { Logger } from "./log.js";
import { run as runMigrations } from "./migrate.js";
import { createPool, statement } from "./postgres.js";

const leaseSeconds = 5;
const renewMs = 1500;
const batchSize = 200;
const retentionDays = 7;

interface PolledRow extends pg.QueryResultRow {
  seq: bigint;
  topic: string;
  part: number;
  id: string;
  key: string;
  type: string;
  tenant_id: string;
  payload: Buffer;
  event_time: Date;
  traceparent: string | null;
}

const publishRows = statement(
  "bus_publish",
  "SELECT bus.publish($1, $2, $3, $4, $5, $6, $7, $8, $9)",
);
const joinGroup = statement("bus_join", "SELECT bus.join_group($1, $2)");
const lease = statement("bus_lease", "SELECT * FROM bus.lease($1, $2, $3, $4, $5)");
const renew = statement("bus_renew", "SELECT bus.renew($1, $2, $3, $4)");
const poll = statement<PolledRow>("bus_poll", "SELECT * FROM bus.poll($1, $2, $3, $4, $5, $6, $7)");
const ack = statement("bus_ack", "SELECT bus.ack($1, $2, $3, $4, $5)");
const release = statement("bus_release", "SELECT bus.release($1, $2)");
const trim = statement("bus_trim", "SELECT bus.forget($1)");

/** Brings the schema `bus` up to date; `url` is of the role that owns it. */
export async function migrateBus(url: string, log: Logger): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("SELECT pg_advisory_lock(7262, hashtext('bus'))");
    await runMigrations(
      client,
      "bus",
      new URL("./bus-migrations/", import.meta.url),
      "migrations",
      "up",
      log,
    );
  } finally {
    await client.end();
  }
}

/** Connects to the bus; `url` is of the role `ridemesh_bus`. */
export async function createPostgresBus(options: {
  url: string;
  wall: WallClock;
  log: Logger;
}): Promise<Bus> {
  const { wall, log } = options;
  const pool = createPool({ url: options.url, max: 6, name: "bus", log });
  const consumers = new Map<Loop, Subscription>();
  /** Wakes who consumes one of the types; of types that are not known, everyone on the topic. */
  const wake = (topic: string, types?: Set<string>) => {
    for (const [loop, { topics, types: wanted }] of consumers) {
      if (!topics.includes(topic)) continue;
      if (!types || !wanted || wanted.some((type) => types.has(type))) loop.wake();
    }
  };
  // What this process publishes it knows already when the database tells of it.
  const ownBackends = new Set<number>();
  pool.on("connect", (client) => ownBackends.add(backendOf(client)));
  pool.on("remove", (client) => ownBackends.delete(backendOf(client)));
  const listening = startListening({
    url: options.url,
    wall,
    log,
    onTopic: (topic, backend) => {
      if (!ownBackends.has(backend)) wake(topic);
    },
  });
  const trimming = startLoop({
    name: "bus-trim",
    wall,
    log,
    work: async () => {
      await trim(pool, [new Date(wall.now().getTime() - retentionDays * 86_400_000)]);
      return 3_600_000;
    },
  });

  const publish = async (messages: BusMessage[]): Promise<void> => {
    for (const [topic, batch] of groupBy(messages, (m) => m.topic)) {
      await publishRows(pool, [
        topic,
        batch.map((m) => m.id),
        batch.map((m) => m.key),
        batch.map((m) => m.type),
        batch.map((m) => m.tenantId),
        batch.map((m) => Buffer.from(m.payload)),
        batch.map((m) => m.time),
        batch.map((m) => m.traceparent ?? null),
        wall.now(),
      ]);
      wake(topic, new Set(batch.map((m) => m.type)));
    }
  };

  const subscribe = async (subscription: Subscription): Promise<Runnable> => {
    const { group, topics } = subscription;
    const owner = uuidv4();
    await joinGroup(pool, [group, topics]);
    let leasedUntilMs = 0;
    let handled: PolledRow[] = [];
    const loop: Loop = startLoop({
      name: `consumer-${group}`,
      wall,
      log,
      work: async (signal) => {
        if (wall.monotonicMs() >= leasedUntilMs) {
          // What is handled is recorded before a partition may go to another member.
          if (handled.length > 0) await ack(pool, [group, owner, ...positionsOf(handled)]);
          handled = [];
          await lease(pool, [group, topics, owner, wall.now(), leaseSeconds]);
          leasedUntilMs = wall.monotonicMs() + renewMs;
        }
        const rows = await poll(pool, [group, owner, topics, batchSize, ...positionsOf(handled)]);
        handled = rows.length > 0 ? await handleRows(rows, signal) : [];
        return rows.length > 0 ? 0 : renewMs;
      },
    });

    /** Handles partitions side by side, the messages of one in order. The last handled of each. */
    const handleRows = async (rows: PolledRow[], signal: AbortSignal): Promise<PolledRow[]> => {
      const partitions = [...groupBy(rows, (row) => `${row.topic}/${row.part}`).values()];
      const done = await Promise.all(
        partitions.map(async (partition) => {
          let last: PolledRow | undefined;
          for (const row of partition) {
            if (signal.aborted || wall.monotonicMs() >= leasedUntilMs) break;
            if (!(await deliver(row, signal))) break;
            last = row;
          }
          return last;
        }),
      );
      return done.filter((row) => row !== undefined);
    };

    /** Hands one message over, again if need be; parks it when it cannot be handled. */
    const deliver = async (row: PolledRow, signal: AbortSignal): Promise<boolean> => {
      if (subscription.types && !subscription.types.includes(row.type)) return true;
      const message = toMessage(row);
      for (let attempt = 1; !signal.aborted; attempt += 1) {
        try {
          await subscription.handle(message);
          return true;
        } catch (error) {
          if (signal.aborted) return false;
          log.warn(
            { group, type: row.type, event_id: row.id, attempt, err: error },
            "event failed",
          );
          if (attempt >= maxDeliveries) {
            await publish([{ ...message, topic: row.topic + deadLetterSuffix }]);
            log.error({ group, type: row.type, event_id: row.id }, "event parked as a dead letter");
            return true;
          }
          // Not `lease`, which may hand partitions over: others of them are in hand.
          await renew(pool, [group, owner, wall.now(), leaseSeconds]);
          leasedUntilMs = wall.monotonicMs() + renewMs;
          await wall.sleep(Math.min(2000, 100 * 2 ** attempt), signal);
        }
      }
      return false;
    };

    consumers.set(loop, subscription);
    return {
      stop: async () => {
        consumers.delete(loop);
        await loop.stop();
        if (handled.length > 0) await ack(pool, [group, owner, ...positionsOf(handled)]);
        await release(pool, [group, owner]).catch((error: unknown) =>
          log.debug({ err: error }, "could not give up leases; they run out by themselves"),
        );
      },
    };
  };

  return {
    publish,
    subscribe,
    stop: async () => {
      await trimming.stop();
      await listening.stop();
      await pool.end();
    },
  };
}

/** Topics, partitions and positions, as the functions of the bus take them. */
function positionsOf(rows: PolledRow[]): [string[], number[], bigint[]] {
  return [rows.map((row) => row.topic), rows.map((row) => row.part), rows.map((row) => row.seq)];
}

/** The server process behind a connection; pg knows it but does not declare it. */
function backendOf(client: unknown): number {
  return (client as { processID: number }).processID;
}

function toMessage(row: PolledRow): BusMessage {
  return {
    id: row.id,
    topic: row.topic,
    key: row.key,
    type: row.type,
    tenantId: row.tenant_id,
    payload: row.payload,
    time: row.event_time,
    traceparent: row.traceparent ?? undefined,
  };
}

/** Hears of messages that other processes publish; connects again when the connection is lost. */
function startListening(options: {
  url: string;
  wall: WallClock;
  log: Logger;
  /** `backend`: the server process of whoever published. */
  onTopic: (topic: string, backend: number) => void;
}): Runnable {
  return startLoop({
    name: "bus-listen",
    wall: options.wall,
    log: options.log,
    work: async (signal) => {
      const client = new pg.Client({
        connectionString: options.url,
        application_name: "bus-listen",
      });
      // From the beginning: while it connects, the connection can be lost, or not be wanted any more.
      const over = new Promise<void>((resolve, reject) => {
        client.on("error", reject);
        client.on("end", () => resolve());
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      over.catch(() => undefined);
      try {
        await client.connect();
        client.on("notification", (n) => options.onTopic(n.payload ?? "", n.processId));
        await client.query("LISTEN ridemesh_bus");
        await over;
      } finally {
        await client.end().catch(() => undefined);
      }
      return 200;
    },
  });
}

/** Groups in order of first appearance. */
function groupBy<T>(items: T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
