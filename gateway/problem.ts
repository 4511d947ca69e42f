/** Errors over REST: RFC 9457 problem JSON. */
import { Code, StatusError } from "../services/runtime/status.js";
import { send, type HttpResponse } from "./http.js";
import { refusalHeaders } from "./limits.js";

/** HTTP status of a gRPC code. A refused transition is a conflict with the state of things: 409. */
const statusOfCode: Record<number, number> = {
  [Code.CANCELLED]: 499,
  [Code.UNKNOWN]: 500,
  [Code.INVALID_ARGUMENT]: 400,
  [Code.DEADLINE_EXCEEDED]: 504,
  [Code.NOT_FOUND]: 404,
  [Code.ALREADY_EXISTS]: 409,
  [Code.PERMISSION_DENIED]: 403,
  [Code.RESOURCE_EXHAUSTED]: 429,
  [Code.FAILED_PRECONDITION]: 409,
  [Code.ABORTED]: 409,
  [Code.OUT_OF_RANGE]: 400,
  [Code.UNIMPLEMENTED]: 501,
  [Code.INTERNAL]: 500,
  [Code.UNAVAILABLE]: 503,
  [Code.DATA_LOSS]: 500,
  [Code.UNAUTHENTICATED]: 401,
};

/** HTTP status of an error. */
export function httpStatus(error: StatusError): number {
  if (error.reason === "BODY_TOO_LARGE") return 413;
  if (error.reason === "METHOD_NOT_ALLOWED") return 405;
  return statusOfCode[error.code] ?? 500;
}

/** The problem document of an error. */
export function problemOf(error: StatusError, requestId: string, instance: string): object {
  const status = httpStatus(error);
  const reason = error.reason || Code[error.code];
  return {
    type: `urn:ridemesh:problem:${reason.toLowerCase().replaceAll("_", "-")}`,
    title: reason.toLowerCase().replaceAll("_", " "),
    status,
    detail: error.message,
    instance,
    code: Code[error.code],
    reason,
    domain: error.domain ?? "ridemesh",
    metadata: error.metadata,
    request_id: requestId,
    violations: error.violations,
    ...(error.retryAfterMs === undefined
      ? {}
      : { retry_after_seconds: Math.max(1, Math.ceil(error.retryAfterMs / 1000)) }),
  };
}

/** Answers with the error. */
export function sendProblem(
  response: HttpResponse,
  error: StatusError,
  requestId: string,
  instance: string,
): number {
  const status = httpStatus(error);
  const headers: Record<string, string> = {
    "content-type": "application/problem+json",
    ...refusalHeaders(error),
  };
  if (status === 401) headers["www-authenticate"] = 'Bearer realm="ridemesh"';
  if (status === 405) headers["allow"] = error.metadata["allow"] ?? "";
  send(response, status, headers, JSON.stringify(problemOf(error, requestId, instance)));
  return status;
}

/** No route has this path and verb. */
export function noRoute(path: string, allowed: string[]): StatusError {
  if (allowed.length > 0) {
    const allow = allowed.join(", ");
    return new StatusError(Code.UNIMPLEMENTED, {
      reason: "METHOD_NOT_ALLOWED",
      domain: "ridemesh",
      message: `${path} takes ${allow}`,
      metadata: { allow },
    });
  }
  return new StatusError(Code.NOT_FOUND, {
    reason: "NO_SUCH_PATH",
    domain: "ridemesh",
    message: `nothing answers at ${path}; /docs lists what does`,
  });
}

/** What was thrown, as an error that a caller may see. */
export function asStatusError(thrown: unknown): StatusError {
  if (thrown instanceof StatusError) return thrown;
  return new StatusError(Code.INTERNAL, {
    reason: "INTERNAL",
    domain: "ridemesh",
    message: "internal error; the log has it under the request id",
  });
}
