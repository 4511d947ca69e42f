/**
 * Real PostgreSQL for tests: one server a test run, started when the first suite asks for it, and a
 * fresh database for every suite. What a killed run has left is removed by the next one.
 */
import { rmSync } from "node:fs";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { wallClock } from "../runtime/clock.js";
import { silentLogger } from "../runtime/log.js";
import { clearLeftover } from "../standalone/postgres-leftover.js";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "../standalone/postgres.js";
import { findProcess } from "../standalone/processes.js";
import { temporaryParent, temporaryParents } from "./temporary-folder.js";

export interface TestDatabase {
  superuserUrl: string;
  /** Removes the database, whoever is still connected to it. */
  drop(): Promise<void>;
}

interface TestServer {
  postgres: EmbeddedPostgres;
  folder: string;
  removeAtExit: () => void;
}

let server: Promise<TestServer> | undefined;
let databases = 0;
const beforeStop: (() => Promise<void>)[] = [];

/** Has `work` done before the run's server ends: for what stands on it and outlives its suite. */
export function beforeTestPostgresStops(work: () => Promise<void>): void {
  beforeStop.push(work);
}

/** A new, empty database of the run's server. Roles, which belong to the server, are shared. */
export async function testDatabase(): Promise<TestDatabase> {
  const { postgres } = await (server ??= startServer());
  const name = `test_${(databases += 1)}`;
  // Twice as fast as the other strategy where the log is minimal.
  await run(postgres, `CREATE DATABASE ${name} TEMPLATE template0 STRATEGY file_copy`);
  const url = new URL(postgres.superuserUrl);
  url.pathname = `/${name}`;
  return {
    superuserUrl: url.href,
    drop: () => run(postgres, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

/** Ends the run's server, if there is one, and removes its data. The next testDatabase starts anew. */
export async function stopTestPostgres(): Promise<void> {
  const started = server;
  server = undefined;
  for (const work of beforeStop.splice(0)) await work();
  if (!started) return;
  const { postgres, folder, removeAtExit } = await started;
  await postgres.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  process.off("exit", removeAtExit);
}

/** Removes the servers and data of test runs that were killed. Gives the folders removed. */
export async function removeStaleTestPostgres(): Promise<string[]> {
  const removed: string[] = [];
  for (const parent of await temporaryParents()) {
    for (const entry of await readdir(parent)) {
      const pid = /^ridemesh-test-postgres-(\d+)-/.exec(entry)?.[1];
      if (pid === undefined || (await findProcess(Number(pid)))) continue;
      const folder = join(parent, entry);
      const owner = (await stat(folder).catch(() => undefined))?.uid;
      if (owner === undefined || owner !== process.getuid?.()) continue;
      await clearLeftover(join(folder, "postgres"), { wall: wallClock, log: silentLogger });
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      removed.push(folder);
    }
  }
  return removed;
}

async function startServer(): Promise<TestServer> {
  await removeStaleTestPostgres();
  const folder = await mkdtemp(
    join(await temporaryParent(), `ridemesh-test-postgres-${process.pid}-`),
  );
  const postgres = await startEmbeddedPostgres({
    dataDir: folder,
    settings: "test",
    log: silentLogger,
  });
  // For a run without the hooks of hooks.ts, or one that exits early.
  const removeAtExit = (): void => {
    try {
      // Immediate shutdown, which unlike SIGKILL frees the server's shared memory.
      process.kill(postgres.pid, "SIGQUIT");
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  };
  process.once("exit", removeAtExit);
  return { postgres, folder, removeAtExit };
}

async function run(postgres: EmbeddedPostgres, sql: string): Promise<void> {
  const client = new pg.Client(postgres.superuserUrl);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
