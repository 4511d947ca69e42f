/** What the operating system tells about other processes. */
import { execFile, type ChildProcess } from "node:child_process";
import { readFile, readlink } from "node:fs/promises";
import { promisify } from "node:util";
import type { WallClock } from "../runtime/clock.js";

const run = promisify(execFile);

/** A process that runs. */
export interface RunningProcess {
  /** When it started, in the system's own words: a reused pid shows another one. */
  started: string;
  /** The program and its arguments, separated by blanks. */
  command: string;
  /** Its working folder, where we may see it. */
  folder?: string;
}

/** The process with this pid, or undefined when there is none; one that only waits to be reaped is none. */
export async function findProcess(pid: number): Promise<RunningProcess | undefined> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return process.platform === "linux" ? findInProc(pid) : findWithPs(pid);
}

async function findInProc(pid: number): Promise<RunningProcess | undefined> {
  try {
    // proc(5): the second field, the name in brackets, may itself contain blanks and brackets.
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (isEnded(fields[0])) return undefined;
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8");
    return {
      started: fields[19]!,
      command: command.replace(/\0$/, "").replaceAll("\0", " "),
      folder: await readlink(`/proc/${pid}/cwd`).catch(() => undefined),
    };
  } catch {
    return undefined;
  }
}

async function findWithPs(pid: number): Promise<RunningProcess | undefined> {
  const format = ["-ww", "-o", "stat=", "-o", "lstart=", "-o", "command=", "-p", String(pid)];
  const answer = await run("ps", format, { env: { LC_ALL: "C" } }).catch(() => undefined);
  // lstart is five words: "Mon Jan  5 10:11:12 2026".
  const match = /^\s*(\S+)\s+((?:\S+\s+){4}\S+)\s+(.*)$/.exec(answer?.stdout.trimEnd() ?? "");
  if (!match || isEnded(match[1])) return undefined;
  return { started: match[2]!, command: match[3]! };
}

function isEnded(state: string | undefined): boolean {
  return state === undefined || /^[ZX]/.test(state);
}

/** Sends a signal; false when the process is gone. Throws where that is not allowed. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Sends the signal to the child when this process exits, for as long as the child runs. */
export function endWithUs(child: ChildProcess, signal: NodeJS.Signals): void {
  const end = (): void => void child.kill(signal);
  process.once("exit", end);
  child.once("exit", () => process.off("exit", end));
}

/** Waits until the process is gone, at most so long; tells whether it is. */
export async function waitUntilGone(
  pid: number,
  options: { timeoutMs: number; wall: WallClock },
): Promise<boolean> {
  const { timeoutMs, wall } = options;
  const end = wall.monotonicMs() + timeoutMs;
  while (await findProcess(pid)) {
    if (wall.monotonicMs() > end) return false;
    await wall.sleep(5);
  }
  return true;
}
