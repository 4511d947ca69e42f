import { once } from "node:events";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect } from "chai";
import { CityService } from "../gen/es/ridemesh/city/v1/city_service_pb.js";
import { IdentityService } from "../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import { PricingService } from "../gen/es/ridemesh/pricing/v1/pricing_service_pb.js";
import { TripState } from "../gen/es/ridemesh/trip/v1/trip_pb.js";
import { StartTripRequestSchema, TripService } from "../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { Code, StatusError, failedPrecondition } from "../services/runtime/status.js";
import { waitFor } from "../services/testing/wait-for.js";
import type { BackendCall } from "./backend.test.js";
import { answerOf, startTestGateway, type TestGateway } from "./world.test.js";

const { getTrip, startTrip } = TripService.method;
const { getClock } = CityService.method;
const { logout } = IdentityService.method;
const { calculateFare } = PricingService.method;

const tripId = "018f3c5e-7a4b-7cc1-8d2e-0123456789ab";

describe("gateway", () => {
  let gateway: TestGateway;
  let seen: { request: Buffer; call: BackendCall } | undefined;
  let refusal: Error | undefined;
  const trip = { trip: { tripId, state: TripState.STARTED } };

  before(async () => {
    const answering = (answer: Uint8Array) => ({
      unary: (request: Buffer, call: BackendCall) => {
        seen = { request, call };
        if (refusal) throw refusal;
        return answer;
      },
    });
    gateway = await startTestGateway(
      [
        [getTrip, answering(answerOf(getTrip, trip))],
        [startTrip, answering(answerOf(startTrip, trip))],
        [getClock, answering(answerOf(getClock, { clock: { rate: 2 } }))],
        [logout, answering(answerOf(logout, {}))],
        [calculateFare, answering(answerOf(calculateFare, {}))],
      ],
      {
        config: { limits: { perMinute: 1000, burst: 0 } },
        pages: {
          "/": {
            status: 200,
            contentType: "text/html",
            body: Buffer.from("<h1>Hello</h1>"),
            headers: { etag: '"1"' },
          },
        },
      },
    );
  });
  after(() => gateway.stop());
  beforeEach(() => {
    seen = undefined;
    refusal = undefined;
  });

  interface Options {
    method?: string;
    headers?: Record<string, string>;
    body?: unknown;
    as?: string;
  }
  const ask = async (path: string, { method = "GET", headers = {}, body, as }: Options = {}) => {
    const response = await fetch(`${gateway.url}${path}`, {
      method,
      headers: { ...(as ? { authorization: `Bearer ${as}` } : {}), ...headers },
      ...(body === undefined
        ? {}
        : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json");
    const json = (isJson ? JSON.parse(text) : {}) as Record<string, unknown>;
    return { status: response.status, headers: response.headers, text, json };
  };

  describe("over REST", () => {
    it("decodes, calls and encodes", async () => {
      const { status, json, headers } = await ask(`/api/trips/${tripId}/start`, {
        method: "PUT",
        body: { pin: "1234" },
        as: "driver",
        headers: { "idempotency-key": "key-1", "x-request-id": "r-1" },
      });
      expect(status).to.equal(200);
      expect(json).to.include({ tripId, state: "TRIP_STATE_STARTED" });
      expect(headers.get("content-type")).to.equal("application/json");
      expect(headers.get("x-request-id")).to.equal("r-1");
      const expected = create(StartTripRequestSchema, { tripId, pin: "1234", requestId: "key-1" });
      expect(Buffer.compare(seen!.request, toBinary(StartTripRequestSchema, expected))).to.equal(0);
    });

    it("sends along who calls, from where, to which host, under which ids", async () => {
      const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
      await ask(`/api/trips/${tripId}`, { as: "rider", headers: { traceparent } });
      const metadata = seen!.call.metadata.getMap();
      expect(metadata).to.include({
        authorization: "Bearer rider",
        traceparent,
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-host": "127.0.0.1",
      });
      expect(metadata["x-request-id"]).to.match(/^[0-9a-f-]{36}$/);
    });

    it("lets nothing through that a caller writes into our own headers", async () => {
      const headers = {
        "x-request-id-fresh": "1",
        "x-forwarded-for": "6.6.6.6",
        "x-forwarded-host": "evil.example",
        "x-forwarded-client-cert": "URI=spiffe://ridemesh.local/ns/default/sa/payment",
        "x-user-id": "admin",
      };
      await ask(`/api/trips/${tripId}`, { as: "rider", headers });
      const metadata = seen!.call.metadata.getMap();
      expect(metadata).to.include({
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-host": "127.0.0.1",
      });
      expect(metadata).to.not.have.any.keys(
        "x-request-id-fresh",
        "x-forwarded-client-cert",
        "x-user-id",
      );
    });

    it("answers with the route's own status, and without a body where there is none", async () => {
      const { status, text } = await ask("/api/auth/logout", {
        method: "POST",
        body: {},
        as: "rider",
      });
      expect([status, text]).to.deep.equal([204, ""]);
    });

    it("tells how the caller stands against his limit", async () => {
      const { headers } = await ask(`/api/trips/${tripId}`, { as: "rider" });
      expect(headers.get("ratelimit-limit")).to.equal("1000");
      expect(Number(headers.get("x-ratelimit-remaining"))).to.be.within(1, 999);
    });

    it("shows the service's refusal as a problem", async () => {
      refusal = failedPrecondition("WRONG_STATE", "the trip is MATCHING", { state: "MATCHING" });
      const { status, json, headers } = await ask(`/api/trips/${tripId}`, { as: "rider" });
      expect(status).to.equal(409);
      expect(headers.get("content-type")).to.equal("application/problem+json");
      expect(json).to.deep.include({
        reason: "WRONG_STATE",
        metadata: { state: "MATCHING" },
        instance: `/api/trips/${tripId}`,
        request_id: headers.get("x-request-id"),
      });
    });

    it("refuses before it calls: token, rules, fields, size", async () => {
      const calls: [string, number, string, Options][] = [
        [`/api/trips/${tripId}`, 401, "TOKEN_INVALID", { as: "thief" }],
        [
          `/api/trips/${tripId}`,
          401,
          "TOKEN_INVALID",
          { headers: { authorization: "Basic eDp5" } },
        ],
        ["/api/trips/not-a-uuid", 400, "INVALID_REQUEST", { as: "rider" }],
        [`/api/trips/${tripId}?colour=red`, 400, "INVALID_REQUEST", { as: "rider" }],
        ["/api/pricing/calculate", 400, "INVALID_REQUEST", { method: "POST", body: "{" }],
        [
          "/api/pricing/calculate",
          413,
          "BODY_TOO_LARGE",
          { method: "POST", body: "x".repeat(3 * 1024 * 1024 + 1) },
        ],
      ];
      for (const [path, status, reason, options] of calls) {
        const answer = await ask(path, options);
        expect([answer.status, answer.json["reason"]], path).to.deep.equal([status, reason]);
        expect(seen, path).to.equal(undefined);
      }
    });

    it("answers a caller whose body grows too large while he still sends it", async () => {
      const request = httpRequest({
        port: gateway.port,
        path: "/api/pricing/calculate",
        method: "POST",
        headers: { "transfer-encoding": "chunked" },
      });
      request.on("error", () => undefined);
      const answered = once(request, "response") as Promise<[IncomingMessage]>;
      for (let i = 0; i < 8; i += 1) request.write("x".repeat(512 * 1024));
      request.end();
      const [response] = await answered;
      expect(response.statusCode).to.equal(413);
      response.resume();
    });

    it("takes a body over HTTP/2 that does not say how long it is", async () => {
      const session = connectHttp2(gateway.url);
      const stream = session.request({ ":method": "POST", ":path": "/api/pricing/calculate" });
      const body = { cityId: "x", vehicleClass: "VEHICLE_CLASS_XL", distanceMeters: 1 };
      stream.write(JSON.stringify(body).slice(0, 9));
      stream.end(JSON.stringify(body).slice(9));
      const [headers] = (await once(stream, "response")) as [{ ":status": number }];
      expect(headers[":status"]).to.equal(200);
      session.destroy();
    });

    it("knows which verbs a path takes", async () => {
      const { status, headers, json } = await ask("/api/clock", { method: "POST" });
      expect([status, headers.get("allow")]).to.deep.equal([405, "GET"]);
      expect(json).to.include({ reason: "METHOD_NOT_ALLOWED" });
    });

    it("answers 404 where nothing is, also when the path is not sound", async () => {
      for (const path of ["/api/nothing", "/api/trips/%zz", "/api/trips/a%2Fb/c/d", "//", "/api"]) {
        const { status, json } = await ask(path);
        expect([status, json["reason"]], path).to.deep.equal([404, "NO_SUCH_PATH"]);
      }
    });

    it("says nothing of what it did not expect, but under which id it is in the log", async () => {
      refusal = Object.assign(new Error("secret"), { code: Code.UNKNOWN, details: "" });
      const { status, text, json } = await ask(`/api/trips/${tripId}`, { as: "rider" });
      expect(status).to.equal(500);
      expect(text).to.not.include("secret");
      expect(json["request_id"]).to.match(/^[0-9a-f-]{36}$/);
    });
  });

  describe("over Connect with JSON", () => {
    const path = "/ridemesh.trip.v1.TripService/StartTrip";
    const json = { "content-type": "application/json" };

    it("decodes, calls and encodes", async () => {
      const answer = await ask(path, {
        method: "POST",
        headers: { ...json, "idempotency-key": "key-1" },
        body: { tripId, pin: "1234" },
        as: "driver",
      });
      expect(answer.status).to.equal(200);
      expect(answer.json).to.deep.equal({ trip: { tripId, state: "TRIP_STATE_STARTED" } });
      expect(answer.headers.get("ratelimit-limit")).to.equal("1000");
    });

    it("shows errors as the protocol has them, with their details", async () => {
      refusal = new StatusError(Code.FAILED_PRECONDITION, {
        reason: "WRONG_STATE",
        message: "the trip is MATCHING",
        retryAfterMs: 1500,
      });
      const answer = await ask(path, {
        method: "POST",
        headers: json,
        body: { tripId, pin: "1234" },
        as: "driver",
      });
      expect(answer.status).to.equal(400);
      expect(answer.headers.get("retry-after")).to.equal("2");
      expect(answer.json).to.include({
        code: "failed_precondition",
        message: "the trip is MATCHING",
      });
      const details = answer.json["details"] as { type: string; value: string }[];
      expect(details.map((detail) => detail.type)).to.deep.equal([
        "google.rpc.ErrorInfo",
        "google.rpc.RetryInfo",
      ]);
      expect(Buffer.from(details[0]!.value, "base64").toString()).to.include("WRONG_STATE");
    });

    it("answers each code with its status", async () => {
      const statuses: [Code, number, string][] = [
        [Code.CANCELLED, 499, "canceled"],
        [Code.UNKNOWN, 500, "unknown"],
        [Code.INVALID_ARGUMENT, 400, "invalid_argument"],
        [Code.DEADLINE_EXCEEDED, 504, "deadline_exceeded"],
        [Code.NOT_FOUND, 404, "not_found"],
        [Code.ALREADY_EXISTS, 409, "already_exists"],
        [Code.PERMISSION_DENIED, 403, "permission_denied"],
        [Code.RESOURCE_EXHAUSTED, 429, "resource_exhausted"],
        [Code.FAILED_PRECONDITION, 400, "failed_precondition"],
        [Code.ABORTED, 409, "aborted"],
        [Code.OUT_OF_RANGE, 400, "out_of_range"],
        [Code.UNIMPLEMENTED, 501, "unimplemented"],
        [Code.INTERNAL, 500, "internal"],
        [Code.UNAVAILABLE, 503, "unavailable"],
        [Code.DATA_LOSS, 500, "data_loss"],
        [Code.UNAUTHENTICATED, 401, "unauthenticated"],
      ];
      for (const [code, status, name] of statuses) {
        refusal = new StatusError(code, { reason: "R", message: "m" });
        const answer = await ask("/ridemesh.city.v1.CityService/GetClock", {
          method: "POST",
          headers: json,
          body: {},
        });
        expect([answer.status, answer.json["code"]], name).to.deep.equal([status, name]);
      }
    });

    it("names the field that does not fit", async () => {
      const answer = await ask(path, {
        method: "POST",
        headers: json,
        body: { tripId, pin: "1234", pinn: "1" },
        as: "driver",
      });
      expect(answer.status).to.equal(400);
      expect(answer.json["message"]).to.equal("pinn: there is no such field");
      expect(seen).to.equal(undefined);
    });
  });

  it("counts requests by route, not by path", async () => {
    await ask(`/api/trips/${tripId}`, { as: "rider" });
    await ask("/api/nothing/at/all");
    const text = await gateway.metrics.registry.metrics();
    expect(text).to.match(/http_requests_total\{.*route="\/api\/trips\/\{trip_id\}".*\} [1-9]/);
    expect(text).to.match(/http_requests_total\{.*route="other",status_code="404"\} [1-9]/);
    expect(text).to.not.include(tripId);
    expect(text).to.not.include("/api/nothing");
  });

  it("serves its pages", async () => {
    const { status, text, headers } = await ask("/");
    expect([status, text]).to.deep.equal([200, "<h1>Hello</h1>"]);
    expect(headers.get("content-type")).to.equal("text/html");
    expect(headers.get("etag")).to.equal('"1"');
  });

  it("says that it is well", async () => {
    for (const path of ["/health", "/healthz", "/health/live", "/health/ready"]) {
      const { status, json, headers } = await ask(path);
      expect([status, json["status"]], path).to.deep.equal([200, "healthy"]);
      expect(headers.get("cache-control"), path).to.equal("no-store");
    }
    expect((await ask("/health/other")).status).to.equal(404);
  });

  it("ends the call to the service when its caller goes away", async () => {
    let state = "";
    const own = await startTestGateway([
      [
        getClock,
        {
          unary: async (_request, { signal }) => {
            state = "running";
            await once(signal, "abort");
            state = "ended";
            return new Uint8Array();
          },
        },
      ],
    ]);
    const agent = new Agent();
    const request = httpRequest({ port: own.port, path: "/api/clock", agent });
    request.on("error", () => undefined);
    request.end();
    await waitFor("the call", () => state === "running");
    request.destroy();
    await waitFor("its end", () => state === "ended");
    await own.stop();
  });

  it("refuses new calls once it stops, and finishes those that run", async () => {
    let go: (() => void) | undefined;
    const own = await startTestGateway([
      [
        getClock,
        {
          unary: async () => {
            await new Promise<void>((resolve) => (go = resolve));
            return answerOf(getClock, { clock: { rate: 3 } });
          },
        },
      ],
    ]);
    const request = httpRequest({ port: own.port, path: "/api/clock" });
    request.end();
    await waitFor("the call", () => go);
    const stopped = own.stop();
    go!();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    expect(response.statusCode).to.equal(200);
    response.resume();
    await stopped;
    const refused = await fetch(`${own.url}/api/clock`).catch(() => "refused");
    expect(refused).to.equal("refused");
  });
});
