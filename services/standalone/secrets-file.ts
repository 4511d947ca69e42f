/** The key that personal data in the data folder is encrypted with, kept beside it for its owner only. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DataKey } from "../runtime/secrets.js";
import { replaceFile } from "./data-folder.js";
import { StartError } from "./start-error.js";

/** The folder's keys, newest first; made at the first start. */
export async function loadDataKeys(folder: string): Promise<[DataKey, ...DataKey[]]> {
  const path = join(folder, "data-keys.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    text = JSON.stringify([{ id: "k1", key: randomBytes(32).toString("base64") }]);
    await replaceFile(path, text);
  }
  try {
    const parsed = JSON.parse(text) as { id: string; key: string }[];
    const keys = parsed.map(({ id, key }) => ({ id, key: Buffer.from(key, "base64") }));
    const [first, ...rest] = keys;
    if (first && keys.every(({ id, key }) => id && key.length === 32)) return [first, ...rest];
  } catch {
    // Falls through: what cannot be read is as good as lost.
  }
  throw new StartError(`${path} does not hold keys; restore it, or the encrypted data is lost`);
}
