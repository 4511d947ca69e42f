/** A process of a benchmark, seen from itself. */
import { Session } from "node:inspector/promises";
import type { Message, Question } from "./processes.js";

/** What runs in the process. */
export interface ChildWork {
  /** Told to the parent. */
  ready: unknown;
  /** Answers questions that only this child knows. */
  answer?: (value: unknown) => unknown;
  stop(): Promise<void>;
}

/** Starts the work with what the parent sends first, and stops it when the parent goes. */
export function runChild<Setup>(
  self: NodeJS.Process,
  start: (setup: Setup) => Promise<ChildWork>,
): void {
  const say = (message: Message): void => {
    self.send?.(message);
  };
  let work: ChildWork | undefined;
  let profiling: Session | undefined;

  const answer = async ({ ask, value }: Question): Promise<unknown> => {
    switch (ask) {
      case "cpu": {
        const { user, system } = self.cpuUsage();
        return user + system;
      }
      case "profile-start":
        profiling = new Session();
        profiling.connect();
        await profiling.post("Profiler.enable");
        await profiling.post("Profiler.setSamplingInterval", { interval: 500 });
        await profiling.post("Profiler.start");
        return undefined;
      case "profile-stop": {
        const { profile } = await profiling!.post("Profiler.stop");
        profiling!.disconnect();
        return profile;
      }
      case "custom":
        return work?.answer?.(value);
      default:
        return ask satisfies never;
    }
  };

  self.once("message", (setup: Setup) => {
    self.on("message", (question: Question) => {
      void answer(question).then((value) => say({ kind: "answer", id: question.id, value }));
    });
    start(setup).then(
      (started) => {
        work = started;
        say({ kind: "ready", value: started.ready });
      },
      (error: unknown) => {
        say({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
        self.disconnect();
      },
    );
  });
  // The terminal's Ctrl-C reaches the whole group; the parent decides.
  self.on("SIGINT", () => undefined);
  self.once("disconnect", () => {
    void (work?.stop() ?? Promise.resolve()).finally(() => self.exit(0));
  });
}
