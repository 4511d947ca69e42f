/**
 * The embedded PostgreSQL: a real server of our own, in the data folder, for this machine only.
 *
 * It runs in a session of its own, so that Ctrl-C in a terminal does not end it before the services
 * have closed their connections; it therefore outlives a killed Node, and the next start stops it.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { access, constants, open, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { wallClock, type WallClock } from "../runtime/clock.js";
import type { Logger } from "../runtime/log.js";
import { openDataFolder, replaceFile, rotateLog } from "./data-folder.js";
import {
  checkVersion,
  initialise,
  spawnOptions,
  superuser,
  superuserPassword,
} from "./postgres-cluster.js";
import { findBinaries } from "./postgres-binaries.js";
import { clearLeftover, clusterMark, readPidFile } from "./postgres-leftover.js";
import { clusterArgument, serverUser, type ServerUser } from "./postgres-user.js";
import { endWithUs } from "./processes.js";
import { StartError } from "./start-error.js";

/** On the command line, where they win over what a person writes into postgresql.conf. */
const commonSettings = {
  listen_addresses: "127.0.0.1",
  // In the cluster's own folder, which is closed to other users.
  unix_socket_directories: ".",
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
  max_wal_size: "256MB",
  // In the data folder, so that nothing is left when that is removed.
  dynamic_shared_memory_type: "mmap",
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
 * @throws StartError with what to do, when it cannot; the signal's reason, when it aborts before the
 * server is ready. Nothing is left running then.
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
  signal?: AbortSignal;
}): Promise<EmbeddedPostgres> {
  const { log, wall = wallClock, port = 0, signal } = options;
  const folder = await openDataFolder(options.dataDir, { wall });
  try {
    const cluster = join(folder.path, "postgres");
    await checkVersion(cluster, folder.path);
    const user = await serverUser(cluster);
    const binaries = await findBinaries({ user, folder: options.binariesFolder });
    const password = await superuserPassword(folder.path, cluster, user);
    await clearLeftover(cluster, { wall, log });
    signal?.throwIfAborted();
    await initialise({ folder: folder.path, cluster, initdb: binaries.initdb, user, wall, signal });
    signal?.throwIfAborted();
    const server = await launch({
      program: binaries.postgres,
      cluster,
      user,
      logFile: join(folder.path, "postgres.log"),
      settings: { ...commonSettings, ...(options.settings === "test" ? testSettings : {}) },
      port,
      portFile: join(folder.path, "postgres-port"),
      wall,
      signal,
    });
    const host = encodeURIComponent(await hostOf(server.child.pid!, server.port));
    const url = (role: string, secret: string): string =>
      `postgres://${encodeURIComponent(role)}:${encodeURIComponent(secret)}@${host}:${server.port}/postgres`;
    return {
      port: server.port,
      pid: server.child.pid!,
      superuserUrl: url(superuser, password),
      url,
      ...supervise(server.child, { wall, log, release: folder.release }),
    };
  } catch (error) {
    await folder.release();
    if (error instanceof StartError || signal?.aborted) throw error;
    throw new StartError(
      `PostgreSQL cannot be started in ${folder.path} (${(error as Error).message}): put that right, or choose another folder with --data-dir`,
      { cause: error },
    );
  }
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
  signal: AbortSignal | undefined;
}

async function launch(options: Launch): Promise<{ child: ChildProcess; port: number }> {
  const { logFile, portFile, wall } = options;
  await rotateLog(logFile);
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
  const { cluster, user, wall, signal } = options;
  const settings = Object.entries({ ...options.settings, port: String(port) });
  const args = [
    "-D",
    await clusterArgument(cluster, user),
    ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    "-c",
    clusterMark(cluster),
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
    endWithUs(child, "SIGINT");
    let cut = false;
    while (!hasEnded(child)) {
      const file = await readPidFile(cluster);
      if (!signal?.aborted && file?.pid === child.pid && file?.ready) return { child };
      if (signal?.aborted && !cut) cut = child.kill("SIGINT");
      await wall.sleep(5);
    }
    signal?.throwIfAborted();
    const complaints = (await readFile(options.logFile)).subarray(size).toString();
    const reason = complaints.match(/FATAL: .*/g)?.pop() ?? complaints.trim().split("\n").pop();
    return { child, failure: reason || `it ended with ${child.signalCode ?? child.exitCode}` };
  } finally {
    await logged.close();
  }
}

/**
 * Where clients on this machine find the server: the folder of its socket, by a path that is short
 * enough for one however deep the data folder lies, or the loopback address where there is no such
 * path. A statement over the socket takes about a quarter less processor time.
 */
async function hostOf(pid: number, port: number): Promise<string> {
  const folder = `/proc/${pid}/cwd`;
  const isThere = await access(`${folder}/.s.PGSQL.${port}`, constants.W_OK).then(
    () => true,
    () => false,
  );
  return isThere ? folder : "127.0.0.1";
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
  // A server that nobody uses does not keep Node running.
  child.unref();
  const stop = async (): Promise<void> => {
    child.ref();
    // Fast shutdown; immediate shutdown, from which the next start recovers; the end.
    const steps = [["SIGINT", 3500] as const, ["SIGQUIT", 500] as const, ["SIGKILL", 400] as const];
    for (const [signal, patienceMs] of steps) {
      if (hasEnded(child)) break;
      child.kill(signal);
      const waiting = new AbortController();
      await Promise.race([ended, deps.wall.sleep(patienceMs, waiting.signal)]);
      waiting.abort();
    }
    await deps.release();
  };
  return { ended, stop: () => (stopping ??= stop()) };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** A port of 127.0.0.1 that is free now; another process may still be faster. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
