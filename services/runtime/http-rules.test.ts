import { expect } from "chai";
import { Idempotency, Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { DriverService } from "../../gen/es/ridemesh/driver/v1/driver_service_pb.js";
import { LocationService } from "../../gen/es/ridemesh/location/v1/location_service_pb.js";
import { TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { declareMethod, type DeclaredMethod } from "../testing/declare-method.js";
import { allServices } from "./contract.js";
import { httpRules, queryFields, type HttpRoute } from "./http-rules.js";

function routeFor(verb: string, path: string): HttpRoute {
  const found = httpRules(allServices()).find((r) => r.verb === verb && r.path === path);
  expect(found, `${verb} ${path}`).to.not.equal(undefined);
  return found!;
}

/** What is wrong with the rule of a method whose request has the fields `id` and `part`. */
function problemOf(http: DeclaredMethod["http"], rest: DeclaredMethod = {}): string {
  const method = declareMethod({
    policy: {
      access: { any: [Role.RIDER] },
      deadlineMs: rest.serverStreaming || rest.clientStreaming ? 0 : 1000,
      idempotency: Idempotency.NATURAL,
    },
    request: [{ name: "id" }, { name: "part", typeName: ".ridemesh.example.v1.Part" }],
    response: [{ name: "part", typeName: ".ridemesh.example.v1.Part" }],
    http: http ?? {},
    ...rest,
  });
  try {
    httpRules([method.parent]);
    return "none";
  } catch (error) {
    return (error as Error).message;
  }
}

const get = (path: string): DeclaredMethod["http"] => ({ pattern: { case: "get", value: path } });

describe("HTTP rules", () => {
  it("reads verb, path, body, response body and status", () => {
    expect(routeFor("PUT", "/api/trips/{trip_id}/start")).to.deep.equal({
      method: TripService.method.startTrip,
      verb: "PUT",
      path: "/api/trips/{trip_id}/start",
      pathParams: ["trip_id"],
      body: "*",
      responseBody: "trip",
      successStatus: 200,
      additionalIndex: 0,
    });
    expect(routeFor("POST", "/api/trips").successStatus).to.equal(201);
    expect(routeFor("POST", "/api/auth/logout").successStatus).to.equal(204);
  });

  it("reads additional bindings as routes of their own", () => {
    const route = routeFor("POST", "/api/drivers/register");
    expect(route.method).to.equal(DriverService.method.registerDriver);
    expect(route.additionalIndex).to.equal(1);
    expect(route.body).to.equal("*");
  });

  it("says which fields come from the query", () => {
    const names = (verb: string, path: string) =>
      queryFields(routeFor(verb, path)).map((f) => f.name);
    expect(names("GET", "/api/trips/{trip_id}")).to.deep.equal([]);
    expect(names("DELETE", "/api/trips/{trip_id}")).to.deep.equal(["reason", "request_id"]);
    expect(names("PUT", "/api/customers/{rider_id}/profile")).to.deep.equal(["request_id"]);
    expect(names("PUT", "/api/trips/{trip_id}/status")).to.deep.equal([]);
  });

  it("leaves out methods without a rule", () => {
    const methods = httpRules([LocationService]).map((route) => route.method.name);
    expect(methods).to.include("TrackTrip");
    expect(methods).to.not.include("StreamLocations");
  });

  it("accepts a field of a field in the path", () => {
    expect(problemOf(get("/things/{part.name}/{id}"))).to.equal("none");
  });

  const bad: [string, DeclaredMethod["http"], DeclaredMethod, string][] = [
    ["no pattern", {}, {}, "needs one of get"],
    ["a path that is not absolute", get("things"), {}, "does not begin with /"],
    ["a wildcard", get("/things/*"), {}, "/things/* is not understood"],
    ["an empty segment", get("/things//{id}"), {}, "is not understood"],
    ["a field twice in the path", get("/{id}/{id}"), {}, "names a field twice"],
    ["an unknown field in the path", get("/{nope}"), {}, "has no field nope"],
    ["a message in the path", get("/{part}"), {}, "part cannot be in a path"],
    ["an unknown body", { pattern: { case: "put", value: "/x" }, body: "nope" }, {}, "field nope"],
    [
      "a field in path and body",
      { pattern: { case: "put", value: "/{id}" }, body: "id" },
      {},
      "and body",
    ],
    [
      "a GET with a body",
      { pattern: { case: "get", value: "/x" }, body: "*" },
      {},
      "GET has no body",
    ],
    [
      "an unknown response body",
      { pattern: { case: "get", value: "/x" }, responseBody: "nope" },
      {},
      "field nope",
    ],
    [
      "a stream that is no GET",
      { pattern: { case: "post", value: "/x" } },
      { serverStreaming: true },
      "a stream is a GET",
    ],
    ["a client's stream", get("/x"), { clientStreaming: true }, "cannot come over REST"],
    [
      "one path claimed twice, whatever its fields are called",
      { pattern: { case: "get", value: "/{id}" }, additionalBindings: [get("/{part.name}")!] },
      {},
      "both claim GET /{part.name}",
    ],
    [
      "nested additional bindings",
      {
        pattern: { case: "get", value: "/x" },
        additionalBindings: [
          { pattern: { case: "get", value: "/y" }, additionalBindings: [get("/z")!] },
        ],
      },
      {},
      "do not nest",
    ],
    [
      "an internal method",
      get("/x"),
      { policy: { callers: ["trip"], deadlineMs: 1, idempotency: Idempotency.NATURAL } },
      "only external methods",
    ],
    [
      "204 for a response with fields",
      get("/x"),
      {
        policy: {
          access: { public: true },
          deadlineMs: 1,
          idempotency: Idempotency.NATURAL,
          httpSuccess: 204,
        },
      },
      "204 sends nothing",
    ],
  ];
  for (const [what, http, rest, message] of bad) {
    it(`refuses ${what}`, () => {
      expect(problemOf(http, rest)).to.contain(message);
    });
  }
});
