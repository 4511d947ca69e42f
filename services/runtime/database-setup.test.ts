import { expect } from "chai";
import pg from "pg";
import { testDatabase, type TestDatabase } from "../testing/postgres.js";
import { migrateBus } from "./bus-postgres.js";
import { setUpDatabase, type DatabaseSetup } from "./database-setup.js";
import { silentLogger } from "./log.js";
import { migrateService } from "./migrate.js";

const migrations = new URL("../trip/migrations/", import.meta.url);

describe("a database that was set up", () => {
  let database: TestDatabase;
  let setup: DatabaseSetup;
  const clients: Record<string, pg.Client> = {};

  before(async () => {
    database = await testDatabase();
    setup = await setUpDatabase(database.superuserUrl, ["trip", "city", "bus"]);
    const { ownerUrl: url } = setup;
    await migrateBus(url, silentLogger);
    await migrateService({ url, schema: "trip", migrations, log: silentLogger });
    for (const name of ["trip", "city", "bus"]) {
      clients[name] = new pg.Client({ connectionString: setup.urls[name]! });
      await clients[name].connect();
    }
  });
  after(async () => {
    for (const client of Object.values(clients)) await client.end();
    await database.drop();
  });

  const run = (role: string, sql: string) => clients[role]!.query(sql);
  /** The SQL state that a statement is refused with. */
  const refusal = (role: string, sql: string): Promise<string> =>
    run(role, sql).then(
      () => "none",
      (error: { code: string }) => error.code,
    );
  const denied = "42501";

  it("lets a service read and write the rows of its schema, without naming it", async () => {
    await run("trip", "INSERT INTO inbox VALUES ('trip', gen_random_uuid(), '2026-03-01')");
    await run("trip", "UPDATE inbox SET consumer = 'other'");
    expect((await run("trip", "DELETE FROM trip.inbox")).rowCount).to.equal(1);
  });

  const forbidden: [role: string, what: string, sql: string][] = [
    ["city", "read another schema", "SELECT * FROM trip.trips"],
    ["city", "write another schema", "DELETE FROM trip.outbox"],
    ["trip", "change what is only added to", "UPDATE trip_events SET type = ''"],
    ["trip", "delete what is only added to", "DELETE FROM trip_events"],
    ["trip", "make a table", "CREATE TABLE mine (id int)"],
    ["trip", "make a table elsewhere", "CREATE TABLE public.mine (id int)"],
    ["trip", "make a table for a while", "CREATE TEMPORARY TABLE mine (id int)"],
    ["trip", "make a schema", "CREATE SCHEMA mine"],
    ["trip", "make a function", "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"],
    ["trip", "alter a table", "ALTER TABLE trips ADD COLUMN mine int"],
    ["trip", "drop a table", "DROP TABLE inbox"],
    ["trip", "empty a table at once", "TRUNCATE inbox"],
    ["trip", "drop an index", "DROP INDEX trips_active_driver"],
    ["trip", "become the owner", "SET ROLE ridemesh_owner"],
    ["trip", "make a role", "CREATE ROLE mine"],
    ["trip", "give its rights away", "GRANT SELECT ON trips TO ridemesh_city"],
    ["trip", "read the bus", "SELECT * FROM bus.messages"],
    ["trip", "publish past the bus's own role", "SELECT bus.join_group('trip', '{a}')"],
    ["bus", "read its tables", "SELECT * FROM messages"],
    ["bus", "move a position by hand", "UPDATE positions SET position = 0"],
    ["bus", "read a service's schema", "SELECT * FROM trip.trips"],
  ];
  for (const [role, what, sql] of forbidden) {
    it(`does not let ${role} ${what}`, async () => {
      const state = await refusal(role, sql);
      // A grant of what one may not give away is a warning in PostgreSQL, and nothing is granted.
      if (sql.startsWith("GRANT")) {
        expect(await refusal("city", "SELECT * FROM trip.trips")).to.equal(denied);
      } else {
        expect(state).to.equal(denied);
      }
    });
  }

  it("lets the bus's role use the bus through its functions", async () => {
    await run("bus", "SELECT bus.join_group('trip', '{ridemesh.trip.v1}')");
    const { rows } = await run(
      "bus",
      "SELECT part FROM bus.lease('trip', '{ridemesh.trip.v1}', 'me', '2026-03-01', 5)",
    );
    expect(rows).to.have.length(8);
  });

  it("keeps its rows when it is set up again, also many times at once", async () => {
    await run("trip", "INSERT INTO inbox VALUES ('trip', gen_random_uuid(), '2026-03-01')");
    const again = () => setUpDatabase(database.superuserUrl, ["trip", "city", "bus"]);
    const [first] = await Promise.all([again(), again(), again()]);
    const client = new pg.Client({ connectionString: first.urls["trip"]! });
    await client.connect();
    const { rows } = await client.query("SELECT count(*)::int AS n FROM inbox");
    await client.end();
    expect(rows).to.deep.equal([{ n: 1 }]);
  });

  it("may be one of several of a server that are set up at once", async () => {
    const others = await Promise.all(Array.from({ length: 3 }, () => testDatabase()));
    try {
      await Promise.all(
        others.map(({ superuserUrl }) => setUpDatabase(superuserUrl, ["trip", "fresh", "bus"])),
      );
    } finally {
      await Promise.all(others.map((other) => other.drop()));
    }
  });
});
