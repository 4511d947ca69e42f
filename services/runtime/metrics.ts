/** Metrics of one process, in Prometheus' form. */
import {
  AggregatorRegistry,
  Counter,
  Gauge,
  Histogram,
  Registry,
  collectDefaultMetrics,
} from "prom-client";

/** The media type of /metrics. */
export const metricsType = Registry.PROMETHEUS_CONTENT_TYPE;

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** All that a registry holds now, as data. */
export type Figures = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;

export interface Metrics {
  registry: Registry;
  /** Counts and times one served gRPC call. */
  observeCall(service: string, method: string, code: string, seconds: number): void;
  /** Counts and times one served HTTP request. */
  observeHttp(method: string, route: string, statusCode: number, seconds: number): void;
  /** Reads a gauge when metrics are collected. */
  gauge(name: string, help: string, labels: Record<string, string>, read: () => number): void;
  counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L>;
}

/** An empty registry, with the process's own figures unless a thread has no business with these. */
export function createMetrics({ ofProcess = true } = {}): Metrics {
  const registry = new Registry();
  if (ofProcess) collectDefaultMetrics({ register: registry });
  const handled = new Counter({
    name: "grpc_server_handled_total",
    help: "Calls served, by result.",
    labelNames: ["service", "method", "code"],
    registers: [registry],
  });
  const handling = new Histogram({
    name: "grpc_server_handling_seconds",
    help: "Time to serve a call.",
    labelNames: ["service", "method"],
    buckets,
    registers: [registry],
  });
  const requests = new Counter({
    name: "http_requests_total",
    help: "HTTP requests answered.",
    labelNames: ["service", "method", "route", "status_code"],
    registers: [registry],
  });
  const durations = new Histogram({
    name: "http_request_duration_seconds",
    help: "Time to answer an HTTP request.",
    labelNames: ["service", "method", "route"],
    buckets,
    registers: [registry],
  });
  const readings = new Map<string, Map<string, () => number>>();
  const counters = new Map<string, Counter>();
  return {
    registry,
    observeCall: (service, method, code, seconds) => {
      handled.inc({ service, method, code });
      handling.observe({ service, method }, seconds);
    },
    observeHttp: (method, route, statusCode, seconds) => {
      requests.inc({ service: "gateway", method, route, status_code: String(statusCode) });
      durations.observe({ service: "gateway", method, route }, seconds);
    },
    gauge: (name, help, labels, read) => {
      let reads = readings.get(name);
      if (!reads) {
        const own = new Map<string, () => number>();
        readings.set(name, (reads = own));
        new Gauge({
          name,
          help,
          labelNames: Object.keys(labels),
          registers: [registry],
          collect() {
            for (const [key, value] of own)
              this.set(JSON.parse(key) as Record<string, string>, value());
          },
        });
      }
      reads.set(JSON.stringify(labels), read);
    },
    counter: (name, help, labelNames) => {
      const known = counters.get(name);
      if (known) return known;
      const counter = new Counter({ name, help, labelNames, registers: [registry] });
      counters.set(name, counter);
      return counter;
    },
  };
}

/** Registries as one: what two of them count is added up. */
export function addedUp(registries: readonly Figures[]): Registry {
  return AggregatorRegistry.aggregate([...registries]);
}
