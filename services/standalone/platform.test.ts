/** The platform with its gateway in a thread of its own, as `npm start` and the replay run it. */
import { expect } from "chai";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { domainClock, wallClock as wall } from "../runtime/clock.js";
import { stopAll, type Runnable } from "../runtime/lifecycle.js";
import { silentLogger as log } from "../runtime/log.js";
import { temporaryParent } from "../testing/temporary-folder.js";
import { startPlatform, type Platform } from "./platform.js";
import { startEmbeddedPostgres } from "./postgres.js";
import { loadDataKeys } from "./secrets-file.js";

describe("the platform with a thread for its gateway", function () {
  this.timeout(60_000);
  const running: Runnable[] = [];
  let platform: Platform;
  let start: (port: number) => Promise<Platform>;

  before(async () => {
    const home = await mkdtemp(join(await temporaryParent(), "ridemesh-platform-test-"));
    running.push({ stop: () => rm(home, { recursive: true, force: true, maxRetries: 5 }) });
    const dataDir = join(home, "data");
    const postgres = await startEmbeddedPostgres({ dataDir, log, settings: "test" });
    running.push(postgres);
    const dataKeys = await loadDataKeys(dataDir);
    start = (port) =>
      startPlatform({
        superuserUrl: postgres.superuserUrl,
        dataDir,
        dataKeys,
        identity: { bcryptCost: 4, temporaryData: true, firstAccounts: [] },
        gateway: { host: "127.0.0.1", port },
        wall,
        domain: domainClock({ wall }),
        log,
        gatewayThread: { log: { level: "silent" } },
      });
    platform = await start(0);
    running.push(platform);
  });
  after(() => stopAll(running));

  it("answers calls and gives its pages", async () => {
    const login = await fetch(`${platform.url}/api/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        operator: "metro",
        email: "nobody@example.com",
        password: "a password here",
      }),
    });
    expect(login.status).to.equal(401);
    expect((await fetch(`${platform.url}/`)).headers.get("content-type")).to.match(/^text\/html/);
  });

  it("tells the metrics of gateway and services as one, and the process's own once", async () => {
    const text = await platform.metrics();
    expect(text).to.match(/^http_requests_total\{service="gateway",.*\} \d+$/m);
    expect(text).to.match(/^grpc_server_handled_total\{service=".*method="Login".*\} 1$/m);
    expect(text.match(/^process_cpu_seconds_total \d/gm)).to.have.lengthOf(1);
    expect(text.match(/^# TYPE http_requests_total /gm)).to.have.lengthOf(1);
  });

  it("gives the system's error for a port that is taken, and leaves nothing running", async () => {
    const error = await start(platform.gatewayPort).catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: "EADDRINUSE", syscall: "listen" });
  });

  it("says which part of it does not work", async () => {
    type Report = { status: string; checks: Record<string, { status: string; error?: string }> };
    const report = async () =>
      (await (await fetch(`${platform.url}/health`)).json()) as unknown as Report;
    expect(await report()).to.have.property("status", "healthy");
    await platform.services.get("eta")!.stop();
    const { status, checks } = await report();
    expect(status).to.equal("degraded");
    expect(checks["eta"]).to.include({ status: "degraded" });
    expect(checks["eta"]!.error).to.match(/pool/);
    expect(checks["city"]).to.include({ status: "healthy" });
  });
});
