/**
 * Connect, gRPC-Web and gRPC through connect-node, for every external method of the contract. The
 * implementation is one for all: it hands the message's bytes to the service that answers it.
 */
import {
  create,
  fromBinary,
  type DescMethod,
  type DescService,
  type Message,
} from "@bufbuild/protobuf";
import { anyUnpack, type Any } from "@bufbuild/protobuf/wkt";
import {
  ConnectError,
  createContextKey,
  createContextValues,
  type ConnectRouter,
  type HandlerContext,
} from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../gen/es/google/rpc/error_details_pb.js";
import { StatusSchema } from "../gen/es/google/rpc/status_pb.js";
import { isExternal } from "../services/runtime/contract.js";
import { encodeStatus, type StatusError } from "../services/runtime/status.js";
import { admit, ensureRequestId, idsOf, type EdgeDeps } from "./edge.js";
import type { HttpHandler, HttpRequest } from "./http.js";
import { refusalHeaders } from "./limits.js";
import { asStatusError } from "./problem.js";
import { addReflection } from "./reflection.js";
import { encodeValid } from "./transcode.js";

/** Messages of at most this size are taken. */
const maxMessageBytes = 4 * 1024 * 1024;

/** The HTTP request that a call came in. */
const requestKey = createContextKey<HttpRequest | undefined>(undefined);

/** Handles the requests of the three protocols. */
export function createConnectHandler(
  deps: EdgeDeps,
  services: readonly DescService[],
): HttpHandler {
  const external = services.flatMap((service) => service.methods).filter(isExternal);
  return connectNodeAdapter({
    routes: (router) => {
      for (const method of external) addMethod(router, method, deps);
      addReflection(router, services);
    },
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: maxMessageBytes,
    requireConnectProtocolHeader: false,
    contextValues: (request) => createContextValues().set(requestKey, request),
  });
}

function addMethod(router: ConnectRouter, method: DescMethod, deps: EdgeDeps): void {
  const enter = async (context: HandlerContext) => {
    const request = context.values.get(requestKey)!;
    const timeoutMs = context.timeoutMs();
    return admit(deps, method, request, idsOf(request), {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      signal: context.signal,
    });
  };
  const decode = (bytes: Uint8Array): Message => fromBinary(method.output, bytes);
  const keyOf = (context: HandlerContext) => context.requestHeader.get("idempotency-key") ?? "";

  switch (method.methodKind) {
    case "unary":
      router.rpc(method as DescMethod & { methodKind: "unary" }, (request, context) =>
        passErrors(deps, async () => {
          const call = await enter(context);
          ensureRequestId(method, request, keyOf(context), call);
          const bytes = encodeValid(method.input, request);
          return decode(await deps.upstream.unary(method, bytes, call.upstream));
        }),
      );
      return;
    case "server_streaming":
      router.rpc(
        method as DescMethod & { methodKind: "server_streaming" },
        async function* (request, context) {
          try {
            const call = await enter(context);
            const bytes = encodeValid(method.input, request);
            for await (const answer of deps.upstream.serverStream(method, bytes, call.upstream)) {
              yield decode(answer);
            }
          } catch (error) {
            throw toConnectError(deps, error);
          }
        },
      );
      return;
    case "client_streaming":
      router.rpc(
        method as DescMethod & { methodKind: "client_streaming" },
        (requests: AsyncIterable<Message>, context) =>
          passErrors(deps, async () => {
            const call = await enter(context);
            const encoded = (async function* () {
              for await (const request of requests) yield encodeValid(method.input, request);
            })();
            return decode(await deps.upstream.clientStream(method, encoded, call.upstream));
          }),
      );
      return;
    case "bidi_streaming":
      throw new Error(`${method.name}: two-way streams are not served`);
  }
}

async function passErrors<T>(deps: EdgeDeps, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toConnectError(deps, error);
  }
}

/**
 * The same error in Connect's form, made anew: passing a backend's error on would pass its headers on
 * as well.
 */
export function toConnectError(deps: Pick<EdgeDeps, "log">, thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  const error: StatusError = asStatusError(thrown);
  if (error !== thrown) deps.log.error({ err: thrown }, "unexpected error at the edge");
  const status = fromBinary(StatusSchema, encodeStatus(error, "ridemesh"));
  const headers = new Headers(refusalHeaders(error));
  const details = status.details.flatMap((any) => unpack(any));
  return new ConnectError(error.message, error.code as number, headers, details);
}

function unpack(any: Any) {
  for (const desc of [ErrorInfoSchema, BadRequestSchema, RetryInfoSchema]) {
    const value = anyUnpack(any, desc as typeof ErrorInfoSchema);
    if (value) return [{ desc, value: create(desc as typeof ErrorInfoSchema, value) }];
  }
  return [];
}
