/**
 * The embedded PostgreSQL: a real server of our own, in the data folder, for this machine only.
 *
 * It runs in a session of its own, so that Ctrl-C in a terminal does not end it before the services
 * have closed their connections; it therefore outlives a killed Node, and the next start stops it.
 */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chown, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { wallClock, type WallClock } from "../runtime/clock.js";
import type { Logger } from "../runtime/log.js";
import { openDataFolder, replaceFile } from "./data-folder.js";
import { findBinaries } from "./postgres-binaries.js";
import { clearLeftover, clusterMark, readPidFile } from "./postgres-leftover.js";
import { clusterArgument, serverUser, type ServerUser } from "./postgres-user.js";
import { StartError } from "./start-error.js";

const majorVersion = "17";
const superuser = "postgres";
const passwordFile = "postgres-password";
const maxLogBytes = 16 * 1024 * 1024;

/** On the command line, where they win over what a person writes into postgresql.conf. */
const commonSettings = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  // Eleven services and the bus with pools of 5, migrations, relays' listeners, and room to look in.
  max_connections: "200",
  timezone: "UTC",
  log_timezone: "UTC",
  log_checkpoints: "off",
  // Short statements only: compiling them costs more than it saves.
  jit: "off",
};

/** Everything is lost with the machine: never for data that anybody wants to keep. */
const testSettings = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  wal_level: "minimal",
  max_wal_senders: "0",
};

export interface EmbeddedPostgres {
  port: number;
  /** The server's process id. */
  pid: number;
  /** The database "postgres" as the superuser. */
  superuserUrl: string;
  /** The same database as this role. */
  url(role: string, password: string): string;
  /** Resolves when the server has ended, for whatever reason. */
  ended: Promise<void>;
  /** Ends the server within 5 s, and lets other processes use the data folder. Safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Starts a server on this data folder, which is made where it is missing. Stops one that a killed run
 * has left there.
 *
 * @throws StartError with what to do, when it cannot.
 */
export async function startEmbeddedPostgres(options: {
  dataDir: string;
  /** 0, the default, takes the port of the last time, or a free one. */
  port?: number;
  log: Logger;
  /** "test" is faster, and loses data when the machine stops. */
  settings?: "durable" | "test";
  /** A folder with PostgreSQL's bin, lib and share, instead of that of the npm package. */
  binariesFolder?: string;
  wall?: WallClock;
}): Promise<EmbeddedPostgres> {
  const { log, wall = wallClock, port = 0 } = options;
  const folder = await openDataFolder(options.dataDir, { wall });
  try {
    const cluster = join(folder.path, "postgres");
    await checkVersion(cluster, folder.path);
    const user = await serverUser(cluster);
    const binaries = await findBinaries({ user, folder: options.binariesFolder });
    const password = await superuserPassword(folder.path, cluster, user);
    await clearLeftover(cluster, { wall, log });
    await initialise({ folder: folder.path, cluster, initdb: binaries.initdb, user });
    const server = await launch({
      program: binaries.postgres,
      cluster,
      user,
      logFile: join(folder.path, "postgres.log"),
      settings: { ...commonSettings, ...(options.settings === "test" ? testSettings : {}) },
      port,
      portFile: join(folder.path, "postgres-port"),
      wall,
    });
    const url = (role: string, secret: string): string =>
      `postgres://${encodeURIComponent(role)}:${encodeURIComponent(secret)}@127.0.0.1:${server.port}/postgres`;
    return {
      port: server.port,
      pid: server.child.pid!,
      superuserUrl: url(superuser, password),
      url,
      ...supervise(server.child, { wall, log, release: folder.release }),
    };
  } catch (error) {
    await folder.release();
    if (error instanceof StartError) throw error;
    throw new StartError(
      `PostgreSQL cannot be started in ${folder.path} (${(error as Error).message}): put that right, or choose another folder with --data-dir`,
      { cause: error },
    );
  }
}

async function checkVersion(cluster: string, folder: string): Promise<void> {
  const version = await readFile(join(cluster, "PG_VERSION"), "utf8").catch(() => undefined);
  if (version === undefined || version.trim() === majorVersion) return;
  throw new StartError(
    `the data folder ${folder} holds data of PostgreSQL ${version.trim()}, this version of Ridemesh runs ${majorVersion}: ` +
      `choose another with --data-dir, and move the data with pg_dump of PostgreSQL ${version.trim()}`,
  );
}

/**
 * Kept in a file that only the server's user, and root, can read: initdb reads it as that user.
 * It is made with the cluster, and belongs to it.
 */
async function superuserPassword(
  folder: string,
  cluster: string,
  user: ServerUser,
): Promise<string> {
  const path = join(folder, passwordFile);
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (!isMissing || (await exists(cluster))) {
      throw new StartError(
        `cannot read ${path}, the key to the database beside it: restore that file, or choose another folder with --data-dir`,
        { cause: error },
      );
    }
  }
  const password = randomBytes(24).toString("base64url");
  await replaceFile(path, `${password}\n`);
  if (user) await chown(path, user.uid, user.gid);
  return password;
}

