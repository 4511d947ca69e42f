/** The database cluster: the folder of PostgreSQL's data, and the password of its superuser. */
import { spawn, type SpawnOptions } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chown,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import type { WallClock } from "../runtime/clock.js";
import { replaceFile } from "./data-folder.js";
import { clusterArgument, type ServerUser } from "./postgres-user.js";
import { endWithUs, findProcess, waitUntilGone } from "./processes.js";
import { StartError } from "./start-error.js";

export const superuser = "postgres";
const majorVersion = "17";
const passwordFile = "postgres-password";
const halfMade = "postgres.new-";

/** @throws StartError when the cluster, if there is one, was made by another PostgreSQL. */
export async function checkVersion(cluster: string, folder: string): Promise<void> {
  const version = await readFile(join(cluster, "PG_VERSION"), "utf8").catch(() => undefined);
  if (version === undefined || version.trim() === majorVersion) return;
  throw new StartError(
    `the data folder ${folder} holds data of PostgreSQL ${version.trim()}, this version of Ridemesh runs ${majorVersion}: ` +
      `choose another with --data-dir, and move the data with pg_dump of PostgreSQL ${version.trim()}`,
  );
}

/**
 * Kept in a file that only the server's user, and root, can read: initdb reads it as that user.
 * It is made before the cluster, and belongs to it.
 *
 * @throws StartError when it is lost.
 */
export async function superuserPassword(
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

/**
 * Makes the cluster where there is none. It gets its name when it is complete; what a killed first
 * start left half made is removed.
 *
 * @throws StartError with what initdb says, when that fails; the signal's reason, when it aborts.
 */
export async function initialise(options: {
  folder: string;
  cluster: string;
  initdb: string;
  user: ServerUser;
  wall: WallClock;
  signal?: AbortSignal;
}): Promise<void> {
  const { folder, cluster, initdb, user, signal } = options;
  if (await exists(cluster)) return;
  await removeHalfMade(folder, options.wall);
  const fresh = join(folder, `${halfMade}${process.pid}`);
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
    endWithUs(child, "SIGTERM");
    const cut = (): void => void child.kill("SIGTERM");
    signal?.addEventListener("abort", cut);
    if (signal?.aborted) cut();
    if (child.pid !== undefined) await writeFile(`${fresh}.pid`, String(child.pid));
    let complaints = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (complaints += text));
    const [code] = (await once(child, "close")) as [number | null];
    signal?.removeEventListener("abort", cut);
    signal?.throwIfAborted();
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
  await rm(`${fresh}.pid`);
}

/** An initdb that outlived its Node is waited for: robbed of its folder it leaves shared memory. */
async function removeHalfMade(folder: string, wall: WallClock): Promise<void> {
  const entries = (await readdir(folder)).filter((entry) => entry.startsWith(halfMade));
  for (const entry of entries.filter((name) => name.endsWith(".pid"))) {
    const pid = Number(await readFile(join(folder, entry), "utf8"));
    const running = await findProcess(pid);
    if (running && /(^|\/)initdb /.test(running.command)) {
      await waitUntilGone(pid, { timeoutMs: 10_000, wall });
    }
  }
  for (const entry of entries) {
    await rm(join(folder, entry), { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * How PostgreSQL's programs are run. Nothing of our environment: variables such as PGDATA or LC_ALL would change what
 * they do.
 */
export function spawnOptions(cwd: string, user: ServerUser): SpawnOptions {
  return { cwd, ...user, env: { LC_ALL: "C", TZ: "UTC" } };
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
