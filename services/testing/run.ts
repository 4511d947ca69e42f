/**
 * `npm test`: all test files, in two processes side by side, because most tests wait more than they
 * work; at the end the line `N passed, N failed` alone. With arguments it is mocha, in one process.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readSummary, summaryLine, type Summary } from "./reporter.js";

/** The parts that .config/mocharc.js knows, by the variable that names one to it. */
const shards = ["parts", "whole"];
const shardVariable = "RIDEMESH_TEST_SHARD";

interface ShardRun {
  /** Undefined when the run was killed before it could say. */
  summary: Summary | undefined;
  code: number;
  /** What was printed after the last test: the failures, each with its error. */
  ending: string;
}

/** Runs the tests of a shard, or what the arguments say; `print` gets its output as it comes. */
async function run(
  args: string[],
  shard: string | undefined,
  print: (text: string) => void,
): Promise<ShardRun> {
  const child = spawn("node_modules/.bin/mocha", ["--config", ".config/mocharc.js", ...args], {
    stdio: ["inherit", "pipe", "pipe"],
    env: {
      ...process.env,
      ...(shard ? { [shardVariable]: shard } : {}),
      ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}),
    },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  // What may be the last line waits for the next one.
  let line = "";
  let printed = "";
  const show = (text: string): void => {
    printed += text;
    print(text);
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (line + text).split(/(?<=\n)/);
    line = lines.at(-1)?.endsWith("\n") === false ? lines.pop()! : "";
    if (lines.length > 0 && line === "") line = lines.pop()!;
    show(lines.join(""));
  });
  child.stderr.setEncoding("utf8").on("data", show);
  const [code] = (await once(child, "close")) as [number | null];
  const summary = readSummary(line);
  if (!summary) show(line);
  const ending = printed.slice(Math.max(0, printed.search(/^.*\d+ passing/m)));
  return { summary, code: code ?? 1, ending };
}

const args = process.argv.slice(2);
const names = args.length > 0 ? [undefined] : shards;
const held = names.map(() => "");
/** Only one of them prints as it runs; what the others say is held back until it has ended. */
let printing = 0;
const runs = names.map((name, i) =>
  run(args, name, (text) => {
    if (i === printing) process.stdout.write(text);
    else held[i] += text;
  }),
);
const results: ShardRun[] = [];
for (const [i, started] of runs.entries()) {
  printing = i;
  process.stdout.write(held[i]!);
  results.push(await started);
}
// The end is where one looks for what has failed.
for (const { code, ending } of results.slice(0, -1)) if (code !== 0) process.stdout.write(ending);
const total = { passes: 0, failures: 0, pending: 0 };
for (const { summary } of results) {
  total.passes += summary?.passes ?? 0;
  total.failures += summary?.failures ?? 0;
  total.pending += summary?.pending ?? 0;
}
process.exitCode = results.find(({ code, summary }) => code !== 0 || !summary)?.code || 0;
// A run that was killed has failed, though no single test of it says so.
if (results.some(({ summary }) => !summary)) {
  total.failures = Math.max(1, total.failures);
  process.exitCode ||= 1;
}
process.stdout.write(`${summaryLine(total)}\n`);