/** Makes the cluster where there is none; one that a killed first start left half made is removed. */
async function initialise(options: {
  folder: string;
  cluster: string;
  initdb: string;
  user: ServerUser;
}): Promise<void> {
  const { folder, cluster, initdb, user } = options;
  if (await exists(cluster)) return;
  const prefix = "postgres.new-";
  for (const entry of await readdir(folder)) {
    if (entry.startsWith(prefix)) await rm(join(folder, entry), { recursive: true, maxRetries: 5 });
  }
  const fresh = join(folder, `${prefix}${process.pid}`);
  await mkdir(fresh, { mode: 0o700 });
  if (user) await chown(fresh, user.uid, user.gid);
  const locale =
    process.platform === "darwin"
      ? ["--locale=C", "--lc-ctype=UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
      : ["--locale=C.UTF-8"];
  const password = await open(join(folder, passwordFile));
  try {
    const child = spawn(
      initdb,
      [
        `--pgdata=${await clusterArgument(fresh, user)}`,
        `--username=${superuser}`,
        "--auth=scram-sha-256",
        // By its descriptor, since the server's user may have no way to the folder.
        "--pwfile=/dev/stdin",
        "--encoding=UTF8",
        ...locale,
        // Costs a third of the first start; the system writes it back by itself within seconds.
        "--no-sync",
        "--no-instructions",
      ],
      { ...spawnOptions(fresh, user), stdio: [password.fd, "ignore", "pipe"] },
    );
    let complaints = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (complaints += text));
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) {
      const reason = complaints.match(/(?:FATAL|error): *.*/g)?.pop() ?? complaints;
      throw new StartError(
        `cannot make a database in ${folder} (${reason.trim()}): put that right, or choose another folder with --data-dir`,
      );
    }
  } finally {
    await password.close();
  }
  await rename(fresh, cluster);
}

interface Launch {
  program: string;
  cluster: string;
  user: ServerUser;
  logFile: string;
  settings: Record<string, string>;
  port: number;
  portFile: string;
  wall: WallClock;
}

async function launch(options: Launch): Promise<{ child: ChildProcess; port: number }> {
  const { logFile, portFile, wall } = options;
  await rotate(logFile);
  let port = options.port || Number(await readFile(portFile, "utf8").catch(() => "0"));
  let busyPorts = 0;
  for (let attempt = 1; ; attempt += 1) {
    port ||= await freePort();
    const { child, failure } = await launchOnce(options, port);
    if (failure === undefined) {
      if (!options.port) await replaceFile(portFile, `${port}\n`);
      return { child, port };
    }
    // The last processes of a server that was killed take a moment to notice it.
    if (/shared memory block/.test(failure) && attempt < 100) {
      await wall.sleep(50);
    } else if (
      /could not create any TCP\/IP sockets/.test(failure) &&
      !options.port &&
      ++busyPorts < 5
    ) {
      port = 0;
    } else if (/could not create any TCP\/IP sockets/.test(failure)) {
      throw new StartError(
        `PostgreSQL cannot listen on port ${port} of 127.0.0.1: stop what uses it, or choose another`,
      );
    } else {
      throw new StartError(`PostgreSQL did not start: ${failure}; see ${logFile}`);
    }
  }
}

