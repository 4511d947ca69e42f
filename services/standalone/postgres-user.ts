/** Which system user the embedded PostgreSQL runs as: it refuses to run as root. */
import { execFile } from "node:child_process";
import { chmod, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { StartError } from "./start-error.js";

const run = promisify(execFile);

/** The numeric ids to run as, or undefined for those of this process. */
export type ServerUser = { uid: number; gid: number } | undefined;

/**
 * The user for the cluster in this folder. Root hands over to the cluster's owner, or, before there is
 * a cluster, to the system user `name`, which is made where it is missing.
 *
 * @throws StartError when that user cannot be made.
 */
export async function serverUser(cluster: string, name = "postgres"): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(cluster).catch(() => undefined);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const known = (await lookUp(name)) ?? (await make(name));
  if (known) return known;
  throw new StartError(
    `PostgreSQL does not run as root, and the user "${name}" could not be made: ` +
      `start as an ordinary user, or make that user with "useradd --system ${name}"`,
  );
}

async function lookUp(name: string): Promise<ServerUser> {
  try {
    const [uid, gid] = await Promise.all([run("id", ["-u", name]), run("id", ["-g", name])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined;
  }
}

async function make(name: string): Promise<ServerUser> {
  const shadow = ["--system", "--no-create-home", "--home-dir", "/", "--shell", "/bin/false"];
  const attempts: [string, string[]][] = [
    ["useradd", [...shadow, "--user-group", name]],
    // Where a group of that name is left over.
    ["useradd", [...shadow, "--gid", name, name]],
    // BusyBox.
    ["adduser", ["-S", "-D", "-H", name]],
  ];
  for (const [command, args] of attempts) {
    try {
      await run(command, args);
      return await lookUp(name);
    } catch {
      // The next way is tried.
    }
  }
  return undefined;
}

/**
 * How the server, started with `cluster` as its working folder, is told where the cluster is. Root's
 * folders are often closed to its user; on Linux the way by /proc into the working folder stays open.
 *
 * @throws StartError where that user cannot get there.
 */
export async function clusterArgument(
  cluster: string,
  user: ServerUser,
  platform: NodeJS.Platform = process.platform,
): Promise<string> {
  if (!user) return cluster;
  if (platform === "linux") return "/proc/self/cwd";
  const folder = dirname(cluster);
  await chmod(folder, 0o711);
  try {
    await run("/bin/sh", ["-c", 'cd "$1"', "sh", cluster], { ...user, cwd: "/" });
    return cluster;
  } catch {
    throw new StartError(
      `PostgreSQL does not run as root, and the user it runs as (id ${user.uid}) cannot enter ${folder}: ` +
        `choose another with --data-dir below folders that everybody may enter, or start as an ordinary user`,
    );
  }
}
