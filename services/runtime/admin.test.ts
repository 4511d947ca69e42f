import { expect } from "chai";
import { startAdmin } from "./admin.js";
import { addSeconds, wallClock } from "./clock.js";
import type { HealthCheck, HealthReport } from "./health.js";
import type { Runnable } from "./lifecycle.js";
import { silentLogger } from "./log.js";
import { createMetrics } from "./metrics.js";

describe("the metrics port of a process", () => {
  const checks: HealthCheck[] = [];
  const metrics = createMetrics();
  let ready = true;
  let admin: Runnable & { port: number };

  before(async () => {
    admin = await startAdmin({
      host: "127.0.0.1",
      port: 0,
      metrics,
      log: silentLogger,
      health: {
        checks,
        version: "1.2.3",
        wall: wallClock,
        startTime: addSeconds(wallClock.now(), -90),
        ready: () => ready,
      },
    });
  });
  beforeEach(() => {
    ready = true;
    checks.length = 0;
    checks.push({ name: "database", critical: true, check: () => Promise.resolve() });
  });
  after(() => admin.stop());

  const get = (path: string, init?: RequestInit) =>
    fetch(`http://127.0.0.1:${admin.port}${path}`, init);
  const report = async (path: string): Promise<[number, HealthReport]> => {
    const response = await get(path);
    return [response.status, (await response.json()) as HealthReport];
  };
  const fails = (message: string) => () => Promise.reject(new Error(message));

  for (const path of ["/health", "/healthz"]) {
    it(`reports on ${path} how each part is and how long it took`, async () => {
      const [status, body] = await report(path);
      expect(status).to.equal(200);
      expect(body).to.have.all.keys("status", "timestamp", "version", "uptime_seconds", "checks");
      expect(body).to.include({ status: "healthy", version: "1.2.3" });
      expect(body.uptime_seconds).to.be.at.least(90);
      expect(new Date(body.timestamp).toISOString()).to.equal(body.timestamp);
      expect(body.checks["database"]).to.have.all.keys("status", "response_time_ms");
    });
  }

  it("is degraded, and of use, while a part is away that is not critical", async () => {
    checks.push({ name: "bus", critical: false, check: fails("connection refused") });
    const [status, body] = await report("/health");
    expect([status, body.status]).to.deep.equal([200, "degraded"]);
    expect(body.checks["bus"]).to.include({ status: "degraded", error: "connection refused" });
    expect(body.checks["database"]).to.include({ status: "healthy" });
  });

  it("is unhealthy while a critical part is away", async () => {
    checks.push({ name: "bus", critical: false, check: fails("late") });
    checks[0] = { name: "database", critical: true, check: fails("no database") };
    const [status, body] = await report("/healthz");
    expect([status, body.status]).to.deep.equal([503, "unhealthy"]);
  });

  it("takes a part that does not answer for away", async () => {
    checks[0] = { name: "database", critical: true, check: () => new Promise(() => undefined) };
    const [status, body] = await report("/health");
    expect(status).to.equal(503);
    expect(body.checks["database"]).to.include({ error: "no answer in time" });
  });

  it("is alive but not ready while no calls are let in", async () => {
    ready = false;
    expect((await get("/health/live")).status).to.equal(200);
    expect((await get("/health/ready")).status).to.equal(503);
    const [status, body] = await report("/health");
    expect([status, body.status]).to.deep.equal([503, "unhealthy"]);
    ready = true;
    expect((await get("/health/ready")).status).to.equal(200);
  });

  it("shows metrics in Prometheus' form", async () => {
    metrics.counter("rides_total", "Rides.", ["city"]).inc({ city: "new-york" }, 3);
    metrics.gauge("waiting", "Who waits.", { service: "trip" }, () => 7);
    const response = await get("/metrics");
    expect(response.headers.get("content-type")).to.match(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    expect(text).to.contain('\nrides_total{city="new-york"} 3\n');
    expect(text).to.contain('\nwaiting{service="trip"} 7\n');
    expect(text).to.contain("process_cpu_seconds_total");
  });

  it("answers nothing else, and changes nothing", async () => {
    expect((await get("/")).status).to.equal(404);
    expect((await get("/health/x?y")).status).to.equal(404);
    expect((await get("/health", { method: "POST" })).status).to.equal(405);
    expect((await get("/health/live?probe=1", { method: "HEAD" })).status).to.equal(200);
  });
});
