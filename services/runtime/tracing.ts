/**
 * Spans around what no instrumentation sees: a request at the gateway, an event at its consumer. Where
 * telemetry.ts has not been loaded or not been switched on, all of this does next to nothing.
 */
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  context,
  propagation,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import type { WallClock } from "./clock.js";

/** A request that is being answered. */
export interface RequestSpan {
  /** For the calls that it causes (W3C Trace Context). */
  traceparent: string;
  end(verb: string, route: string, status: number): void;
}

/**
 * Begins the span of a request, as part of the trace that its header names. Undefined where traces are
 * off, and where the caller's is not sampled.
 */
export function startRequestSpan(traceparent: string): RequestSpan | undefined {
  const parent = propagation.extract(ROOT_CONTEXT, { traceparent });
  const span = tracer().startSpan("request", { kind: SpanKind.SERVER }, parent);
  if (!span.isRecording()) return undefined;
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`,
    end: (verb, route, status) => {
      span.updateName(`${verb} ${route}`);
      span.setAttributes({
        "http.request.method": verb,
        "http.route": route,
        "http.response.status_code": status,
      });
      // What a caller did wrong is no fault of this server's.
      if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}

/** Handles an event as part of the trace that caused it. */
export function inEventSpan(
  event: { group: string; type: string; id: string; traceparent?: string | undefined },
  handle: () => Promise<void>,
): Promise<void> {
  const parent = propagation.extract(ROOT_CONTEXT, { traceparent: event.traceparent ?? "" });
  const name = `${event.group} ${event.type}`;
  const span = tracer().startSpan(name, { kind: SpanKind.CONSUMER }, parent);
  if (!span.isRecording()) return handle();
  span.setAttributes({
    "messaging.consumer.group.name": event.group,
    "messaging.message.id": event.id,
  });
  return context.with(trace.setSpan(parent, span), async () => {
    try {
      await handle();
    } catch (error) {
      span.recordException(error as Error);
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  });
}

/**
 * Sends the spans that have ended and still wait; to be called before a process ends. A collector that
 * is away holds nothing up for longer than a second.
 */
export async function flushSpans(wall: WallClock): Promise<void> {
  const provider = trace.getTracerProvider() as {
    getDelegate?: () => { forceFlush?: () => Promise<void> };
  };
  const sent = provider.getDelegate?.().forceFlush?.();
  if (!sent) return;
  const inTime = new AbortController();
  await Promise.race([sent.catch(() => undefined), wall.sleep(1000, inTime.signal)]);
  inTime.abort();
}

function tracer(): Tracer {
  return trace.getTracer("ridemesh");
}
