/**
 * The gateway in a thread of its own: what it does for callers and what the services do go on side by
 * side. It shares nothing with them but the loopback, as if it were another process; it ends with this
 * one, however that ends.
 */
import { Worker } from "node:worker_threads";
import type { HealthCheck } from "../runtime/health.js";
import type { Runnable } from "../runtime/lifecycle.js";
import type { Figures } from "../runtime/metrics.js";
import type { Failure, FromGateway, GatewaySetup, ToGateway } from "./gateway-messages.js";

/** A gateway that has opened its port. */
export interface GatewayThread extends Runnable {
  port: number;
  /** Its metrics; none once it has stopped. */
  figures(): Promise<Figures>;
}

/** A thread that is loading its program. */
export interface WaitingThread {
  /** Opens the gateway. Rejects with the system's error for its port; the thread has ended then. */
  open(setup: Omit<GatewaySetup, "checks">, checks: HealthCheck[]): Promise<GatewayThread>;
  /** Ends a thread that was not needed after all. */
  discard(): Promise<void>;
}

/** Short-lived messages fit into it, so that less is copied. */
const youngGenerationMb = 64;

/** Begins the thread; loading takes about as long as the services take to start. */
export function startGatewayThread(): WaitingThread {
  // A thread does not inherit the loader of the process's `--import tsx`.
  const [loader, program] = ["tsx/esm/api", "./gateway-worker.js"].map((name) =>
    JSON.stringify(import.meta.resolve(name)),
  );
  const worker = new Worker(`import(${loader}).then((l) => (l.register(), import(${program})))`, {
    eval: true,
    resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
  });
  const send = (message: ToGateway): void => worker.postMessage(message);
  const hear = <Kind extends FromGateway["kind"]>(kind: Kind, id?: number) =>
    new Promise<Extract<FromGateway, { kind: Kind }>>((resolve) => {
      const take = (message: FromGateway): void => {
        if (message.kind !== kind || (id !== undefined && idOf(message) !== id)) return;
        worker.off("message", take);
        resolve(message as Extract<FromGateway, { kind: Kind }>);
      };
      worker.on("message", take);
    });
  const discard = async (): Promise<void> => {
    await worker.terminate();
  };

  const open: WaitingThread["open"] = async (setup, checks) => {
    worker.on("message", (message: FromGateway) => {
      if (message.kind !== "check") return;
      const { id, name } = message;
      checks
        .find((check) => check.name === name)!
        .check()
        .then(
          () => send({ kind: "checked", id, failure: undefined }),
          (error: Error) => send({ kind: "checked", id, failure: error.message }),
        );
    });
    const opened = hear("opened");
    const failed = hear("failed").then(({ failure }) => Promise.reject(asError(failure)));
    send({
      kind: "open",
      setup: { ...setup, checks: checks.map(({ name, critical }) => ({ name, critical })) },
    });
    const { port } = await Promise.race([opened, failed]).catch(async (error: unknown) => {
      await discard();
      throw error;
    });
    let stopping: Promise<void> | undefined;
    let asked = 0;
    return {
      port,
      figures: async () => {
        if (stopping) return [];
        const id = (asked += 1);
        const answer = hear("metrics", id);
        send({ kind: "metrics", id });
        return (await answer).figures;
      },
      stop: () =>
        (stopping ??= (async () => {
          const stopped = hear("stopped");
          send({ kind: "stop" });
          await stopped;
          await discard();
        })()),
    };
  };
  return { open, discard };
}

function idOf(message: FromGateway): number | undefined {
  return "id" in message ? message.id : undefined;
}

function asError({ message, code, syscall }: Failure): Error {
  return Object.assign(new Error(message), { code, syscall });
}
