/** Starts the platform on this machine, over embedded PostgreSQL, with or without the demo city. */
import { once } from "node:events";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import pg from "pg";
import type { Demo } from "../../gateway/simulator/demo.js";
import { domainClock, wallClock } from "../runtime/clock.js";
import type { Runnable } from "../runtime/lifecycle.js";
import { stopAll } from "../runtime/lifecycle.js";
import { createLogger, silentLogger } from "../runtime/log.js";
import { flushSpans } from "../runtime/tracing.js";
import { bannerText } from "./banner.js";
import { standaloneConfig } from "./config.js";
import { reasonOf, rotateLog } from "./data-folder.js";
import { loadDemoAccounts, type DemoAccount } from "./demo-accounts.js";
import { serveMetrics } from "./metrics-port.js";
import type { Options } from "./options.js";
import { startEmbeddedPostgres } from "./postgres.js";
import { loadDataKeys } from "./secrets-file.js";
import { StartError } from "./start-error.js";

const usualMetricsPort = 9464;

export interface Started extends Runnable {
  url: string;
  banner: string;
  /** One line on how things are. */
  status: () => string;
  /** Resolves when the platform can no longer go on, with the reason. */
  failed: Promise<string>;
}

/**
 * Starts everything.
 *
 * @throws StartError that says what to do; the signal's reason, when it aborts before all is ready.
 * Nothing is left running then.
 */
export async function start(options: Options, signal?: AbortSignal): Promise<Started> {
  const wall = wallClock;
  const running: Runnable[] = [];
  const logFile = join(options.dataDir, "ridemesh.log");
  try {
    const { logLevel, gateway, settings } = standaloneConfig();
    await checkPort(options.port);
    const postgres = await startEmbeddedPostgres({
      dataDir: options.dataDir,
      // The folder is not ours to write to before this has taken it; the server has a log of its own.
      log: silentLogger,
      signal,
    });
    running.push(postgres);
    // Most of the program. Loaded only now, so that a folder or a port is refused without delay.
    const [{ startPlatform }, { startDemo }] = await Promise.all([
      import("./platform.js"),
      import("../../gateway/simulator/demo.js"),
    ]);
    signal?.throwIfAborted();
    await rotateLog(logFile);
    const logging = { level: logLevel, destination: logFile };
    const log = createLogger(logging);
    const isUsed = () => hasTables(postgres.superuserUrl);
    const accounts = options.demo ? await loadDemoAccounts(options.dataDir, isUsed) : undefined;
    const platform = await startPlatform({
      superuserUrl: postgres.superuserUrl,
      dataDir: options.dataDir,
      dataKeys: await loadDataKeys(options.dataDir, isUsed),
      identity: {
        bcryptCost: 12,
        temporaryData: false,
        firstAccounts: accounts ? Object.values<DemoAccount>({ ...accounts }) : [],
      },
      gateway: { ...gateway, port: options.port },
      settings,
      ...(accounts
        ? {
            demoViewer: {
              operator: accounts.viewer.tenantId,
              email: accounts.viewer.email,
              password: accounts.viewer.password,
            },
          }
        : {}),
      wall,
      domain: domainClock({ wall }),
      log,
      gatewayThread: { log: logging },
      signal,
    });
    running.push(platform);
    const metrics = await serveMetrics(() => platform.metrics(), usualMetricsPort);
    running.push(metrics);
    signal?.throwIfAborted();
    let demo: Demo | undefined;
    if (accounts) {
      demo = startDemo({ url: platform.url, dataDir: options.dataDir, accounts, log, wall });
      running.push(demo);
    }
    const url = platform.url.replace("127.0.0.1", "localhost");
    return {
      url,
      banner: bannerText({
        // Since this process began: loading the program is a part of the waiting.
        seconds: wall.monotonicMs() / 1000,
        url,
        metricsUrl: `http://localhost:${metrics.port}/metrics`,
        dataDir: options.dataDir,
        demo: accounts,
      }),
      status: () => `${wall.now().toTimeString().slice(0, 8)}  ${demo?.status() ?? "running"}`,
      failed: postgres.ended.then(
        () => `PostgreSQL has stopped: see ${join(resolve(options.dataDir), "postgres.log")}`,
      ),
      stop: async () => {
        await stopAll(running);
        await flushSpans(wall);
      },
    };
  } catch (error) {
    await stopAll(running).catch(() => undefined);
    throw inWords(error, options.port);
  }
}

/** Whether the platform has run over this database already. */
async function hasTables(superuserUrl: string): Promise<boolean> {
  const client = new pg.Client(superuserUrl);
  await client.connect();
  try {
    const { rowCount } = await client.query(
      "SELECT 1 FROM pg_tables WHERE schemaname = 'identity'",
    );
    return rowCount !== 0;
  } finally {
    await client.end();
  }
}

/** Sees before everything else is started whether the gateway will find its port free. */
async function checkPort(port: number): Promise<void> {
  if (port === 0) return;
  // "localhost" is both: what listens on one only would get the half of the calls.
  for (const host of ["127.0.0.1", "::1"]) {
    const server = createServer().listen({ host, port, exclusive: true });
    try {
      await once(server, "listening");
    } catch (error) {
      // A machine without IPv6.
      if (["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(codeOf(error))) continue;
      throw error;
    }
    server.close();
    await once(server, "close");
  }
}

/** What a person can mend, told so; anything else as it is. */
function inWords(error: unknown, port: number): unknown {
  const { syscall, path } = error as NodeJS.ErrnoException;
  const code = codeOf(error);
  if (syscall === "listen" && code === "EADDRINUSE") {
    return new StartError(
      `port ${port} is in use; choose another with --port, or 0 for a free one`,
    );
  }
  if (syscall === "listen" && code === "EACCES") {
    return new StartError(`port ${port} may not be opened by this user; choose one above 1023`);
  }
  // A file that was made as another user, a full disk.
  if (path !== undefined && ["EACCES", "EPERM", "EROFS", "ENOSPC", "EISDIR"].includes(code)) {
    return new StartError(
      `cannot use ${path} (${reasonOf(error)}): put that right, or choose another folder with --data-dir`,
      { cause: error },
    );
  }
  return error;
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException | undefined)?.code);
}
