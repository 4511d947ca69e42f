/**
 * What every service is made of: migrated schema, pool, token verifier, gRPC server, relay, consumer.
 * A service's app.ts says only what is its own.
 */
import type { Bus } from "./bus.js";
import { createChannel, type Channel } from "./client.js";
import type { DomainClock, WallClock } from "./clock.js";
import { startConsumer, type EventHandler } from "./consumer.js";
import { forgetOld } from "./idempotency.js";
import { startLoop, stopAll, type Runnable } from "./lifecycle.js";
import type { Logger } from "./log.js";
import type { Metrics } from "./metrics.js";
import { migrateService } from "./migrate.js";
import { startRelay } from "./outbox.js";
import type { Owners } from "./policy.js";
import { createPool, type Pool } from "./postgres.js";
import type { Secrets } from "./secrets.js";
import { startServer, type ServedService } from "./server.js";
import { createTokenVerifier, type TokenVerifier } from "./token.js";
import type { TlsIdentity } from "./tls.js";
import { watchTrust } from "./watch.js";

/** What a process gives to the services that it runs. */
export interface Host {
  wall: WallClock;
  domain: DomainClock;
  log: Logger;
  metrics: Metrics;
  bus: Bus;
  secrets: Secrets;
  /** Where a service keeps its rows. */
  database: { ownerUrl: string; url: (service: string) => string; poolSize: number };
  /** What a service shows of itself. */
  identity: (service: string) => TlsIdentity;
  /** Where a service answers, as host:port. */
  address: (service: string) => string;
  /** Where a service shall listen; port 0 takes a free one. */
  listen: (service: string) => { host: string; port: number };
  /** Shared by the services of one process; without it each service keeps its own. */
  verifier?: TokenVerifier;
  /** Folder for files that are not rows. */
  dataDir: string;
}

/** What the runtime gives to a service's own parts. */
export interface ServiceContext extends Host {
  name: string;
  pool: Pool;
  verifier: TokenVerifier;
  /** A connection to another service; one for each, kept until the service stops. */
  channel: (service: string) => Channel;
  /** Sends what is in the outbox now. Call it after a transaction that appended events. */
  wakeRelay: () => void;
}

/** What is a service's own. */
export interface ServiceParts {
  services: ServedService[];
  owners?: Owners;
  /** Events that the service consumes, as the group of its own name. */
  consumes?: EventHandler[];
  /** Background work, started already; stopped before the pool closes. */
  background?: Runnable[];
}

export interface RunningService extends Runnable {
  name: string;
  port: number;
  /** Whether the service can do its work now. */
  check: () => Promise<void>;
}

/** Starts a service; resolves when it answers. */
export async function startService(
  host: Host,
  options: {
    name: string;
    /** The service's own schema changes; none when it has no tables. */
    migrations?: URL;
    build: (context: ServiceContext) => Promise<ServiceParts> | ServiceParts;
  },
): Promise<RunningService> {
  const { name } = options;
  const { wall, bus } = host;
  const log = host.log.child({ service: name });
  const running: Runnable[] = [];
  try {
    await migrateService({
      url: host.database.ownerUrl,
      schema: name,
      migrations: options.migrations,
      log,
    });
    const pool = createPool({
      url: host.database.url(name),
      max: host.database.poolSize,
      name,
      log,
    });
    running.push({ stop: () => pool.end() });
    host.metrics.gauge(
      "database_connections_active",
      "Connections in use.",
      { service: name },
      () => pool.totalCount - pool.idleCount,
    );
    const channels = new Map<string, Channel>();
    const channel = (service: string): Channel => {
      let found = channels.get(service);
      if (!found) {
        const identity = host.identity(name);
        const address = () => host.address(service);
        found = createChannel({ service, address, identity, wall, log });
        channels.set(service, found);
        running.push(found);
      }
      return found;
    };
    const verifier = host.verifier ?? createTokenVerifier(wall);
    const relay = startRelay({ name, pool, bus, wall, log });
    running.push(relay);
    const parts = await options.build({
      ...host,
      log,
      name,
      pool,
      verifier,
      channel,
      wakeRelay: relay.wake,
    });
    running.push(...(parts.background ?? []));
    const server = await startServer({
      services: parts.services,
      deps: {
        service: name,
        pool,
        verifier,
        owners: parts.owners ?? {},
        secrets: host.secrets,
        wall,
        metrics: host.metrics,
        log,
      },
      identity: host.identity(name),
      ...host.listen(name),
    });
    running.push(server);
    if (!host.verifier) running.push(watchTrust(channel("identity"), verifier, { wall, log }));
    if (parts.consumes) running.push(await startConsumer(bus, name, parts.consumes));
    running.push(
      startLoop({
        name: `housekeeping-${name}`,
        wall,
        log,
        work: async () => {
          await forgetOld(pool, wall.now());
          return 3_600_000;
        },
      }),
    );
    let stopped: Promise<void> | undefined;
    return {
      name,
      port: server.port,
      check: async () => {
        await pool.query("SELECT 1");
      },
      stop: () => (stopped ??= stopAll(running)),
    };
  } catch (error) {
    await stopAll(running).catch(() => undefined);
    throw error;
  }
}
