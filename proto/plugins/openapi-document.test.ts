import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import { expect } from "chai";
import { file_ridemesh_type_v1_error_reason } from "../../gen/es/ridemesh/type/v1/error_reason_pb.js";
import { allMethods, allServices, isExternal, rpcName } from "../../services/runtime/contract.js";
import { contractFiles } from "../../services/runtime/contract-files.js";
import { httpRules } from "../../services/runtime/http-rules.js";
import { declareMethod, type DeclaredMethod } from "../../services/testing/declare-method.js";
import { openApiDocument } from "./openapi-document.js";
import { documentPath, operationId } from "./openapi-operation.js";
import type { Json } from "./openapi-text.js";

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema: Json;
}

interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  description: string;
  security: Json[];
  parameters?: Parameter[];
  requestBody?: { required: boolean; content: { "application/json": { schema: Json } } };
  responses: Record<string, Json & { content?: Record<string, { schema: Json }> }>;
  "x-ridemesh-rpc": string;
  [extension: `x-${string}`]: unknown;
}

interface Document {
  paths: Record<string, Record<string, Operation>>;
  tags: { name: string; description: string }[];
  components: { schemas: Record<string, Json>; responses: Record<string, Json> };
}

const committed = readFileSync("gen/openapi/ridemesh.openapi.json", "utf8");
const document = JSON.parse(committed) as Document;
const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
const files = [...contractFiles, file_ridemesh_type_v1_error_reason];

function find(id: string): Operation {
  const found = operations.find((operation) => operation.operationId === id);
  expect(found, id).to.not.equal(undefined);
  return found!;
}

const parameter = (id: string, name: string) =>
  find(id).parameters?.find((candidate) => candidate.name === name);
const names = (id: string) => (find(id).parameters ?? []).map((p) => `${p.in} ${p.name}`);
const body = (id: string) => find(id).requestBody?.content["application/json"].schema;
const answer = (id: string, status: number) =>
  find(id).responses[status]?.content?.["application/json"]?.schema;

/** Descriptors of gen/es carry no comments: what is left of a document without their texts. */
function withoutTexts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutTexts);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(
    ([key, inner]) => !(["description", "summary"].includes(key) && typeof inner === "string"),
  );
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutTexts(inner)]));
}

describe("the OpenAPI document", () => {
  it("is valid OpenAPI 3.1", async () => {
    const validator = new Validator();
    const result = await validator.validate(structuredClone({ ...document }));
    expect(result.errors ?? []).to.deep.equal([]);
    expect(result.valid).to.equal(true);
    expect(validator.version).to.equal("3.1");
  });

  it("says what the contract says today, in the same order", () => {
    const fresh = withoutTexts(openApiDocument(files));
    expect(JSON.stringify(withoutTexts(document))).to.equal(JSON.stringify(fresh));
  });

  it("has an operation for each route, and no other", () => {
    const routes = httpRules(allServices());
    const expected = routes.map((route) => ({
      where: `${route.verb} ${documentPath(route)}`,
      id: operationId(route),
      rpc: rpcName(route.method),
    }));
    const actual = Object.entries(document.paths).flatMap(([path, verbs]) =>
      Object.entries(verbs).map(([verb, operation]) => ({
        where: `${verb.toUpperCase()} ${path}`,
        id: operation.operationId,
        rpc: operation["x-ridemesh-rpc"],
      })),
    );
    expect(actual).to.have.deep.members(expected);
  });

  it("has every external method but those whose client streams, and no internal one", () => {
    const shown = new Set(operations.map((operation) => operation["x-ridemesh-rpc"]));
    const callable = allMethods()
      .filter(isExternal)
      .filter(({ methodKind }) => methodKind === "unary" || methodKind === "server_streaming");
    expect([...shown]).to.have.members(callable.map(rpcName));
  });

  it("refers only to what it holds", () => {
    const refs = [...committed.matchAll(/"\$ref": "#\/components\/(\w+)\/([^"]+)"/g)];
    expect(refs.length).to.be.greaterThan(100);
    const { components } = document as unknown as { components: Record<string, Json> };
    const broken = refs
      .filter(([, kind, name]) => !Object.hasOwn(components[kind!]!, name!))
      .map(([ref]) => ref);
    expect(broken).to.deep.equal([]);
  });

  it("has words for every operation, field and value", () => {
    for (const operation of operations) {
      expect(operation.summary, operation.operationId).to.match(/^\S.*[^.]$/);
      expect(operation.description, operation.operationId).to.match(/Roles: |Public: /);
    }
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      expect(schema.description, name).to.match(/\S/);
      for (const [field, property] of Object.entries((schema.properties ?? {}) as Json)) {
        if (name.includes(".v1.")) expect((property as Json).description, field).to.match(/\S/);
      }
    }
  });
});

