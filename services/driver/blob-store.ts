/** The blob store port, for files that are not rows, and its adapter on a local folder. */
import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A file that is kept. */
export interface BlobInfo {
  key: string;
  modifyTime: Date;
}

/** Files by key. A key is one or more names joined by "/". */
export interface BlobStore {
  /** Keeps the bytes; when it resolves they survive a crash. Replaces what was there, whole or not at all. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** The bytes; undefined when there are none under the key. */
  get(key: string): Promise<Buffer | undefined>;
  /** Forgets the key. There need not be anything under it. */
  remove(key: string): Promise<void>;
  /** Everything that is kept. */
  list(): AsyncIterable<BlobInfo>;
}

/** A file that is being written; a crash may leave one behind, and it is listed like any other. */
const partSuffix = ".part";

/** Keeps files below `folder`, which is made when it is missing; only this account can read them. */
export function createFolderStore(folder: string): BlobStore {
  const pathOf = (key: string): string => {
    const names = key.split("/");
    // Keys hold ids that came from outside: none may lead out of the folder.
    if (!names.every((name) => /^[\w-][\w.-]*$/.test(name))) throw new Error("not a blob key");
    return join(folder, ...names);
  };
  return {
    put: async (key, bytes) => {
      const path = pathOf(key);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const part = `${path}.${randomBytes(6).toString("hex")}${partSuffix}`;
      await writeDurably(part, bytes);
      await rename(part, path);
      await syncFolder(dirname(path));
    },
    get: async (key) => readFile(pathOf(key)).catch(absent),
    remove: async (key) => rm(pathOf(key), { force: true }),
    list: () => walk(folder, ""),
  };
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename is durable when the folder that holds the name is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function* walk(folder: string, prefix: string): AsyncGenerator<BlobInfo> {
  const entries = (await readdir(folder, { withFileTypes: true }).catch(absent)) ?? [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      yield* walk(path, `${prefix}${entry.name}/`);
      continue;
    }
    const info = await stat(path).catch(absent);
    if (info) yield { key: `${prefix}${entry.name}`, modifyTime: info.mtime };
  }
}

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}
