/** Runs a program of the repository as a person does at a terminal: the signals of tests reach all of it. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findProcess } from "../standalone/processes.js";
import { waitFor } from "./wait-for.js";

export const repositoryFolder = fileURLToPath(new URL("../../", import.meta.url));

export interface ProgramOptions {
  /** Becomes this user, who has no home. */
  user?: { uid: number; gid: number };
}

export interface Program {
  pid: number;
  /** What it has printed. */
  output(): string;
  /** What it has complained about. */
  complaints(): string;
  /** Waits until it has printed this. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Its exit code; of a signal that ended it, its name. */
  ended: Promise<number | NodeJS.Signals>;
  hasEnded(): boolean;
  /** Sends a signal to it and its process group, as Ctrl-C in a terminal does. */
  interrupt(signal?: NodeJS.Signals): void;
  /** Sends a signal to it alone. */
  signal(signal: NodeJS.Signals): void;
  /** Its child processes, theirs, and so on. */
  family(): Promise<Relative[]>;
}

/** A process of the family, with what distinguishes it from a later one of its pid. */
export interface Relative {
  pid: number;
  started: string;
  command: string;
}

const patienceMs = 60_000;

/** Runs `node --import tsx script …args` in a process group of its own. */
export function runProgram(script: string, args: string[], options: ProgramOptions = {}): Program {
  return watch(
    spawn(process.execPath, ["--import", "tsx", script, ...args], {
      cwd: repositoryFolder,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      ...(options.user ? { ...options.user, env: { PATH: process.env["PATH"] } } : {}),
    }),
  );
}

/** Runs a line of a shell, at the top of the repository, in a process group of its own. */
export function runShell(line: string): Program {
  return watch(
    spawn("/bin/sh", ["-c", line], {
      cwd: repositoryFolder,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
}

function watch(child: ChildProcess): Program {
  let output = "";
  let complaints = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr!.setEncoding("utf8").on("data", (text: string) => (complaints += text));
  const pid = child.pid!;
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const ended = once(child, "close").then(() => child.exitCode ?? child.signalCode!);
  return {
    pid,
    output: () => output,
    complaints: () => complaints,
    ended,
    hasEnded,
    printed: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(output);
          if (!match) return;
          child.stdout!.off("data", look);
          resolve(match);
        };
        child.stdout!.on("data", look);
        look();
        void ended.then((code) =>
          reject(new Error(`it ended with ${code} before printing ${pattern}: ${complaints}`)),
        );
      }),
    interrupt: (signal = "SIGINT") => void process.kill(-pid, signal),
    signal: (signal) => void child.kill(signal),
    family: () => descendants(pid),
  };
}

/** Waits until all of them have ended. */
export async function allGone(processes: Relative[]): Promise<void> {
  await waitFor(
    "the processes to end",
    async () => {
      const left: string[] = [];
      for (const { pid, started, command } of processes) {
        if ((await findProcess(pid))?.started === started) left.push(`${pid} ${command}`);
      }
      if (left.length > 0) throw new Error(`left: ${left.join("; ")}`);
      return true;
    },
    patienceMs,
  );
}

/** The processes that descend from this one, without it. */
async function descendants(root: number): Promise<Relative[]> {
  const parents = process.platform === "linux" ? await parentsInProc() : await parentsByPs();
  const known = new Set([root]);
  for (let before = 0; before < known.size;) {
    before = known.size;
    for (const [pid, parent] of parents) if (known.has(parent)) known.add(pid);
  }
  known.delete(root);
  const found = await Promise.all(
    [...known].map(async (pid) => {
      const info = await findProcess(pid);
      return info ? [{ pid, started: info.started, command: info.command }] : [];
    }),
  );
  return found.flat();
}

async function parentsInProc(): Promise<[pid: number, parent: number][]> {
  const pids = (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  return Promise.all(
    pids.map(async (pid): Promise<[number, number]> => {
      const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
      // proc(5): after the name in brackets come the state and the parent.
      return [pid, Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])];
    }),
  );
}

async function parentsByPs(): Promise<[pid: number, parent: number][]> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=", "-o", "ppid="]);
  return stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
}