describe("operations", () => {
  it("take fields of the path from the path, as JSON names them", () => {
    expect(document.paths["/api/trips/{tripId}"]!.get!.operationId).to.equal("TripService_GetTrip");
    expect(parameter("TripService_GetTrip", "tripId")).to.deep.include({
      in: "path",
      required: true,
      schema: { type: "string", format: "uuid" },
    });
  });

  it("take fields of the query by the names that the contract gives them", () => {
    const id = "LocationService_FindNearbyDrivers";
    const query = ["lat", "lng", "radius", "limit", "vehicleClass"].map((name) => `query ${name}`);
    expect(names(id)).to.deep.equal(query);
    expect(parameter(id, "radius")!.schema).to.deep.equal({
      type: "number",
      format: "double",
      minimum: 0,
      maximum: 50000,
    });
    expect(parameter(id, "radius")!.required).to.equal(undefined);
  });

  it("take the rest of the request from the body, and nothing unknown", () => {
    const schema = body("TripService_StartTrip")!;
    expect(schema.properties).to.have.all.keys("pin", "requestId");
    expect(schema.required).to.deep.equal(["pin"]);
    expect(schema.additionalProperties).to.equal(false);
    expect(find("TripService_StartTrip").requestBody!.required).to.equal(true);
    expect(find("TripService_AcceptTrip").requestBody!.required).to.equal(false);
  });

  it("take one field as the body where the contract says so", () => {
    const id = "LocationService_ReportLocation";
    expect(body(id)!.$ref).to.equal("#/components/schemas/location.v1.LocationPoint");
    expect(find(id).requestBody!.required).to.equal(true);
  });

  it("have no body where the request is empty or the verb has none", () => {
    expect(find("IdentityService_Logout").requestBody).to.equal(undefined);
    expect(find("TripService_CancelTrip").requestBody).to.equal(undefined);
    expect(names("TripService_CancelTrip")).to.include("query reason");
  });

  it("take an Idempotency-Key where a repetition returns the first answer, and nowhere else", () => {
    for (const operation of operations) {
      const keyed = operation["x-ridemesh-idempotency"] === "KEY";
      const takes = names(operation.operationId).includes("header Idempotency-Key");
      expect(takes, operation.operationId).to.equal(keyed);
    }
    expect(parameter("TripService_RequestTrip", "Idempotency-Key")!.required).to.equal(undefined);
    expect(names("TripService_CancelTrip")).to.not.include("query requestId");
  });

  it("answer with the status and the part of the response that the contract names", () => {
    expect(answer("TripService_RequestTrip", 201)!.$ref).to.equal(
      "#/components/schemas/trip.v1.Trip",
    );
    expect(answer("TripService_ListTrips", 200)!.$ref).to.equal(
      "#/components/schemas/trip.v1.ListTripsResponse",
    );
    expect(find("IdentityService_Logout").responses[204]).to.have.all.keys("description");
    expect(find("IdentityService_Logout").responses).to.not.have.property("200");
  });

  it("number a method's further routes", () => {
    const verbs = document.paths["/api/drivers/register"]!;
    expect(verbs.post!.operationId).to.equal("DriverService_RegisterDriver_2");
    expect(verbs.post!["x-ridemesh-rpc"]).to.equal(
      "ridemesh.driver.v1.DriverService/RegisterDriver",
    );
    expect(answer("DriverService_RegisterDriver_2", 201)).to.deep.equal(
      answer("DriverService_RegisterDriver", 201),
    );
  });

  it("say who may call them", () => {
    const login = find("IdentityService_Login");
    expect(login.security).to.deep.equal([]);
    expect(login).to.not.have.property("x-ridemesh-roles");
    const trip = find("TripService_GetTrip");
    expect(trip.security).to.deep.equal([{ bearer: [] }]);
    expect(trip["x-ridemesh-roles"]).to.deep.equal({
      any: ["admin", "support"],
      own: ["rider", "driver"],
    });
    expect(trip.description).to.contain(
      "Roles: `admin`, `support`; `rider`, `driver` (only on the caller's own trip, by `tripId`).",
    );
    expect(find("DriverService_AddVehicle").description).to.contain(
      "(only with the caller's own id as `driverId`)",
    );
  });

  it("say how long they may take and what a repetition means", () => {
    const trip = find("TripService_GetTrip");
    expect(trip["x-ridemesh-deadline-ms"]).to.equal(2000);
    expect(trip["x-ridemesh-idempotency"]).to.equal("NO_SIDE_EFFECTS");
    expect(find("LocationService_ReportLocation")["x-ridemesh-idempotency"]).to.equal("NATURAL");
    expect(find("TripService_RequestTrip")["x-ridemesh-requests-per-minute"]).to.equal(30);
    expect(find("TripService_WatchTrip")).to.not.have.property("x-ridemesh-deadline-ms");
  });

  it("stream as server-sent events or over a WebSocket, opened by a ticket and resumed", () => {
    const watch = find("TripService_WatchTrip");
    expect(watch.security).to.deep.equal([{ bearer: [] }, { streamTicket: [] }]);
    expect(names("TripService_WatchTrip")).to.deep.equal([
      "path tripId",
      "query lastEventId",
      "query ticket",
      "header Last-Event-ID",
    ]);
    expect(watch.responses[200]!.content!["text/event-stream"]!.schema).to.deep.include({
      contentMediaType: "application/json",
      contentSchema: { $ref: "#/components/schemas/trip.v1.WatchTripResponse" },
    });
    expect(watch.responses).to.include.keys("101");
    expect(names("LocationService_TrackTrip")).to.not.include("header Last-Event-ID");
    expect(document.paths["/ws/location/track/{tripId}"]!.get!.operationId).to.equal(
      "LocationService_TrackTrip_2",
    );
  });

  it("cannot take a message's list from the query", () => {
    expect(() => documentOf([{ name: "parts", repeated: true, typeName: part }])).to.throw(
      "parts cannot be in a query",
    );
  });

  it("take a message's fields from the query with a dot between the names", () => {
    const made = documentOf([{ name: "first_part", typeName: part }]);
    const query = made.paths["/do-it"]!.get!.parameters!;
    expect(query.map(({ name }) => name)).to.deep.equal(["firstPart.name"]);
  });
});