/** A server that is ready, or the reason that it gave for not becoming so. */
async function launchOnce(
  options: Launch,
  port: number,
): Promise<{ child: ChildProcess; failure?: string }> {
  const { cluster, user, wall } = options;
  const settings = Object.entries({ ...options.settings, port: String(port) });
  const args = [
    ...["-D", await clusterArgument(cluster, user)],
    ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ...["-c", clusterMark(cluster)],
  ];
  // A file and not a pipe: a pipe would fill, or break, when Node hangs or is killed.
  const logged = await open(options.logFile, "a", 0o600);
  try {
    const { size } = await logged.stat();
    const child = spawn(options.program, args, {
      ...spawnOptions(cluster, user),
      detached: true,
      stdio: ["ignore", logged.fd, logged.fd],
    });
    if (child.pid === undefined) throw ((await once(child, "error")) as [Error])[0];
    while (!hasEnded(child)) {
      const file = await readPidFile(cluster);
      if (file?.pid === child.pid && file?.ready) return { child };
      await wall.sleep(5);
    }
    const complaints = (await readFile(options.logFile)).subarray(size).toString();
    const reason = complaints.match(/FATAL: .*/g)?.pop() ?? complaints.trim().split("\n").pop();
    return { child, failure: reason || `it ended with ${child.signalCode ?? child.exitCode}` };
  } finally {
    await logged.close();
  }
}

function supervise(
  child: ChildProcess,
  deps: { wall: WallClock; log: Logger; release: () => Promise<void> },
): Pick<EmbeddedPostgres, "ended" | "stop"> {
  let stopping: Promise<void> | undefined;
  const ended = new Promise<void>((resolve) => {
    if (hasEnded(child)) resolve();
    else child.once("exit", () => resolve());
  });
  void ended.then(() => {
    if (stopping) return;
    deps.log.error({ code: child.exitCode, signal: child.signalCode }, "PostgreSQL has ended");
  });
  // For a process that exits without stopping it.
  const endWithNode = (): void => void child.kill("SIGINT");
  process.once("exit", endWithNode);
  // A server that nobody uses does not keep Node running.
  child.unref();
  const stop = async (): Promise<void> => {
    child.ref();
    // Fast shutdown; immediate shutdown, from which the next start recovers; the end.
    const steps = [["SIGINT", 4000] as const, ["SIGQUIT", 500] as const, ["SIGKILL", 400] as const];
    for (const [signal, patienceMs] of steps) {
      if (hasEnded(child)) break;
      child.kill(signal);
      const waiting = new AbortController();
      await Promise.race([ended, deps.wall.sleep(patienceMs, waiting.signal)]);
      waiting.abort();
    }
    process.off("exit", endWithNode);
    await deps.release();
  };
  return { ended, stop: () => (stopping ??= stop()) };
}

/** Nothing of our environment: variables such as PGDATA or LC_ALL would change what the programs do. */
function spawnOptions(cwd: string, user: ServerUser): SpawnOptions {
  return { cwd, ...user, env: { LC_ALL: "C", TZ: "UTC" } };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function rotate(logFile: string): Promise<void> {
  const size = (await stat(logFile).catch(() => undefined))?.size ?? 0;
  if (size > maxLogBytes) await rename(logFile, `${logFile}.1`);
}

/** A port of 127.0.0.1 that is free now; another process may still be faster. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
