/** Bundles the console for browsers. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readZones } from "../simulator/zones-file.js";
import type { ZoneTuple } from "./background.js";

/**
 * Bundles gateway/console/main.ts, minified, with the zones of the simulator's data as background.
 * Takes about 200 ms. Rejects when esbuild is not installed.
 *
 * @param root the repository's folder
 */
export async function bundleConsole(root: string): Promise<Buffer> {
  // Only a development machine has it, so it is loaded when it is needed.
  const { build, stop } = await import("esbuild");
  const zones = await zoneTuples(join(root, "gateway/simulator/data/zones.csv"));
  try {
    const { outputFiles } = await build({
      absWorkingDir: root,
      entryPoints: ["gateway/console/main.ts"],
      bundle: true,
      write: false,
      minify: true,
      format: "esm",
      target: ["es2022"],
      platform: "browser",
      define: { RIDEMESH_ZONES: JSON.stringify(zones) },
      legalComments: "eof",
      logLevel: "silent",
    });
    return Buffer.from(outputFiles[0]!.contents);
  } finally {
    // Its process is needed no more.
    await stop();
  }
}

async function zoneTuples(path: string): Promise<ZoneTuple[]> {
  if (!existsSync(path)) return [];
  const zones = await readZones(path);
  return [...zones.values()].map(({ name, borough, center, radiusMeters }) => [
    name,
    borough,
    Number(center.lat.toFixed(5)),
    Number(center.lng.toFixed(5)),
    Math.round(radiusMeters),
  ]);
}
