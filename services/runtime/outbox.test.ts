import { expect } from "chai";
import type pg from "pg";
import { CityUpdated } from "../../gen/grpc/ridemesh/city/v1/city_events.js";
import { testDatabase, type TestDatabase } from "../testing/postgres.js";
import { waitFor } from "../testing/wait-for.js";
import type { Bus, BusMessage } from "./bus.js";
import { wallClock } from "./clock.js";
import { setUpDatabase } from "./database-setup.js";
import { stopAll, type Loop, type Runnable } from "./lifecycle.js";
import { silentLogger } from "./log.js";
import { migrateService } from "./migrate.js";
import { appendEvents, newEvent, startRelay, topicOf, type OutboxEvent } from "./outbox.js";
import { createPool, transaction, type Pool } from "./postgres.js";

const noon = new Date("2026-03-01T12:00:00Z");
const migrations = new URL("../city/migrations/", import.meta.url);

/** An event about an aggregate, to be known again by its number. */
function event(key: string, n: number): OutboxEvent {
  const message = { cityId: key, version: BigInt(n), actorId: "" };
  return newEvent(CityUpdated, message, { key, tenantId: "metro", time: noon });
}

const nameOf = (message: BusMessage) =>
  `${message.key}${CityUpdated.decode(message.payload).version}`;

/** A bus that writes down what it gets. */
function recorder(): {
  bus: Bus;
  sent: string[];
  messages: BusMessage[];
  failing: Error | undefined;
} {
  const state = {
    sent: [] as string[],
    messages: [] as BusMessage[],
    failing: undefined as Error | undefined,
    bus: {
      publish: (messages) => {
        if (state.failing) return Promise.reject(state.failing);
        state.messages.push(...messages);
        state.sent.push(...messages.map(nameOf));
        return Promise.resolve();
      },
      subscribe: () => Promise.reject(new Error("nobody listens here")),
      stop: () => Promise.resolve(),
    } as Bus,
  };
  return state;
}

