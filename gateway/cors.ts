/** Which pages may call (Fetch standard, CORS), and the headers that keep browsers careful. */
import { header, send, type HttpRequest, type HttpResponse } from "./http.js";

const methods = "GET, POST, PUT, DELETE, OPTIONS";
const requestHeaders = [
  "authorization",
  "content-type",
  "connect-protocol-version",
  "connect-timeout-ms",
  "grpc-timeout",
  "x-grpc-web",
  "x-user-agent",
  "x-request-id",
  "traceparent",
  "idempotency-key",
  "last-event-id",
].join(", ");
const responseHeaders = [
  "x-request-id",
  "retry-after",
  "ratelimit-limit",
  "ratelimit-remaining",
  "ratelimit-reset",
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
  "grpc-status",
  "grpc-message",
  "grpc-status-details-bin",
].join(", ");

/** Sets the response's headers; answers a preflight and returns true, which ends the request. */
export function applyCors(
  origins: string[],
  request: HttpRequest,
  response: HttpResponse,
): boolean {
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("referrer-policy", "no-referrer");
  response.setHeader("x-frame-options", "DENY");
  const origin = header(request, "origin");
  if (!origin) return false;
  response.setHeader("vary", "origin");
  const allowed = origins.includes("*") ? "*" : origins.includes(origin) ? origin : undefined;
  if (allowed === undefined) return false;
  response.setHeader("access-control-allow-origin", allowed);
  response.setHeader("access-control-expose-headers", responseHeaders);
  if (request.method !== "OPTIONS" || !header(request, "access-control-request-method"))
    return false;
  send(response, 204, {
    "access-control-allow-methods": methods,
    "access-control-allow-headers": requestHeaders,
    "access-control-max-age": "7200",
  });
  return true;
}
