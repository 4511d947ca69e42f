import { expect } from "chai";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { createMetrics, type Metrics } from "../runtime/metrics.js";
import { serveMetrics } from "./metrics-port.js";

describe("the port of the metrics", () => {
  const metrics: Metrics = createMetrics();
  const running: { stop(): Promise<void> }[] = [];

  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop();
  });

  const serve = async (usualPort: number, what = () => metrics.registry.metrics()) => {
    const server = await serveMetrics(what, usualPort);
    running.push(server);
    return server;
  };

  it("gives the metrics in Prometheus' form, and nothing else", async () => {
    metrics.observeHttp("GET", "/api/trips/{trip_id}", 200, 0.01);
    const { port } = await serve(0);
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(answer.status).to.equal(200);
    expect(answer.headers.get("content-type")).to.match(/^text\/plain; version=0\.0\.4/);
    expect(await answer.text()).to.match(/^http_requests_total\{.*status_code="200"\} 1$/m);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).to.equal(404);
  });

  it("is the usual one, or a free one where that is taken", async () => {
    const first = await serve(0);
    const second = await serve(first.port);
    expect(second.port).to.not.equal(first.port);
    await first.stop();
    const third = await serve(first.port);
    expect(third.port).to.equal(first.port);
  });

  it("is refused for any other reason", async () => {
    const outcome = await serve(70_000).catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(RangeError);
  });

  it("answers with an error when a figure cannot be had", async () => {
    const { port } = await serve(0, () => Promise.reject(new Error("a gauge broke")));
    expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).to.equal(500);
  });

  it("is free again after stopping, whoever is still connected", async () => {
    const { port, stop } = await serve(0);
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(answer.status).to.equal(200);
    await stop();
    await stop();
    const next: Server = createServer().listen(port, "127.0.0.1");
    await once(next, "listening");
    next.close();
  });
});
