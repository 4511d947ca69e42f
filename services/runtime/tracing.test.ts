import { context, propagation, trace } from "@opentelemetry/api";
import { NodeSDK, type NodeSDKConfiguration } from "@opentelemetry/sdk-node";
import { expect } from "chai";
import { wallClock } from "./clock.js";
import { flushSpans, inEventSpan, startRequestSpan } from "./tracing.js";

type SpanProcessor = NonNullable<NodeSDKConfiguration["spanProcessors"]>[number];
type EndedSpan = Parameters<SpanProcessor["onEnd"]>[0];

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentId = "00f067aa0ba902b7";
const sampled = `00-${traceId}-${parentId}-01`;
const event = { group: "trip", type: "ridemesh.trip.v1.TripAccepted", id: "e1" };

describe("spans", () => {
  describe("while traces are off", () => {
    it("are not made for a request", () => {
      expect(startRequestSpan(sampled)).to.equal(undefined);
    });

    it("leave the handling of an event as it is", async () => {
      let handled = 0;
      await inEventSpan({ ...event, traceparent: sampled }, () => Promise.resolve(void handled++));
      expect(handled).to.equal(1);
      await flushSpans(wallClock);
    });
  });

  describe("while traces are on", () => {
    let ended: EndedSpan[];
    let flushed: () => Promise<void>;
    let sdk: NodeSDK;
    before(() => {
      const collecting: SpanProcessor = {
        onStart: () => undefined,
        onEnd: (span) => void ended.push(span),
        forceFlush: () => flushed(),
        shutdown: () => Promise.resolve(),
      };
      sdk = new NodeSDK({
        spanProcessors: [collecting],
        metricReaders: [],
        logRecordProcessors: [],
        autoDetectResources: false,
      });
      sdk.start();
    });
    beforeEach(() => {
      ended = [];
      flushed = () => Promise.resolve();
    });
    after(async () => {
      await sdk.shutdown();
      for (const api of [trace, context, propagation]) api.disable();
    });

    it("continue the trace of a request, for the calls that it causes", () => {
      const span = startRequestSpan(sampled)!;
      expect(span.traceparent).to.match(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
      span.end("GET", "/api/trips/{trip_id}", 404);
      const [made] = ended;
      expect(made!.name).to.equal("GET /api/trips/{trip_id}");
      expect(made!.parentSpanContext?.spanId).to.equal(parentId);
      expect(made!.status.code).to.equal(0);
      expect(made!.attributes).to.deep.equal({
        "http.request.method": "GET",
        "http.route": "/api/trips/{trip_id}",
        "http.response.status_code": 404,
      });
    });

    it("mark a request that failed on our side", () => {
      startRequestSpan("")!.end("GET", "/api/clock", 503);
      expect(ended[0]!.status.code).to.equal(2);
    });

    it("are not made for a caller whose trace is not sampled", () => {
      expect(startRequestSpan(`00-${traceId}-${parentId}-00`)).to.equal(undefined);
    });

    it("continue the trace of an event's cause in what its handler does", async () => {
      let active: string | undefined;
      await inEventSpan({ ...event, traceparent: sampled }, async () => {
        await Promise.resolve();
        active = trace.getActiveSpan()?.spanContext().traceId;
      });
      expect(active).to.equal(traceId);
      expect(ended[0]!.name).to.equal("trip ridemesh.trip.v1.TripAccepted");
      expect(ended[0]!.parentSpanContext?.spanId).to.equal(parentId);
    });

    it("mark an event that could not be handled, and let the error through", async () => {
      const broken = new Error("no such trip");
      const thrown = await inEventSpan(event, () => Promise.reject(broken)).catch(
        (error: unknown) => error,
      );
      expect(thrown).to.equal(broken);
      expect(ended[0]!.status.code).to.equal(2);
    });

    it("are sent before the process ends, whether or not the collector is there", async () => {
      let asked = 0;
      let answer: (() => void) | undefined;
      flushed = () => {
        asked += 1;
        if (asked === 1) return Promise.reject(new Error("away"));
        return new Promise<void>((resolve) => (answer = resolve));
      };
      await flushSpans(wallClock);
      await flushSpans(wallClock);
      answer?.();
      expect(asked).to.equal(2);
    });
  });
});
