/** The HTTP port of a process beside its gRPC port: for what watches it, not for its callers. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { healthAnswer, type HealthOptions } from "./health.js";
import type { Runnable } from "./lifecycle.js";
import type { Logger } from "./log.js";
import type { Metrics } from "./metrics.js";

export interface AdminOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  metrics: Metrics;
  health: HealthOptions;
  log: Logger;
}

/**
 * Serves /metrics, /health, /health/live, /health/ready and /healthz. Rejects with the system's error
 * when the port cannot be had.
 */
export async function startAdmin(options: AdminOptions): Promise<Runnable & { port: number }> {
  const { metrics, health, log } = options;

  const answer = async (method: string, url: string, response: ServerResponse): Promise<void> => {
    const path = url.split("?")[0]!;
    if (method !== "GET" && method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
      return;
    }
    if (path === "/metrics") {
      const body = await metrics.registry.metrics();
      response.writeHead(200, { "content-type": metrics.registry.contentType }).end(body);
      return;
    }
    const found = await healthAnswer(health, path);
    if (!found) {
      response.writeHead(404).end();
      return;
    }
    const headers = { "content-type": "application/json", "cache-control": "no-store" };
    response.writeHead(found.httpStatus, headers).end(found.body);
  };

  const server = createServer((request, response) => {
    answer(request.method ?? "", request.url ?? "", response).catch((error: unknown) => {
      log.error({ err: error }, "could not answer on the metrics port");
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
