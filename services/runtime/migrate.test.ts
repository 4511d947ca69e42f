import { expect } from "chai";
import { existsSync, readdirSync } from "node:fs";
import pg from "pg";
import { testDatabase, type TestDatabase } from "../testing/postgres.js";
import { migrateBus } from "./bus-postgres.js";
import { setUpDatabase } from "./database-setup.js";
import { silentLogger } from "./log.js";
import { migrateService, run } from "./migrate.js";

const runtimeFolder = new URL("./migrations/", import.meta.url);
const services = readdirSync("services").filter(
  (name) => name !== "runtime" && existsSync(`services/${name}/migrations`),
);
const folderOf = (name: string) => new URL(`../${name}/migrations/`, import.meta.url);

describe("migrations", () => {
  let database: TestDatabase;
  let url: string;
  let client: pg.Client;

  before(async () => {
    database = await testDatabase();
    ({ ownerUrl: url } = await setUpDatabase(database.superuserUrl, [...services, "bus"]));
    client = new pg.Client({ connectionString: url });
    await client.connect();
  });
  after(async () => {
    await client.end();
    await database.drop();
  });

  /** What a schema holds, but for the records of what was run. */
  const objects = async (schema: string): Promise<string[]> => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = $1::regnamespace
       UNION ALL SELECT p.proname FROM pg_proc p WHERE p.pronamespace = $1::regnamespace
       UNION ALL SELECT t.typname FROM pg_type t
         WHERE t.typnamespace = $1::regnamespace AND t.typtype = 'e' ORDER BY 1`,
      [schema],
    );
    return rows.map((row) => row.name).filter((name) => !/(^|_)migrations(_|$)/.test(name));
  };
  const migrate = (schema: string) =>
    migrateService({ url, schema, migrations: folderOf(schema), log: silentLogger });

  for (const service of services) {
    it(`of ${service} go up, down to nothing, and up again to the same`, async () => {
      await migrate(service);
      const up = await objects(service);
      expect(up).to.include.members(["outbox", "inbox", "idempotency_keys"]);
      await run(client, service, folderOf(service), "migrations", "down", silentLogger);
      await run(client, service, runtimeFolder, "runtime_migrations", "down", silentLogger);
      expect(await objects(service)).to.be.empty;
      await migrate(service);
      expect(await objects(service)).to.deep.equal(up);
    });
  }

  it("of the bus go up, down to nothing, and up again to the same", async () => {
    await migrateBus(url, silentLogger);
    const up = await objects("bus");
    expect(up).to.include.members(["messages", "positions", "publish", "poll", "ack"]);
    const folder = new URL("./bus-migrations/", import.meta.url);
    await run(client, "bus", folder, "migrations", "down", silentLogger);
    expect(await objects("bus")).to.be.empty;
    await migrateBus(url, silentLogger);
    expect(await objects("bus")).to.deep.equal(up);
  });

  it("run once, also when many processes start together", async () => {
    await Promise.all(Array.from({ length: 4 }, () => migrate("trip")));
    const { rows } = await client.query("SELECT name FROM trip.migrations ORDER BY name");
    expect(new Set(rows.map((row: { name: string }) => row.name)).size).to.equal(rows.length);
    expect(rows).not.to.be.empty;
  });
});
