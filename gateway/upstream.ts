/**
 * The gateway's client of the services: gRPC over a bare HTTP/2 session and mTLS, with messages as
 * bytes. grpc-js would cost more than twice the CPU for each call (gateway/bench), and the gateway has
 * no use for its features.
 */
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import type { WallClock } from "../services/runtime/clock.js";
import { isRepeatable, policyOf, rpcPath, serviceNameOf } from "../services/runtime/contract.js";
import { createGuard, retrying, type Guard } from "../services/runtime/guard.js";
import { frame, frames, prefixBytes } from "./frames.js";
import type { Runnable } from "../services/runtime/lifecycle.js";
import type { Logger } from "../services/runtime/log.js";
import { Code, StatusError, decodeStatus, unavailable } from "../services/runtime/status.js";
import type { TlsIdentity } from "../services/runtime/tls.js";

/** What goes along with a call. */
export interface UpstreamCall {
  /** Metadata: authorization, x-request-id, traceparent, x-forwarded-for, x-forwarded-host. */
  headers: Record<string, string>;
  /** What the caller still waits, in milliseconds; the method's own deadline holds besides. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface Upstream extends Runnable {
  unary(method: DescMethod, request: Uint8Array, call: UpstreamCall): Promise<Uint8Array>;
  serverStream(
    method: DescMethod,
    request: Uint8Array,
    call: UpstreamCall,
  ): AsyncIterable<Uint8Array>;
  clientStream(
    method: DescMethod,
    requests: AsyncIterable<Uint8Array>,
    call: UpstreamCall,
  ): Promise<Uint8Array>;
}

/** Messages of at most this size are taken from a service. */
const maxMessageBytes = 4 * 1024 * 1024;

/** Connects to services as they are needed. */
export function createUpstream(options: {
  address: (service: string) => string;
  identity: TlsIdentity;
  wall: WallClock;
  log: Logger;
}): Upstream {
  const { wall } = options;
  const targets = new Map<string, Target>();
  const targetOf = (method: DescMethod): Target => {
    const service = serviceNameOf(method);
    let target = targets.get(service);
    if (!target) {
      target = createTarget(service, options);
      targets.set(service, target);
    }
    return target;
  };

  return {
    unary: (method, request, call) => {
      const target = targetOf(method);
      const timeoutMs = Math.min(policyOf(method).deadlineMs, call.timeoutMs ?? Infinity);
      const deadlineMs = wall.now().getTime() + timeoutMs;
      const attempt = () =>
        target.guard(async () => {
          const leftMs = deadlineMs - wall.now().getTime();
          const stream = target.open(method, call, leftMs);
          stream.end(frame(request));
          return one(stream, call.signal);
        });
      const { signal } = call;
      return isRepeatable(method) ? retrying(attempt, { wall, deadlineMs, signal }) : attempt();
    },

    serverStream: async function* (method, request, call) {
      const stream = targetOf(method).open(method, call, undefined);
      stream.end(frame(request));
      yield* messages(stream, call.signal);
    },

    clientStream: async (method, requests, call) => {
      const stream = targetOf(method).open(method, call, undefined);
      const answer = one(stream, call.signal);
      const writing = (async () => {
        for await (const request of requests) {
          if (stream.destroyed) return;
          if (!stream.write(frame(request))) await new Promise((go) => stream.once("drain", go));
        }
        stream.end();
      })();
      // Whichever fails first is the result; a source that ends badly cancels the call.
      await Promise.race([
        answer,
        writing.catch((error: unknown) => {
          stream.close(constants.NGHTTP2_CANCEL);
          throw error;
        }),
      ]);
      return answer;
    },

    stop: async () => {
      await Promise.all([...targets.values()].map((target) => target.stop()));
    },
  };
}

interface Target extends Runnable {
  guard: Guard;
  open(method: DescMethod, call: UpstreamCall, timeoutMs: number | undefined): ClientHttp2Stream;
}

function createTarget(
  service: string,
  options: { address: (service: string) => string; identity: TlsIdentity; log: Logger },
): Target {
  let session: ClientHttp2Session | undefined;
  const current = (): ClientHttp2Session => {
    if (session && !session.closed && !session.destroyed) return session;
    const { ca, key, cert } = options.identity;
    const created = connect(`https://${options.address(service)}`, {
      ca,
      key,
      cert,
      // The certificate must be that service's, wherever it listens.
      servername: service,
      settings: { enablePush: false, initialWindowSize: 1024 * 1024 },
      maxSessionMemory: 64,
    });
    created.on("error", (error) =>
      options.log.warn({ target: service, err: error }, "connection lost"),
    );
    // A session must not keep the process alive.
    created.on("connect", () => created.unref());
    created.once("close", () => {
      if (session === created) session = undefined;
    });
    session = created;
    return created;
  };
  return {
    guard: createGuard(service, options.log),
    open: (method, call, timeoutMs) => {
      const headers: Record<string, string> = {
        ...call.headers,
        ":method": "POST",
        ":path": rpcPath(method),
        "content-type": "application/grpc+proto",
        te: "trailers",
      };
      if (timeoutMs !== undefined)
        headers["grpc-timeout"] = `${Math.max(1, Math.floor(timeoutMs))}m`;
      const stream = current().request(headers);
      if (timeoutMs !== undefined) {
        // The service ends the call by its deadline; this is for one that does not answer at all.
        stream.setTimeout(timeoutMs + 250, () => stream.close(constants.NGHTTP2_CANCEL));
      }
      return stream;
    },
    stop: async () => {
      const open = session;
      if (!open || open.destroyed) return;
      await new Promise<void>((resolve) => {
        open.once("close", resolve);
        open.destroy();
      });
    },
  };
}

/**
 * The one message of a call's answer. By callbacks: reading a stream as an async iterable costs a third
 * of the whole call, and this is the way that nearly all calls take.
 */
function one(stream: ClientHttp2Stream, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const end = watchEnd(stream);
  const stopListening = cancelOnAbort(stream, signal);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    stream.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size <= maxMessageBytes + prefixBytes) return;
      end.failure ??= badAnswer(`the service's answer is larger than ${maxMessageBytes} bytes`);
      stream.close(constants.NGHTTP2_CANCEL);
    });
    const finish = () => {
      stopListening();
      let answer: Uint8Array;
      try {
        checkEnd(end, signal);
        answer = onlyMessage(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      resolve(answer);
    };
    // The status is there before the end of the bytes; only a call that breaks off has none.
    stream.once("end", () => {
      if (end.status) finish();
    });
    stream.once("close", finish);
  });
}

