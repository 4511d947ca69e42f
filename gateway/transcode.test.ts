import { toJson, toBinary, create, type JsonObject } from "@bufbuild/protobuf";
import { FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import { Idempotency, Role } from "../gen/es/ridemesh/options/v1/options_pb.js";
import { GetTripResponseSchema } from "../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { TripState } from "../gen/es/ridemesh/trip/v1/trip_pb.js";
import { allServices } from "../services/runtime/contract.js";
import { httpRules, type HttpRoute, type HttpVerb } from "../services/runtime/http-rules.js";
import { Code, StatusError } from "../services/runtime/status.js";
import { declareMethod, type DeclaredMethod } from "../services/testing/declare-method.js";
import { decodeJson, encodeValid, restRequest, restResponse } from "./transcode.js";

/** A route of a made-up method with a field of each kind. */
function routeOf(http: DeclaredMethod["http"]): HttpRoute {
  const method = declareMethod({
    policy: {
      access: { any: [Role.RIDER] },
      deadlineMs: 1000,
      idempotency: Idempotency.NATURAL,
    },
    request: [
      { name: "id" },
      { name: "row_count", type: Type.INT32 },
      { name: "total", type: Type.INT64 },
      { name: "ratio", type: Type.DOUBLE },
      { name: "urgent", type: Type.BOOL },
      { name: "role", type: Type.ENUM, typeName: ".ridemesh.options.v1.Role" },
      { name: "data", type: Type.BYTES },
      { name: "names", repeated: true },
      { name: "counts", type: Type.INT32, repeated: true },
      { name: "flags", type: Type.BOOL, repeated: true },
      { name: "roles", type: Type.ENUM, typeName: ".ridemesh.options.v1.Role", repeated: true },
      { name: "part", typeName: ".ridemesh.example.v1.Part" },
      { name: "parts", typeName: ".ridemesh.example.v1.Part", repeated: true },
    ],
    response: [{ name: "part", typeName: ".ridemesh.example.v1.Part" }],
    http: http ?? {},
  });
  return httpRules([method.parent])[0]!;
}

const get = routeOf({ pattern: { case: "get", value: "/things/{id}" } });
const post = routeOf({ pattern: { case: "post", value: "/things/{id}" }, body: "*" });
const put = routeOf({ pattern: { case: "put", value: "/things/{id}/part" }, body: "part" });
const nested = routeOf({ pattern: { case: "get", value: "/parts/{part.name}/{row_count}" } });

interface Asked {
  params?: Record<string, string>;
  query?: string;
  body?: string;
}

/** The request as its canonical JSON. */
function requestOf(route: HttpRoute, { params = { id: "7" }, query = "", body = "" }: Asked) {
  const message = restRequest(route, params, new URLSearchParams(query), Buffer.from(body));
  return toJson(route.method.input, message) as JsonObject;
}

function refusalOf(work: () => unknown): StatusError {
  try {
    work();
  } catch (error) {
    expect(error).to.be.instanceOf(StatusError);
    return error as StatusError;
  }
  throw new Error("it was not refused");
}

describe("REST to messages", () => {
  const accepted: [string, HttpRoute, Asked, JsonObject][] = [
    ["the path's field", get, {}, { id: "7" }],
    [
      "a field of a field in the path, and a number",
      nested,
      { params: { part_name: "wheel", row_count: "3" } },
      { part: { name: "wheel" }, rowCount: 3 },
    ],
    ["a query by the name in the proto", get, { query: "row_count=3" }, { id: "7", rowCount: 3 }],
    ["a query by the name in JSON", get, { query: "rowCount=3" }, { id: "7", rowCount: 3 }],
    [
      "a 64-bit integer beyond a double",
      get,
      { query: "total=9007199254740993" },
      { id: "7", total: "9007199254740993" },
    ],
    ["a fraction", get, { query: "ratio=-1.5e2" }, { id: "7", ratio: -150 }],
    ["true", get, { query: "urgent=true" }, { id: "7", urgent: true }],
    ["1 for true", get, { query: "urgent=1" }, { id: "7", urgent: true }],
    ["false, which is the default", get, { query: "urgent=false" }, { id: "7" }],
    ["an enum by name", get, { query: "role=ROLE_DRIVER" }, { id: "7", role: "ROLE_DRIVER" }],
    ["an enum by number", get, { query: "role=2" }, { id: "7", role: "ROLE_DRIVER" }],
    [
      "a repeated query",
      get,
      { query: "names=b&names=a&names=" },
      { id: "7", names: ["b", "a", ""] },
    ],
    ["repeated numbers", get, { query: "counts=2&counts=1" }, { id: "7", counts: [2, 1] }],
    ["repeated booleans", get, { query: "flags=true&flags=0" }, { id: "7", flags: [true, false] }],
    [
      "repeated enums",
      get,
      { query: "roles=ROLE_RIDER&roles=3" },
      { id: "7", roles: ["ROLE_RIDER", "ROLE_ADMIN"] },
    ],
    [
      "a field of a field in the query",
      get,
      { query: "part.name=wheel" },
      { id: "7", part: { name: "wheel" } },
    ],
    [
      "text as it was encoded",
      get,
      { query: "names=a%26b+c%C3%BC" },
      { id: "7", names: ["a&b cü"] },
    ],
    [
      "a whole body",
      post,
      { body: '{"row_count": 3, "parts": [{"name": "a"}], "data": "AQI="}' },
      { id: "7", rowCount: 3, parts: [{ name: "a" }], data: "AQI=" },
    ],
    [
      "a body that names what the path names: the path counts",
      post,
      { body: '{"id": "8"}' },
      { id: "7" },
    ],
    ["an empty body", post, { body: "  " }, { id: "7" }],
    ["null for a field that is left out", post, { body: '{"role": null}' }, { id: "7" }],
    [
      "one field as the body",
      put,
      { body: '{"name": "a"}', query: "urgent=true" },
      { id: "7", part: { name: "a" }, urgent: true },
    ],
    ["no body where none is taken", get, { body: "\r\n" }, { id: "7" }],
  ];
  for (const [what, route, asked, expected] of accepted) {
    it(`takes ${what}`, () => {
      expect(requestOf(route, asked)).to.deep.equal(expected);
    });
  }

  const refused: [string, HttpRoute, Asked, string][] = [
    ["a query parameter that there is not", get, { query: "colour=red" }, "colour"],
    ["a field that a field does not have", get, { query: "part.colour=red" }, "part.colour"],
    ["a field of what has none", get, { query: "id.name=1" }, "id.name"],
    ["a word for a number", get, { query: "row_count=many" }, "row_count"],
    ["an empty number", get, { query: "row_count=" }, "row_count"],
    ["a fraction for an integer", get, { query: "row_count=1.5" }, "row_count"],
    ["an integer that does not fit", get, { query: "row_count=3000000000" }, "row_count"],
    ["infinity", get, { query: "ratio=Infinity" }, "ratio"],
    ["not a number", get, { query: "ratio=NaN" }, "ratio"],
    ["a word for a 64-bit integer", get, { query: "total=lots" }, "total"],
    ["a word for a boolean", get, { query: "urgent=perhaps" }, "urgent"],
    ["an enum's unknown name", get, { query: "role=ROLE_KING" }, "role"],
    ["a word among repeated numbers", get, { query: "counts=1&counts=x" }, "counts"],
    ["text for a message", get, { query: "part=wheel" }, "part"],
    ["a body where none is taken", get, { body: "{}" }, "body"],
    ["a body that is not JSON", post, { body: "{" }, "the body"],
    ["a body that is a list", post, { body: "[]" }, "the body"],
    ["a body that is null", post, { body: "null" }, "the body"],
    ["a body that is text", post, { body: '"x"' }, "the body"],
    ["an unknown field", post, { body: '{"colour": "red"}' }, "colour"],
    [
      "an unknown field within a field",
      post,
      { body: '{"part": {"colour": "red"}}' },
      "part.colour",
    ],
    [
      "an unknown field named as an object's inside",
      post,
      { body: '{"__proto__": {"id": "8"}}' },
      "__proto__",
    ],
    ["a number for text", post, { body: '{"part": {"name": 5}}' }, "part.name"],
    ["text for a boolean", post, { body: '{"urgent": "yes"}' }, "urgent"],
    ["a list for a message", post, { body: '{"part": []}' }, "part"],
    ["an infinite number", post, { body: '{"ratio": 1e999}' }, "ratio"],
    ["a null in a list", post, { body: '{"counts": [null]}' }, "counts[0]"],
    [
      "a number for text deep within",
      post,
      { body: '{"parts": [{}, {"name": 5}]}' },
      "parts[1].name",
    ],
    ["bytes that are not base64", post, { body: '{"data": "*"}' }, "data"],
    ["one field's body that is not an object", put, { body: "3" }, "part"],
  ];
  for (const [what, route, asked, field] of refused) {
    it(`refuses ${what}, and names ${field}`, () => {
      const error = refusalOf(() => requestOf(route, asked));
      expect(error.code).to.equal(Code.INVALID_ARGUMENT);
      expect(error.reason).to.equal("INVALID_REQUEST");
      expect(error.violations.map((violation) => violation.field)).to.deep.equal([field]);
      expect(error.message, "our types' names").to.not.include("ridemesh.");
    });
  }

  it("checks the contract's rules, and names each field that breaks one", () => {
    const route = ruleOf("POST", "/api/pricing/calculate");
    const message = decodeJson(route.method.input, {
      cityId: "",
      vehicleClass: "VEHICLE_CLASS_ECONOMY",
      distanceMeters: -1,
    });
    const error = refusalOf(() => encodeValid(route.method.input, message));
    expect(error.code).to.equal(Code.INVALID_ARGUMENT);
    expect(error.violations.map(({ field, rule }) => [field, rule])).to.deep.equal([
      ["city_id", "string.min_len"],
      ["distance_meters", "double.gte_lte"],
    ]);
  });
});

describe("messages to REST", () => {
  const answer = toBinary(
    GetTripResponseSchema,
    create(GetTripResponseSchema, {
      trip: { tripId: "t", state: TripState.MATCHING, version: 5n },
    }),
  );
  const responseOf = (path: string, bytes: Uint8Array) =>
    JSON.parse(restResponse(ruleOf("GET", path), bytes)) as JsonObject;

  it("sends the one field that the route names, with what is at its default", () => {
    const json = responseOf("/api/trips/{trip_id}", answer);
    expect(json).to.include({ tripId: "t", state: "TRIP_STATE_MATCHING", version: "5", pin: "" });
    expect(json).to.not.have.property("trip");
    expect(json).to.not.have.property("acceptTime");
  });

  it("sends null for that field when it is absent", () => {
    expect(responseOf("/api/trips/{trip_id}", new Uint8Array())).to.equal(null);
  });

  it("sends the whole answer of a route that names none", () => {
    expect(responseOf("/api/trips/history", new Uint8Array())).to.deep.equal({
      trips: [],
      nextPageToken: "",
    });
  });
});

function ruleOf(verb: HttpVerb, path: string): HttpRoute {
  const found = httpRules(allServices()).find((r) => r.verb === verb && r.path === path);
  if (!found) throw new Error(`there is no ${verb} ${path}`);
  return found;
}
