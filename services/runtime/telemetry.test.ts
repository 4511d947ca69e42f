/** Starts real processes with telemetry.ts in front, and receives what they export. */
import { expect } from "chai";
import { execFile } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { CityServiceService } from "../../gen/grpc/ridemesh/city/v1/city_service.js";
import { childEnvironment, startChildService } from "../testing/child-service.js";
import { testHost, type TestHost } from "../testing/host.js";
import { waitFor } from "../testing/wait-for.js";
import { telemetryConfig } from "./config.js";

const preload = ["--import", "tsx", "--import", "./services/runtime/telemetry.ts"];
const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const callerSpan = "00f067aa0ba902b7";

interface Span {
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  attributes: { key: string; value: Record<string, unknown> }[];
}

interface ExportRequest {
  resourceSpans: {
    resource: { attributes: Span["attributes"] };
    scopeSpans: { spans: Span[] }[];
  }[];
}

/** An OTLP/HTTP collector that keeps what it is sent. */
async function startCollector() {
  const received: { type: string; path: string; body: Buffer }[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const type = request.headers["content-type"] ?? "";
      received.push({ type, path: request.url ?? "", body: Buffer.concat(chunks) });
      response.writeHead(200, { "content-type": type }).end(/json/.test(type) ? "{}" : "");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    received,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

describe("telemetry", () => {
  describe("by the environment", () => {
    it("is off while no exporter and no endpoint is named", () => {
      expect(telemetryConfig({})).to.equal(undefined);
      expect(telemetryConfig({ OTEL_SERVICE_NAME: "x" })).to.equal(undefined);
      expect(telemetryConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: "" })).to.equal(undefined);
    });

    it("is on with either, for traces alone or for all", () => {
      const usual = { serviceName: "ridemesh" };
      expect(telemetryConfig({ OTEL_TRACES_EXPORTER: "otlp" })).to.deep.equal(usual);
      expect(telemetryConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c" })).to.deep.equal(usual);
      const own = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c/v1/traces" };
      expect(telemetryConfig(own)).to.deep.equal(usual);
    });

    it("stays off with the exporter none, or when the SDK is disabled", () => {
      const on = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c" };
      expect(telemetryConfig({ ...on, OTEL_TRACES_EXPORTER: "none" })).to.equal(undefined);
      expect(telemetryConfig({ ...on, OTEL_SDK_DISABLED: "TRUE" })).to.equal(undefined);
    });

    it("leaves the service's name to who gives one", () => {
      const on = { OTEL_TRACES_EXPORTER: "otlp" };
      expect(telemetryConfig({ ...on, OTEL_SERVICE_NAME: "x" })).to.deep.equal({});
      const resource = "deployment.environment.name=test, service.name=x";
      expect(telemetryConfig({ ...on, OTEL_RESOURCE_ATTRIBUTES: resource })).to.deep.equal({});
      const other = { ...on, OTEL_RESOURCE_ATTRIBUTES: "my.service.name=x" };
      expect(telemetryConfig(other)).to.deep.equal({ serviceName: "ridemesh" });
    });
  });

  it("loads nothing of OpenTelemetry while it is off", async () => {
    const loaded =
      'const { cache } = process.getBuiltinModule("module").createRequire(process.cwd() + "/x");' +
      "console.log(Object.keys(cache).filter((file) => /opentelemetry|grpc-js/.test(file)).length);";
    const run = async (env: Record<string, string>) => {
      const args = [...preload, "--input-type=module", "--eval", loaded];
      const { stdout } = await promisify(execFile)(process.execPath, args, { env });
      return Number(stdout);
    };
    const { PATH = "" } = process.env;
    expect(await run({ PATH })).to.equal(0);
    expect(await run({ PATH, OTEL_TRACES_EXPORTER: "console" })).to.be.above(100);
  });

  describe("of a service", () => {
    let host: TestHost;
    let collector: Awaited<ReturnType<typeof startCollector>>;
    before(async () => {
      host = await testHost(["city"]);
      collector = await startCollector();
    });
    after(async () => {
      await host.stop();
      await collector.stop();
    });

    const start = async (env: Record<string, string>) =>
      startChildService(host, "city", {
        ...(await childEnvironment(host, "city")),
        NODE_OPTIONS: preload.join(" "),
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        ...env,
      });

    const listCities = () =>
      host.call.unary(
        CityServiceService.listCities,
        undefined,
        { operator: "metro" },
        { metadata: { traceparent: `00-${trace}-${callerSpan}-01` } },
      );

    const of = (type: string) =>
      collector.received.filter((one) => one.type === type && one.path === "/v1/traces");

    it("sends a span of each call, within the caller's trace", async () => {
      await start({ OTEL_EXPORTER_OTLP_PROTOCOL: "http/json", OTEL_BSP_SCHEDULE_DELAY: "50" });
      await listCities();
      const { resource, span } = await waitFor("the span of the call", () =>
        of("application/json")
          .flatMap(({ body }) => (JSON.parse(body.toString()) as ExportRequest).resourceSpans)
          .flatMap(({ resource: from, scopeSpans }) =>
            scopeSpans.flatMap(({ spans }) => spans.map((one) => ({ resource: from, span: one }))),
          )
          .find((one) => one.span.name.endsWith("CityService/ListCities")),
      );
      expect(span).to.include({ kind: 2, traceId: trace, parentSpanId: callerSpan });
      expect(attributes(span)).to.deep.include({
        "rpc.system": "grpc",
        "rpc.service": "ridemesh.city.v1.CityService",
        "rpc.method": "ListCities",
        "rpc.grpc.status_code": 0,
      });
      expect(attributes(resource)).to.deep.include({ "service.name": "ridemesh" });
    });

    it("sends what it has before it ends", async () => {
      // Long enough that only the end can be what sends it.
      const child = await start({ OTEL_SERVICE_NAME: "city", OTEL_BSP_SCHEDULE_DELAY: "600000" });
      await listCities();
      child.signal("SIGTERM");
      expect(await child.ended).to.deep.equal({ code: 0, signal: null });
      const sent = Buffer.concat(of("application/x-protobuf").map(({ body }) => body));
      expect(sent.includes("grpc.ridemesh.city.v1.CityService/ListCities")).to.equal(true);
      expect(sent.includes(Buffer.from(trace, "hex"))).to.equal(true);
    });
  });
});

function attributes(of: Pick<Span, "attributes">): Record<string, unknown> {
  return Object.fromEntries(of.attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
