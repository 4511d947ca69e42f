/** REST as a person with an HTTP client sees it. */
import { Code, StatusError, type FieldViolation } from "../../services/runtime/status.js";
import type { Bearer } from "./wire.js";

export interface HttpOptions {
  as?: Bearer;
  headers?: Record<string, string>;
  /** Sent as JSON; a string or bytes as they are. */
  body?: unknown;
  signal?: AbortSignal;
}

export interface HttpAnswer {
  status: number;
  headers: Headers;
  text: string;
  /** The body, when it is JSON. */
  json: Record<string, unknown>;
}

/** An error document (RFC 9457), as the gateway writes it. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  code: keyof typeof Code;
  reason: string;
  domain: string;
  metadata: Record<string, string>;
  request_id: string;
  violations: FieldViolation[];
  retry_after_seconds?: number;
}

/** Sends a request; the answer is not read. */
export function open(
  url: string,
  verb: string,
  path: string,
  options: HttpOptions = {},
): Promise<Response> {
  const { as, body, signal } = options;
  const isRaw = typeof body === "string" || body instanceof Uint8Array;
  return fetch(`${url}${path}`, {
    method: verb,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(as ? { authorization: `Bearer ${as.token}` } : {}),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body: isRaw ? (body as string) : JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  });
}

/** Sends a request and reads its answer. */
export async function http(
  url: string,
  verb: string,
  path: string,
  options: HttpOptions = {},
): Promise<HttpAnswer> {
  const response = await open(url, verb, path, options);
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  const json = (isJson ? JSON.parse(text) : {}) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, text, json };
}

/** What a problem document says, as our own error. */
export function errorOf(problem: Problem): StatusError {
  const { reason, metadata, domain, violations, retry_after_seconds: seconds } = problem;
  return new StatusError(Code[problem.code], {
    reason,
    message: problem.detail,
    metadata,
    domain,
    violations,
    ...(seconds === undefined ? {} : { retryAfterMs: seconds * 1000 }),
  });
}