describe("error answers", () => {
  const statuses = (id: string) => Object.keys(find(id).responses).map(Number);

  it("are problem details with the reasons of the service and of all services", () => {
    expect(find("TripService_StartTrip").responses[409]).to.deep.equal({
      $ref: "#/components/responses/trip.Conflict",
    });
    expect(document.components.responses["trip.Conflict"]!.content).to.deep.equal({
      "application/problem+json": { schema: { $ref: "#/components/schemas/trip.Problem" } },
    });
    const [known] = document.components.schemas["trip.Reason"]!.anyOf as { enum: string[] }[];
    expect(known!.enum).to.include.members([
      "WRONG_PIN",
      "TRIP_TAKEN",
      "NOT_FOUND",
      "RATE_LIMITED",
    ]);
    expect(known!.enum).to.not.include("UNSPECIFIED");
    const tag = document.tags.find(({ name }) => name === "trip")!;
    expect(tag.description).to.contain("- `WRONG_PIN`: The PIN is not the rider's.");
  });

  it("have the fields of RFC 9457 and ours", () => {
    const rfc9457 = ["type", "title", "status", "detail", "instance"];
    const ours = ["code", "reason", "domain", "metadata", "request_id", "violations"];
    expect(Object.keys(document.components.schemas.Problem!.properties as Json)).to.have.members([
      ...rfc9457,
      ...ours,
      "retry_after_seconds",
    ]);
  });

  const cases: [string, number[]][] = [
    ["TripService_GetTrip", [200, 400, 401, 403, 404, 409, 429, 500, 503, 504]],
    ["TripService_RequestTrip", [201, 400, 401, 403, 404, 409, 413, 429, 500, 503, 504]],
    ["TripService_WatchTrip", [101, 200, 400, 401, 403, 404, 429, 500, 503]],
    ["IdentityService_Login", [200, 400, 401, 403, 404, 409, 413, 429, 500, 503, 504]],
    ["CityService_GetClock", [200, 400, 409, 429, 500, 503, 504]],
    ["DispatchService_ListOffers", [200, 400, 401, 403, 409, 429, 500, 503, 504]],
  ];
  for (const [id, expected] of cases) {
    it(`are those that ${id} can give`, () => {
      expect(statuses(id)).to.deep.equal(expected);
    });
  }

  it("say when to try again where that helps", () => {
    for (const [name, response] of Object.entries(document.components.responses)) {
      const retries = /\.(TooManyRequests|ServiceUnavailable)$/.test(name);
      expect("headers" in response, name).to.equal(retries);
    }
  });
});

const part = ".ridemesh.example.v1.Part";

function documentOf(request: NonNullable<DeclaredMethod["request"]>): Document {
  const method = declareMethod({
    policy: { access: { public: true }, deadlineMs: 1000 },
    readOnly: true,
    http: { pattern: { case: "get", value: "/do-it" } },
    request,
  });
  return openApiDocument([method.parent.file]) as unknown as Document;
}
