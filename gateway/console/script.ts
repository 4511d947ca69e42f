/** The console's script: bundled ahead by build.ts, or when it is first asked for. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of package.json, from the sources and from compiled output alike. */
export const repositoryFolder = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Where build.ts puts the script. */
export function builtScript(root: string): string {
  return join(root, "dist/console/app.js");
}

/** The script that was built ahead, unless the sources have changed since; else a new bundle. */
export async function consoleScript(root: string): Promise<Buffer> {
  const built = builtScript(root);
  if (existsSync(built) && statSync(built).mtimeMs >= lastChangeMs(join(root, "gateway/console"))) {
    return readFile(built);
  }
  const { bundleConsole } = await import("./bundle.js");
  return bundleConsole(root);
}

/** When a script of a folder last changed, in epoch milliseconds; an image has no sources. */
function lastChangeMs(folder: string): number {
  if (!existsSync(folder)) return 0;
  const sources = readdirSync(folder).filter(
    (name) => name.endsWith(".ts") && !name.endsWith(".test.ts"),
  );
  return Math.max(0, ...sources.map((name) => statSync(join(folder, name)).mtimeMs));
}

function findRoot(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error("there is no package.json above the gateway");
  return findRoot(parent);
}
