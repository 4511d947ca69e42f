/**
 * One way of calling the platform, whatever the protocol: any method by its descriptor. A call that
 * fails rejects with a StatusError made of what came over the wire.
 */
import {
  type DescMessage,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { ConnectError, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/es/google/rpc/error_details_pb.js";
import type { Runnable } from "../../services/runtime/lifecycle.js";
import { StatusError } from "../../services/runtime/status.js";

/** Whom a call speaks for; undefined: nobody. */
export type Bearer = { token: string } | undefined;

export interface WireOptions {
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export interface Wire extends Runnable {
  name: string;
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    as: Bearer,
    request: MessageInitShape<I>,
    options?: WireOptions,
  ): Promise<MessageShape<O>>;
  /** The messages of a server's stream; ends quietly when the signal aborts. */
  watch<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    as: Bearer,
    request: MessageInitShape<I>,
    options: WireOptions & { signal: AbortSignal },
  ): AsyncIterable<MessageShape<O>>;
  /** Sends a client's stream; undefined where the protocol has none. */
  send:
    | (<I extends DescMessage, O extends DescMessage>(
        method: DescMethodClientStreaming<I, O>,
        as: Bearer,
        requests: AsyncIterable<MessageInitShape<I>>,
      ) => Promise<MessageShape<O>>)
    | undefined;
}

/** The Connect protocol over HTTP/2, as JSON or in the binary form. */
export function connectWire(url: string, format: "json" | "binary"): Wire {
  const sessionManager = new Http2SessionManager(url);
  const transport = createConnectTransport({
    baseUrl: url,
    httpVersion: "2",
    useBinaryFormat: format === "binary",
    sessionManager,
    acceptCompression: [],
  });
  return transportWire(`Connect (${format})`, transport, sessionManager);
}

/** gRPC-Web over HTTP/2. */
export function grpcWebWire(url: string): Wire {
  const sessionManager = new Http2SessionManager(url);
  const transport = createGrpcWebTransport({
    baseUrl: url,
    httpVersion: "2",
    sessionManager,
    acceptCompression: [],
  });
  return transportWire("gRPC-Web", transport, sessionManager);
}

function transportWire(name: string, transport: Transport, sessions: Http2SessionManager): Wire {
  return {
    name,
    unary: async (method, as, request, options = {}) => {
      const headers = headersOf(as, options);
      const answer = await transport
        .unary(method, options.signal, undefined, headers, request)
        .catch(rethrow);
      return answer.message;
    },
    watch: async function* (method, as, request, options) {
      try {
        const { signal } = options;
        const headers = headersOf(as, options);
        const input = once(request);
        const answer = await transport.stream(method, signal, undefined, headers, input);
        yield* answer.message;
      } catch (error) {
        if (!options.signal.aborted) rethrow(error);
      }
    },
    send: async (method, as, requests) => {
      try {
        const headers = headersOf(as, {});
        const answer = await transport.stream(method, undefined, undefined, headers, requests);
        for await (const message of answer.message) return message;
      } catch (error) {
        rethrow(error);
      }
      throw new Error(`${method.name} was not answered`);
    },
    stop: () => {
      sessions.abort();
      return Promise.resolve();
    },
  };
}

/** The headers of a call. */
export function headersOf(as: Bearer, { headers }: WireOptions): Record<string, string> {
  return as ? { authorization: `Bearer ${as.token}`, ...headers } : { ...headers };
}

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value;
}

function rethrow(error: unknown): never {
  throw statusOf(error);
}

/** What a Connect error says, as our own error; anything else as it is. */
export function statusOf(thrown: unknown): unknown {
  if (!(thrown instanceof ConnectError)) return thrown;
  const [info] = thrown.findDetails(ErrorInfoSchema);
  const violations = thrown
    .findDetails(BadRequestSchema)
    .flatMap((bad) => bad.fieldViolations)
    .map(({ field, description, reason }) => ({ field, message: description, rule: reason }));
  const delay = thrown.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return new StatusError(thrown.code as number, {
    reason: info?.reason ?? "",
    message: thrown.rawMessage,
    violations,
    ...(info ? { metadata: info.metadata, domain: info.domain } : {}),
    ...(delay ? { retryAfterMs: Number(delay.seconds) * 1000 + delay.nanos / 1e6 } : {}),
  });
}