function onlyMessage(bytes: Buffer): Uint8Array {
  const framed = bytes.length >= prefixBytes && bytes[0] === 0;
  if (framed && bytes.readUInt32BE(1) === bytes.length - prefixBytes) {
    return bytes.subarray(prefixBytes);
  }
  throw badAnswer(bytes.length === 0 ? "the service sent no answer" : "the answer is not whole");
}

/** The messages of a call's answer; throws its status when that is not OK. */
async function* messages(
  stream: ClientHttp2Stream,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const end = watchEnd(stream);
  const stopListening = cancelOnAbort(stream, signal);
  try {
    yield* frames(stream as AsyncIterable<Buffer>, maxMessageBytes);
  } catch (error) {
    end.failure ??= error as Error;
  } finally {
    stopListening();
    // Only what has not ended is cancelled: a server counts resets, and cuts off who sends many.
    if (!end.status && !stream.closed) stream.close(constants.NGHTTP2_CANCEL);
  }
  checkEnd(end, signal);
}

/** Returns how to stop listening. */
function cancelOnAbort(stream: ClientHttp2Stream, signal: AbortSignal | undefined): () => void {
  if (!signal) return () => undefined;
  const cancel = () => stream.close(constants.NGHTTP2_CANCEL);
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  return () => signal.removeEventListener("abort", cancel);
}

/** What is known of a call's end. */
interface End {
  status: Trailers | undefined;
  failure: Error | undefined;
  timedOut: boolean;
}

/** The trailers of a call, or its headers when there is nothing else. */
type Trailers = Record<string, string | string[] | number | undefined>;

function watchEnd(stream: ClientHttp2Stream): End {
  const end: End = { status: undefined, failure: undefined, timedOut: false };
  stream.on("response", (headers: Trailers) => {
    if (headers["grpc-status"] !== undefined) end.status = headers;
    else if (headers[":status"] !== 200)
      end.failure = new Error(`HTTP status ${String(headers[":status"])}`);
  });
  stream.on("trailers", (headers: Trailers) => {
    end.status = headers;
  });
  stream.on("error", (error: Error) => {
    end.failure ??= error;
  });
  stream.on("timeout", () => {
    end.timedOut = true;
  });
  return end;
}

/** Throws what a call has ended with, unless it is OK. */
function checkEnd({ status, failure, timedOut }: End, signal: AbortSignal | undefined): void {
  if (failure instanceof StatusError) throw failure;
  if (status) {
    const error = statusError(status);
    if (error) throw error;
    return;
  }
  if (signal?.aborted) {
    throw new StatusError(Code.CANCELLED, {
      reason: "CANCELLED",
      domain: "ridemesh",
      message: "the caller went away",
    });
  }
  if (timedOut) {
    throw new StatusError(Code.DEADLINE_EXCEEDED, {
      reason: "DEPENDENCY_UNAVAILABLE",
      domain: "ridemesh",
      message: "the service did not answer in time",
    });
  }
  throw unavailable(`the service is away${failure ? `: ${failure.message}` : ""}`);
}

function statusError(trailers: Trailers): StatusError | undefined {
  const code = Number(trailers["grpc-status"]);
  if (code === Code.OK) return undefined;
  const details = trailers["grpc-status-details-bin"];
  if (typeof details === "string") return decodeStatus(Buffer.from(details, "base64"));
  const text = trailers["grpc-message"];
  const message = typeof text === "string" ? unescaped(text) : "";
  const reason = code === Code.DEADLINE_EXCEEDED ? "DEPENDENCY_UNAVAILABLE" : "";
  return new StatusError(code, { reason, domain: "ridemesh", message });
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function badAnswer(message: string): StatusError {
  return new StatusError(Code.INTERNAL, { reason: "INTERNAL", domain: "ridemesh", message });
}
