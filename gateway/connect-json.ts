/**
 * Unary Connect calls with JSON, on a short path of their own: most calls from browsers are these, and
 * connect-node's general machinery costs them twice the CPU.
 */
import { create, toBinary, type DescMethod } from "@bufbuild/protobuf";
import { Code as ConnectCode, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { toConnectError } from "./connect.js";
import { admit, ensureRequestId, type EdgeDeps } from "./edge.js";
import {
  abortOnClose,
  header,
  type HttpRequest,
  type HttpResponse,
  readBody,
  send,
} from "./http.js";
import { jsonTextOf } from "./json-text.js";
import { limitHeaders } from "./limits.js";
import { maxBodyBytes } from "./rest.js";
import { decodeJson, encodeValid, parseJson } from "./transcode.js";

/** Answers the call in the form of the Connect protocol. */
export async function serveConnectJson(
  deps: EdgeDeps,
  method: DescMethod,
  request: HttpRequest,
  response: HttpResponse,
  ids: { requestId: string; traceparent: string },
): Promise<void> {
  try {
    const timeoutMs = timeoutOf(request);
    const call = await admit(deps, method, request, ids, {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      signal: abortOnClose(response),
    });
    if (call.limit) {
      for (const [name, value] of Object.entries(limitHeaders(call.limit))) {
        response.setHeader(name, value);
      }
    }
    const message = decodeJson(
      method.input,
      parseJson(await readBody(request, maxBodyBytes), "the body"),
    );
    ensureRequestId(method, message, header(request, "idempotency-key"), call);
    const bytes = encodeValid(method.input, message);
    const answer = await deps.upstream.unary(method, bytes, call.upstream);
    const json = jsonTextOf(method.output, { defaults: false })(answer);
    send(response, 200, { "content-type": "application/json" }, json);
  } catch (thrown) {
    if (!response.destroyed) sendError(response, toConnectError(deps, thrown));
  }
}

function timeoutOf(request: HttpRequest): number | undefined {
  const text = header(request, "connect-timeout-ms");
  return /^[0-9]{1,10}$/.test(text) ? Number(text) : undefined;
}

function sendError(response: HttpResponse, error: ConnectError): void {
  const details = error.details.flatMap((detail) =>
    "desc" in detail
      ? [
          {
            type: detail.desc.typeName,
            value: Buffer.from(toBinary(detail.desc, create(detail.desc, detail.value)))
              .toString("base64")
              .replace(/=+$/, ""),
          },
        ]
      : [],
  );
  const headers: Record<string, string> = { "content-type": "application/json" };
  error.metadata.forEach((value, name) => (headers[name] = value));
  const body = { code: codeToString(error.code), message: error.rawMessage, details };
  send(response, httpStatusOf(error.code), headers, JSON.stringify(body));
}

/** HTTP status of a Connect code, as the protocol's specification lists them. */
function httpStatusOf(code: ConnectCode): number {
  switch (code) {
    case ConnectCode.Canceled:
      return 499;
    case ConnectCode.InvalidArgument:
    case ConnectCode.FailedPrecondition:
    case ConnectCode.OutOfRange:
      return 400;
    case ConnectCode.DeadlineExceeded:
      return 504;
    case ConnectCode.NotFound:
      return 404;
    case ConnectCode.AlreadyExists:
    case ConnectCode.Aborted:
      return 409;
    case ConnectCode.PermissionDenied:
      return 403;
    case ConnectCode.ResourceExhausted:
      return 429;
    case ConnectCode.Unimplemented:
      return 501;
    case ConnectCode.Unavailable:
      return 503;
    case ConnectCode.Unauthenticated:
      return 401;
    default:
      return 500;
  }
}
