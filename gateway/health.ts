/** Health, as load balancers and people ask for it. */
import type { WallClock } from "../services/runtime/clock.js";
import { send, type HttpResponse } from "./http.js";

/** Something that the gateway can be asked about. A degraded part leaves the rest of use. */
export interface HealthCheck {
  name: string;
  /** Without it nothing works. */
  critical: boolean;
  check: () => Promise<void>;
}

export interface HealthOptions {
  checks: HealthCheck[];
  version: string;
  wall: WallClock;
  startTime: Date;
  /** Whether calls are being let in. */
  ready: () => boolean;
}

type Status = "healthy" | "degraded" | "unhealthy";

interface CheckResult {
  status: Status;
  response_time_ms: number;
  error?: string;
}

/** A check that takes longer has failed. */
const checkTimeoutMs = 2000;

/** Answers the health paths; false when the path is none of them. */
export async function serveHealth(
  options: HealthOptions,
  path: string,
  response: HttpResponse,
): Promise<boolean> {
  const json = { "content-type": "application/json", "cache-control": "no-store" };
  switch (path) {
    case "/health/live":
      send(response, 200, json, JSON.stringify({ status: "healthy" }));
      return true;
    case "/health/ready": {
      const ready = options.ready();
      const body = JSON.stringify({ status: ready ? "healthy" : "unhealthy" });
      send(response, ready ? 200 : 503, json, body);
      return true;
    }
    case "/health":
    case "/healthz": {
      const report = await healthReport(options);
      send(response, report.status === "unhealthy" ? 503 : 200, json, JSON.stringify(report));
      return true;
    }
    default:
      return false;
  }
}

/** How everything is, each part with the time that it took to answer. */
export async function healthReport(options: HealthOptions) {
  const { wall } = options;
  const entries = await Promise.all(
    options.checks.map(async ({ name, critical, check }): Promise<[string, CheckResult]> => {
      const startMs = wall.monotonicMs();
      const timeout = wall.sleep(checkTimeoutMs).then(() => {
        throw new Error("no answer in time");
      });
      const error = await Promise.race([check(), timeout]).then(
        () => undefined,
        (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown)),
      );
      const response_time_ms = Math.round((wall.monotonicMs() - startMs) * 10) / 10;
      if (error === undefined) return [name, { status: "healthy", response_time_ms }];
      return [name, { status: critical ? "unhealthy" : "degraded", response_time_ms, error }];
    }),
  );
  const checks = Object.fromEntries(entries);
  const all = Object.values(checks).map((check) => check.status);
  const worst = (["unhealthy", "degraded"] as const).find((status) => all.includes(status));
  const status: Status = options.ready() ? (worst ?? "healthy") : "unhealthy";
  return {
    status,
    timestamp: wall.now().toISOString(),
    version: options.version,
    uptime_seconds: Math.round((wall.now().getTime() - options.startTime.getTime()) / 1000),
    checks,
  };
}
