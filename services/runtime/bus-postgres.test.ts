import { expect } from "chai";
import pg from "pg";
import { busConformance } from "../testing/bus-conformance.js";
import { testDatabase, type TestDatabase } from "../testing/postgres.js";
import { waitFor } from "../testing/wait-for.js";
import type { Bus, BusMessage } from "./bus.js";
import { createPostgresBus, migrateBus } from "./bus-postgres.js";
import { wallClock, type WallClock } from "./clock.js";
import { setUpDatabase } from "./database-setup.js";
import { uuidv4 } from "./ids.js";
import { silentLogger } from "./log.js";

describe("the bus on PostgreSQL", () => {
  let database: TestDatabase;
  let url: string;
  const connect = (): Promise<Bus> =>
    createPostgresBus({ url, wall: wallClock, log: silentLogger });

  before(async () => {
    database = await testDatabase();
    const { ownerUrl, urls } = await setUpDatabase(database.superuserUrl, ["bus"]);
    await migrateBus(ownerUrl, silentLogger);
    url = urls["bus"]!;
  });
  after(() => database.drop());

  describe("as any bus", () => busConformance(connect));

  it("can be stopped while it connects again", async () => {
    const superuser = new pg.Client({ connectionString: database.superuserUrl });
    await superuser.connect();
    const backOffMs = 50;
    let stopping: Promise<void> | undefined;
    const wall: WallClock = {
      ...wallClock,
      sleep: async (ms, signal) => {
        await wallClock.sleep(ms, signal);
        if (ms === backOffMs) setImmediate(() => void (stopping ??= bus.stop()));
      },
    };
    const bus = await createPostgresBus({ url, wall, log: silentLogger });
    await waitFor("the listener to be lost", async () => {
      const { rowCount } = await superuser.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'bus-listen' AND datname = current_database()`,
      );
      return rowCount! > 0;
    });
    await superuser.end();
    await waitFor("the stop to begin", () => stopping !== undefined);
    await stopping;
  });

  it("goes on by itself when all its connections were lost", async () => {
    const bus = await connect();
    const superuser = new pg.Client({ connectionString: database.superuserUrl });
    await superuser.connect();
    const seen: string[] = [];
    const topic = `test.${uuidv4()}`;
    const member = await bus.subscribe({
      group: "a",
      topics: [topic],
      handle: (one) => Promise.resolve(void seen.push(one.key)),
    });
    const publish = (key: string) => {
      const message: BusMessage = {
        id: uuidv4(),
        topic,
        key,
        type: "test.v1.X",
        tenantId: "metro",
        payload: new Uint8Array(),
        time: wallClock.now(),
      };
      return bus.publish([message]);
    };
    try {
      await publish("before");
      await waitFor("the first", () => seen.length === 1);
      await superuser.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ridemesh_bus'",
      );
      await waitFor("publishing to work again", () => publish("after").then(() => true));
      await waitFor("the second", () => seen.includes("after"));
    } finally {
      await superuser.end();
      await member.stop();
      await bus.stop();
    }
    expect(seen.filter((key) => key === "before")).to.have.length(1);
  });
});
