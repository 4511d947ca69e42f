/** Health, as load balancers and people ask for it: of the gateway and of every service's process. */
import type { WallClock } from "./clock.js";

/** Something that a process can be asked about. A degraded part leaves the rest of use. */
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

export type HealthStatus = "healthy" | "degraded" | "unhealthy";

export interface CheckResult {
  status: HealthStatus;
  response_time_ms: number;
  error?: string;
}

export interface HealthReport {
  status: HealthStatus;
  timestamp: string;
  version: string;
  uptime_seconds: number;
  checks: Record<string, CheckResult>;
}

/** A check that takes longer has failed. */
const checkTimeoutMs = 2000;

/** The answer on a health path, its body as JSON; undefined when the path is none of them. */
export async function healthAnswer(
  options: HealthOptions,
  path: string,
): Promise<{ httpStatus: 200 | 503; body: string } | undefined> {
  const answer = (body: { status: HealthStatus }) => ({
    httpStatus: body.status === "unhealthy" ? (503 as const) : (200 as const),
    body: JSON.stringify(body),
  });
  switch (path) {
    case "/health/live":
      return answer({ status: "healthy" });
    case "/health/ready":
      return answer({ status: options.ready() ? "healthy" : "unhealthy" });
    case "/health":
    case "/healthz":
      return answer(await healthReport(options));
    default:
      return undefined;
  }
}

/** How everything is, each part with the time that it took to answer. */
export async function healthReport(options: HealthOptions): Promise<HealthReport> {
  const { wall } = options;
  const entries = await Promise.all(
    options.checks.map(async ({ name, critical, check }): Promise<[string, CheckResult]> => {
      const startMs = wall.monotonicMs();
      const answered = new AbortController();
      const timeout = wall.sleep(checkTimeoutMs, answered.signal).then(() => {
        throw new Error("no answer in time");
      });
      const error = await Promise.race([check(), timeout]).then(
        () => undefined,
        (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown)),
      );
      answered.abort();
      const response_time_ms = Math.round((wall.monotonicMs() - startMs) * 10) / 10;
      if (error === undefined) return [name, { status: "healthy", response_time_ms }];
      return [name, { status: critical ? "unhealthy" : "degraded", response_time_ms, error }];
    }),
  );
  const checks = Object.fromEntries(entries);
  const all = Object.values(checks).map((check) => check.status);
  const worst = (["unhealthy", "degraded"] as const).find((status) => all.includes(status));
  return {
    status: options.ready() ? (worst ?? "healthy") : "unhealthy",
    timestamp: wall.now().toISOString(),
    version: options.version,
    uptime_seconds: Math.round((wall.now().getTime() - options.startTime.getTime()) / 1000),
    checks,
  };
}
