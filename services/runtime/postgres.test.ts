import { expect } from "chai";
import { testDatabase, type TestDatabase } from "../testing/postgres.js";
import { waitFor } from "../testing/wait-for.js";
import { silentLogger } from "./log.js";
import {
  createPool,
  isConnectionError,
  isUniqueViolation,
  statement,
  transaction,
  type Pool,
  type Row,
} from "./postgres.js";

describe("PostgreSQL", () => {
  let database: TestDatabase;
  let pool: Pool;
  const open = (max = 3) =>
    createPool({ url: database.superuserUrl, max, name: "test", log: silentLogger });
  const thrown = (promise: Promise<unknown>): Promise<Error> =>
    promise.then(
      () => expect.fail("did not throw"),
      (error: Error) => error,
    );

  before(async () => {
    database = await testDatabase();
    pool = open();
    await pool.query(
      "CREATE TABLE accounts (name text CONSTRAINT accounts_pkey PRIMARY KEY, cents bigint)",
    );
  });
  after(async () => {
    await pool.end();
    await database.drop();
  });
  beforeEach(() => pool.query("TRUNCATE accounts"));

  const insert = statement("account_insert", "INSERT INTO accounts VALUES ($1, $2)");
  const list = statement<Row & { name: string; cents: bigint }>(
    "accounts",
    "SELECT name, cents FROM accounts ORDER BY name",
  );

  it("reads 64-bit integers as bigint, without loss", async () => {
    await insert(pool, ["a", 9_007_199_254_740_993n]);
    expect((await list(pool, []))[0]!.cents).to.equal(9_007_199_254_740_993n);
  });

  it("commits what a transaction did, and gives its result", async () => {
    const result = await transaction(pool, async (tx) => {
      await insert(tx, ["a", 1n]);
      await insert(tx, ["b", 2n]);
      return "both";
    });
    expect(result).to.equal("both");
    expect(await list(pool, [])).to.have.length(2);
  });

  it("undoes a transaction that throws, and throws the same", async () => {
    const reason = new Error("not today");
    const error = await thrown(
      transaction(pool, async (tx) => {
        await insert(tx, ["a", 1n]);
        throw reason;
      }),
    );
    expect(error).to.equal(reason);
    expect(await list(pool, [])).to.be.empty;
    expect(pool.idleCount).to.equal(pool.totalCount);
  });

  it("names the constraint of a unique violation, also where the text would not", async () => {
    await insert(pool, ["a", 1n]);
    const error = await thrown(insert(pool, ["a", 2n]));
    expect(isUniqueViolation(error)).to.equal(true);
    expect(isUniqueViolation(error, "accounts_pkey")).to.equal(true);
    expect(isUniqueViolation(error, "accounts")).to.equal(false);
    expect(isConnectionError(error)).to.equal(false);
    expect(isUniqueViolation(new Error("23505"))).to.equal(false);
    expect(isUniqueViolation(undefined)).to.equal(false);
  });

  it("tells a database that is away from one that refuses", async () => {
    const url = new URL(database.superuserUrl);
    url.port = "1";
    const nowhere = createPool({ url: url.href, max: 1, name: "test", log: silentLogger });
    expect(isConnectionError(await thrown(nowhere.query("SELECT 1")))).to.equal(true);
    await nowhere.end();
    expect(isConnectionError(await thrown(pool.query("SELECT nonsense")))).to.equal(false);
    expect(isConnectionError(undefined)).to.equal(false);
  });

  it("gives a transaction up whose connection is lost, and takes a new one for the next", async () => {
    const error = await thrown(
      transaction(pool, async (tx) => {
        await insert(tx, ["a", 1n]);
        const [row] = (await tx.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows;
        await pool.query("SELECT pg_terminate_backend($1)", [row!.pid]);
        await insert(tx, ["b", 1n]);
      }),
    );
    expect(isConnectionError(error)).to.equal(true);
    await transaction(pool, (tx) => insert(tx, ["c", 1n]));
    expect((await list(pool, [])).map((row) => row.name)).to.deep.equal(["c"]);
  });

  it("survives the loss of a connection that is held but idle", async () => {
    const held = open(1);
    const client = await held.connect();
    const [row] = (await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows;
    await pool.query("SELECT pg_terminate_backend($1)", [row!.pid]);
    await waitFor("the loss to be noticed", () =>
      client.query("SELECT 1").then(
        () => false,
        (error: unknown) => isConnectionError(error),
      ),
    );
    client.release(true);
    expect((await held.query("SELECT 1 AS one")).rows).to.deep.equal([{ one: 1 }]);
    await held.end();
  });
});
