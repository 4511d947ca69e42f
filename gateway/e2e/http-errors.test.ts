/** What an HTTP client gets for requests that are none of ours, or not well formed. */
import { expect } from "chai";
import { TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { Code } from "../../services/runtime/status.js";
import { failure } from "../../services/testing/failure.js";
import { changedTables, digestTables, type Digests } from "./digest.js";
import { grpcWire } from "./grpc-wire.js";
import { http, type HttpOptions, type Problem } from "./http.js";
import { connectWire, grpcWebWire } from "./wire.js";
import { makeWorld, spots, type World } from "./world.js";

describe("HTTP requests that are refused", function () {
  this.timeout(20_000);
  let world: World;
  let url: string;
  let atFirst: Digests;
  let tripId: string;

  before(async () => {
    world = await makeWorld(spots.errors);
    ({ url } = world.platform);
    const { riderA: rider, driverA: driver, places } = world;
    ({ tripId } = await world.rides.upTo(TripState.ACCEPTED, { rider, driver, places }));
    await world.atRest();
    atFirst = await digestTables(world.platform);
  });
  after(async () => {
    await world.atRest();
    // Idempotency keys apart, nothing of all this has left a trace.
    const changed = changedTables(atFirst, await digestTables(world.platform));
    expect(changed.filter((name) => !name.endsWith(".idempotency_keys"))).to.deep.equal([]);
    await world.clear();
    await world.leave();
    expect(world.platform.takeErrors()).to.deep.equal([]);
  });

  const problem = async (
    verb: string,
    path: string,
    options: HttpOptions = {},
  ): Promise<Problem & { headers: Headers }> => {
    const answer = await http(url, verb, path, options);
    expect(answer.headers.get("content-type")).to.equal("application/problem+json");
    const document = answer.json as unknown as Problem;
    expect(document.status).to.equal(answer.status);
    return { ...document, headers: answer.headers };
  };
  const fieldsOf = ({ violations }: Problem) => violations.map(({ field }) => field);

  it("for a path that nothing answers are 404", async () => {
    for (const path of ["/api/nothing", "/api", "/nowhere", "/api/trips/1/2/3", "/ws/anything"]) {
      const { status, reason } = await problem("GET", path);
      expect([status, reason], path).to.deep.equal([404, "NO_SUCH_PATH"]);
    }
  });

  it("for a verb that a path does not take are 405 and name those that it does", async () => {
    const cases: [verb: string, path: string, allow: string[]][] = [
      ["DELETE", "/api/trips", ["POST"]],
      ["POST", `/api/trips/${tripId}`, ["DELETE", "GET"]],
      ["GET", "/api/auth/login", ["POST"]],
      ["PATCH", `/api/drivers/${world.driverA.userId}/status`, ["PUT"]],
      ["PUT", "/api/cities", ["GET"]],
    ];
    for (const [verb, path, allow] of cases) {
      const { status, reason, headers } = await problem(verb, path, { as: world.admin });
      expect([status, reason], path).to.deep.equal([405, "METHOD_NOT_ALLOWED"]);
      expect(headers.get("allow")?.split(", ").sort(), path).to.deep.equal(allow);
    }
  });

  describe("for what later releases bring are 404:", () => {
    const someone = "01a1fda8-5958-7a79-999d-63b67fc51b6a";
    const later: [verb: string, path: string][] = [
      ["POST", "/api/auth/mfa/enable"],
      ["POST", "/api/auth/mfa/verify"],
      ["POST", "/api/auth/oauth2/authorize"],
      ["GET", "/api/auth/oauth2/authorize"],
      ["POST", "/api/auth/oauth2/token"],
      ["POST", "/api/roles"],
      ["POST", "/api/permissions"],
      ["GET", `/api/users/${someone}/permissions`],
      ["PUT", `/api/users/${someone}`],
      ["DELETE", `/api/users/${someone}`],
      ["POST", "/api/payments/refund"],
      ["GET", `/ws/notifications/${someone}`],
    ];
    for (const [verb, path] of later) {
      it(`${verb} ${path.replace(someone, "{id}")}`, async () => {
        const body = verb === "GET" ? {} : { body: {} };
        const { status, reason } = await problem(verb, path, { as: world.admin, ...body });
        expect([status, reason]).to.deep.equal([404, "NO_SUCH_PATH"]);
      });
    }
  });

  it("with a body that is no JSON object are 400 and say so", async () => {
    const bodies = ["{", "{'pin': 1}", "[]", "null", "12", '"text"', "{} {}", "\u0000"];
    for (const body of bodies) {
      const path = `/api/trips/${tripId}/start`;
      const refusal = await problem("PUT", path, { as: world.driverA, body });
      expect([refusal.status, refusal.reason], body).to.deep.equal([400, "INVALID_REQUEST"]);
      expect(fieldsOf(refusal), body).to.deep.equal(["the body"]);
    }
  });

  it("with values of another type are 400 and name the field", async () => {
    const point = (lat: unknown) => ({ point: { point: { lat, lng: 1 } } });
    const batch = `/api/locations/drivers/${world.driverA.userId}/batch`;
    const cases: [path: string, body: unknown, field: string][] = [
      ["/api/trips", { quoteToken: 5 }, "quote_token"],
      ["/api/trips", { paymentMethod: "SHELLS" }, "payment_method"],
      ["/api/trips", { pickup: { point: { lat: "north", lng: 0 } } }, "pickup.point.lat"],
      ["/api/trips", { pickup: [] }, "pickup"],
      [batch, { points: [{ observeTime: "yesterday" }] }, "points[0].observe_time"],
      [batch, { points: [point(1).point, { pt: 1 }] }, "points[1].pt"],
      [batch, { points: {} }, "points"],
    ];
    for (const [path, body, field] of cases) {
      const as = path === batch ? world.driverA : world.riderA;
      const refusal = await problem("POST", path, { as, body });
      const what = JSON.stringify(body);
      expect([refusal.status, refusal.reason], what).to.deep.equal([400, "INVALID_REQUEST"]);
      expect(fieldsOf(refusal), what).to.deep.equal([field]);
    }
  });

  it("with a query or a path that does not fit are 400 and name the parameter", async () => {
    const cases: [path: string, field: string][] = [
      ["/api/locations/nearby?lat=40&lng=east", "lng"],
      ["/api/locations/nearby?lat=91&lng=0", "lat"],
      ["/api/locations/nearby?lat=40&lng=0&radius=60000", "radius_meters"],
      ["/api/locations/nearby?lat=40&lng=0&colour=red", "colour"],
      ["/api/trips/history?state=TRIP_STATE_FLYING", "state"],
      ["/api/trips/history?pageSize=1.5", "page_size"],
      ["/api/trips/not-a-uuid", "trip_id"],
      ["/api/trips/%00", "trip_id"],
    ];
    for (const [path, field] of cases) {
      const refusal = await problem("GET", path, { as: world.riderA });
      expect([refusal.status, refusal.reason], path).to.deep.equal([400, "INVALID_REQUEST"]);
      expect(fieldsOf(refusal), path).to.include(field);
    }
    // A path that cannot even be decoded.
    expect(
      (await http(url, "GET", "/api/trips/%E0%A4%A", { as: world.riderA })).status,
    ).to.be.oneOf([400, 404]);
  });

  it("with a body that is too large are 413, whether it is announced or not", async () => {
    const body = JSON.stringify({ quoteToken: "x".repeat(3 * 1024 * 1024) });
    const announced = await problem("POST", "/api/trips", { as: world.riderA, body });
    expect([announced.status, announced.reason]).to.deep.equal([413, "BODY_TOO_LARGE"]);
    const chunks = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const bytes = new TextEncoder().encode(body);
        for (let i = 0; i < bytes.length; i += 65_536) {
          controller.enqueue(bytes.subarray(i, i + 65_536));
        }
        controller.close();
      },
    });
    const response = await fetch(`${url}/api/trips`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${world.riderA.token}`,
        "content-type": "application/json",
      },
      body: chunks,
      duplex: "half",
    } as RequestInit);
    expect(response.status).to.equal(413);
    expect(((await response.json()) as Problem).reason).to.equal("BODY_TOO_LARGE");
  });

  it("are told to clients of the other protocols in their own way", async () => {
    const as = world.riderA;
    const rpc = "/ridemesh.trip.v1.TripService/RequestTrip";
    const unknown = await http(url, "POST", rpc, { as, body: { noSuchField: 1 } });
    expect([unknown.status, unknown.json["code"]]).to.deep.equal([400, "invalid_argument"]);
    const method = TripService.method.requestTrip;
    const quoteToken = "x".repeat(5 * 1024 * 1024);
    for (const wire of [
      connectWire(url, "json"),
      connectWire(url, "binary"),
      grpcWebWire(url),
      grpcWire(`127.0.0.1:${world.platform.port}`),
    ]) {
      const error = await failure(wire.unary(method, as, { quoteToken }));
      expect(Code[error.code], wire.name).to.equal("RESOURCE_EXHAUSTED");
      await wire.stop();
    }
  });

  it("without a good token are 401, and say by which scheme to come", async () => {
    const headers: Record<string, string>[] = [
      {},
      { authorization: "Basic eDp5" },
      { authorization: "Bearer x.y.z" },
    ];
    for (const one of headers) {
      const refusal = await problem("GET", "/api/trips/history", { headers: one });
      expect(refusal.status).to.equal(401);
      expect(refusal.headers.get("www-authenticate")).to.include("Bearer");
    }
  });
});
