/** Compares generated folders with the committed ones, and brings these up to date. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

/** What separates `target` from `source`: paths relative to both. */
export interface FolderDiff {
  missing: string[];
  changed: string[];
  stale: string[];
}

/** Compares every file below both folders by content. A folder that is absent counts as empty. */
export function diffFolders(source: string, target: string): FolderDiff {
  const wanted = listFiles(source);
  const present = new Set(listFiles(target));
  return {
    missing: wanted.filter((file) => !present.has(file)),
    changed: wanted.filter(
      (file) =>
        present.has(file) &&
        !readFileSync(join(source, file)).equals(readFileSync(join(target, file))),
    ),
    stale: [...present].filter((file) => !wanted.includes(file)),
  };
}

/** Makes `target` hold what `source` holds; files that are the same already stay untouched. */
export function mirrorFolder(source: string, target: string): FolderDiff {
  const diff = diffFolders(source, target);
  for (const file of [...diff.missing, ...diff.changed]) {
    mkdirSync(dirname(join(target, file)), { recursive: true });
    cpSync(join(source, file), join(target, file));
  }
  for (const file of diff.stale) rmSync(join(target, file));
  return diff;
}

function listFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, "/").length))
    .sort();
}
