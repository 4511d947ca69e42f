/** A gateway on a real port for tests, before services that the test makes up. */
import { toBinary, create, type DescMethod, type MessageInitShape } from "@bufbuild/protobuf";
import type { Caller } from "../services/runtime/call-context.js";
import type { HealthCheck } from "../services/runtime/health.js";
import { wallClock, type WallClock } from "../services/runtime/clock.js";
import { serviceNameOf } from "../services/runtime/contract.js";
import { silentLogger } from "../services/runtime/log.js";
import { createMetrics, type Metrics } from "../services/runtime/metrics.js";
import { createTokenVerifier, invalidToken } from "../services/runtime/token.js";
import { startGateway } from "./app.js";
import { identityOf, startBackend, type Answers, type Backend } from "./backend.test.js";
import { defaultGatewayConfig, type GatewayConfig } from "./config.js";
import type { Page } from "./pages.js";

export interface TestGateway {
  url: string;
  port: number;
  metrics: Metrics;
  stop(): Promise<void>;
}

/** Known tokens: "rider" and "driver" speak for the accounts of those names. */
function testVerifier() {
  const callerOf = (subject: string): Caller => ({
    subject,
    tenantId: "metro",
    roles: [],
    sessionId: `session-of-${subject}`,
    expireTime: new Date(8.64e15),
    anonymous: false,
  });
  return {
    ...createTokenVerifier(wallClock),
    verify: (token: string) =>
      ["rider", "driver"].includes(token)
        ? Promise.resolve(callerOf(token))
        : Promise.reject(invalidToken("the token is not valid")),
  };
}

/** Starts it, and the services that these methods belong to. */
export async function startTestGateway(
  methods: [DescMethod, Answers][],
  options: {
    config?: Partial<GatewayConfig>;
    checks?: HealthCheck[];
    pages?: Record<string, Page>;
    wall?: WallClock;
  } = {},
): Promise<TestGateway> {
  const services = new Set(methods.map(([method]) => serviceNameOf(method)));
  const backends = new Map<string, Backend>();
  for (const service of services) {
    const own = methods.filter(([method]) => serviceNameOf(method) === service);
    backends.set(service, await startBackend(await identityOf(service), own));
  }
  const identity = await identityOf("gateway");
  const metrics = createMetrics();
  const host = {
    wall: options.wall ?? wallClock,
    log: silentLogger,
    metrics,
    verifier: testVerifier(),
    identity: () => identity,
    address: (service: string) => backends.get(service)?.address ?? "127.0.0.1:1",
  };
  const gateway = await startGateway(
    host,
    { ...defaultGatewayConfig, host: "127.0.0.1", port: 0, ...options.config },
    {
      checks: options.checks ?? [],
      pages: { find: (path) => Promise.resolve(options.pages?.[path]) },
    },
  );
  return {
    url: `http://127.0.0.1:${gateway.port}`,
    port: gateway.port,
    metrics,
    stop: async () => {
      await gateway.stop();
      for (const backend of backends.values()) backend.kill();
    },
  };
}

/** The bytes of a method's answer. */
export function answerOf<M extends DescMethod>(
  method: M,
  answer: MessageInitShape<M["output"]>,
): Uint8Array {
  return toBinary(method.output, create(method.output, answer));
}
