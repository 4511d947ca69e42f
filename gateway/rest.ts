/** REST: finds the route, decodes, calls, encodes; one short path without a framework in between. */
import type { DescService } from "@bufbuild/protobuf";
import findMyWay from "find-my-way";
import { isExternal } from "../services/runtime/contract.js";
import { httpRules, type HttpRoute } from "../services/runtime/http-rules.js";
import { admit, ensureRequestId, type EdgeDeps } from "./edge.js";
import { header, readBody, send, urlOf, type HttpRequest, type HttpResponse } from "./http.js";
import { limitHeaders } from "./limits.js";
import { noRoute } from "./problem.js";
import { serveSse } from "./sse.js";
import { encodeValid, restRequest, restResponse } from "./transcode.js";

/** Bodies of at most this size are taken: a document's file in base64, and some more. */
export const maxBodyBytes = 3 * 1024 * 1024;

/** A route with the values of its path's fields. */
export interface RestMatch {
  route: HttpRoute;
  params: Record<string, string | undefined>;
}

export interface RestRouter {
  /** The route of a verb and path; throws NOT_FOUND, or UNIMPLEMENTED where other verbs are taken. */
  match(verb: string, path: string): RestMatch;
}

const verbs = ["GET", "POST", "PUT", "DELETE", "PATCH"] as const;

/** Routes of all external methods. */
export function createRestRouter(services: readonly DescService[]): RestRouter {
  const router = findMyWay({ ignoreTrailingSlash: true });
  const routes = httpRules(services).filter((route) => isExternal(route.method));
  for (const route of routes) {
    const path = route.path.replaceAll(
      /\{([^}]+)\}/g,
      (_, name: string) => `:${name.replaceAll(".", "_")}`,
    );
    router.on(route.verb, path, () => undefined, route);
  }
  const find = (verb: string, path: string) => router.find(verb as "GET", path);
  return {
    match: (verb, path) => {
      const found = find(verb, path);
      if (found) return { route: found.store as HttpRoute, params: found.params };
      throw noRoute(
        path,
        verbs.filter((other) => other !== verb && find(other, path)),
      );
    },
  };
}

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
  const json = JSON.stringify(restResponse(route, answer));
  send(response, route.successStatus, { "content-type": "application/json" }, json);
}

/** Aborts when the caller goes away before the answer. */
export function abortOnClose(response: HttpResponse): AbortSignal {
  const controller = new AbortController();
  response.once("close", () => {
    if (!response.writableEnded) controller.abort();
  });
  return controller.signal;
}
