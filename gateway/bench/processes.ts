/** Processes of a benchmark, seen from the one that starts them. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { CpuProfile } from "./profile.js";

/** What a parent asks; the answer comes with the same number. */
export interface Question {
  id: number;
  ask: "cpu" | "profile-start" | "profile-stop" | "custom";
  value?: unknown;
}

/** What a child says. */
export type Message =
  | { kind: "ready"; value: unknown }
  | { kind: "failed"; message: string }
  | { kind: "answer"; id: number; value: unknown };

/** A child process that does its work until it is stopped. */
export interface Child<Ready> {
  ready: Ready;
  pid: number;
  /** Processor time that it has used so far, in microseconds. */
  cpuMicros(): Promise<number>;
  startProfile(): Promise<void>;
  stopProfile(): Promise<CpuProfile>;
  /** Asks what only this child knows. */
  ask(value: unknown): Promise<unknown>;
  stop(): Promise<void>;
}

/** Starts `program` (a file beside this one that calls `runChild`), and resolves when it is ready. */
export async function startChild<Ready>(program: string, setup: unknown): Promise<Child<Ready>> {
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), [], {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const answers = new Map<number, (value: unknown) => void>();
  let questions = 0;
  const ready = await new Promise<unknown>((resolve, reject) => {
    child.on("message", (message: Message) => {
      switch (message.kind) {
        case "ready":
          resolve(message.value);
          return;
        case "failed":
          reject(new Error(`${program}: ${message.message}`));
          return;
        case "answer":
          answers.get(message.id)?.(message.value);
          answers.delete(message.id);
          return;
      }
    });
    child.once("exit", (code) => reject(new Error(`${program} ended with ${code}`)));
    child.send(setup as object);
  });
  const ask = (what: Question["ask"], value?: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = (questions += 1);
      answers.set(id, resolve);
      void ended.then(() => reject(new Error(`${program} has ended`)));
      child.send({ id, ask: what, value } satisfies Question);
    });
  return {
    ready: ready as Ready,
    pid: child.pid!,
    cpuMicros: async () => (await ask("cpu")) as number,
    startProfile: async () => {
      await ask("profile-start");
    },
    stopProfile: async () => (await ask("profile-stop")) as CpuProfile,
    ask: (value) => ask("custom", value),
    stop: async () => {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
