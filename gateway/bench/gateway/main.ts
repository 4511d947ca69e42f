/** Our gateway in a process of its own. */
import { wallClock } from "../../../services/runtime/clock.js";
import { silentLogger } from "../../../services/runtime/log.js";
import { createMetrics } from "../../../services/runtime/metrics.js";
import type { TlsIdentity } from "../../../services/runtime/tls.js";
import { startGateway } from "../../app.js";
import { defaultGatewayConfig } from "../../config.js";
import { runChild } from "../child.js";
import type { Keys } from "../people.js";
import { verifierOf } from "../verifiers.js";
import { createGrpcJsUpstream } from "./grpc-js-upstream.js";

/** What the process is given. */
export interface GatewaySetup {
  identity: TlsIdentity;
  /** host:port by service. */
  addresses: Record<string, string>;
  /** Whose tokens are good; without them identity is asked. */
  keys?: Keys;
  remembers: boolean;
  client: "http2" | "grpc-js";
}

runChild<GatewaySetup>(process, async (setup) => {
  const { identity, addresses, keys, remembers, client } = setup;
  const upstream = {
    address: (service: string) => addresses[service]!,
    identity,
    wall: wallClock,
    log: silentLogger,
  };
  const host = {
    ...upstream,
    identity: () => identity,
    metrics: createMetrics(),
    ...(keys ? { verifier: verifierOf(keys, remembers) } : {}),
  };
  const gateway = await startGateway(
    host,
    {
      ...defaultGatewayConfig,
      host: "127.0.0.1",
      port: 0,
      limits: { perMinute: 0, burst: 0 },
    },
    {
      checks: [],
      pages: { find: () => Promise.resolve(undefined) },
      ...(client === "grpc-js" ? { upstream: createGrpcJsUpstream(upstream) } : {}),
    },
  );
  return { ready: { port: gateway.port }, stop: () => gateway.stop() };
});
