/**
 * The platform as a replay needs it, or a test that kills it: in a process of its own, over a temporary
 * data folder, without limits, its clock in the hand of the parent process. Spoken to over Node's IPC
 * channel.
 */
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { steerableClock, wallClock } from "../runtime/clock.js";
import { stopAll, type Runnable } from "../runtime/lifecycle.js";
import { createLogger } from "../runtime/log.js";
import { loadDemoAccounts } from "./demo-accounts.js";
import { startPlatform } from "./platform.js";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "./postgres.js";
import { loadDataKeys } from "./secrets-file.js";

/** What the parent wants, as JSON in the first argument; nothing of it is needed. */
export interface SimulationOptions {
  /** A data folder that is kept, over which nothing is lost when the process is killed. */
  dataDir: string;
  /** What the domain clock shows, and when. */
  course: { originMs: number; wallOriginMs: number };
}

/**
 * What the parent says. The clock is set as of `wallOriginMs`, or now; without `originMs` it goes on
 * from what it shows, at another rate.
 */
export type SimulationCommand =
  | { kind: "steer"; originMs?: number; rate: number; wallOriginMs?: number }
  | { kind: "usage" }
  | { kind: "stop" };

/** What the platform says. */
export type SimulationMessage =
  | {
      kind: "ready";
      url: string;
      databaseUrl: string;
      admin: { operator: string; email: string; password: string };
    }
  | { kind: "steered"; originMs: number; wallOriginMs: number }
  | { kind: "usage"; platformCpuSeconds: number; postgresCpuSeconds: number; peakRssBytes: number }
  | { kind: "failed"; message: string };

const say = (message: SimulationMessage): void => {
  process.send?.(message);
};

const running: Runnable[] = [];
const given = process.argv[2];
const wanted = given === undefined ? undefined : (JSON.parse(given) as SimulationOptions);
const folder = wanted?.dataDir ?? (await mkdtemp(join(tmpdir(), "ridemesh-replay-")));
if (!wanted) {
  running.push({ stop: () => rm(folder, { recursive: true, force: true, maxRetries: 3 }) });
}
const interrupted = new AbortController();
const start: { work: Promise<void> } = { work: Promise.resolve() };
let stopping = false;
const stop = (code: number): void => {
  if (stopping) return;
  stopping = true;
  interrupted.abort();
  void start.work
    .then(() => stopAll(running))
    .then(
      () => process.exit(code),
      () => process.exit(1),
    );
};
process.on("disconnect", () => stop(0));
process.on("SIGTERM", () => stop(0));
// The terminal's Ctrl-C reaches us too; the parent decides when to stop.
process.on("SIGINT", () => undefined);

const wall = wallClock;
const clock = steerableClock(wall);
const course = wanted?.course ?? {
  originMs: Date.parse("2019-03-06T00:00:00Z"),
  wallOriginMs: wall.now().getTime(),
};
clock.steer({
  origin: new Date(course.originMs),
  rate: 1,
  wallOrigin: new Date(course.wallOriginMs),
});
let postgres: EmbeddedPostgres;

async function begin(): Promise<void> {
  const { signal } = interrupted;
  const logging = { level: "warn", destination: join(folder, "ridemesh.log") };
  const log = createLogger(logging);
  const dataDir = join(folder, "data");
  const settings = wanted ? "durable" : "test";
  postgres = await startEmbeddedPostgres({ dataDir, log, settings, signal });
  running.push(postgres);
  const accounts = await loadDemoAccounts(folder);
  const platform = await startPlatform({
    superuserUrl: postgres.superuserUrl,
    dataDir,
    dataKeys: await loadDataKeys(folder),
    identity: { bcryptCost: 4, temporaryData: true, firstAccounts: [accounts.admin] },
    gateway: { host: "127.0.0.1", port: 0, limits: { perMinute: 0, burst: 0 } },
    wall,
    domain: clock,
    log,
    gatewayThread: { log: logging },
    signal,
  });
  running.push(platform);
  const { email, password, tenantId: operator } = accounts.admin;
  const databaseUrl = postgres.superuserUrl;
  say({ kind: "ready", url: platform.url, databaseUrl, admin: { operator, email, password } });
}

start.work = begin().catch((error: unknown) => {
  say({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  stop(1);
});

process.on("message", (command: SimulationCommand) => {
  switch (command.kind) {
    case "steer": {
      const originMs = command.originMs ?? clock.now().getTime();
      const wallOriginMs = command.wallOriginMs ?? wall.now().getTime();
      clock.steer({
        origin: new Date(originMs),
        rate: command.rate,
        wallOrigin: new Date(wallOriginMs),
      });
      say({ kind: "steered", originMs, wallOriginMs });
      return;
    }
    case "usage":
      void usage().then(say);
      return;
    case "stop":
      stop(0);
      return;
  }
});

async function usage(): Promise<SimulationMessage> {
  const { user, system } = process.cpuUsage();
  return {
    kind: "usage",
    platformCpuSeconds: (user + system) / 1e6,
    postgresCpuSeconds: await familyCpuSeconds(postgres.pid),
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  };
}

/** CPU time of a process and its children, the ended ones included; 0 where /proc is not there. */
async function familyCpuSeconds(pid: number): Promise<number> {
  const clockTicks = 100;
  let ticks = 0;
  for (const entry of await readdir("/proc").catch(() => [])) {
    if (!/^[0-9]+$/.test(entry)) continue;
    const text = await readFile(`/proc/${entry}/stat`, "latin1").catch(() => "");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const own = Number(entry) === pid;
    if (!own && Number(fields[1]) !== pid) continue;
    // utime, stime; of the server itself also those of its ended children.
    const used = fields.slice(11, own ? 15 : 13).map(Number);
    ticks += used.reduce((sum, value) => sum + value, 0);
  }
  return ticks / clockTicks;
}
