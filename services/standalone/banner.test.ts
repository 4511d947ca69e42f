import { expect } from "chai";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { bannerText, type BannerFacts } from "./banner.js";
import type { DemoAccount, DemoAccounts } from "./demo-accounts.js";

const account = (name: string, role: Role, tenantId = "metro"): DemoAccount => ({
  tenantId,
  email: `${name}@demo.example`,
  password: `secret-of-${name}-${tenantId}`,
  displayName: name,
  roles: [role],
});
const demo: DemoAccounts = {
  admin: account("admin", Role.ADMIN),
  viewer: account("viewer", Role.SUPPORT),
  rider: account("rider", Role.RIDER),
  driver: account("driver", Role.DRIVER),
  otherAdmin: account("admin", Role.ADMIN, "harbor"),
};
const facts: BannerFacts = {
  seconds: 4.26,
  url: "http://localhost:8080",
  metricsUrl: "http://localhost:9464/metrics",
  dataDir: ".ridemesh",
  demo,
};

describe("the banner", () => {
  it("says where everything is", () => {
    const lines = bannerText(facts).split("\n");
    expect(lines[0]).to.equal("Ridemesh is ready (4.3 s)");
    expect(lines).to.include.members([
      "  gateway   http://localhost:8080   REST, Connect, gRPC-Web, gRPC, SSE, WebSocket",
      "  map       http://localhost:8080/console/",
      "  API docs  http://localhost:8080/docs/",
      "  health    http://localhost:8080/health",
      "  metrics   http://localhost:9464/metrics",
      "  data      .ridemesh",
      "Ctrl-C stops everything.",
    ]);
  });

  it("names a rider, a driver and an admin with the demo, and keeps the other passwords to itself", () => {
    const text = bannerText(facts);
    for (const name of ["rider", "driver", "admin"]) {
      expect(text).to.match(new RegExp(`^  ${name}@demo\\.example +secret-of-${name}-metro$`, "m"));
    }
    expect(text).not.to.include("viewer");
    expect(text).not.to.include("secret-of-admin-harbor");
    expect(text).not.to.include("create-admin");
  });

  it("prints commands that take any certificate where the gateway speaks TLS", () => {
    const text = bannerText({ ...facts, url: "https://localhost:8080" });
    expect(text).to.match(/^  curl -s -k https:\/\/localhost:8080\//m);
    expect(text).to.match(/^  npx buf curl --protocol grpc -k -d /m);
    expect(text).to.match(/^  grpcurl -insecure -d '.*' localhost:8080 /m);
  });

  it("says how the first admin is made without the demo, and names nobody", () => {
    const text = bannerText({ ...facts, demo: undefined });
    expect(text).to.include(
      "  npm run create-admin -- --data-dir .ridemesh --operator metro --email you@example.org",
    );
    expect(text).not.to.include("demo.example");
  });

  it("prints three commands for the port in use, with the demo and without", () => {
    for (const one of [facts, { ...facts, demo: undefined }]) {
      const text = bannerText({ ...one, url: "http://localhost:1234" });
      expect(text).to.match(/^  curl -s '?http:\/\/localhost:1234\/api\//m);
      expect(text).to.match(/^  npx buf curl .* http:\/\/localhost:1234\/ridemesh\./m);
      expect(text).to.match(/^  grpcurl -plaintext .* localhost:1234 ridemesh\./m);
    }
  });

  const folders: [dataDir: string, word: string][] = [
    ["/srv/ridemesh-2/data", "/srv/ridemesh-2/data"],
    ["../over there", "'../over there'"],
    ["it's $HOME", `'it'\\''s $HOME'`],
  ];
  for (const [dataDir, word] of folders) {
    it(`names the folder ${dataDir} so that a shell takes it as one word`, () => {
      const text = bannerText({ ...facts, dataDir, demo: undefined });
      expect(text).to.include(`create-admin -- --data-dir ${word} --operator`);
      expect(text).to.include(`  data      ${dataDir}\n`);
    });
  }
});
