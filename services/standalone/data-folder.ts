/**
 * The folder that holds everything the platform keeps on this machine. One process at a time uses it,
 * and nothing is ever written to a folder that is not ours.
 */
import {
  access,
  constants,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { join, resolve } from "node:path";
import { wallClock, type WallClock } from "../runtime/clock.js";
import { findProcess } from "./processes.js";
import { StartError } from "./start-error.js";

/** Raised when the layout of the folder changes in a way that older programs cannot read. */
const format = 1;
const versionFile = "ridemesh.json";
const lockFile = "lock";
/** What an empty folder may hold: traces of our own first start, of file systems and of desktops. */
const insignificant = /^(lock|ridemesh\.json)\..*$|^(lock|lost\+found|\.DS_Store|\.gitkeep)$/;
const choose = "choose another with --data-dir";
const maxLogBytes = 16 * 1024 * 1024;

/** A data folder that this process may use, and no other. */
export interface DataFolder {
  /** Absolute, without symbolic links. */
  path: string;
  /** Lets other processes use it. */
  release(): Promise<void>;
}

/**
 * Takes the folder for this process; makes it where it is missing. A lock left by a process that is
 * no more is taken over.
 *
 * @throws StartError when it cannot be used, is not ours, or another process uses it.
 */
export async function openDataFolder(
  path: string,
  options: { wall?: WallClock } = {},
): Promise<DataFolder> {
  const folder = await makeFolder(resolve(path));
  const isNew = await checkContents(folder);
  const release = await lock(folder, options.wall ?? wallClock);
  try {
    if (isNew) await replaceFile(join(folder, versionFile), `${JSON.stringify({ format })}\n`);
  } catch (error) {
    await release();
    throw new StartError(
      `cannot write to the data folder ${folder}: ${reasonOf(error)}; ${choose}`,
    );
  }
  return { path: folder, release };
}

/** Writes a file readable by its owner only; readers see the old content or the new, never a part. */
export async function replaceFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, content, { mode: 0o600 });
  await rename(temporary, path);
}

/** Begins a log anew when it has grown long; one older part is kept. */
export async function rotateLog(path: string): Promise<void> {
  const size = (await stat(path).catch(() => undefined))?.size ?? 0;
  if (size > maxLogBytes) await rename(path, `${path}.1`);
}

async function makeFolder(path: string): Promise<string> {
  const what = `the data folder ${path}`;
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" || code === "ENOTDIR") {
      throw new StartError(`${what} cannot be made, for a file is in its place; ${choose}`);
    }
    throw new StartError(`cannot make ${what}: ${reasonOf(error)}; ${choose}`);
  }
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return await realpath(path);
  } catch (error) {
    const owner = await stat(path).catch(() => undefined);
    const whose = owner ? ` (it belongs to user id ${owner.uid})` : "";
    throw new StartError(
      `cannot read and write ${what}${whose}: ${reasonOf(error)}; start as the user it belongs to, or ${choose}`,
    );
  }
}

/** Whether the folder is still to be marked as ours. */
async function checkContents(folder: string): Promise<boolean> {
  const entries = await readdir(folder);
  if (!entries.includes(versionFile)) {
    if (entries.every((entry) => insignificant.test(entry))) return true;
    throw new StartError(
      `the folder ${folder} is not empty and was not made by Ridemesh: choose an empty or a new one with --data-dir`,
    );
  }
  let found: unknown;
  try {
    found = JSON.parse(await readFile(join(folder, versionFile), "utf8"));
  } catch (error) {
    throw new StartError(
      `cannot read ${join(folder, versionFile)}: ${reasonOf(error)}; restore it, or ${choose}`,
    );
  }
  const foundFormat = (found as { format?: unknown } | null)?.format;
  if (foundFormat !== format) {
    throw new StartError(
      `the data folder ${folder} has format ${String(foundFormat)}, this version of Ridemesh knows ${format}: ` +
        `start the version that made it, or ${choose}`,
    );
  }
  return false;
}

interface Lock {
  pid: number;
  /** The start of that process, which a later process of the same pid does not share. */
  started: string;
}

async function lock(folder: string, wall: WallClock): Promise<() => Promise<void>> {
  const path = join(folder, lockFile);
  const own: Lock = { pid: process.pid, started: (await findProcess(process.pid))?.started ?? "" };
  const content = JSON.stringify(own);
  for (;;) {
    try {
      // Fails when the file exists: of two processes one gets it.
      await writeFile(path, content, { flag: "wx", mode: 0o644 });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
        throw new StartError(
          `cannot lock the data folder ${folder}: ${reasonOf(error)}; ${choose}`,
        );
      }
    }
    const found = await readLock(path, wall);
    if (found === undefined) continue;
    const holder = parseLock(found);
    if (holder && (await isAlive(holder))) {
      throw new StartError(
        `the data folder ${folder} is in use by the Ridemesh process ${holder.pid}: stop that one, or ${choose}`,
      );
    }
    await removeStale(path, found);
  }
  return async () => {
    if ((await readFile(path, "utf8").catch(() => "")) === content) await rm(path, { force: true });
  };
}

/** The lock's content, or undefined when it has gone; waits for one that is just being written. */
async function readLock(path: string, wall: WallClock): Promise<string | undefined> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const content = await readFile(path, "utf8");
      if (parseLock(content) || attempt === 20) return content;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new StartError(
        `cannot read ${path}: ${reasonOf(error)}; remove that file, or ${choose}`,
      );
    }
    await wall.sleep(10);
  }
}

function parseLock(content: string): Lock | undefined {
  try {
    const { pid, started } = JSON.parse(content) as Partial<Lock>;
    return typeof pid === "number" && typeof started === "string" ? { pid, started } : undefined;
  } catch {
    return undefined;
  }
}

async function isAlive(holder: Lock): Promise<boolean> {
  return (await findProcess(holder.pid))?.started === holder.started;
}

/** Removes the lock that was judged stale, and no other: another process may have been faster. */
async function removeStale(path: string, judged: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, "utf8")) === judged) await rm(aside, { force: true });
  else await rename(aside, path);
}

/** A system's error in words. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  if (code === "EROFS") return "the file system is read-only";
  if (code === "ENOSPC") return "no space left";
  return message;
}
