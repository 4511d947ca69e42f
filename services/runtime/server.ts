/**
 * The gRPC server of a service. It is the one place where a call's peer is identified, its token and
 * policy checked, its request validated, a repetition answered, an error mapped, and all of it
 * measured and logged (serve-method.ts); handlers see none of that.
 */
import type { DescMessage, DescService } from "@bufbuild/protobuf";
import { Server, type MethodDefinition } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { CallContext } from "./call-context.js";
import { allServices, policyOf } from "./contract.js";
import type { Runnable } from "./lifecycle.js";
import { hasPersonalData } from "./personal-data.js";
import { serveMethod, type ServeDeps, type ServedMethod } from "./serve-method.js";
import { serverCredentials, type TlsIdentity } from "./tls.js";
import { compileRules } from "./validation.js";

/** The method definitions that ts-proto generates for a service. */
export type StubDefinition = Record<
  string,
  {
    path: string;
    requestStream: boolean;
    responseStream: boolean;
    requestDeserialize: (bytes: Buffer) => unknown;
    responseSerialize: (value: never) => Buffer;
  }
>;

/** The handlers of a service: one function an rpc, typed by the generated definition. */
export type Handlers<D extends StubDefinition> = {
  [M in keyof D]: D[M]["requestStream"] extends true
    ? (
        requests: AsyncIterable<ReturnType<D[M]["requestDeserialize"]>>,
        ctx: CallContext,
      ) => Promise<Parameters<D[M]["responseSerialize"]>[0]>
    : D[M]["responseStream"] extends true
      ? (
          request: ReturnType<D[M]["requestDeserialize"]>,
          ctx: CallContext,
        ) => AsyncIterable<Parameters<D[M]["responseSerialize"]>[0]>
      : (
          request: ReturnType<D[M]["requestDeserialize"]>,
          ctx: CallContext,
        ) => Promise<Parameters<D[M]["responseSerialize"]>[0]>;
};

/** A service's definition with its handlers. */
export interface ServedService {
  definition: StubDefinition;
  handlers: Record<string, unknown>;
}

/** Pairs a generated definition with handlers that fit it. */
export function serve<D extends StubDefinition>(
  definition: D,
  handlers: Handlers<D>,
): ServedService {
  return { definition, handlers };
}

/** Messages of at most this size are taken. */
const maxMessageBytes = 4 * 1024 * 1024;

/** Starts listening; resolves when calls are answered. Port 0 takes a free one. */
export async function startServer(options: {
  services: ServedService[];
  deps: ServeDeps;
  identity: TlsIdentity;
  host: string;
  port: number;
}): Promise<Runnable & { port: number }> {
  const { deps, services } = options;
  const server = new Server({
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes,
    "grpc.max_concurrent_streams": 10_000,
    "grpc.keepalive_time_ms": 30_000,
  });
  const byPath = new Map(
    allServices().flatMap((service) => service.methods.map((m) => [pathOf(service, m.name), m])),
  );
  const inputs: DescMessage[] = [];
  for (const { definition, handlers } of services) {
    const raw: Record<string, MethodDefinition<Buffer, Buffer>> = {};
    const implementation: Record<string, (...args: never[]) => void> = {};
    for (const [name, stub] of Object.entries(definition)) {
      const desc = byPath.get(stub.path);
      if (!desc) throw new Error(`${stub.path} is not in the contract`);
      const handler = handlers[name];
      if (typeof handler !== "function") throw new Error(`${stub.path} has no handler`);
      inputs.push(desc.input);
      const method: ServedMethod = {
        desc,
        policy: policyOf(desc),
        decode: stub.requestDeserialize,
        encode: stub.responseSerialize,
        sealAnswers: hasPersonalData(desc.output),
        handler: handler as ServedMethod["handler"],
      };
      // The wrapper needs the bytes themselves: for validation, and to answer with stored ones.
      raw[name] = { ...passThrough, ...pick(stub), originalName: name };
      implementation[name] = serveMethod(method, deps);
    }
    server.addService(raw, implementation as never);
  }
  compileRules(inputs);
  const health = new HealthImplementation({ "": "SERVING" });
  health.addToServer(server);
  const port = await new Promise<number>((resolve, reject) => {
    const address = `${options.host}:${options.port}`;
    server.bindAsync(address, serverCredentials(options.identity), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    health.setStatus("", "NOT_SERVING");
    // Unary calls finish; streams have no end of their own and are cut after a moment.
    const graceful = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    await Promise.race([graceful, deps.wall.sleep(1000)]);
    server.forceShutdown();
    await graceful;
  };
  return { port, stop: () => (stopped ??= stop()) };
}

const passThrough = {
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
};

function pick(stub: StubDefinition[string]) {
  const { path, requestStream, responseStream } = stub;
  return { path, requestStream, responseStream };
}

function pathOf(service: DescService, method: string): string {
  return `/${service.typeName}/${method}`;
}
