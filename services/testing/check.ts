/**
 * `npm run check`: everything short of running the tests. One line for each check with its time, the
 * output of those that fail, a non-zero exit if any does. `npm run check -- types lint` runs these.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, resolve } from "node:path";
import { writeThirdPartyProtos } from "../../proto/plugins/third-party.js";

interface Check {
  name: string;
  /** Programs joined by pipes; the check fails when any of them does. */
  pipe: string[][];
}

const sources = ["proto/plugins", "services", "gateway"].filter((folder) => existsSync(folder));
const prettier = ["--config", ".config/prettier.json", "--ignore-path", ".config/prettierignore"];
const prettierCache = ["--cache", "--cache-location", ".cache/prettier"];
const oxlint = ["-c", ".config/oxlint.json", "--type-aware", "--deny-warnings", "--format", "unix"];
const mocha = ["--config", ".config/mocharc.js", "--reporter", "dot"];

/** Longest first, so that no core waits at the end. */
const checks: Check[] = [
  { name: "generated", pipe: [["tsx", "proto/plugins/generate.ts", "--check"]] },
  { name: "format", pipe: [["prettier", ...prettier, ...prettierCache, "--check", "."]] },
  { name: "types", pipe: [["tsc", "--noEmit", "--pretty", "false", "-p", "."]] },
  { name: "lint", pipe: [["oxlint", ...oxlint, ...sources]] },
  { name: "tidy", pipe: [["mocha", ...mocha, "services/testing/tidy.test.ts"]] },
  {
    name: "breaking",
    pipe: [
      ["buf", "build", "proto", "-o", "-"],
      ["buf", "breaking", "-", "--against", "gen/contract.binpb", "--exclude-imports"],
    ],
  },
  { name: "proto-lint", pipe: [["buf", "lint"]] },
  { name: "proto-format", pipe: [["buf", "format", "-d", "--exit-code", "proto"]] },
];

const environment = {
  ...process.env,
  PATH: `${resolve("node_modules/.bin")}${delimiter}${process.env.PATH ?? ""}`,
  NO_COLOR: "1",
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !checks.some((check) => check.name === name));
if (unknown !== undefined) {
  const names = checks.map(({ name }) => name).join(", ");
  console.error(`There is no check "${unknown}"; there are: ${names}.`);
  process.exit(1);
}

// Before all others, because several of them read these files.
await writeThirdPartyProtos(".cache/third-party-protos");
const start = performance.now();
const failed = await runAll(
  checks.filter(({ name }) => wanted.length === 0 || wanted.includes(name)),
);
console.log(
  failed.length === 0
    ? `All checks passed in ${since(start)}.`
    : `Failed in ${since(start)}: ${failed.join(", ")}.`,
);
process.exitCode = failed.length === 0 ? 0 : 1;

/** Runs as many checks at once as there are cores; returns the names of those that failed. */
async function runAll(queue: Check[]): Promise<string[]> {
  const failures: string[] = [];
  const waiting = [...queue];
  const workers = Array.from({ length: Math.max(2, availableParallelism()) }, async () => {
    for (let check = waiting.shift(); check; check = waiting.shift()) {
      const begin = performance.now();
      const { ok, output } = await run(check.pipe);
      console.log(`${ok ? "ok  " : "FAIL"} ${check.name.padEnd(13)} ${since(begin)}`);
      if (!ok) {
        failures.push(check.name);
        console.log(output.trimEnd().replaceAll(/^/gm, "     "));
      }
    }
  });
  await Promise.all(workers);
  return failures;
}

/** Runs a pipe of programs and collects what they print, apart from what goes down the pipe. */
async function run(pipe: string[][]): Promise<{ ok: boolean; output: string }> {
  let output = "";
  const collect = (chunk: Buffer) => (output += chunk.toString());
  const children = pipe.map(([command, ...args]) =>
    spawn(command!, args, { env: environment, stdio: ["pipe", "pipe", "pipe"] }),
  );
  const exits = children.map(async (child, index) => {
    child.stderr.on("data", collect);
    // A program that ends early closes its end of the pipe; its own exit code says why.
    child.stdin.on("error", () => {});
    const next = children[index + 1];
    if (next) child.stdout.pipe(next.stdin);
    else child.stdout.on("data", collect);
    if (index === 0) child.stdin.end();
    return new Promise<boolean>((settle) => {
      child.once("error", (error) => {
        output += `${error.message}\n`;
        settle(false);
      });
      child.once("close", (code) => settle(code === 0));
    });
  });
  const ok = (await Promise.all(exits)).every(Boolean);
  return { ok, output };
}

function since(begin: number): string {
  return `${((performance.now() - begin) / 1000).toFixed(1)} s`;
}
