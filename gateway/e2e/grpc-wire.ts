/** Plain gRPC, as any gRPC client speaks it: grpc-js over cleartext HTTP/2. */
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { Client, Metadata, credentials, type ServiceError } from "@grpc/grpc-js";
import { rpcPath } from "../../services/runtime/contract.js";
import { fromServiceError } from "../../services/runtime/status.js";
import { headersOf, type Wire } from "./wire.js";

/** A gRPC client of the gateway's port, or of any other address. */
export function grpcWire(
  address: string,
  channel = credentials.createInsecure(),
  options: Record<string, string | number> = {},
): Wire {
  const client = new Client(address, channel, options);
  const metadataOf = (headers: Record<string, string>): Metadata => {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    return metadata;
  };
  return {
    name: "gRPC",
    unary: (method, as, request, given = {}) =>
      new Promise((resolve, reject) => {
        const { path, encode, decode } = codec(method);
        const metadata = metadataOf(headersOf(as, given));
        const call = client.makeUnaryRequest(
          path,
          encode,
          decode,
          request,
          metadata,
          (error, answer) => (error ? reject(fromServiceError(error)) : resolve(answer as never)),
        );
        given.signal?.addEventListener("abort", () => call.cancel(), { once: true });
      }),
    watch: async function* (method, as, request, given) {
      const { path, encode, decode } = codec(method);
      const metadata = metadataOf(headersOf(as, given));
      const call = client.makeServerStreamRequest(path, encode, decode, request, metadata);
      const cancel = () => call.cancel();
      given.signal.addEventListener("abort", cancel, { once: true });
      try {
        for await (const message of call as AsyncIterable<never>) yield message;
      } catch (error) {
        if (!given.signal.aborted) throw fromServiceError(error as ServiceError);
      } finally {
        call.cancel();
      }
    },
    send: (method, as, requests) =>
      new Promise((resolve, reject) => {
        const { path, encode, decode } = codec(method);
        const call = client.makeClientStreamRequest(
          path,
          encode,
          decode,
          metadataOf(headersOf(as, {})),
          (error, answer) => (error ? reject(fromServiceError(error)) : resolve(answer as never)),
        );
        void (async () => {
          for await (const request of requests) call.write(request);
          call.end();
        })();
      }),
    stop: () => {
      client.close();
      return Promise.resolve();
    },
  };
}

function codec<I extends DescMessage, O extends DescMessage>(
  method: DescMethod & { input: I; output: O },
) {
  return {
    path: rpcPath(method),
    encode: (request: MessageInitShape<I>) =>
      Buffer.from(toBinary(method.input, create(method.input, request))),
    decode: (bytes: Buffer): MessageShape<O> => fromBinary(method.output, bytes),
  };
}
