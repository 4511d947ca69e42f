/** Server streams as WebSockets: one JSON message a frame, on the path of the REST route. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import { idsOf, type EdgeDeps } from "./edge.js";
import { header, urlOf } from "./http.js";
import { asStatusError, httpStatus, noRoute, problemOf } from "./problem.js";
import type { RestRouter } from "./rest-router.js";
import { openStream } from "./streams.js";
import { beat } from "./sse.js";

/** The subprotocol that we speak; a token travels beside it as `bearer.<token>`. */
export const subprotocol = "ridemesh.v1";
const bearerPrefix = "bearer.";

/** Close codes: 1000 for a stream that has ended, else 4000 and the gRPC code. */
const closeCodeBase = 4000;

export interface WebSocketEdge {
  upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  stop(): void;
}

/** Takes upgrades to WebSockets on the routes of server streams. */
export function createWebSocketEdge(deps: EdgeDeps, router: RestRouter): WebSocketEdge {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: true,
    maxPayload: 64 * 1024,
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  });
  return {
    upgrade: (request, socket, head) => {
      socket.on("error", () => socket.destroy());
      try {
        const { path } = urlOf(request);
        const match = router.match("GET", path);
        if (match.route.method.methodKind !== "server_streaming") throw noRoute(path, []);
        server.handleUpgrade(request, socket, head, (ws) => void serve(deps, match, request, ws));
      } catch (error) {
        const status = httpStatus(asStatusError(error));
        socket.end(`HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
      }
    },
    stop: () => {
      for (const client of server.clients) client.close(1001, "the server is going down");
      server.close();
    },
  };
}

async function serve(
  deps: EdgeDeps,
  match: ReturnType<RestRouter["match"]>,
  request: IncomingMessage,
  ws: WebSocket,
): Promise<void> {
  const ids = idsOf(request);
  const controller = new AbortController();
  ws.on("close", () => controller.abort());
  ws.on("error", () => controller.abort());
  let alive = true;
  ws.on("pong", () => (alive = true));
  const heartbeat = beat(deps, controller.signal, () => {
    if (!alive) ws.terminate();
    alive = false;
    ws.ping();
  });
  try {
    const authorization = bearerOf(request);
    const { messages } = await openStream(deps, match, request, ids, {
      ...(authorization ? { authorization } : {}),
      signal: controller.signal,
    });
    for await (const { json } of messages) await sendText(ws, json);
    ws.close(1000, "the stream has ended");
  } catch (error) {
    if (controller.signal.aborted) return;
    const status = asStatusError(error);
    await sendText(
      ws,
      JSON.stringify({ error: problemOf(status, ids.requestId, request.url ?? "") }),
    ).catch(() => undefined);
    ws.close(closeCodeBase + status.code, status.reason.slice(0, 100));
  } finally {
    heartbeat.abort();
  }
}

/** Resolves when the frame has been handed to the system: a slow reader slows the stream. */
function sendText(ws: WebSocket, text: string): Promise<void> {
  return new Promise((resolve, reject) =>
    ws.send(text, (error) => (error ? reject(error) : resolve())),
  );
}

/** A token from the header, or from the subprotocols that a browser can set. */
function bearerOf(request: IncomingMessage): string | undefined {
  const authorization = header(request, "authorization");
  if (authorization) return authorization;
  const offered = header(request, "sec-websocket-protocol").split(",");
  const found = offered.map((p) => p.trim()).find((p) => p.startsWith(bearerPrefix));
  return found && `Bearer ${found.slice(bearerPrefix.length)}`;
}
