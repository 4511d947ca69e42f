/**
 * A host for tests of one service: real PostgreSQL (a fresh database), the real bus, real mTLS on
 * port 0, and a key of its own to sign access tokens with.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT, exportJWK, generateKeyPair } from "jose";
import type { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { createPostgresBus, migrateBus } from "../runtime/bus-postgres.js";
import { createAuthority } from "../runtime/certificates.js";
import { createChannel, createClient, type Channel } from "../runtime/client.js";
import { domainClock, wallClock, type DomainClock } from "../runtime/clock.js";
import { setUpDatabase } from "../runtime/database-setup.js";
import { stopAll, type Runnable } from "../runtime/lifecycle.js";
import { silentLogger } from "../runtime/log.js";
import { createMetrics } from "../runtime/metrics.js";
import { createSecrets } from "../runtime/secrets.js";
import type { Host, RunningService } from "../runtime/service.js";
import {
  createTokenVerifier,
  roleName,
  tokenAudience,
  tokenIssuer,
  type TokenVerifier,
} from "../runtime/token.js";
import { callAs, type CallAs } from "./call.js";
import { testDatabase } from "./postgres.js";

/** Whom a test's call speaks for. */
export interface TestCaller {
  subject: string;
  tenantId?: string;
  roles: Role[];
  sessionId?: string;
}

export interface TestHost extends Runnable {
  host: Host;
  /** Connects as the superuser: for looking at what a service wrote. */
  superuserUrl: string;
  /** Connects as the bus's own role. */
  busUrl: string;
  verifier: TokenVerifier;
  /** An access token that the services of this host trust. */
  token(caller: TestCaller, options?: { lifetimeSeconds?: number }): Promise<string>;
  /** Remembers where a started service answers, and stops it with the host. */
  started(service: RunningService): RunningService;
  /** A client of an internal service, calling as another service. */
  internalClient: <D extends Parameters<typeof createClient>[0]>(
    definition: D,
    service: string,
    as: string,
  ) => ReturnType<typeof createClient<D>>;
  /** Calls an external method as the gateway does, with a token or without. */
  call: CallAs;
}

/** Makes a host for the named services. */
export async function testHost(
  services: string[],
  options: { domain?: DomainClock } = {},
): Promise<TestHost> {
  const running: Runnable[] = [];
  const wall = wallClock;
  const log = silentLogger;
  const database = await testDatabase();
  running.push({ stop: database.drop });
  const { ownerUrl, urls } = await setUpDatabase(database.superuserUrl, [...services, "bus"]);
  await migrateBus(ownerUrl, log);
  const bus = await createPostgresBus({ url: urls["bus"]!, wall, log });
  running.push(bus);
  const dataDir = await mkdtemp(join(tmpdir(), "ridemesh-test-"));
  running.push({ stop: () => rm(dataDir, { recursive: true, force: true }) });

  const authority = await createAuthority({ now: wall.now() });
  const names = [...new Set([...services, "gateway", "trip", "dispatch", "stranger"])];
  const identities = new Map(
    await Promise.all(
      names.map(
        async (service) =>
          [
            service,
            await authority.issue({ service, now: wall.now(), lifetimeSeconds: 3600 }),
          ] as const,
      ),
    ),
  );
  const identity = (service: string) => {
    const found = identities.get(service);
    if (!found) throw new Error(`the test host has no certificate for ${service}`);
    return found;
  };

  const signing = await testSigner();
  const verifier = createTokenVerifier(wall);
  verifier.setKeys(signing.keys);
  const ports = new Map<string, number>();
  const host: Host = {
    wall,
    domain: options.domain ?? domainClock({ wall }),
    log,
    metrics: createMetrics(),
    bus,
    secrets: createSecrets([{ id: "test", key: randomBytes(32) }]),
    database: { ownerUrl, url: (service) => urls[service]!, poolSize: 6 },
    identity,
    address: (service) => `127.0.0.1:${ports.get(service) ?? 1}`,
    listen: () => ({ host: "127.0.0.1", port: 0 }),
    verifier,
    dataDir,
  };

  const channels = new Map<string, Channel>();
  const channelTo = (service: string, as: string): Channel => {
    // By address too: of a service that was started twice, the later one is called.
    const key = `${as}>${service}@${host.address(service)}`;
    let channel = channels.get(key);
    if (!channel) {
      const address = () => host.address(service);
      channel = createChannel({ service, address, identity: identity(as), wall, log });
      channels.set(key, channel);
      running.push(channel);
    }
    return channel;
  };

  return {
    host,
    superuserUrl: database.superuserUrl,
    busUrl: urls["bus"]!,
    verifier,
    token: signing.token,
    started: (service) => {
      ports.set(service.name, service.port);
      running.push(service);
      return service;
    },
    internalClient: (definition, service, as) => createClient(definition, channelTo(service, as)),
    call: callAs((service, as) => channelTo(service, as), signing.token),
    stop: () => stopAll(running),
  };
}

/** A key pair, and tokens that it signed. */
async function testSigner() {
  const { privateKey, publicKey } = await generateKeyPair("RS256");
  const kid = "test";
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" };
  const token = (caller: TestCaller, options: { lifetimeSeconds?: number } = {}) => {
    const now = Math.floor(wallClock.now().getTime() / 1000);
    return new SignJWT({
      tenant: caller.tenantId ?? "metro",
      roles: caller.roles.map(roleName),
      sid: caller.sessionId ?? `session-of-${caller.subject}`,
    })
      .setProtectedHeader({ alg: "RS256", kid })
      .setSubject(caller.subject)
      .setIssuer(tokenIssuer)
      .setAudience(tokenAudience)
      .setIssuedAt(now)
      .setExpirationTime(now + (options.lifetimeSeconds ?? 600))
      .sign(privateKey);
  };
  return { keys: { keys: [jwk] }, token };
}
