/** What every external call goes through, whatever its protocol: ids, identity, limits, upstream. */
import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { Caller } from "../services/runtime/call-context.js";
import type { WallClock } from "../services/runtime/clock.js";
import { uuidv4 } from "../services/runtime/ids.js";
import type { Logger } from "../services/runtime/log.js";
import { freshKeyHeader } from "../services/runtime/idempotency.js";
import type { Metrics } from "../services/runtime/metrics.js";
import { policyOf } from "../services/runtime/contract.js";
import {
  anonymous,
  invalidToken,
  isInvalidToken,
  type TokenVerifier,
} from "../services/runtime/token.js";
import { Idempotency } from "../gen/es/ridemesh/options/v1/options_pb.js";
import { header, hostOf, type HttpRequest } from "./http.js";
import type { LimitState, Limits } from "./limits.js";
import { setRequestId } from "./transcode.js";
import type { Upstream, UpstreamCall } from "./upstream.js";

export interface EdgeDeps {
  upstream: Upstream;
  verifier: TokenVerifier;
  limits: Limits;
  wall: WallClock;
  log: Logger;
  metrics: Metrics;
  /** How many proxies in front of us append to x-forwarded-for. */
  trustedProxies: number;
}

/** A call from outside, before it goes on. */
export interface EdgeCall {
  requestId: string;
  traceId: string;
  caller: Caller;
  address: string;
  /** How the caller stands against its limit. */
  limit: LimitState | undefined;
  upstream: UpstreamCall;
}

/** What a request is known by, in its answer, in logs and in traces. */
export interface RequestIds {
  requestId: string;
  traceparent: string;
}

const idsOfRequests = new WeakMap<HttpRequest, RequestIds>();

/**
 * The ids of a request: taken from its headers where they are sound, made up otherwise. They are the
 * same whoever asks, because the answer shows the one that the services log.
 */
export function idsOf(request: HttpRequest): RequestIds {
  const known = idsOfRequests.get(request);
  if (known) return known;
  const given = header(request, "x-request-id");
  const requestId = /^[\w.:-]{1,128}$/.test(given) ? given : uuidv4();
  const parent = header(request, "traceparent");
  const traceparent = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(parent)
    ? parent
    : `00-${uuidv4().replaceAll("-", "")}-${uuidv4().replaceAll("-", "").slice(16)}-00`;
  const ids = { requestId, traceparent };
  idsOfRequests.set(request, ids);
  return ids;
}

/** Lets a call of a method in: verifies its token, counts it, and says what goes along with it. */
export async function admit(
  deps: EdgeDeps,
  method: DescMethod,
  request: HttpRequest,
  ids: { requestId: string; traceparent: string },
  options: { authorization?: string; timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<EdgeCall> {
  const authorization = options.authorization ?? header(request, "authorization");
  const caller = authorization ? await callerOf(deps, method, authorization) : anonymous;
  const address = clientAddress(request, deps.trustedProxies);
  const who = caller.anonymous ? address : `${caller.tenantId}/${caller.subject}`;
  const limit = await deps.limits.count(method, who);
  const headers: Record<string, string> = {
    "x-request-id": ids.requestId,
    traceparent: ids.traceparent,
    "x-forwarded-host": hostOf(request),
    "x-forwarded-for": address,
  };
  if (authorization) headers["authorization"] = authorization;
  return {
    requestId: ids.requestId,
    traceId: ids.traceparent.split("-")[1]!,
    caller,
    address,
    limit,
    upstream: { headers, timeoutMs: options.timeoutMs, signal: options.signal },
  };
}

/**
 * Gives a request of a KEY method its request_id: the Idempotency-Key header, or one made up here, so
 * that our own retries have one effect.
 */
export function ensureRequestId(
  method: DescMethod,
  message: Message,
  key: string,
  call: EdgeCall,
): void {
  if (policyOf(method).idempotency !== Idempotency.KEY) return;
  if (setRequestId(method.input, message, key)) return;
  setRequestId(method.input, message, uuidv4());
  // The service need not look for an earlier answer to it.
  call.upstream.headers[freshKeyHeader] = "1";
}

/** Whom a token speaks for. What anyone may call is not refused for a token that has expired. */
async function callerOf(
  deps: EdgeDeps,
  method: DescMethod,
  authorization: string,
): Promise<Caller> {
  const [scheme, token] = authorization.split(" ");
  if (scheme?.toLowerCase() !== "bearer" || !token) {
    throw invalidToken("the authorization header is not of the form Bearer …");
  }
  return deps.verifier.verify(token).catch((error: unknown) => {
    if (policyOf(method).access?.public && isInvalidToken(error)) return anonymous;
    throw error;
  });
}

/** The address that a call came from: of x-forwarded-for, only what our own proxies appended counts. */
export function clientAddress(request: HttpRequest, trustedProxies: number): string {
  const direct = request.socket?.remoteAddress ?? "";
  if (trustedProxies === 0) return direct;
  const chain = header(request, "x-forwarded-for")
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);
  return chain.at(-trustedProxies) ?? direct;
}
