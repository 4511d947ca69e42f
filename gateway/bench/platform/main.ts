/**
 * The whole platform in one process, with a gateway of its own that is not used when another stands
 * before it: so the gateway's processor time can be told from the services'.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { Role } from "../../../gen/grpc/ridemesh/options/v1/options.js";
import { createAuthority } from "../../../services/runtime/certificates.js";
import { domainClock, wallClock } from "../../../services/runtime/clock.js";
import { createLogger } from "../../../services/runtime/log.js";
import type { TlsIdentity } from "../../../services/runtime/tls.js";
import { startPlatform } from "../../../services/standalone/platform.js";
import { startBenchPostgres } from "../../../services/testing/bench-postgres.js";
import { runChild } from "../child.js";

/** What the process is given. */
export interface PlatformSetup {
  postgres: "durable" | "test";
}

/** What it says of itself. It answers any question with PostgreSQL's processor time in seconds. */
export interface PlatformReady {
  /** Of the gateway within the process. */
  url: string;
  addresses: Record<string, string>;
  gatewayIdentity: TlsIdentity;
  admin: { operator: string; email: string; password: string };
}

runChild<PlatformSetup>(process, async (setup) => {
  const wall = wallClock;
  const folder = await mkdtemp(join(tmpdir(), "ridemesh-bench-data-"));
  const postgres = await startBenchPostgres(setup.postgres);
  const authority = await createAuthority({ now: wall.now() });
  const password = randomBytes(12).toString("hex");
  const admin = {
    tenantId: "metro",
    email: "admin@bench.example",
    password,
    displayName: "Ada Operator",
    roles: [Role.ADMIN],
  };
  const log = createLogger({ level: "warn", destination: join(folder, "ridemesh.log") });
  const platform = await startPlatform({
    superuserUrl: postgres.superuserUrl,
    dataDir: folder,
    dataKeys: [{ id: "bench", key: randomBytes(32) }],
    identity: { bcryptCost: 4, temporaryData: true, firstAccounts: [admin] },
    gateway: { host: "127.0.0.1", port: 0, limits: { perMinute: 0, burst: 0 } },
    wall,
    domain: domainClock({ wall }),
    log,
    authority,
  });
  const addresses = [...platform.services].map(([name, { port }]) => [name, `127.0.0.1:${port}`]);
  const ready: PlatformReady = {
    url: platform.url,
    addresses: Object.fromEntries(addresses) as Record<string, string>,
    gatewayIdentity: await authority.issue({ service: "gateway", now: wall.now() }),
    admin: { operator: admin.tenantId, email: admin.email, password },
  };
  return {
    ready,
    answer: () => postgres.cpuSeconds(),
    stop: async () => {
      await platform.stop();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
});
