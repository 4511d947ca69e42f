/** Services made up for tests of the gateway: real gRPC over mTLS, with messages as bytes. */
import {
  Server,
  type Metadata,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
} from "@grpc/grpc-js";
import type { EventEmitter } from "node:events";
import { connect as connectTcp } from "node:net";
import type { DescMethod } from "@bufbuild/protobuf";
import { createAuthority, type Authority } from "../services/runtime/certificates.js";
import { wallClock } from "../services/runtime/clock.js";
import { rpcPath } from "../services/runtime/contract.js";
import { StatusError, toServiceError } from "../services/runtime/status.js";
import { serverCredentials, type TlsIdentity } from "../services/runtime/tls.js";

/** What a call brought along. */
export interface BackendCall {
  metadata: Metadata;
  signal: AbortSignal;
}

/** Answers of a made-up service; errors that are thrown leave as a service's do. */
export type Answers =
  | { unary: (request: Buffer, call: BackendCall) => Promise<Uint8Array> | Uint8Array }
  | { stream: (request: Buffer, call: BackendCall) => AsyncIterable<Uint8Array> }
  | { collect: (requests: AsyncIterable<Buffer>, call: BackendCall) => Promise<Uint8Array> };

export interface Backend {
  port: number;
  address: string;
  /** Ends at once, as a kill does. */
  kill(): void;
  /** Finishes what runs, and ends. */
  stop(): Promise<void>;
}

/** Starts a server that shows this identity; port 0 takes a free one. */
export async function startBackend(
  identity: TlsIdentity,
  methods: [DescMethod, Answers][],
  port = 0,
): Promise<Backend> {
  const server = new Server({
    "grpc.max_receive_message_length": 5 * 1024 * 1024,
    "grpc.max_send_message_length": 6 * 1024 * 1024,
  });
  const bytes = (value: Buffer) => value;
  for (const [method, answers] of methods) {
    const definition = {
      path: rpcPath(method),
      requestStream: "collect" in answers,
      responseStream: "stream" in answers,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    };
    server.addService(
      { [method.name]: definition },
      { [method.name]: implement(answers) as never },
    );
  }
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, serverCredentials(identity), (error, result) =>
      error ? reject(error) : resolve(result),
    ),
  );
  return {
    port: bound,
    address: `127.0.0.1:${bound}`,
    kill: () => server.forceShutdown(),
    stop: () => new Promise((resolve) => server.tryShutdown(() => resolve())),
  };
}

type AnyCall =
  | ServerUnaryCall<Buffer, Buffer>
  | ServerWritableStream<Buffer, Buffer>
  | ServerReadableStream<Buffer, Buffer>;
type Callback = (error: Partial<ServiceError> | null, value?: Buffer) => void;

function implement(answers: Answers): (...args: never[]) => void {
  const contextOf = (call: AnyCall): BackendCall => {
    const controller = new AbortController();
    (call as EventEmitter).on("cancelled", () => controller.abort());
    return { metadata: call.metadata, signal: controller.signal };
  };
  if ("unary" in answers) {
    return (call: ServerUnaryCall<Buffer, Buffer>, callback: Callback) => {
      settle(async () => answers.unary(call.request, contextOf(call)), callback);
    };
  }
  if ("collect" in answers) {
    return (call: ServerReadableStream<Buffer, Buffer>, callback: Callback) => {
      settle(() => answers.collect(call as AsyncIterable<Buffer>, contextOf(call)), callback);
    };
  }
  return (call: ServerWritableStream<Buffer, Buffer>) => {
    const gone = new Promise((go) => (call as EventEmitter).once("cancelled", go));
    void (async () => {
      try {
        for await (const message of answers.stream(call.request, contextOf(call))) {
          if (call.write(Buffer.from(message))) continue;
          await Promise.race([new Promise((go) => call.once("drain", go)), gone]);
        }
        call.end();
      } catch (error) {
        call.emit("error", leaving(error));
      }
    })();
  };
}

function settle(work: () => Promise<Uint8Array>, callback: Callback): void {
  work().then(
    (value) => callback(null, Buffer.from(value)),
    (error: unknown) => callback(leaving(error)),
  );
}

function leaving(error: unknown): Partial<ServiceError> {
  return error instanceof StatusError ? toServiceError(error, "test") : (error as ServiceError);
}

let authority: Promise<Authority> | undefined;

/** A certificate of the tests' authority. */
export async function identityOf(service: string): Promise<TlsIdentity> {
  authority ??= createAuthority({ now: wallClock.now() });
  return (await authority).issue({ service, now: wallClock.now() });
}

/** A port that nobody listens on. */
export async function freePort(identity: TlsIdentity): Promise<number> {
  const { port, stop } = await startBackend(identity, []);
  await stop();
  const answer = await new Promise((resolve) => {
    const socket = connectTcp(port, "127.0.0.1", () => resolve("open"));
    socket.once("error", () => resolve("closed"));
    socket.once("close", () => socket.destroy());
  });
  if (answer !== "closed") throw new Error(`port ${port} is taken`);
  return port;
}
