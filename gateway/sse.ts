/** Server streams as server-sent events (WHATWG HTML, section 9.2). */
import type { EdgeDeps } from "./edge.js";
import { abortOnClose, type HttpRequest, type HttpResponse } from "./http.js";
import { asStatusError, problemOf } from "./problem.js";
import type { RestMatch } from "./rest-router.js";
import { heartbeatMs, openStream, type StreamMessage } from "./streams.js";

/** A stream that has said nothing for so long has begun. */
const beginAfterMs = 300;

/**
 * Streams the route's messages. An error before the first message is an ordinary problem; one after
 * it ends the stream with an event `error` that carries the same document. A stream that has come to
 * its end says so with an event `end`, so that the browser's EventSource knows not to come back.
 */
export async function serveSse(
  deps: EdgeDeps,
  match: RestMatch,
  request: HttpRequest,
  response: HttpResponse,
  ids: { requestId: string; traceparent: string },
): Promise<void> {
  const signal = abortOnClose(response);
  const { messages } = await openStream(deps, match, request, ids, { signal });
  const iterator = messages[Symbol.asyncIterator]();
  const write = (text: string): boolean => (response as { write(t: string): boolean }).write(text);
  const begin = () => {
    if (response.headersSent) return;
    response.statusCode = 200;
    response.setHeader("content-type", "text/event-stream");
    response.setHeader("cache-control", "no-store");
    response.setHeader("x-accel-buffering", "no");
    write("retry: 1000\n\n");
  };
  // A stream may have nothing to say for long; it has begun all the same once nothing refused it.
  const decided = new AbortController();
  const undecided = AbortSignal.any([signal, decided.signal]);
  void deps.wall.sleep(beginAfterMs, undecided).then(() => {
    if (!undecided.aborted) begin();
  });
  const heartbeat = beat(deps, signal, () => {
    if (response.headersSent) write(": heartbeat\n\n");
  });
  try {
    for (;;) {
      const next = await iterator.next();
      if (next.done) break;
      begin();
      if (!write(eventText(next.value))) await drained(response, signal);
    }
    begin();
    write("event: end\ndata: {}\n\n");
    response.end();
  } catch (error) {
    if (signal.aborted) return;
    if (!response.headersSent) throw error;
    const problem = problemOf(asStatusError(error), ids.requestId, request.url ?? "");
    write(`event: error\ndata: ${JSON.stringify(problem)}\n\n`);
    response.end();
  } finally {
    heartbeat.abort();
    decided.abort();
  }
}

function eventText({ id, json }: StreamMessage): string {
  return `${id === undefined ? "" : `id: ${id}\n`}data: ${json}\n\n`;
}

/** Calls back at each heartbeat until aborted, or the stream is. */
export function beat(deps: EdgeDeps, signal: AbortSignal, callback: () => void): AbortController {
  const controller = new AbortController();
  const either = AbortSignal.any([signal, controller.signal]);
  void (async () => {
    while (!either.aborted) {
      await deps.wall.sleep(heartbeatMs, either);
      if (!either.aborted) callback();
    }
  })();
  return controller;
}

function drained(response: HttpResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    response.on("drain", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
