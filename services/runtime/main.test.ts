import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import { CityServiceService } from "../../gen/grpc/ridemesh/city/v1/city_service.js";
import {
  childEnvironment,
  startChildService,
  type ChildService,
} from "../testing/child-service.js";
import { failure } from "../testing/failure.js";
import { testHost, type TestHost } from "../testing/host.js";
import { waitFor } from "../testing/wait-for.js";
import { Code } from "./status.js";

describe("a service as a process of its own", () => {
  let host: TestHost;
  let child: ChildService;
  before(async () => {
    host = await testHost(["city"]);
    child = await startChildService(host, "city", await childEnvironment(host, "city"));
  });
  after(() => host.stop());

  const get = (path: string) => fetch(`http://127.0.0.1:${child.metricsPort}${path}`);

  it("answers over mTLS", async () => {
    const { cities } = await host.call.unary(CityServiceService.listCities, undefined, {
      operator: "metro",
    });
    expect(cities.map((city) => city.tenantId)).to.include("metro");
  });

  it("tells of its health and its metrics on a port beside", async () => {
    expect(await (await get("/health/live")).json()).to.deep.equal({ status: "healthy" });
    expect(await (await get("/health/ready")).json()).to.deep.equal({ status: "healthy" });
    const report = await get("/healthz");
    expect(report.status).to.equal(200);
    expect(await report.json()).to.deep.include({ status: "healthy", version: "0.1.0" });
    const metrics = await (await get("/metrics")).text();
    expect(metrics).to.match(/grpc_server_handled_total\{.*method="ListCities",code="OK"\} 1/);
    expect(metrics).to.contain('database_connections_active{service="city"}');
  });

  it("logs a line of JSON for each fact", () => {
    const lines = child.output().trim().split("\n");
    for (const line of lines) expect(JSON.parse(line)).to.include.keys("level", "time", "msg");
  });

  it("stops on SIGTERM with exit code 0 and frees its connections", async () => {
    child.signal("SIGTERM");
    expect(await child.ended).to.deep.equal({ code: 0, signal: null });
    expect(child.output()).to.contain('"msg":"stopped"');
    expect(child.output()).not.to.contain('"level":50');
    await waitFor("the port to be closed", () =>
      get("/health/live").then(
        () => false,
        () => true,
      ),
    );
  });

  it("ends at once on a second signal, whatever it is waiting for", async () => {
    const other = await startChildService(host, "city", await childEnvironment(host, "city"));
    const client = host.internalClient(CityInternalServiceService, "city", "dispatch");
    const watching = client.watchCities({})[Symbol.asyncIterator]();
    await watching.next();
    other.signal("SIGINT");
    await waitFor("it to be stopping", () => other.output().includes('"msg":"stopping"'));
    other.signal("SIGTERM");
    expect(await other.ended).to.deep.equal({ code: 143, signal: null });
    expect(other.output()).not.to.contain('"msg":"stopped"');
    // What a cut connection looks like depends on what was on its way.
    const cut = [Code.UNAVAILABLE, Code.CANCELLED, Code.INTERNAL];
    expect((await failure(watching.next())).code).to.be.oneOf(cut);
  });

  it("names everything that is missing, and ends with 1", async () => {
    const started = spawn(process.execPath, ["--import", "tsx", "services/city/main.ts"], {
      env: { PATH: process.env["PATH"], LISTEN_PORT: "eighty" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let text = "";
    started.stderr.setEncoding("utf8").on("data", (part: string) => (text += part));
    const [code] = (await once(started, "close")) as [number];
    expect(code).to.equal(1);
    expect(text).to.contain("city: the configuration is not complete:\n");
    expect(text).to.contain("  DATABASE_URL is missing\n");
    expect(text).to.contain('  LISTEN_PORT is "eighty", not a whole number from 0 to 65535\n');
    expect(text).not.to.contain("    at ");
  });
});
