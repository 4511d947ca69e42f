/**
 * `npm run console:build`: writes dist/console/app.js, for images that come without esbuild. The
 * gateway serves it in place of a bundle that it would make itself.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { bundleConsole } from "./bundle.js";
import { builtScript, repositoryFolder } from "./script.js";

const path = builtScript(repositoryFolder);
const script = await bundleConsole(repositoryFolder);
await mkdir(dirname(path), { recursive: true });
await writeFile(path, script);
