/** REST: finds the route, decodes, calls, encodes; one short path without a framework in between. */
import { admit, ensureRequestId, type EdgeDeps } from "./edge.js";
import {
  abortOnClose,
  header,
  readBody,
  send,
  urlOf,
  type HttpRequest,
  type HttpResponse,
} from "./http.js";
import { limitHeaders } from "./limits.js";
import type { RestMatch } from "./rest-router.js";
import { serveSse } from "./sse.js";
import { encodeValid, restRequest, restResponse } from "./transcode.js";

/** Bodies of at most this size are taken: a document's file in base64, and some more. */
export const maxBodyBytes = 3 * 1024 * 1024;

/** Answers a REST call. Returns the route, for metrics. */
export async function serveRest(
  deps: EdgeDeps,
  match: RestMatch,
  request: HttpRequest,
  response: HttpResponse,
  ids: { requestId: string; traceparent: string },
): Promise<void> {
  const { route, params } = match;
  const { method } = route;
  const { query } = urlOf(request);
  if (method.methodKind === "server_streaming") {
    await serveSse(deps, match, request, response, ids);
    return;
  }
  const call = await admit(deps, method, request, ids, { signal: abortOnClose(response) });
  if (call.limit) {
    for (const [name, value] of Object.entries(limitHeaders(call.limit))) {
      response.setHeader(name, value);
    }
  }
  const body = await readBody(request, maxBodyBytes);
  const message = restRequest(route, params, query, body);
  ensureRequestId(method, message, header(request, "idempotency-key"), call);
  const answer = await deps.upstream.unary(
    method,
    encodeValid(method.input, message),
    call.upstream,
  );
  if (route.successStatus === 204) {
    send(response, 204, {});
    return;
  }
  const json = restResponse(route, answer);
  send(response, route.successStatus, { "content-type": "application/json" }, json);
}
