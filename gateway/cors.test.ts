import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { applyCors } from "./cors.js";

describe("CORS", () => {
  let server: Server;
  let origins: string[];
  before(async () => {
    server = createServer((request, response) => {
      if (!applyCors(origins, request, response)) response.end("answered");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(() => server.close());

  const ask = async (method: string, headers: Record<string, string>) => {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/`, { method, headers });
    return { status: response.status, text: await response.text(), headers: response.headers };
  };
  const preflight = (origin: string) =>
    ask("OPTIONS", { origin, "access-control-request-method": "PUT" });

  it("lets pages of any origin call where any is allowed", async () => {
    origins = ["*"];
    const { headers, text } = await ask("GET", { origin: "https://rides.example" });
    expect(text).to.equal("answered");
    expect(headers.get("access-control-allow-origin")).to.equal("*");
    expect(headers.get("access-control-expose-headers")).to.include("x-request-id");
    expect(headers.get("access-control-expose-headers")).to.include("grpc-status-details-bin");
  });

  it("names the one origin that calls where only some are allowed", async () => {
    origins = ["https://rides.example", "https://fleet.example"];
    const { headers } = await ask("GET", { origin: "https://fleet.example" });
    expect(headers.get("access-control-allow-origin")).to.equal("https://fleet.example");
    expect(headers.get("vary")).to.equal("origin");
  });

  it("answers a preflight by itself", async () => {
    origins = ["*"];
    const { status, text, headers } = await preflight("https://rides.example");
    expect([status, text]).to.deep.equal([204, ""]);
    expect(headers.get("access-control-allow-methods")).to.match(/\bPUT\b.*\bDELETE\b/);
    const allowed = headers.get("access-control-allow-headers")!.split(", ");
    expect(allowed).to.include.members(["authorization", "idempotency-key", "last-event-id"]);
    expect(allowed).to.include.members(["connect-protocol-version", "x-grpc-web"]);
  });

  it("does not let other origins call", async () => {
    origins = ["https://rides.example"];
    for (const origin of ["https://evil.example", "https://rides.example.evil.example", "null"]) {
      const { headers } = await preflight(origin);
      expect(headers.get("access-control-allow-origin"), origin).to.equal(null);
      expect(headers.get("access-control-allow-methods"), origin).to.equal(null);
    }
  });

  it("leaves requests without an origin and plain OPTIONS alone", async () => {
    origins = ["*"];
    const plain = await ask("GET", {});
    expect(plain.headers.get("access-control-allow-origin")).to.equal(null);
    const options = await ask("OPTIONS", { origin: "https://rides.example" });
    expect(options.text).to.equal("answered");
  });

  it("never allows credentials, and keeps browsers careful", async () => {
    origins = ["*"];
    const { headers } = await ask("GET", { origin: "https://rides.example" });
    expect(headers.get("access-control-allow-credentials")).to.equal(null);
    expect(headers.get("x-content-type-options")).to.equal("nosniff");
    expect(headers.get("referrer-policy")).to.equal("no-referrer");
    expect(headers.get("x-frame-options")).to.equal("DENY");
  });
});
