/** Calls external methods in tests as the gateway does: over mTLS, with a person's token. */
import { Metadata } from "@grpc/grpc-js";
import type { Channel } from "../runtime/client.js";
import { fromServiceError } from "../runtime/status.js";
import type { TestCaller } from "./host.js";

interface UnaryStub {
  path: string;
  requestStream: false;
  responseStream: false;
  requestSerialize: (value: never) => Buffer;
  responseDeserialize: (bytes: Buffer) => unknown;
}

interface StreamStub {
  path: string;
  requestStream: false;
  responseStream: true;
  requestSerialize: (value: never) => Buffer;
  responseDeserialize: (bytes: Buffer) => unknown;
}

export interface CallOptions {
  /** Calls as this service instead of the gateway. */
  as?: string;
  metadata?: Record<string, string>;
}

export interface CallAs {
  /** A unary call; rejects with a StatusError. `caller` undefined: anonymous; a string: that token. */
  unary<S extends UnaryStub>(
    stub: S,
    caller: TestCaller | string | undefined,
    request: Parameters<S["requestSerialize"]>[0],
    options?: CallOptions,
  ): Promise<ReturnType<S["responseDeserialize"]>>;
  /** A server stream; ends when the signal aborts. */
  stream<S extends StreamStub>(
    stub: S,
    caller: TestCaller | string | undefined,
    request: Parameters<S["requestSerialize"]>[0],
    signal: AbortSignal,
  ): AsyncIterable<ReturnType<S["responseDeserialize"]>>;
}

/** Makes the functions; `ridemesh.trip.v1.…` in a stub's path names the service. */
export function callAs(
  channelTo: (service: string, as: string) => Channel,
  token: (caller: TestCaller) => Promise<string>,
): CallAs {
  const metadataFor = async (
    caller: TestCaller | string | undefined,
    extra: Record<string, string> = {},
  ): Promise<Metadata> => {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(extra)) metadata.set(key, value);
    if (caller !== undefined) {
      const bearer = typeof caller === "string" ? caller : await token(caller);
      metadata.set("authorization", `Bearer ${bearer}`);
    }
    return metadata;
  };
  return {
    unary: async (stub, caller, request, options = {}) => {
      const metadata = await metadataFor(caller, options.metadata);
      const { grpc } = channelTo(stub.path.split(".")[1]!, options.as ?? "gateway");
      return new Promise((resolve, reject) =>
        grpc.makeUnaryRequest(
          stub.path,
          stub.requestSerialize,
          stub.responseDeserialize,
          request,
          metadata,
          (error, response) =>
            error ? reject(fromServiceError(error)) : resolve(response as never),
        ),
      );
    },
    stream: async function* (stub, caller, request, signal) {
      const metadata = await metadataFor(caller);
      const { grpc } = channelTo(stub.path.split(".")[1]!, "gateway");
      const call = grpc.makeServerStreamRequest(
        stub.path,
        stub.requestSerialize,
        stub.responseDeserialize,
        request,
        metadata,
      );
      const cancel = () => call.cancel();
      signal.addEventListener("abort", cancel, { once: true });
      try {
        for await (const message of call as AsyncIterable<never>) yield message;
      } catch (error) {
        if (!signal.aborted) throw fromServiceError(error as never);
      } finally {
        call.cancel();
      }
    },
  };
}
