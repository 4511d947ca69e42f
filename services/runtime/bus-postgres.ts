/**
 * The bus on PostgreSQL. Its tables belong to the schema's owner; this adapter reaches them through
 * functions only. A topic has 8 partitions by key; a group's members lease equal
 * shares of the partitions; who has one reads behind its position, and acknowledges by moving it.
 */
import pg from "pg";
import type { Bus, BusMessage, Subscription } from "./bus.js";
import { groupBy, startMember, type Member } from "./bus-member.js";
import type { WallClock } from "./clock.js";
import { startLoop, type Runnable } from "./lifecycle.js";
import type { Logger } from "./log.js";
import { run as runMigrations } from "./migrate.js";
import { createPool, statement, type Row } from "./postgres.js";

const retentionDays = 7;

interface PlaceRow extends Row {
  id: string;
  part: number;
  seq: bigint;
  previous: bigint;
}

const publishRows = statement<PlaceRow>(
  "bus_publish",
  "SELECT * FROM bus.publish($1, $2, $3, $4, $5, $6, $7, $8, $9)",
);
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
  const members = new Set<Member>();
  // What this process publishes it knows already when the database tells of it.
  const ownBackends = new Set<number>();
  pool.on("connect", (client) => ownBackends.add(backendOf(client)));
  pool.on("remove", (client) => ownBackends.delete(backendOf(client)));
  const listening = startListening({
    url: options.url,
    wall,
    log,
    onTopic: (topic, backend) => {
      if (ownBackends.has(backend)) return;
      for (const member of members) member.lookAgain(topic);
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
      const places = await publishRows(pool, [
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
      const byId = new Map(batch.map((message) => [message.id, message]));
      const placed = places.map((place) => ({ ...place, message: byId.get(place.id)! }));
      for (const member of members) member.handOver(topic, placed);
    }
  };

  const subscribe = async (subscription: Subscription): Promise<Runnable> => {
    const member = await startMember({ subscription, pool, wall, log, publish });
    members.add(member);
    return {
      stop: async () => {
        members.delete(member);
        await member.stop();
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

/** The server process behind a connection; pg knows it but does not declare it. */
function backendOf(client: unknown): number {
  return (client as { processID: number }).processID;
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
