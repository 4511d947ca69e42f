import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import pg from "pg";
import { findProcess } from "../standalone/processes.js";
import { removeStaleTestPostgres, testDatabase } from "./postgres.js";
import { waitFor } from "./wait-for.js";

describe("the test database", function () {
  this.timeout(60_000);

  it("is fresh for every suite, and the server is the same", async () => {
    const [one, two] = await Promise.all([testDatabase(), testDatabase()]);
    try {
      await query(one.superuserUrl, "CREATE TABLE ride AS SELECT 7 AS id");
      const found = await query(two.superuserUrl, "SELECT to_regclass('ride') AS ride");
      expect(found).to.deep.equal([{ ride: null }]);
      const [a, b] = [new URL(one.superuserUrl), new URL(two.superuserUrl)];
      expect(a.host).to.equal(b.host);
      expect(a.pathname).to.not.equal(b.pathname);
    } finally {
      await Promise.all([one.drop(), two.drop()]);
    }
  });

  it("does not wait for the disk", async () => {
    const database = await testDatabase();
    try {
      expect(await query(database.superuserUrl, "SHOW fsync")).to.deep.equal([{ fsync: "off" }]);
    } finally {
      await database.drop();
    }
  });

  it("is dropped even while a client is connected, and can be dropped twice", async () => {
    const database = await testDatabase();
    const client = new pg.Client(database.superuserUrl);
    const errors: unknown[] = [];
    client.on("error", (error) => errors.push(error));
    await client.connect();
    await database.drop();
    await waitFor("the end of the connection", () => errors.length > 0);
    expect(errors[0]).to.include({ code: "57P01" });
    await database.drop();
    const outcome = await query(database.superuserUrl, "SELECT 1").catch((e: unknown) => e);
    expect(outcome).to.include({ code: "3D000" });
  });

  it("of a killed run is removed by the next run, its server too", async () => {
    const { folder, pid } = await otherRun("process.kill(process.pid, 'SIGKILL')");
    expect(await findProcess(pid)).to.include.keys("command");
    expect(await removeStaleTestPostgres()).to.include(folder);
    expect(await findProcess(pid)).to.equal(undefined);
    expect(await exists(folder)).to.equal(false);
  });

  it("of a run that ends without the hooks leaves nothing behind", async () => {
    const { folder, pid } = await otherRun("process.exit(0)");
    await waitFor("the end of its server", async () => !(await findProcess(pid)));
    expect(await exists(folder)).to.equal(false);
  });

  it("of a living run is left alone", async () => {
    const database = await testDatabase();
    try {
      await removeStaleTestPostgres();
      expect(await query(database.superuserUrl, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
    } finally {
      await database.drop();
    }
  });
});

/** A test run of another process, which ends in this way; its data folder and its server's pid. */
async function otherRun(end: string): Promise<{ folder: string; pid: number }> {
  const program = `
    import { readFileSync, readdirSync } from "node:fs";
    import { temporaryParents } from ${moduleUrl("./temporary-folder.ts")};
    import { testDatabase } from ${moduleUrl("./postgres.ts")};
    await testDatabase();
    const own = "ridemesh-test-postgres-" + process.pid + "-";
    const pidFile = (await temporaryParents())
      .flatMap((parent) => readdirSync(parent).map((entry) => ({ parent, entry })))
      .filter(({ entry }) => entry.startsWith(own))
      .map(({ parent, entry }) => parent + "/" + entry + "/postgres/postmaster.pid")[0];
    process.stdout.write(JSON.stringify({ pidFile, pid: parseInt(readFileSync(pidFile, "utf8")) }), () => { ${end}; });
  `;
  const child = spawn(
    process.execPath,
    ["--import=tsx", "--input-type=module", "--eval", program],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  await once(child, "close");
  const { pidFile, pid } = JSON.parse(output) as { pidFile: string; pid: number };
  return { folder: dirname(dirname(pidFile)), pid };
}

function moduleUrl(path: string): string {
  return JSON.stringify(new URL(path, import.meta.url).href);
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return rows;
  } finally {
    await client.end();
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
