/**
 * gRPC on a path of its own: frames in, frames out, every message checked and none rebuilt. Drivers'
 * phones send their positions this way, and connect-node's general machinery costs several times as
 * much for each message.
 */
import type { Http2ServerResponse } from "node:http2";
import { create, toBinary, type DescMethod, type Message } from "@bufbuild/protobuf";
import { encodeStatus, type StatusError } from "../services/runtime/status.js";
import { decodeValid } from "../services/runtime/validation.js";
import { admit, ensureRequestId, type EdgeDeps } from "./edge.js";
import { frame, frames } from "./frames.js";
import { header, type HttpRequest, type HttpResponse } from "./http.js";
import { asStatusError } from "./problem.js";

/** Messages of at most this size are taken. */
const maxMessageBytes = 4 * 1024 * 1024;

/** Whether a request is gRPC in the form that this path speaks: protobuf over HTTP/2. */
export function isGrpc(request: HttpRequest): boolean {
  const type = header(request, "content-type");
  return (
    request.httpVersionMajor === 2 &&
    (type === "application/grpc" || type === "application/grpc+proto")
  );
}

/** Answers a gRPC call. */
export async function serveGrpc(
  deps: EdgeDeps,
  method: DescMethod,
  request: HttpRequest,
  response: HttpResponse,
  ids: { requestId: string; traceparent: string },
): Promise<void> {
  const out = response as Http2ServerResponse;
  const controller = new AbortController();
  out.once("close", () => controller.abort());
  let error: StatusError | undefined;
  const begin = () => {
    if (!out.headersSent) out.writeHead(200, { "content-type": "application/grpc+proto" });
  };
  try {
    const timeoutMs = timeoutOf(header(request, "grpc-timeout"));
    const call = await admit(deps, method, request, ids, {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      signal: controller.signal,
    });
    const incoming = frames(request as AsyncIterable<Buffer>, maxMessageBytes);
    switch (method.methodKind) {
      case "unary": {
        const message = await onlyMessage(method, incoming);
        ensureRequestId(method, message, header(request, "idempotency-key"), call);
        const bytes = toBinary(method.input, message);
        const answer = await deps.upstream.unary(method, bytes, call.upstream);
        begin();
        out.write(frame(answer));
        break;
      }
      case "server_streaming": {
        const bytes = toBinary(method.input, await onlyMessage(method, incoming));
        begin();
        for await (const answer of deps.upstream.serverStream(method, bytes, call.upstream)) {
          if (!out.write(frame(answer))) await drained(out);
        }
        break;
      }
      case "client_streaming": {
        const answer = await deps.upstream.clientStream(
          method,
          checked(method, incoming),
          call.upstream,
        );
        begin();
        out.write(frame(answer));
        break;
      }
      case "bidi_streaming":
        throw new Error(`${method.name}: two-way streams are not served`);
    }
  } catch (thrown) {
    error = asStatusError(thrown);
    if (error !== thrown) {
      deps.log.error({ err: thrown, request_id: ids.requestId }, "unexpected error at the edge");
    }
  }
  if (out.stream.destroyed) return;
  begin();
  out.addTrailers(error ? trailersOf(error) : { "grpc-status": "0" });
  out.end();
}

/** Each message's bytes as they came, once they have been found sound. */
async function* checked(
  method: DescMethod,
  incoming: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of incoming) {
    decodeValid(method.input, bytes);
    yield bytes;
  }
}

async function onlyMessage(
  method: DescMethod,
  incoming: AsyncIterable<Uint8Array>,
): Promise<Message> {
  let message: Message | undefined;
  for await (const bytes of incoming) message = decodeValid(method.input, bytes);
  // An empty stream is an empty message to some clients.
  return message ?? create(method.input);
}

/** Milliseconds of a grpc-timeout header: up to eight digits and a unit. */
export function timeoutOf(text: string): number | undefined {
  const match = /^([0-9]{1,8})([HMSmun])$/.exec(text);
  if (!match) return undefined;
  const unitMs = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }[match[2] as "m"];
  return Number(match[1]) * unitMs;
}

function trailersOf(error: StatusError): Record<string, string> {
  return {
    "grpc-status": String(error.code),
    "grpc-message": encodeURIComponent(error.message),
    "grpc-status-details-bin": Buffer.from(encodeStatus(error, "ridemesh")).toString("base64"),
    ...(error.retryAfterMs === undefined
      ? {}
      : { "retry-after": String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))) }),
  };
}

function drained(out: Http2ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      out.off("drain", done);
      out.off("close", done);
      resolve();
    };
    out.on("drain", done);
    out.on("close", done);
  });
}
