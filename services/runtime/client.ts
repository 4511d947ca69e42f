/**
 * Clients of other services: the one place for deadline, retry, circuit breaker, bulkhead and the ids
 * that follow a request. Calls here are internal ones: the peer's certificate says who calls.
 */
import { Client as GrpcClient, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { WallClock } from "./clock.js";
import { allServices, isRepeatable, policyOf } from "./contract.js";
import { createGuard, retrying, type Guard } from "./guard.js";
import type { Runnable } from "./lifecycle.js";
import type { Logger } from "./log.js";
import { fromServiceError } from "./status.js";
import { channelCredentials, type TlsIdentity } from "./tls.js";

/** The method definitions that ts-proto generates for a service, as a client needs them. */
type ClientDefinition = Record<
  string,
  {
    path: string;
    requestStream: boolean;
    responseStream: boolean;
    requestSerialize: (value: never) => Buffer;
    responseDeserialize: (bytes: Buffer) => unknown;
  }
>;

/** What a call takes over from the call that causes it. A CallContext is one. */
export interface CallOrigin {
  requestId?: string;
  traceparent?: string | undefined;
  /** Wall milliseconds since the epoch. */
  deadlineMs?: number | undefined;
  signal?: AbortSignal;
}

/** The methods of a service as async functions; a server stream as an async iterable. */
export type Client<D extends ClientDefinition> = {
  [M in keyof D]: D[M]["responseStream"] extends true
    ? (
        request: Parameters<D[M]["requestSerialize"]>[0],
        origin?: CallOrigin,
      ) => AsyncIterable<ReturnType<D[M]["responseDeserialize"]>>
    : (
        request: Parameters<D[M]["requestSerialize"]>[0],
        origin?: CallOrigin,
      ) => Promise<ReturnType<D[M]["responseDeserialize"]>>;
};

/** A connection to one service. */
export interface Channel extends Runnable {
  service: string;
  readonly grpc: GrpcClient;
  guard: Guard;
  wall: WallClock;
}

/** Connects to a service; nothing is sent before the first call. */
export function createChannel(options: {
  service: string;
  /** Asked at the first call: a service may be connected to before it has started. */
  address: () => string;
  identity: TlsIdentity;
  wall: WallClock;
  log: Logger;
}): Channel {
  const { service, wall, log } = options;
  let client: GrpcClient | undefined;
  const connect = () =>
    new GrpcClient(options.address(), channelCredentials(options.identity), {
      // The certificate must be that service's, wherever it listens.
      "grpc.ssl_target_name_override": service,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 2000,
      "grpc.keepalive_time_ms": 30_000,
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_retries": 0,
    });
  return {
    service,
    get grpc() {
      return (client ??= connect());
    },
    wall,
    guard: createGuard(service, log),
    stop: () => {
      client?.close();
      return Promise.resolve();
    },
  };
}

/** The typed client of a service over a channel. */
export function createClient<D extends ClientDefinition>(
  definition: D,
  channel: Channel,
): Client<D> {
  const policies = new Map(
    allServices().flatMap((service) =>
      service.methods.map((m) => [
        `/${service.typeName}/${m.name}`,
        {
          deadlineMs: policyOf(m).deadlineMs,
          retry: isRepeatable(m),
        },
      ]),
    ),
  );
  const client: Record<string, unknown> = {};
  for (const [name, stub] of Object.entries(definition)) {
    const policy = policies.get(stub.path);
    if (!policy) throw new Error(`${stub.path} is not in the contract`);
    client[name] = stub.responseStream
      ? (request: never, origin: CallOrigin = {}) => streamCall(channel, stub, request, origin)
      : (request: never, origin: CallOrigin = {}) =>
          unaryCall(channel, stub, request, origin, policy);
  }
  return client as Client<D>;
}

/** Calls within the origin's deadline and the method's own; retries what may be repeated. */
async function unaryCall(
  channel: Channel,
  stub: ClientDefinition[string],
  request: never,
  origin: CallOrigin,
  policy: { deadlineMs: number; retry: boolean },
): Promise<unknown> {
  const { wall } = channel;
  const deadlineMs = Math.min(
    wall.now().getTime() + policy.deadlineMs,
    origin.deadlineMs ?? Number.POSITIVE_INFINITY,
  );
  const call = () => channel.guard(() => attemptUnary(channel, stub, request, origin, deadlineMs));
  return policy.retry ? retrying(call, { wall, deadlineMs, signal: origin.signal }) : call();
}

function attemptUnary(
  channel: Channel,
  stub: ClientDefinition[string],
  request: never,
  origin: CallOrigin,
  deadlineMs: number,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = channel.grpc.makeUnaryRequest(
      stub.path,
      stub.requestSerialize,
      stub.responseDeserialize,
      request,
      outgoing(origin),
      { deadline: deadlineMs },
      (error, response) => {
        origin.signal?.removeEventListener("abort", cancel);
        if (error) reject(fromServiceError(error));
        else resolve(response);
      },
    );
    const cancel = () => call.cancel();
    origin.signal?.addEventListener("abort", cancel, { once: true });
    if (origin.signal?.aborted) cancel();
  });
}

async function* streamCall(
  channel: Channel,
  stub: ClientDefinition[string],
  request: never,
  origin: CallOrigin,
): AsyncGenerator {
  const call = channel.grpc.makeServerStreamRequest(
    stub.path,
    stub.requestSerialize,
    stub.responseDeserialize,
    request,
    outgoing(origin),
    {},
  );
  const cancel = () => call.cancel();
  origin.signal?.addEventListener("abort", cancel, { once: true });
  if (origin.signal?.aborted) cancel();
  try {
    for await (const message of call as AsyncIterable<unknown>) yield message;
  } catch (error) {
    throw fromServiceError(error as ServiceError);
  } finally {
    origin.signal?.removeEventListener("abort", cancel);
    call.cancel();
  }
}

function outgoing(origin: CallOrigin): Metadata {
  const metadata = new Metadata();
  if (origin.requestId) metadata.set("x-request-id", origin.requestId);
  if (origin.traceparent) metadata.set("traceparent", origin.traceparent);
  return metadata;
}
