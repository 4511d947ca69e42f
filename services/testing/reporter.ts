/**
 * Mocha's reporter: mocha's own "spec" output, then the line `N passed, N failed` alone at the very
 * end. It also ends a run that hangs, in a test or after the last one, and says which it was.
 */
import Mocha from "mocha";
import { Worker } from "node:worker_threads";

/** In seconds. Each can be set by `--reporter-option name=value`. */
const defaultLimits = {
  /** A run that takes longer than this hangs, whatever the time limits of its tests say. */
  run: 15 * 60,
  /** A test that keeps the event loop busy for this long hangs: mocha's own limit cannot fire. */
  blocked: 120,
  /** How long the process may live on after the last test, to close what is left. */
  linger: 15,
};
type Limits = typeof defaultLimits;
const titleBytes = 2048;

export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const limits = readLimits(
      options.reporterOptions as Partial<Record<keyof Limits, string>> | undefined,
    );
    const watchdog = startWatchdog(limits);
    runner.on("hook", (hook) => watchdog.nowRunning(hook.fullTitle()));
    runner.on("test", (test) => watchdog.nowRunning(test.fullTitle()));
    runner.once("end", () => {
      watchdog.stop();
      endLingering(limits.linger);
    });
    // At exit, so that nothing a closing server still prints can come after it.
    process.once("exit", () => process.stdout.write(`${summaryLine(this.stats)}\n`));
  }
}

/** How many tests did what. */
export type Summary = Pick<Mocha.Stats, "passes" | "failures" | "pending">;

/** "12 passed, 0 failed", and ", 3 skipped" where tests were. */
export function summaryLine(stats: Summary): string {
  const skipped = stats.pending > 0 ? `, ${stats.pending} skipped` : "";
  return `${stats.passes} passed, ${stats.failures} failed${skipped}`;
}

/** Reads a line of `summaryLine`; undefined when it is none. */
export function readSummary(line: string): Summary | undefined {
  const found = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\n?$/.exec(line);
  if (!found) return undefined;
  return { passes: +found[1]!, failures: +found[2]!, pending: +(found[3] ?? 0) };
}

function readLimits(given: Partial<Record<keyof Limits, string>> = {}): Limits {
  const limit = (name: keyof Limits) => Number(given[name] ?? defaultLimits[name]);
  return { run: limit("run"), blocked: limit("blocked"), linger: limit("linger") };
}

/** Watches from a thread of its own, since a test that never yields stops every timer of this one. */
function startWatchdog(limits: Limits): { nowRunning(title: string): void; stop(): void } {
  const shared = new SharedArrayBuffer(8 + titleBytes);
  const heartbeat = new Int32Array(shared, 0, 2);
  const title = new Uint8Array(shared, 8);
  const worker = new Worker(watchdogSource, {
    eval: true,
    execArgv: [],
    workerData: { shared, limits },
  });
  worker.unref();
  const beat = setInterval(() => Atomics.add(heartbeat, 0, 1), 1000);
  beat.unref();
  return {
    nowRunning(text) {
      Atomics.store(heartbeat, 1, new TextEncoder().encodeInto(text, title).written);
      Atomics.add(heartbeat, 0, 1);
    },
    stop() {
      clearInterval(beat);
      void worker.terminate();
    },
  };
}

const watchdogSource = `
const { workerData: { shared, limits } } = require("node:worker_threads");
const { writeSync } = require("node:fs");
const heartbeat = new Int32Array(shared, 0, 2);
const title = new Uint8Array(shared, 8);
const start = Date.now();
let beats = -1;
let beatTime = start;
setInterval(() => {
  const now = Date.now();
  const seen = Atomics.load(heartbeat, 0);
  if (seen !== beats) [beats, beatTime] = [seen, now];
  const running = Buffer.from(title.slice(0, Atomics.load(heartbeat, 1))).toString() || "no test yet";
  if (now - beatTime > limits.blocked * 1000) {
    end("the event loop has been blocked for " + limits.blocked + " s in: " + running);
  } else if (now - start > limits.run * 1000) {
    end("the run has not ended after " + limits.run + " s; running: " + running);
  }
}, 1000);
function end(message) {
  writeSync(2, "\\nTest run killed: " + message + "\\n");
  process.kill(process.pid, "SIGKILL");
}
`;

/** Ends a process that something still keeps alive after the last test, and fails the run for it. */
function endLingering(limitSeconds: number): void {
  setTimeout(() => {
    process.stderr.write(
      `\nTest run killed: alive ${limitSeconds} s after its last test, kept by:\n` +
        openHandles()
          .map((handle) => `  ${handle}\n`)
          .join(""),
    );
    process.once("exit", () => (process.exitCode = 1));
    process.exit(1);
  }, limitSeconds * 1000).unref();
}

/** What keeps the event loop alive, in words: sockets with their ports, child processes, timers. */
export function openHandles(): string[] {
  const { _getActiveHandles } = process as unknown as { _getActiveHandles(): object[] };
  const handles = _getActiveHandles
    .call(process)
    .filter((handle) => !isStandardStream(handle))
    .map(describeHandle);
  const timers = process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  return timers > 0 ? [...handles, `${timers} timers`] : handles;
}

function isStandardStream(handle: object): boolean {
  return handle === process.stdout || handle === process.stderr || handle === process.stdin;
}

function describeHandle(handle: object): string {
  const h = handle as {
    localPort?: number;
    remotePort?: number;
    address?(): { port?: number } | string | null;
    listening?: boolean;
    spawnfile?: string;
    pid?: number;
  };
  const name = handle.constructor.name;
  if (h.spawnfile) return `${name} ${h.spawnfile} (pid ${h.pid})`;
  if (h.listening) return `${name} listening on ${JSON.stringify(h.address?.())}`;
  if (h.remotePort) return `${name} from port ${h.localPort} to port ${h.remotePort}`;
  return name;
}
