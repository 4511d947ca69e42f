/** One port: which protocols it speaks, what it tells of itself, and the ids that go through it. */
import { connect } from "node:http2";
import { text } from "node:stream/consumers";
import {
  create,
  createFileRegistry,
  fromBinary,
  type DescMethodUnary,
  type FileRegistry,
} from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type FileDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { expect } from "chai";
import { ServerReflection } from "../../gen/es/grpc/reflection/v1/reflection_pb.js";
import { allServices, isExternal } from "../../services/runtime/contract.js";
import { serviceNames } from "../../services/standalone/platform.js";
import { grpcWire } from "./grpc-wire.js";
import { http } from "./http.js";
import { createPeople } from "./people.js";
import { sharedPlatform, staffEmail, staffPassword, type TestPlatform } from "./platform.js";
import { connectWire, grpcWebWire } from "./wire.js";

describe("the one port", () => {
  let platform: TestPlatform;
  before(async () => {
    platform = await sharedPlatform();
  });
  after(() => expect(platform.takeErrors()).to.deep.equal([]));

  describe("HTTP", () => {
    it("is spoken as 1.1 and as 2 with prior knowledge", async () => {
      const one = await http(platform.url, "GET", "/api/clock");
      expect([one.status, one.json["rate"]]).to.deep.equal([200, 1]);

      const session = connect(platform.url);
      const stream = session.request({ ":path": "/api/clock" });
      const status = await new Promise((resolve) =>
        stream.once("response", (headers) => resolve(headers[":status"])),
      );
      expect(status).to.equal(200);
      expect(JSON.parse(await text(stream))).to.include({ rate: 1 });
      await new Promise<void>((resolve) => session.close(() => resolve()));
    });

    it("lets pages of other origins call, REST and Connect alike", async () => {
      const origin = "https://app.example";
      for (const path of ["/api/trips", "/ridemesh.trip.v1.TripService/RequestTrip"]) {
        const preflight = await http(platform.url, "OPTIONS", path, {
          headers: {
            origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,idempotency-key",
          },
        });
        expect(preflight.status, path).to.equal(204);
        expect(preflight.headers.get("access-control-allow-origin")).to.equal("*");
        expect(preflight.headers.get("access-control-allow-methods")).to.include("DELETE");
        const allowed = preflight.headers.get("access-control-allow-headers")!.split(", ");
        expect(allowed).to.include.members(["authorization", "content-type", "idempotency-key"]);
        const call = await http(platform.url, "POST", path, { headers: { origin }, body: {} });
        expect(call.headers.get("access-control-allow-origin")).to.equal("*");
        expect(call.headers.get("access-control-expose-headers")).to.include("x-request-id");
      }
    });
  });

  describe("health", () => {
    it("is told in whole and part by part", async () => {
      for (const path of ["/health", "/healthz"]) {
        const { status, json } = await http(platform.url, "GET", path);
        expect([status, json["status"]], path).to.deep.equal([200, "healthy"]);
        expect(json).to.have.keys(["status", "timestamp", "version", "uptime_seconds", "checks"]);
        expect(new Date(json["timestamp"] as string).getTime()).to.be.above(0);
        expect(json["uptime_seconds"]).to.be.a("number");
        const checks = json["checks"] as Record<string, Record<string, unknown>>;
        expect(checks).to.include.all.keys("database", ...serviceNames);
        for (const check of Object.values(checks)) {
          expect(check["status"]).to.equal("healthy");
          expect(check["response_time_ms"]).to.be.a("number");
        }
      }
    });

    it("is told to what only wants to know whether to send calls, or to start anew", async () => {
      for (const path of ["/health/live", "/health/ready"]) {
        const { status, json } = await http(platform.url, "GET", path);
        expect([status, json], path).to.deep.equal([200, { status: "healthy" }]);
      }
    });
  });

  describe("request ids", () => {
    /** The ids under which logins of the person are on record. */
    const recorded = async (userId: string) => {
      const rows = await platform.sql<{ request_id: string }>(
        "SELECT request_id FROM identity.auth_audit WHERE user_id = $1 AND action = 'logged_in'",
        [userId],
      );
      return rows.map((row) => row.request_id);
    };
    const body = {
      operator: "metro",
      email: staffEmail("metro", "fleet"),
      password: staffPassword,
    };

    it("are taken from the caller, returned, and known to the service", async () => {
      const headers = { "x-request-id": "checkout:42.a-b_c" };
      const answer = await http(platform.url, "POST", "/api/auth/login", { headers, body });
      expect(answer.headers.get("x-request-id")).to.equal("checkout:42.a-b_c");
      const { userId } = answer.json["user"] as { userId: string };
      expect(await recorded(userId)).to.include("checkout:42.a-b_c");
    });

    it("are made where there is none, or none that is sound", async () => {
      for (const headers of [{}, { "x-request-id": "with spaces" }] as Record<string, string>[]) {
        const answer = await http(platform.url, "POST", "/api/auth/login", { headers, body });
        const id = answer.headers.get("x-request-id");
        expect(id).to.match(/^[0-9a-f-]{36}$/);
        const { userId } = answer.json["user"] as { userId: string };
        expect(await recorded(userId)).to.include(id);
      }
    });

    it("go along with every protocol", async () => {
      const wires = [
        connectWire(platform.url, "json"),
        connectWire(platform.url, "binary"),
        grpcWebWire(platform.url),
        grpcWire(`127.0.0.1:${platform.port}`),
      ];
      for (const wire of wires) {
        const people = createPeople(platform, {
          ...wire,
          unary: (method, as, request) =>
            wire.unary(method, as, request, {
              headers: { "x-request-id": `by-${wire.name.length}` },
            }),
        });
        const { userId } = await people.staff("metro", "fleet");
        expect(await recorded(userId), wire.name).to.include(`by-${wire.name.length}`);
        await wire.stop();
      }
    });
  });

  describe("gRPC reflection", () => {
    let sessions: Http2SessionManager;
    before(() => {
      sessions = new Http2SessionManager(platform.url);
    });
    after(() => sessions.abort());

    /** Asks on one stream, as grpcurl does. */
    const ask = async (question: Parameters<typeof askAll>[1][number]) =>
      (await askAll(sessions, [question], platform.url))[0]!;

    it("lists the external services, and no others", async () => {
      const answer = await ask({ case: "listServices", value: "" });
      if (answer.case !== "listServicesResponse") throw new Error("no list");
      const external = allServices()
        .filter((service) => service.methods.some(isExternal))
        .map(({ typeName }) => typeName);
      const names = answer.value.service.map(({ name }) => name);
      expect(names).to.have.members([...external, "grpc.reflection.v1.ServerReflection"]);
    });

    it("is enough to call a method that the client knows nothing of", async () => {
      const answer = await ask({
        case: "fileContainingSymbol",
        value: "ridemesh.city.v1.CityService.ListCities",
      });
      if (answer.case !== "fileDescriptorResponse") throw new Error("no descriptor");
      const registry = registryOf(answer.value.fileDescriptorProto);
      const service = registry.getService("ridemesh.city.v1.CityService")!;
      const method = service.methods.find(({ name }) => name === "ListCities")!;
      const wire = grpcWire(`127.0.0.1:${platform.port}`);
      const cities = await wire.unary(method as DescMethodUnary, undefined, { operator: "harbor" });
      expect(cities).to.have.nested.property("cities[0].cityId").that.equals("harbor");
      await wire.stop();
    });

    it("says nothing of internal services", async () => {
      for (const symbol of [
        "ridemesh.trip.v1.TripInternalService",
        "ridemesh.trip.v1.TripInternalService.OfferTrip",
      ]) {
        const answer = await ask({ case: "fileContainingSymbol", value: symbol });
        expect(answer.case, symbol).to.equal("errorResponse");
      }
    });
  });
});

type Question = { case: "listServices" | "fileContainingSymbol"; value: string };

async function askAll(sessionManager: Http2SessionManager, questions: Question[], url: string) {
  const transport = createGrpcTransport({ baseUrl: url, sessionManager });
  const client = createClient(ServerReflection, transport);
  const requests = async function* () {
    for (const messageRequest of questions) yield { messageRequest };
  };
  const answers = [];
  for await (const { messageResponse } of client.serverReflectionInfo(requests())) {
    answers.push(messageResponse);
  }
  return answers;
}

/** What the files describe, made from nothing but them. */
function registryOf(files: Uint8Array[]): FileRegistry {
  const known = files.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
  const byName = new Map(known.map((file) => [file.name, file]));
  const sorted = new Set<FileDescriptorProto>();
  const add = (file: FileDescriptorProto): void => {
    for (const name of file.dependency) add(byName.get(name)!);
    sorted.add(file);
  };
  known.forEach(add);
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [...sorted] }));
}
