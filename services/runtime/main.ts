/** Runs one service as a process of its own; each service's main.ts is a call of `runService`. */
import { constants } from "node:os";
import { createPostgresBus, migrateBus } from "./bus-postgres.js";
import { startAdmin } from "./admin.js";
import { domainClock, wallClock } from "./clock.js";
import { ConfigError, environment, processConfig, type Environment } from "./config.js";
import { stopAll, type Runnable } from "./lifecycle.js";
import { createLogger } from "./log.js";
import { createMetrics } from "./metrics.js";
import { createSecrets } from "./secrets.js";
import type { Host, RunningService } from "./service.js";
import { flushSpans } from "./tracing.js";

/** What a service needs of its process, and the process's own settings. */
export interface ProcessHost extends Runnable {
  host: Host;
  metricsPort: number;
  version: string;
}

/**
 * A host for the one service of this name. Stop it after the service.
 *
 * @throws ConfigError when the environment is not complete.
 */
export async function hostFromEnv(name: string, env: Environment): Promise<ProcessHost> {
  const config = processConfig(env);
  const wall = wallClock;
  const log = createLogger({ level: config.logLevel });
  await migrateBus(config.databaseOwnerUrl, log);
  const bus = await createPostgresBus({ url: config.busDatabaseUrl, wall, log });
  return {
    host: {
      wall,
      domain: domainClock({ wall, ...config.domainClock }),
      log,
      metrics: createMetrics(),
      bus,
      secrets: createSecrets(config.dataKeys),
      database: {
        ownerUrl: config.databaseOwnerUrl,
        url: (service) => {
          if (service === name) return config.databaseUrl;
          throw new Error(`the process of ${name} has no database role of ${service}`);
        },
        poolSize: config.databasePoolSize,
      },
      identity: () => config.identity,
      address: (service) => {
        const address = config.addresses.get(service);
        if (address) return address;
        throw new Error(`SERVICE_ADDRESSES names no ${service}`);
      },
      listen: () => config.listen,
      dataDir: config.dataDir,
    },
    metricsPort: config.metricsPort,
    version: config.version,
    stop: () => bus.stop(),
  };
}

/** An end in good order may take this long; then the process ends all the same. */
const stopMs = 15_000;

/**
 * Runs a service until SIGTERM or SIGINT. The first signal stops it in good order and ends the process
 * with 0, the second ends it at once. A start that fails ends it with 1, after saying why.
 */
export async function runService(
  name: string,
  start: (host: Host, env: Environment) => Promise<RunningService>,
): Promise<void> {
  const running: Runnable[] = [];
  let ready = false;
  let signals = 0;
  let signalled: (() => void) | undefined;
  const untilSignalled = new Promise<void>((resolve) => (signalled = resolve));
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      ready = false;
      signals += 1;
      if (signals > 1) process.exit(128 + constants.signals[signal]);
      signalled!();
    });
  }
  try {
    const env = environment();
    const processHost = await hostFromEnv(name, env);
    running.push(processHost);
    const { host } = processHost;
    const { wall, metrics, log } = host;
    const startTime = wall.now();
    let check = (): Promise<void> => Promise.reject(new Error("the service is starting"));
    const admin = await startAdmin({
      host: host.listen(name).host,
      port: processHost.metricsPort,
      metrics,
      log,
      health: {
        checks: [{ name: "database", critical: true, check: () => check() }],
        version: processHost.version,
        wall,
        startTime,
        ready: () => ready,
      },
    });
    running.push(admin);
    const service = await start(host, env);
    check = service.check;
    running.push(service);
    ready = signals === 0;
    log.info({ service: name, port: service.port, metrics_port: admin.port }, "serving");
    await untilSignalled;
    log.info({ service: name }, "stopping");
    void wall.sleep(stopMs).then(() => {
      log.error({ service: name }, "did not stop in time");
      process.exit(1);
    });
    await stopAll(running);
    await flushSpans(wall);
    log.info({ service: name }, "stopped");
    process.exit(0);
  } catch (error) {
    await stopAll(running).catch(() => undefined);
    console.error(error instanceof ConfigError ? `${name}: ${error.message}` : error);
    process.exit(1);
  }
}
