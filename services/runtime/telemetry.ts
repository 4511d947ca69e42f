/**
 * Traces, switched on by OpenTelemetry's own variables. Loaded with `--import` before everything else,
 * because gRPC must be instrumented before anybody uses it:
 *
 *     node --import tsx --import ./services/runtime/telemetry.ts services/standalone/main.ts
 *
 * While none of the variables asks for traces, none of OpenTelemetry's packages is loaded from here.
 * Metrics are Prometheus' and logs are pino's, so traces are all that is exported.
 */
import { createRequire } from "node:module";
import { environment, telemetryConfig } from "./config.js";

const config = telemetryConfig(environment());
if (config) {
  const { GrpcInstrumentation } = await import("@opentelemetry/instrumentation-grpc");
  const grpc = new GrpcInstrumentation();
  // The instrumentation sees what is required, not what is imported; once it has changed the module's
  // prototypes, whoever imports the module gets them as they are.
  createRequire(import.meta.url)("@grpc/grpc-js");
  const { NodeSDK } = await import("@opentelemetry/sdk-node");
  new NodeSDK({
    ...config,
    instrumentations: [grpc],
    metricReaders: [],
    logRecordProcessors: [],
  }).start();
}
