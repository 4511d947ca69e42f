// Mocha's configuration. A module and not JSON, because the files are put in order (pure and cheap
// first, then what needs servers, whole-system tests last) and because mocha would run the files
// named on its command line in addition to all others.
import { existsSync, readFileSync, readdirSync } from "node:fs";

const hooks = "services/testing/hooks.ts";
const filesNamed = process.argv.slice(2).some((arg) => /\.test\.ts$|\*/.test(arg));

export default {
  // One module world: with require(esm) mocha would load some test files twice over, as CommonJS and
  // as ES modules, and each world would have fixtures of its own.
  "node-option": ["import=tsx", "no-experimental-require-module"],
  ...(filesNamed ? {} : { spec: testFiles() }),
  ...(existsSync(hooks) ? { require: [hooks] } : {}),
  reporter: "services/testing/reporter.ts",
  timeout: 20_000,
  slow: 1_000,
  "forbid-only": true,
};

function testFiles() {
  return ["proto/plugins", "services", "gateway"]
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true }).map((file) => `${folder}/${file}`),
    )
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => ({ file, cost: cost(file) }))
    .filter(inShard)
    .sort((a, b) => a.cost - b.cost || (a.file < b.file ? -1 : 1))
    .map(({ file }) => file);
}

/** `npm test` runs the files in two processes of about the same length: parts, and the whole. */
function inShard({ cost }) {
  const shard = process.env["RIDEMESH_TEST_SHARD"];
  return shard === undefined || (shard === "whole") === (cost === 2);
}

/** 0 is pure, 1 uses the fixtures of services/testing, 2 runs the whole platform. */
function cost(file) {
  if (file.startsWith("gateway/e2e/") || file.startsWith("services/standalone/")) return 2;
  return /from "(\.\.?\/)+testing\//.test(readFileSync(file, "utf8")) ? 1 : 0;
}
