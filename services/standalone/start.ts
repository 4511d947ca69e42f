/** Starts the platform on this machine, over embedded PostgreSQL, with or without the demo city. */
import { join, relative } from "node:path";
import { startDemo, type Demo } from "../../gateway/simulator/demo.js";
import { domainClock, wallClock } from "../runtime/clock.js";
import type { Runnable } from "../runtime/lifecycle.js";
import { stopAll } from "../runtime/lifecycle.js";
import { createLogger, silentLogger } from "../runtime/log.js";
import { flushSpans } from "../runtime/tracing.js";
import { bannerText } from "./banner.js";
import { loadDemoAccounts } from "./demo-accounts.js";
import { serveMetrics } from "./metrics-port.js";
import type { Options } from "./options.js";
import { startPlatform } from "./platform.js";
import { startEmbeddedPostgres } from "./postgres.js";
import { loadDataKeys } from "./secrets-file.js";
import { StartError } from "./start-error.js";

const usualMetricsPort = 9464;

export interface Started extends Runnable {
  url: string;
  banner: string;
  /** One line on how things are. */
  status: () => Promise<string>;
  /** Resolves when the platform can no longer go on, with the reason. */
  failed: Promise<string>;
}

/** Starts everything. Throws a StartError that says what to do, with nothing left running. */
export async function start(options: Options): Promise<Started> {
  const wall = wallClock;
  const beganMs = wall.monotonicMs();
  const running: Runnable[] = [];
  const logFile = join(options.dataDir, "ridemesh.log");
  try {
    const postgres = await startEmbeddedPostgres({
      dataDir: options.dataDir,
      // The folder is not ours to write to before this has taken it; the server has a log of its own.
      log: silentLogger,
    });
    running.push(postgres);
    const log = createLogger({ level: "info", destination: logFile });
    const accounts = options.demo ? await loadDemoAccounts(options.dataDir) : undefined;
    const platform = await startPlatform({
      superuserUrl: postgres.superuserUrl,
      dataDir: options.dataDir,
      dataKeys: await loadDataKeys(options.dataDir),
      identity: {
        bcryptCost: 12,
        temporaryData: false,
        firstAccounts: accounts ? [accounts.admin, accounts.viewer, accounts.otherAdmin] : [],
      },
      gateway: { host: "127.0.0.1", port: options.port },
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
    });
    running.push(platform);
    const metrics = await serveMetrics(platform.metrics, usualMetricsPort);
    running.push(metrics);
    let demo: Demo | undefined;
    if (accounts) {
      demo = startDemo({ url: platform.url, dataDir: options.dataDir, accounts, log, wall });
      running.push(demo);
    }
    const url = `http://localhost:${platform.gatewayPort}`;
    return {
      url,
      banner: bannerText({
        seconds: (wall.monotonicMs() - beganMs) / 1000,
        url,
        metricsUrl: `http://localhost:${metrics.port}/metrics`,
        dataDir: relative(".", options.dataDir) || ".",
        demo: accounts,
      }),
      status: () => Promise.resolve(demo ? demo.status() : "running"),
      failed: postgres.ended.then(() => "PostgreSQL has stopped; the log is in the data folder"),
      stop: async () => {
        await stopAll(running);
        await flushSpans(wall);
      },
    };
  } catch (error) {
    await stopAll(running).catch(() => undefined);
    throw portInUse(error, options.port) ?? error;
  }
}

function portInUse(error: unknown, port: number): StartError | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === "EADDRINUSE") {
    return new StartError(
      `port ${port} is in use; choose another with --port, or 0 for a free one`,
    );
  }
  if (code === "EACCES") {
    return new StartError(`port ${port} may not be opened by this user; choose one above 1023`);
  }
  return undefined;
}
