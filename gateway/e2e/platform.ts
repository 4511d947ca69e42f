/**
 * The platform under test: one for all suites of a run, started when the first asks for it and stopped
 * before the run's PostgreSQL is.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import pino from "pino";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { createAuthority, type Authority } from "../../services/runtime/certificates.js";
import {
  addSeconds,
  steerableClock,
  wallClock,
  type DomainClock,
} from "../../services/runtime/clock.js";
import { stopAll, type Runnable } from "../../services/runtime/lifecycle.js";
import type { Logger } from "../../services/runtime/log.js";
import { startPlatform } from "../../services/standalone/platform.js";
import { beforeTestPostgresStops, testDatabase } from "../../services/testing/postgres.js";
import { temporaryParent } from "../../services/testing/temporary-folder.js";
import type { LimitConfig } from "../limits.js";

export interface TestPlatform extends Runnable {
  url: string;
  port: number;
  clock: DomainClock;
  /** Lets so many seconds of domain time pass at once. */
  advance(seconds: number): void;
  /** Where a service answers, as host:port. */
  address(service: string): string;
  /** Issued the services' certificates. */
  authority: Authority;
  /** Asks the database as its superuser, who sees every service's tables. int8 comes as bigint. */
  sql<R extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<R[]>;
  /** As URL, for what wants to connect by itself. */
  superuserUrl: string;
  /** What was logged as an error since this was asked last: nothing should be. */
  takeErrors(): string[];
}

/** Those who are there from the start: their passwords are all this one. */
export const staffPassword = "staff of the test city";

const staff = ["metro", "harbor"].flatMap((tenantId) =>
  (
    [
      ["admin", Role.ADMIN],
      ["support", Role.SUPPORT],
      ["fleet", Role.FLEET],
    ] as const
  ).map(([name, role]) => ({
    tenantId,
    email: staffEmail(tenantId, name),
    password: staffPassword,
    displayName: `${name} ${tenantId}`,
    roles: [role],
  })),
);

/** The e-mail of a tenant's member of staff. */
export function staffEmail(tenantId: string, name: "admin" | "support" | "fleet"): string {
  return `${name}@${tenantId}.example`;
}

let shared: Promise<TestPlatform> | undefined;

/** The one that the suites share. Without rate limits. */
export function sharedPlatform(): Promise<TestPlatform> {
  if (!shared) {
    shared = startTestPlatform({ perMinute: 0, burst: 0 });
    beforeTestPostgresStops(async () => {
      const started = shared;
      shared = undefined;
      await (await started)?.stop();
    });
  }
  return shared;
}

/** A platform of one's own, with these rate limits. */
export async function startTestPlatform(limits: LimitConfig): Promise<TestPlatform> {
  const running: Runnable[] = [];
  try {
    const database = await testDatabase();
    running.push({ stop: database.drop });
    const dataDir = await mkdtemp(join(await temporaryParent(), "ridemesh-e2e-"));
    running.push({ stop: () => rm(dataDir, { recursive: true, force: true, maxRetries: 3 }) });
    const wall = wallClock;
    const clock = steerableClock(wall);
    const course = (origin: Date) => clock.steer({ origin, rate: 1 });
    course(wall.now());
    const authority = await createAuthority({ now: wall.now() });
    const errors: string[] = [];
    const platform = await startPlatform({
      superuserUrl: database.superuserUrl,
      dataDir,
      dataKeys: [{ id: "test", key: randomBytes(32) }],
      identity: { bcryptCost: 4, temporaryData: true, firstAccounts: staff },
      gateway: { host: "127.0.0.1", port: 0, limits },
      wall,
      domain: clock,
      log: errorLog(errors),
      authority,
    });
    running.push(platform);
    const pool = new pg.Pool({
      connectionString: database.superuserUrl,
      max: 4,
      allowExitOnIdle: true,
      types: { getTypeParser },
    });
    // The server ends sessions that are still open when it goes.
    pool.on("error", () => undefined);
    running.push({ stop: () => pool.end() });
    let stopped: Promise<void> | undefined;
    return {
      url: platform.url,
      port: platform.gatewayPort,
      clock,
      advance: (seconds) => course(addSeconds(clock.now(), seconds)),
      address: (service) => `127.0.0.1:${platform.services.get(service)!.port}`,
      authority,
      sql: async <R extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
        (await pool.query<R>(text, values)).rows,
      superuserUrl: database.superuserUrl,
      takeErrors: () => errors.splice(0),
      stop: () => (stopped ??= stopAll(running)),
    };
  } catch (error) {
    await stopAll(running).catch(() => undefined);
    throw error;
  }
}

const getTypeParser = ((oid: number, format?: "text" | "binary"): unknown =>
  oid === 20 ? BigInt : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser;

/** Keeps what is logged as an error. */
function errorLog(lines: string[]): Logger {
  return pino({ level: "error", base: null }, { write: (line: string) => void lines.push(line) });
}
