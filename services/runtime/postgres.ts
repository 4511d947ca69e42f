/** PostgreSQL: pools, transactions, named statements, errors. */
import pg from "pg";
import type { Logger } from "./log.js";

export type Pool = pg.Pool;
/** What a statement runs on: a pool, or the connection of a transaction. */
export type Db = pg.Pool | pg.PoolClient;

const types: pg.CustomTypesConfig = {
  // int8 as bigint: money and versions are never floating-point numbers.
  getTypeParser: ((oid: number, format?: "text" | "binary"): unknown =>
    oid === 20 ? BigInt : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

/** A pool of at most `max` connections; waiting for one fails after 10 s. */
export function createPool(options: { url: string; max: number; name: string; log: Logger }): Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max,
    types,
    application_name: options.name,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 60_000,
    statement_timeout: 10_000,
    // Keeps the process free to end while connections idle.
    allowExitOnIdle: true,
  });
  // The error itself carries the whole connection.
  pool.on("error", ({ message }) =>
    options.log.warn({ reason: message }, "idle database connection lost"),
  );
  // A connection that is lost while someone holds it fails his next query; as an event that nobody
  // hears it would end the process.
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

/** Runs `work` in one transaction. It must not wait for the network. */
export async function transaction<T>(
  pool: Pool,
  work: (tx: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK").catch((rollbackError: Error) => {
      broken = rollbackError;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/** A row as pg returns it. */
export type Row = pg.QueryResultRow;

/**
 * A named statement: planned once a connection, run with values.
 * The name must be unique within the service.
 */
export function statement<R extends Row>(
  name: string,
  text: string,
): (db: Db, values: readonly unknown[]) => Promise<R[]> {
  return async (db, values) => {
    const result = await db.query<R>({ name, text, values: values as unknown[] });
    return result.rows;
  };
}

/** Whether the error is a violation of this unique constraint or index. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const e = error as { code?: string; constraint?: string } | undefined;
  return e?.code === "23505" && (constraint === undefined || e.constraint === constraint);
}

/** Whether the database is away or cannot serve for now, as against refusing the statement. */
export function isConnectionError(error: unknown): boolean {
  const e = error as { code?: string; syscall?: string; message?: string } | undefined;
  if (!e) return false;
  // The socket of a server that is not there.
  if (e.code === "ENOENT" && e.syscall === "connect") return true;
  // Class 08 connection exception, 57P admin shutdown, 53 insufficient resources.
  if (e.code && /^(08|57P|53)/.test(e.code)) return true;
  return (
    ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT"].includes(e.code ?? "") ||
    /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/.test(
      e.message ?? "",
    )
  );
}
