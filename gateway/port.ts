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
import type { HttpHandler } from "./http.js";

export interface PortOptions {
  host: string;
  port: number;
  /** A certificate makes the port speak TLS. PEM texts. */
  tls: { key: string; cert: string } | undefined;
  handle: HttpHandler;
  /** A request for a WebSocket. */
  upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  wall: WallClock;
}

/** Requests must have arrived whole within this time. */
const requestTimeoutMs = 30_000;
const maxHeaderBytes = 16 * 1024;
const http2Settings = { maxConcurrentStreams: 500, maxHeaderListSize: maxHeaderBytes };
/** Node's default of 10 MB a session breaks under hundreds of large streams. */
const maxSessionMemoryMb = 64;

/** Starts listening; rejects with the system's error when the port cannot be had. */
export async function openPort(options: PortOptions): Promise<Runnable & { port: number }> {
  const { handle, upgrade } = options;
  const http1 = createHttpServer(
    { maxHeaderSize: maxHeaderBytes, requestTimeout: requestTimeoutMs, keepAliveTimeout: 65_000 },
    handle,
  );
  http1.on("upgrade", upgrade);
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  };

  const server = options.tls
    ? createSecureServer(
        {
          ...options.tls,
          allowHTTP1: true,
          settings: http2Settings,
          maxSessionMemory: maxSessionMemoryMb,
        },
        handle as never,
      ).on("upgrade", upgrade)
    : sniffing();

  function sniffing() {
    const http2 = createHttp2Server(
      { settings: http2Settings, maxSessionMemory: maxSessionMemoryMb },
      handle as never,
    );
    http2.on("sessionError", () => undefined);
    return createNetServer((socket) => {
      socket.setNoDelay(true);
      const decide = (chunk: Buffer) => {
        socket.pause();
        socket.unshift(chunk);
        const isHttp2 = chunk.subarray(0, 3).toString("latin1") === "PRI";
        (isHttp2 ? http2 : http1).emit("connection", socket);
        // HTTP/2 reads the connection by itself from here on, and breaks when it flows as well.
        if (!isHttp2) socket.resume();
      };
      socket.setTimeout(requestTimeoutMs, () => socket.destroy());
      socket.once("data", (chunk: Buffer) => {
        socket.setTimeout(0);
        decide(chunk);
      });
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
      // Requests get a moment to end; streams are cut.
      await Promise.race([closed, options.wall.sleep(500)]);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
