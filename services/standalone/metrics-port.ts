/** The metrics' own port, on this machine only. */
import { createServer } from "node:http";
import type { Runnable } from "../runtime/lifecycle.js";
import { metricsType } from "../runtime/metrics.js";

/** Serves `metrics` as /metrics; when the usual port is taken, on a free one. */
export async function serveMetrics(
  metrics: () => Promise<string>,
  usualPort: number,
): Promise<Runnable & { port: number }> {
  const server = createServer((request, response) => {
    if (request.url !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    metrics().then(
      (text) => response.writeHead(200, { "content-type": metricsType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", () => {
        server.off("error", reject);
        resolve();
      });
    });
  await listen(usualPort).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRINUSE") throw error;
    return listen(0);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : usualPort,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
