/**
 * One public port for HTTP/1.1 and HTTP/2: in clear text by the first bytes of a connection (an
 * HTTP/2 client with prior knowledge begins with "PRI"), with TLS by ALPN.
 */
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { createSecureServer, createServer as createHttp2Server } from "node:http2";
import { createServer as createNetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { WallClock } from "../services/runtime/clock.js";
import type { Runnable } from "../services/runtime/lifecycle.js";
import { send, type HttpHandler } from "./http.js";

export interface PortOptions {
  host: string;
  port: number;
  /** A certificate makes the port speak TLS. PEM texts. */
  tls: { key: string; cert: string } | undefined;
  handle: HttpHandler;
  /** A request for a WebSocket. */
  upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  wall: WallClock;
  /** Within this time a connection must begin to speak, and a request have arrived whole; 30 s. */
  requestTimeoutMs?: number;
}

const defaultRequestTimeoutMs = 30_000;
const maxHeaderBytes = 16 * 1024;
const http2Settings = { maxConcurrentStreams: 500, maxHeaderListSize: maxHeaderBytes };
/** Node's default of 10 MB a session breaks under hundreds of large streams. */
const maxSessionMemoryMb = 64;
/** What only an HTTP/2 client begins with: there is no such verb. */
const preface = "PRI";

/** Starts listening; rejects with the system's error when the port cannot be had. */
export async function openPort(options: PortOptions): Promise<Runnable & { port: number }> {
  const { handle, upgrade, requestTimeoutMs = defaultRequestTimeoutMs } = options;
  const http1Limits = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: 65_000,
    connectionsCheckingInterval: Math.min(requestTimeoutMs, 5000),
  };
  const http1 = createHttpServer(http1Limits, handle);
  http1.on("upgrade", upgrade);
  const handleBounded = bounded(handle) as never;
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  };

  const server = options.tls ? secure(options.tls) : sniffing();

  function secure(tls: { key: string; cert: string }) {
    const both = createSecureServer(
      {
        ...tls,
        allowHTTP1: true,
        settings: http2Settings,
        maxSessionMemory: maxSessionMemoryMb,
      },
      handleBounded,
    );
    // Given among the options they are not heeded.
    Object.assign(both, http1Limits);
    return both.on("upgrade", upgrade);
  }

  function sniffing() {
    const http2 = createHttp2Server(
      { settings: http2Settings, maxSessionMemory: maxSessionMemoryMb },
      handleBounded,
    );
    http2.on("sessionError", () => undefined);
    // It never listens by itself, and would keep no time of requests without having heard of it.
    http1.emit("listening");
    return createNetServer((socket) => {
      socket.setNoDelay(true);
      const silent = () => socket.destroy();
      let seen: Buffer = Buffer.alloc(0);
      const look = (chunk: Buffer) => {
        seen = Buffer.concat([seen, chunk]);
        // The first bytes may come one by one.
        if (seen.length < preface.length && preface.startsWith(seen.toString("latin1"))) return;
        socket.off("data", look);
        socket.off("timeout", silent);
        socket.setTimeout(0);
        socket.pause();
        socket.unshift(seen);
        const isHttp2 = seen.toString("latin1", 0, preface.length) === preface;
        (isHttp2 ? http2 : http1).emit("connection", socket);
        // HTTP/2 reads the connection by itself from here on, and breaks when it flows as well.
        if (!isHttp2) socket.resume();
      };
      socket.setTimeout(requestTimeoutMs, silent);
      socket.on("data", look);
    });
  }

  server.on("connection", track);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : options.port;
  return {
    port,
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      http1.closeIdleConnections();
      http1.close();
      // Requests get a moment to end; streams are cut.
      await Promise.race([closed, options.wall.sleep(500)]);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Refuses headers that are too large, which over HTTP/2 are otherwise only asked to be smaller. */
function bounded(handle: HttpHandler): HttpHandler {
  return (request, response) => {
    let bytes = 0;
    for (const text of request.rawHeaders) bytes += text.length;
    if (bytes > maxHeaderBytes) send(response, 431, {});
    else handle(request, response);
  };
}
