/** Wires the gateway: one public port for every protocol. */
import { allServices, isExternal, rpcPath } from "../services/runtime/contract.js";
import type { HealthCheck } from "../services/runtime/health.js";
import { stopAll, unlessAborted, type Runnable } from "../services/runtime/lifecycle.js";
import { startRequestSpan } from "../services/runtime/tracing.js";
import type { Host } from "../services/runtime/service.js";
import type { TlsIdentity } from "../services/runtime/tls.js";
import { createTokenVerifier } from "../services/runtime/token.js";
import { compileRules } from "../services/runtime/validation.js";
import { watchTrust } from "../services/runtime/watch.js";
import { createChannel } from "../services/runtime/client.js";
import type { GatewayConfig } from "./config.js";
import { createConnectHandler } from "./connect.js";
import { serveConnectJson } from "./connect-json.js";
import { applyCors } from "./cors.js";
import { idsOf, type EdgeDeps } from "./edge.js";
import { isGrpc, serveGrpc } from "./grpc.js";
import { serveHealth } from "./health.js";
import { header, send, urlOf, type HttpRequest, type HttpResponse } from "./http.js";
import { createLimits } from "./limits.js";
import { openPort } from "./port.js";
import { asStatusError, sendProblem } from "./problem.js";
import { createRestRouter, type RestMatch } from "./rest-router.js";
import { serveRest } from "./rest.js";
import { createUpstream, type Upstream } from "./upstream.js";
import { createWebSocketEdge } from "./websocket.js";
import type { Pages } from "./pages.js";

const openApiPath = "/openapi.json";

/** What the gateway needs of its process. */
export type GatewayHost = Pick<Host, "wall" | "log" | "metrics" | "address" | "verifier"> & {
  identity: (name: "gateway") => TlsIdentity;
};

export interface GatewayParts {
  checks: HealthCheck[];
  pages: Pages;
  /** Calls services otherwise than usual: for comparison (gateway/bench). */
  upstream?: Upstream;
  /** Cuts the start short. */
  signal?: AbortSignal;
}

/**
 * Starts the gateway; resolves when it answers, which it does not before it knows the keys that sign
 * tokens: who has one of an earlier start shall not be turned away. Rejects with the system's error for
 * its port, or the signal's reason.
 */
export async function startGateway(
  host: GatewayHost,
  config: GatewayConfig,
  parts: GatewayParts,
): Promise<Runnable & { port: number }> {
  const { wall, metrics } = host;
  const log = host.log.child({ service: "gateway" });
  const identity = host.identity("gateway");
  const upstream = parts.upstream ?? createUpstream({ address: host.address, identity, wall, log });
  const verifier = host.verifier ?? createTokenVerifier(wall);
  const running: Runnable[] = [upstream];
  let trusting = Promise.resolve();
  if (!host.verifier) {
    const address = () => host.address("identity");
    const channel = createChannel({ service: "identity", address, identity, wall, log });
    const watch = watchTrust(channel, verifier, { wall, log });
    running.push(channel, watch);
    trusting = watch.known;
  }
  const limits = createLimits(config.limits);
  const { trustedProxies } = config;
  const deps: EdgeDeps = { upstream, verifier, limits, wall, log, metrics, trustedProxies };

  const services = allServices();
  const external = services.flatMap((service) => service.methods).filter(isExternal);
  const methodOfPath = new Map(external.map((method) => [rpcPath(method), method]));
  compileRules(external.map((method) => method.input));
  const router = createRestRouter(services);
  const webSockets = createWebSocketEdge(deps, router);
  const connect = createConnectHandler(deps, services);
  let accepting = true;
  const health = {
    checks: parts.checks,
    version: config.version,
    wall,
    startTime: wall.now(),
    ready: () => accepting,
  };

  const handle = (request: HttpRequest, response: HttpResponse): void => {
    const startMs = wall.monotonicMs();
    const ids = idsOf(request);
    const span = startRequestSpan(header(request, "traceparent"));
    if (span) ids.traceparent = span.traceparent;
    const { path } = urlOf(request);
    response.setHeader("x-request-id", ids.requestId);
    response.on("error", () => undefined);
    let route = "other";
    const verb = request.method ?? "";
    response.once("finish", () => {
      const seconds = (wall.monotonicMs() - startMs) / 1000;
      const status = response.statusCode;
      metrics.observeHttp(verb, route, status, seconds);
      const trace_id = ids.traceparent.slice(3, 35);
      log.debug({ request_id: ids.requestId, trace_id, verb, route, status, seconds }, "answered");
    });
    // Also of a stream that its reader leaves.
    response.once("close", () => span?.end(verb, route, response.statusCode));
    void (async () => {
      try {
        if (applyCors(config.corsOrigins, request, response)) return;
        const method = methodOfPath.get(path);
        if (method || path.startsWith("/grpc.")) {
          route = path;
          const json = /^application\/json\b/.test(header(request, "content-type"));
          if (method?.methodKind === "unary" && json && request.method === "POST") {
            await serveConnectJson(deps, method, request, response, ids);
            return;
          }
          if (method && isGrpc(request)) {
            await serveGrpc(deps, method, request, response, ids);
            return;
          }
          connect(request, response);
          return;
        }
        if (path.startsWith("/health") && (await serveHealth(health, path, response))) return;
        const isGet = request.method === "GET";
        const page = isGet
          ? await parts.pages.find(path, header(request, "if-none-match"))
          : undefined;
        if (page) {
          // Other sites' pages may call the API, but not read ours: one of them holds the demo login.
          if (path !== openApiPath) response.removeHeader("access-control-allow-origin");
          send(
            response,
            page.status,
            { "content-type": page.contentType, ...page.headers },
            page.body,
          );
          return;
        }
        const match: RestMatch = router.match(request.method ?? "", path);
        route = match.route.path;
        await serveRest(deps, match, request, response, ids);
      } catch (error) {
        if (response.destroyed) return;
        const status = asStatusError(error);
        if (status !== error)
          log.error({ err: error, request_id: ids.requestId }, "unexpected error");
        sendProblem(response, status, ids.requestId, path);
      }
    })();
  };

  const { host: address, port: wanted, tls } = config;
  const { signal } = parts;
  try {
    await unlessAborted(trusting, signal);
    const { upgrade } = webSockets;
    const port = await openPort({ host: address, port: wanted, tls, handle, upgrade, wall });
    return {
      port: port.port,
      stop: async () => {
        accepting = false;
        webSockets.stop();
        await port.stop();
        await stopAll(running);
      },
    };
  } catch (error) {
    await stopAll(running).catch(() => undefined);
    throw error;
  }
}
