/** The whole platform in one process: every service over gRPC and mTLS on loopback, and the gateway. */
import { startGateway } from "../../gateway/app.js";
import { defaultGatewayConfig, type GatewayConfig } from "../../gateway/config.js";
import { createPages, type DemoLogin } from "../../gateway/pages.js";
import { startCity } from "../city/app.js";
import { cityConfig } from "../city/config.js";
import { startDispatch } from "../dispatch/app.js";
import { startDriver } from "../driver/app.js";
import { startEta } from "../eta/app.js";
import type { EtaConfig } from "../eta/config.js";
import { startIdentity } from "../identity/app.js";
import type { IdentityConfig } from "../identity/config.js";
import { startLocation } from "../location/app.js";
import type { LocationConfig } from "../location/config.js";
import { startNotification } from "../notification/app.js";
import { startPayment } from "../payment/app.js";
import type { PaymentConfig } from "../payment/config.js";
import { startPricing } from "../pricing/app.js";
import type { PricingConfig } from "../pricing/config.js";
import { startRider } from "../rider/app.js";
import { createPostgresBus, migrateBus } from "../runtime/bus-postgres.js";
import { authoritySeconds, createAuthority, type Authority } from "../runtime/certificates.js";
import { createChannel } from "../runtime/client.js";
import type { DomainClock, WallClock } from "../runtime/clock.js";
import { setUpDatabase } from "../runtime/database-setup.js";
import { stopAll, unlessAborted, type Runnable } from "../runtime/lifecycle.js";
import type { HealthCheck } from "../runtime/health.js";
import type { LogOptions, Logger } from "../runtime/log.js";
import { addedUp, createMetrics } from "../runtime/metrics.js";
import { createSecrets, type DataKey } from "../runtime/secrets.js";
import type { Host, RunningService } from "../runtime/service.js";
import { createTokenVerifier } from "../runtime/token.js";
import { watchTrust } from "../runtime/watch.js";
import { startTrip } from "../trip/app.js";
import { startGatewayThread } from "./gateway-thread.js";

/** What starts each service. */
const starters = {
  city: (host: Host) => startCity(host, cityConfig({})),
  identity: (host: Host, options: PlatformOptions) => startIdentity(host, options.identity),
  eta: (host: Host, { settings }: PlatformOptions) => startEta(host, settings?.eta),
  rider: (host: Host) => startRider(host),
  driver: (host: Host) => startDriver(host),
  location: (host: Host, { settings }: PlatformOptions) => startLocation(host, settings?.location),
  pricing: (host: Host, { settings }: PlatformOptions) => startPricing(host, settings?.pricing),
  payment: (host: Host, { settings }: PlatformOptions) => startPayment(host, settings?.payment),
  notification: (host: Host) => startNotification(host),
  trip: (host: Host) => startTrip(host),
  dispatch: (host: Host) => startDispatch(host),
} as const;

/** The services' names. */
export const serviceNames = Object.keys(starters) as (keyof typeof starters)[];

/** Settings of services that have some. */
export interface ServiceSettings {
  eta?: EtaConfig;
  location?: LocationConfig;
  pricing?: PricingConfig;
  payment?: PaymentConfig;
}

export interface PlatformOptions {
  /** The database, as a user who may make roles and schemas. */
  superuserUrl: string;
  dataDir: string;
  dataKeys: [DataKey, ...DataKey[]];
  identity: IdentityConfig;
  gateway?: Partial<GatewayConfig>;
  /** Of single services; the usual ones hold where left out. */
  settings?: ServiceSettings;
  /** The account that the console logs in with by itself; only for demonstrations. */
  demoViewer?: DemoLogin;
  wall: WallClock;
  domain: DomainClock;
  log: Logger;
  /** Gives the gateway a thread of its own, which logs so: more work gets done, and more memory used. */
  gatewayThread?: { log: LogOptions };
  /** Connections a service. */
  poolSize?: number;
  /** Issues the services' certificates; a new one of the platform's own when left out. */
  authority?: Authority;
  /** Cuts the start short; once the platform has started it means nothing. */
  signal?: AbortSignal;
}

export interface Platform extends Runnable {
  gatewayPort: number;
  /** The gateway's base URL on this machine. */
  url: string;
  /** The text of /metrics. */
  metrics(): Promise<string>;
  domain: DomainClock;
  services: Map<string, RunningService>;
}

