/** The thread of the gateway: see gateway-thread.ts. */
import { parentPort } from "node:worker_threads";
import { startGateway } from "../../gateway/app.js";
import { createPages } from "../../gateway/pages.js";
import { wallClock } from "../runtime/clock.js";
import type { Runnable } from "../runtime/lifecycle.js";
import { createLogger } from "../runtime/log.js";
import { createMetrics } from "../runtime/metrics.js";
import { flushSpans } from "../runtime/tracing.js";
import type { FromGateway, GatewaySetup, ToGateway } from "./gateway-messages.js";

const platform = parentPort!;
const say = (message: FromGateway): void => platform.postMessage(message);
const wall = wallClock;
// The process's own figures are the platform's to tell.
const metrics = createMetrics({ ofProcess: false });
const checks = new Map<number, (failure: string | undefined) => void>();
let lastCheck = 0;
let gateway: Promise<Runnable> | undefined;

async function open(setup: GatewaySetup): Promise<Runnable> {
  const started = await startGateway(
    {
      wall,
      metrics,
      log: createLogger(setup.log),
      identity: () => setup.identity,
      address: (service) => setup.addresses[service]!,
    },
    setup.config,
    {
      pages: await createPages({ demo: setup.demo }),
      checks: setup.checks.map((check) => ({ ...check, check: () => ask(check.name) })),
    },
  );
  say({ kind: "opened", port: started.port });
  return started;
}

/** Has the platform look whether this part of it works. */
function ask(name: string): Promise<void> {
  const id = (lastCheck += 1);
  return new Promise((resolve, reject) => {
    checks.set(id, (failure) => {
      checks.delete(id);
      if (failure === undefined) resolve();
      else reject(new Error(failure));
    });
    say({ kind: "check", id, name });
  });
}

async function stop(): Promise<void> {
  await (await gateway)?.stop();
  await flushSpans(wall);
  say({ kind: "stopped" });
}

platform.on("message", (message: ToGateway) => {
  switch (message.kind) {
    case "open":
      gateway = open(message.setup);
      gateway.catch((error: NodeJS.ErrnoException) => {
        const { message: text, code, syscall } = error;
        say({ kind: "failed", failure: { message: text, code, syscall } });
      });
      return;
    case "checked":
      checks.get(message.id)?.(message.failure);
      return;
    case "metrics":
      void metrics.registry
        .getMetricsAsJSON()
        .then((figures) => say({ kind: "metrics", id: message.id, figures }));
      return;
    case "stop":
      void stop();
      return;
  }
});
