/** Reads the repository as the house rules see it. */
import { readFileSync, readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import type { RepoFile } from "./house-rules.js";

const unkept = ["node_modules", ".git", ".cache", ".ridemesh", "dist"];
const binary = /\.(binpb|png|jpe?g|gif|ico|webp|woff2?|gz|zip|pdf)$/;

/** Every text file below `root` that is kept, in order of path. */
export function readRepository(root: string): RepoFile[] {
  return listFiles(root)
    .filter((path) => !binary.test(path))
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function listFiles(root: string, folder = root): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !unkept.includes(entry.name) && !entry.name.endsWith(".log"))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return listFiles(root, path);
      return entry.isFile() ? [relative(root, path).split(sep).join("/")] : [];
    });
}