/**
 * Starts everything; resolves when calls are answered. On failure nothing is left running. Rejects
 * with the signal's reason when that aborts first.
 */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { wall, domain, log, signal } = options;
  const running: Runnable[] = [];
  const thread = options.gatewayThread ? startGatewayThread() : undefined;
  try {
    const [database, identities] = await Promise.all([
      setUpDatabase(options.superuserUrl, [...serviceNames, "bus"]),
      issueIdentities([...serviceNames, "gateway"], wall, options.authority),
    ]);
    signal?.throwIfAborted();
    await migrateBus(database.ownerUrl, log);
    const bus = await createPostgresBus({ url: database.urls["bus"]!, wall, log });
    running.push(bus);

    const services = new Map<string, RunningService>();
    const verifier = createTokenVerifier(wall);
    const metrics = createMetrics();
    const host: Host = {
      wall,
      domain,
      log,
      metrics,
      bus,
      secrets: createSecrets(options.dataKeys),
      database: {
        ownerUrl: database.ownerUrl,
        url: (service) => database.urls[service]!,
        poolSize: options.poolSize ?? 6,
      },
      identity: (service) => identities.get(service)!,
      address: (service) => {
        const port = services.get(service)?.port;
        if (port === undefined) throw new Error(`service ${service} has not started`);
        return `127.0.0.1:${port}`;
      },
      listen: () => ({ host: "127.0.0.1", port: 0 }),
      verifier,
      dataDir: options.dataDir,
    };

    // City and identity are needed by all others at once; among these, addresses are asked for late.
    for (const wave of [["city"], ["identity"], serviceNames.slice(2)] as const) {
      signal?.throwIfAborted();
      await settled(
        wave.map(async (name) => {
          const service = await starters[name](host, options);
          services.set(name, service);
          running.push(service);
        }),
      );
    }
    signal?.throwIfAborted();
    const trust = createChannel({
      service: "identity",
      address: () => host.address("identity"),
      identity: identities.get("gateway")!,
      wall,
      log,
    });
    const watch = watchTrust(trust, verifier, { wall, log });
    running.push(trust, watch);
    // Who has a token of an earlier start is not turned away by this one.
    await unlessAborted(watch.known, signal);

    const config = { ...defaultGatewayConfig, ...options.gateway };
    const demo = options.demoViewer;
    const checks: HealthCheck[] = [
      { name: "database", critical: true, check: () => services.get("city")!.check() },
      ...serviceNames.map((name) => ({
        name,
        critical: false,
        check: () => services.get(name)!.check(),
      })),
    ];
    const identity = identities.get("gateway")!;
    const addresses = Object.fromEntries(serviceNames.map((name) => [name, host.address(name)]));
    const elsewhere = await thread?.open(
      { config, identity, addresses, demo, ...options.gatewayThread! },
      checks,
    );
    const gateway =
      elsewhere ??
      (await startGateway(host, config, { pages: await createPages({ demo }), checks, signal }));
    running.push(gateway);
    return {
      gatewayPort: gateway.port,
      url: `${config.tls ? "https" : "http"}://127.0.0.1:${gateway.port}`,
      metrics: async () =>
        elsewhere
          ? addedUp([
              await metrics.registry.getMetricsAsJSON(),
              await elsewhere.figures(),
            ]).metrics()
          : metrics.registry.metrics(),
      domain,
      services,
      stop: () => stopPlatform(running, services),
    };
  } catch (error) {
    await thread?.discard();
    await stopAll(running).catch(() => undefined);
    throw error;
  }
}

/** The gateway first, then all services side by side, then what they stand on. */
async function stopPlatform(
  running: Runnable[],
  services: Map<string, RunningService>,
): Promise<void> {
  const own = new Set<Runnable>(services.values());
  const last = running.findIndex((one) => own.has(one));
  const others = running.filter((one) => !own.has(one));
  const below = others.filter((one) => running.indexOf(one) < last);
  const above = others.filter((one) => running.indexOf(one) > last);
  await stopAll(above);
  await settled([...services.values()].map((service) => service.stop()));
  await stopAll(below);
}

/** Waits for all, then throws the first failure: nothing goes on behind one's back. */
async function settled(work: Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

/**
 * Certificates that live as long as their authority: key and authority are in the memory of this one
 * process and end with it, so that a shorter life would protect nothing, and end a long run.
 */
async function issueIdentities(names: readonly string[], wall: WallClock, given?: Authority) {
  const authority = given ?? (await createAuthority({ now: wall.now() }));
  const issued = await Promise.all(
    names.map(async (service) => {
      const issuing = { service, now: wall.now(), lifetimeSeconds: authoritySeconds };
      return [service, await authority.issue(issuing)] as const;
    }),
  );
  return new Map(issued);
}
