/** The key that personal data in the data folder is encrypted with, kept beside it for its owner only. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DataKey } from "../runtime/secrets.js";
import { reasonOf, replaceFile } from "./data-folder.js";
import { StartError } from "./start-error.js";

const keyBytes = 32;

/**
 * The folder's keys, newest first; made when there are none yet. `isUsed` tells whether something may
 * have been encrypted already: a key that is lost is not replaced then.
 *
 * @throws StartError when the keys are lost or cannot be read.
 */
export async function loadDataKeys(
  folder: string,
  isUsed: () => Promise<boolean> = () => Promise.resolve(false),
): Promise<[DataKey, ...DataKey[]]> {
  const path = join(folder, "data-keys.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (!isMissing) throw new StartError(`cannot read ${path} (${reasonOf(error)}): ${restore}`);
    if (await isUsed()) throw new StartError(`${path} is missing: ${restore}`);
    text = JSON.stringify([{ id: "k1", key: randomBytes(keyBytes).toString("base64") }]);
    await replaceFile(path, text);
  }
  const [first, ...rest] = parse(text);
  if (first) return [first, ...rest];
  throw new StartError(`${path} does not hold keys: ${restore}`);
}

const restore = "restore that file, without which the personal data in the folder cannot be read";

/** None, when the text is not as it was written. */
function parse(text: string): DataKey[] {
  try {
    const written = JSON.parse(text) as { id: string; key: string }[];
    const keys = written.map(({ id, key }) => ({ id, key: Buffer.from(key, "base64") }));
    return keys.every(({ id, key }) => id && key.length === keyBytes) ? keys : [];
  } catch {
    return [];
  }
}
