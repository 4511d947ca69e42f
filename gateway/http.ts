/** What HTTP/1.1 and HTTP/2 requests and responses have in common. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { Code, StatusError } from "../services/runtime/status.js";

export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;
export type HttpHandler = (request: HttpRequest, response: HttpResponse) => void;

/** A header's value; several are joined by commas, as HTTP says. */
export function header(request: HttpRequest, name: string): string {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(", ") : (value ?? "");
}

/** The request's host without its port. */
export function hostOf(request: HttpRequest): string {
  const host = header(request, ":authority") || header(request, "host");
  return host.replace(/:\d+$/, "");
}

/** The path and query of a request. */
export function urlOf(request: HttpRequest): { path: string; query: URLSearchParams } {
  const url = request.url ?? "/";
  const mark = url.indexOf("?");
  if (mark < 0) return { path: url, query: new URLSearchParams() };
  return { path: url.slice(0, mark), query: new URLSearchParams(url.slice(mark + 1)) };
}

/**
 * The whole body, up to a limit; beyond it RESOURCE_EXHAUSTED with the reason BODY_TOO_LARGE. By
 * callbacks: an async iterable costs more than all else that is done to a small body.
 */
export function readBody(request: HttpRequest, maxBytes: number): Promise<Buffer> {
  if (!hasBody(request)) return Promise.resolve(noBody);
  if (Number(header(request, "content-length")) > maxBytes) {
    return Promise.reject(tooLarge(maxBytes));
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      // The rest is read and dropped, so that the caller comes to hear the answer.
      if (size > maxBytes) reject(tooLarge(maxBytes));
      else chunks.push(chunk);
    });
    request.once("end", () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    request.once("error", () => reject(goneAway()));
    request.once("close", () => reject(goneAway()));
  });
}

const noBody = Buffer.alloc(0);

/** Whether a body may follow: HTTP/1.1 announces one, HTTP/2 says when there is none. */
function hasBody(request: HttpRequest): boolean {
  if (request.httpVersionMajor === 2)
    return !(request as Http2ServerRequest).stream.endAfterHeaders;
  return (
    header(request, "transfer-encoding") !== "" || Number(header(request, "content-length")) > 0
  );
}

function goneAway(): StatusError {
  return new StatusError(Code.CANCELLED, {
    reason: "CANCELLED",
    domain: "ridemesh",
    message: "the caller went away",
  });
}

function tooLarge(maxBytes: number): StatusError {
  return new StatusError(Code.RESOURCE_EXHAUSTED, {
    reason: "BODY_TOO_LARGE",
    domain: "ridemesh",
    message: `the body is larger than ${maxBytes} bytes`,
  });
}

/** Sends a whole response. */
export function send(
  response: HttpResponse,
  status: number,
  headers: Record<string, string>,
  body?: string | Uint8Array,
): void {
  if (response.headersSent || response.writableEnded) {
    response.end();
    return;
  }
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.statusCode = status;
  if (body === undefined) response.end();
  else response.end(body);
}

/** Aborts when the caller goes away before the answer. */
export function abortOnClose(response: HttpResponse): AbortSignal {
  const controller = new AbortController();
  response.once("close", () => {
    if (!response.writableEnded) controller.abort();
  });
  return controller.signal;
}
