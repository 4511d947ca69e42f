/** What a killed run has left behind: a server that still holds the cluster, or its pid file. */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { WallClock } from "../runtime/clock.js";
import type { Logger } from "../runtime/log.js";
import { findProcess, sendSignal, waitUntilGone, type RunningProcess } from "./processes.js";
import { StartError } from "./start-error.js";

/**
 * The server argument that names the cluster for every process that looks: the -D argument may be
 * relative, and another user's working folder cannot be seen. PostgreSQL ignores settings with a dot.
 */
export function clusterMark(cluster: string): string {
  return `ridemesh.cluster=${cluster}`;
}

/** What PostgreSQL writes into postmaster.pid. */
export interface PidFile {
  pid: number;
  ready: boolean;
}

/** The cluster's pid file, or undefined when there is none. */
export async function readPidFile(cluster: string): Promise<PidFile | undefined> {
  const content = await readFile(pidFile(cluster), "utf8").catch(() => undefined);
  if (content === undefined) return undefined;
  const lines = content.split("\n");
  return { pid: Number(lines[0]), ready: lines[7]?.trim() === "ready" };
}

function pidFile(cluster: string): string {
  return join(cluster, "postmaster.pid");
}

/**
 * Makes the cluster (an absolute path without links) free to start on: stops a server that still runs
 * on it, and keeps a stale pid file from stopping ours.
 *
 * @throws StartError when the server cannot be stopped.
 */
export async function clearLeftover(
  cluster: string,
  deps: { wall: WallClock; log: Logger },
): Promise<void> {
  const found = await readPidFile(cluster);
  if (!found) return;
  const server = await findProcess(found.pid);
  if (server && isServerOf(server, cluster)) {
    deps.log.warn({ pid: found.pid }, "stopping the PostgreSQL that a killed run has left");
    await stopServer(found.pid, cluster, deps.wall);
  }
  await disarm(cluster);
  await removeSockets(cluster);
}

/** Whether the process is a PostgreSQL that runs on this cluster. */
function isServerOf(server: RunningProcess, cluster: string): boolean {
  if (!/(^|\/)postgres /.test(server.command)) return false;
  // The working folder is the cluster, and follows it when it is moved.
  if (server.folder !== undefined) return server.folder === cluster;
  return server.command.endsWith(clusterMark(cluster));
}

async function stopServer(pid: number, cluster: string, wall: WallClock): Promise<void> {
  try {
    // Fast shutdown; immediate shutdown, from which the next start recovers; the end.
    for (const signal of ["SIGINT", "SIGQUIT", "SIGKILL"] as const) {
      if (!sendSignal(pid, signal)) return;
      if (await waitUntilGone(pid, { timeoutMs: 3000, wall })) return;
    }
  } catch {
    // Not ours to stop: said below.
  }
  throw new StartError(
    `a PostgreSQL with process id ${pid} still runs on ${cluster} and cannot be stopped: stop it, then start again`,
  );
}

/** A socket of a server that is gone, and the lock on it, which names a pid as well. */
async function removeSockets(cluster: string): Promise<void> {
  const sockets = (await readdir(cluster)).filter((name) => name.startsWith(".s.PGSQL."));
  await Promise.all(sockets.map((name) => rm(join(cluster, name), { force: true })));
}

/**
 * A pid file whose pid meanwhile belongs to some other process would keep PostgreSQL from starting.
 * It takes the pid of its own parent for a stale one; with the file left in place it still finds
 * processes of the old server by their shared memory.
 */
async function disarm(cluster: string): Promise<void> {
  const content = await readFile(pidFile(cluster), "utf8").catch(() => undefined);
  if (content === undefined) return;
  await writeFile(pidFile(cluster), [process.pid, ...content.split("\n").slice(1)].join("\n"));
}