describe("the outbox", () => {
  let database: TestDatabase;
  let pool: Pool;
  let superuser: Pool;
  let urls: Record<string, string>;
  const running: Runnable[] = [];
  const open = new Set<pg.PoolClient>();

  const poolOf = (schema: string) =>
    createPool({ url: urls[schema]!, max: 8, name: schema, log: silentLogger });
  const relay = (bus: Bus, options: { of?: Pool; onSleep?: () => void } = {}): Loop => {
    const wall = {
      ...wallClock,
      sleep: (ms: number, signal?: AbortSignal) => {
        options.onSleep?.();
        return wallClock.sleep(ms, signal);
      },
    };
    const loop = startRelay({ name: "x", pool: options.of ?? pool, bus, wall, log: silentLogger });
    running.push(loop);
    return loop;
  };
  const append = (...events: OutboxEvent[]) => transaction(pool, (tx) => appendEvents(tx, events));
  /** Begins a transaction that has its number already. */
  const begin = async (): Promise<pg.PoolClient> => {
    const tx = await pool.connect();
    await tx.query("BEGIN");
    await tx.query("SELECT pg_current_xact_id()");
    open.add(tx);
    return tx;
  };
  const end = async (tx: pg.PoolClient, how = "COMMIT") => {
    open.delete(tx);
    await tx.query(how);
    tx.release();
  };
  const waiting = async (of = pool) =>
    (await of.query<{ n: number }>("SELECT count(*)::int AS n FROM outbox")).rows[0]!.n;

  before(async () => {
    database = await testDatabase();
    const setup = await setUpDatabase(database.superuserUrl, ["city", "harbor"]);
    urls = { ...setup.urls, superuser: database.superuserUrl };
    for (const schema of ["city", "harbor"]) {
      await migrateService({ url: setup.ownerUrl, schema, migrations, log: silentLogger });
    }
    pool = poolOf("city");
    superuser = poolOf("superuser");
  });
  afterEach(async () => {
    await stopAll(running.splice(0));
    for (const tx of open) await end(tx, "ROLLBACK");
    await pool.query("DELETE FROM outbox");
  });
  after(async () => {
    await pool.end();
    await superuser.end();
    await database.drop();
  });

  it("makes events whose topic is the package of their type", async () => {
    const one = newEvent(
      CityUpdated,
      { cityId: "ny", version: 3n, actorId: "a" },
      { key: "ny", tenantId: "metro", time: noon, traceparent: "00-a-b-01" },
    );
    expect(topicOf(one.type)).to.equal("ridemesh.city.v1");
    const { bus, messages } = recorder();
    relay(bus);
    await append(one);
    await waitFor("the event", () => messages.length === 1);
    const { payload, ...meta } = messages[0]!;
    expect(meta).to.deep.equal({
      id: one.id,
      topic: "ridemesh.city.v1",
      key: "ny",
      type: "ridemesh.city.v1.CityUpdated",
      tenantId: "metro",
      time: noon,
      traceparent: "00-a-b-01",
    });
    expect(CityUpdated.decode(payload)).to.deep.equal({ cityId: "ny", version: 3n, actorId: "a" });
  });

  it("is sent in order and emptied, also when it is longer than a batch", async () => {
    const { bus, sent } = recorder();
    const events = Array.from({ length: 1203 }, (_, i) => event("a", i));
    await append(...events);
    relay(bus);
    await waitFor("all events", () => sent.length === 1203);
    expect(sent).to.deep.equal(events.map((_, i) => `a${i}`));
    await waitFor("an empty outbox", async () => (await waiting()) === 0);
  });

  it("is sent as soon as the relay is woken", async () => {
    const { bus, sent } = recorder();
    const loop = relay(bus);
    await append(event("a", 0));
    await waitFor("the first", () => sent.length === 1);
    for (let n = 1; n <= 20; n += 1) {
      await append(event("a", n));
      loop.wake();
      await waitFor(`event ${n}`, () => sent.length === n + 1, 5000);
    }
  });

  it("is sent without a wake, because another process may have written", async () => {
    const { bus, sent } = recorder();
    let sleeps = 0;
    relay(bus, { onSleep: () => (sleeps += 1) });
    await waitFor("the relay to have nothing to do", () => sleeps > 0);
    await append(event("a", 1));
    await waitFor("the event", () => sent.length === 1, 5000);
  });

  it("holds nothing of a transaction that was undone", async () => {
    const { bus, sent } = recorder();
    const tx = await begin();
    await appendEvents(tx, [event("a", 1)]);
    await end(tx, "ROLLBACK");
    await append(event("a", 2));
    relay(bus);
    await waitFor("an event", () => sent.length > 0);
    expect(sent).to.deep.equal(["a2"]);
  });

  it("neither skips a transaction that commits late nor lets others overtake it", async () => {
    const { bus, sent } = recorder();
    const late = await begin();
    await appendEvents(late, [event("a", 1)]);
    await append(event("b", 1));
    await append(event("b", 2));
    let sleeps = 0;
    relay(bus, { onSleep: () => (sleeps += 1) });
    await waitFor("the relay to have looked often", () => sleeps >= 5);
    expect(sent).to.be.empty;
    await end(late);
    await waitFor("all events", () => sent.length === 3);
    expect(sent).to.deep.equal(["a1", "b1", "b2"]);
  });

  it("looks again soon while a transaction holds others up", async () => {
    const { bus, sent } = recorder();
    const waits: number[] = [];
    const late = await begin();
    await append(event("b", 1));
    const wall = {
      ...wallClock,
      sleep: (ms: number, signal?: AbortSignal) => {
        waits.push(ms);
        return wallClock.sleep(ms, signal);
      },
    };
    running.push(startRelay({ name: "x", pool, bus, wall, log: silentLogger }));
    await waitFor("some looks", () => waits.length >= 3);
    expect(Math.max(...waits.slice(0, 3))).to.be.below(100);
    await end(late);
    await waitFor("the event", () => sent.length === 1);
  });

  it("keeps an aggregate's order when transactions took their numbers in the other order", async () => {
    const { bus, sent } = recorder();
    const first = await begin();
    const second = await begin();
    // The aggregate's row is locked by the second, then by the first: seq follows the lock.
    await appendEvents(second, [event("a", 1)]);
    await end(second);
    await appendEvents(first, [event("a", 2)]);
    relay(bus);
    await end(first);
    await waitFor("both events", () => sent.length === 2);
    expect(sent).to.deep.equal(["a1", "a2"]);
  });

  it("keeps it also while a third transaction, numbered between the two, still runs", async () => {
    const { bus, sent } = recorder();
    const older = await begin();
    const between = await begin();
    const younger = await begin();
    await appendEvents(younger, [event("a", 1)]);
    await end(younger);
    await appendEvents(older, [event("a", 2)]);
    await end(older);
    let sleeps = 0;
    relay(bus, { onSleep: () => (sleeps += 1) });
    await waitFor("the relay to have looked often", () => sleeps >= 5);
    await end(between);
    await waitFor("both events", () => sent.length === 2);
    expect(sent).to.deep.equal(["a1", "a2"]);
  });

  it("keeps every aggregate's order under concurrent writers", async () => {
    const { bus, sent } = recorder();
    const loop = relay(bus);
    await superuser.query(
      "CREATE TABLE city.counters AS SELECT 'k' || k AS key, 0 AS n FROM generate_series(0, 3) k",
    );
    await superuser.query("GRANT ALL ON city.counters TO ridemesh_city");
    const write = async (worker: number) => {
      for (let i = 0; i < 25; i += 1) {
        await transaction(pool, async (tx) => {
          // Half of them have their number before they wait for the row.
          if (worker % 2 === 0) await tx.query("SELECT pg_current_xact_id()");
          const key = `k${(worker + i) % 4}`;
          const { rows } = await tx.query<{ n: number }>(
            "UPDATE counters SET n = n + 1 WHERE key = $1 RETURNING n",
            [key],
          );
          await appendEvents(tx, [event(key, rows[0]!.n)]);
        });
        loop.wake();
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, worker) => write(worker)));
    await waitFor("all events", () => sent.length === 150);
    for (const key of ["k0", "k1", "k2", "k3"]) {
      const own = sent.filter((name) => name.startsWith(key)).map((name) => +name.slice(2));
      expect(own, key).to.deep.equal(own.map((_, i) => i + 1));
    }
    await superuser.query("DROP TABLE city.counters");
  });

  it("sends again what the bus did not take, in the same order", async () => {
    const state = recorder();
    state.failing = new Error("the bus is away");
    relay(state.bus);
    await append(event("a", 1), event("a", 2));
    await append(event("a", 3));
    state.failing = undefined;
    await waitFor("all events", () => state.sent.length === 3);
    expect(state.sent).to.deep.equal(["a1", "a2", "a3"]);
  });

  it("is sent by one relay only, of several", async () => {
    const [one, two] = [recorder(), recorder()];
    const pools = [poolOf("city"), poolOf("city")];
    const loops = [relay(one.bus, { of: pools[0]! }), relay(two.bus, { of: pools[1]! })];
    for (let n = 0; n < 100; n += 1) {
      await append(event("a", n));
      loops[n % 2]!.wake();
    }
    await waitFor("all events", () => one.sent.length + two.sent.length === 100);
    expect([one.sent.length, two.sent.length]).to.have.members([0, 100]);
    await stopAll(running.splice(0));
    await Promise.all(pools.map((own) => own.end()));
  });

  it("has another relay within 5 s when the session of the one is gone", async () => {
    const state = recorder();
    const other = poolOf("city");
    relay(state.bus);
    await append(event("a", 1));
    await waitFor("the first event", () => state.sent.length === 1);
    relay(state.bus, { of: other });
    const { rows } = await superuser.query<{ pid: number }>(
      `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 7264
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    expect(rows).to.have.length(1);
    await superuser.query("SELECT pg_terminate_backend($1)", [rows[0]!.pid]);
    await append(event("a", 2));
    await waitFor("the second event", () => state.sent.length === 2, 5000);
    await stopAll(running.splice(0));
    await other.end();
  });

  it("is sent though the relay's connection was lost before it had the lock", async () => {
    const state = recorder();
    const only = createPool({ url: urls["city"]!, max: 1, name: "city", log: silentLogger });
    only.once("connect", (client: pg.PoolClient) => void client.end());
    relay(state.bus, { of: only });
    await append(event("a", 1));
    await waitFor("the event", () => state.sent.length === 1, 5000);
    await stopAll(running.splice(0));
    await only.end();
  });

  it("has another relay soon when the one stops", async () => {
    const [one, two] = [recorder(), recorder()];
    const other = poolOf("city");
    const first = relay(one.bus);
    await append(event("a", 1));
    await waitFor("the first event", () => one.sent.length === 1);
    relay(two.bus, { of: other });
    await first.stop();
    await append(event("a", 2));
    await waitFor("the second event", () => two.sent.length === 1, 5000);
    await stopAll(running.splice(0));
    await other.end();
  });

  it("of one service does not wait for that of another", async () => {
    const [one, two] = [recorder(), recorder()];
    const harbor = poolOf("harbor");
    relay(one.bus);
    relay(two.bus, { of: harbor });
    await append(event("a", 1));
    await appendEvents(harbor, [event("h", 1)]);
    await waitFor("both events", () => one.sent.length + two.sent.length === 2);
    expect([one.sent, two.sent]).to.deep.equal([["a1"], ["h1"]]);
    await stopAll(running.splice(0));
    await harbor.end();
  });
});
