/**
 * Schema changes: numbered SQL files with an "Up Migration" and a "Down Migration" part, run in order,
 * once each, under an advisory lock. Every service's schema first gets the runtime's own tables.
 */
import { fileURLToPath } from "node:url";
import { runner } from "node-pg-migrate";
import pg from "pg";
import type { Logger } from "./log.js";

const runtimeMigrations = new URL("./migrations/", import.meta.url);

/** Brings a service's schema up to date. `url` is of the role that owns the schemas. */
export async function migrateService(options: {
  url: string;
  schema: string;
  migrations?: URL | undefined;
  log: Logger;
}): Promise<void> {
  const client = new pg.Client({ connectionString: options.url });
  await client.connect();
  try {
    // Two processes of one service may start at once.
    await client.query("SELECT pg_advisory_lock(7262, hashtext($1))", [options.schema]);
    await run(client, options.schema, runtimeMigrations, "runtime_migrations", "up", options.log);
    if (options.migrations) {
      await run(client, options.schema, options.migrations, "migrations", "up", options.log);
    }
  } finally {
    await client.end();
  }
}

/** Runs one folder of migrations in one direction: up to the last, or down to nothing. */
export async function run(
  client: pg.Client,
  schema: string,
  folder: URL,
  table: string,
  direction: "up" | "down",
  log: Logger,
): Promise<void> {
  await runner({
    dbClient: client,
    dir: fileURLToPath(folder).replace(/\/$/, ""),
    direction,
    schema,
    migrationsSchema: schema,
    migrationsTable: table,
    checkOrder: true,
    noLock: true,
    count: direction === "up" ? Infinity : 1000,
    logger: {
      debug: (m) => log.trace({ schema }, m),
      info: (m) => log.debug({ schema }, m),
      warn: (m) => log.warn({ schema }, m),
      error: (m) => log.error({ schema }, m),
    },
  });
}
