import {
  create,
  createFileRegistry,
  setExtension,
  type DescFile,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorSetSchema,
  MethodOptions_IdempotencyLevel,
  MethodOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import { http } from "../../gen/es/google/api/annotations_pb.js";
import { HttpRuleSchema } from "../../gen/es/google/api/http_pb.js";
import {
  Idempotency,
  MethodPolicySchema,
  policy as policyOption,
  Role,
} from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { contractProblems } from "./contract-rules.js";

interface Planted {
  name?: string;
  policy?: MessageInitShape<typeof MethodPolicySchema> | "none";
  http?: MessageInitShape<typeof HttpRuleSchema>;
  readOnly?: boolean;
  streams?: "requests" | "responses";
  /** Fields of the request: name to type. */
  fields?: Record<string, "string" | "int64" | "message" | "strings">;
}

/** A sound reading method, which each case spoils in one way. */
const reading = {
  policy: { access: { any: [Role.ADMIN] }, deadlineMs: 2000 },
  readOnly: true,
  fields: { trip_id: "string" },
} satisfies Planted;

/** A sound changing method. */
const changing = {
  policy: { callers: ["trip"], deadlineMs: 2000, idempotency: Idempotency.KEY },
  fields: { trip_id: "string", request_id: "string" },
} satisfies Planted;

const get = (path: string) => ({ pattern: { case: "get" as const, value: path } });

describe("contract rules", () => {
  const cases: { title: string; method: Planted; problem: string | undefined }[] = [
    { title: "a sound reading method", method: reading, problem: undefined },
    { title: "a sound changing method", method: changing, problem: undefined },
    {
      title: "no policy",
      method: { ...reading, policy: "none" },
      problem: "no policy is declared",
    },
    {
      title: "access and callers at once",
      method: withPolicy(reading, { callers: ["trip"] }),
      problem: "has both access and callers",
    },
    {
      title: "neither access nor callers",
      method: withPolicy(changing, { callers: [] }),
      problem: "has neither access nor callers",
    },
    {
      title: "a caller that no package names",
      method: withPolicy(changing, { callers: ["trip", "tirp"] }),
      problem: 'caller "tirp" is no service',
    },
    {
      title: "every service and the gateway as callers",
      method: withPolicy(changing, { callers: ["*", "gateway"] }),
      problem: undefined,
    },
    {
      title: "a public method with roles",
      method: withPolicy(reading, { access: { public: true, any: [Role.RIDER] } }),
      problem: "is public and yet names roles",
    },
    {
      title: "access for nobody",
      method: withPolicy(reading, { access: {} }),
      problem: "is neither public nor open to a role",
    },
    {
      title: "an unspecified role",
      method: withPolicy(reading, { access: { any: [Role.UNSPECIFIED] } }),
      problem: "names ROLE_UNSPECIFIED",
    },
    {
      title: "a role in any and in own",
      method: withPolicy(reading, {
        access: { any: [Role.RIDER], own: [Role.RIDER], ownership: bySubject("trip_id") },
      }),
      problem: "ROLE_RIDER stands in any and in own",
    },
    {
      title: "own without ownership",
      method: withPolicy(reading, { access: { own: [Role.RIDER] } }),
      problem: "has own without an ownership",
    },
    {
      title: "ownership without own",
      method: withPolicy(reading, {
        access: { any: [Role.RIDER], ownership: bySubject("trip_id") },
      }),
      problem: "has an ownership without own",
    },
    {
      title: "a subject_field that is not in the request",
      method: withPolicy(reading, {
        access: { own: [Role.RIDER], ownership: bySubject("rider_id") },
      }),
      problem: 'subject_field "rider_id" is not a field of the request',
    },
    {
      title: "a subject_field that is no string",
      method: {
        ...withPolicy(reading, {
          access: { own: [Role.RIDER], ownership: bySubject("rider_id") },
        }),
        fields: { rider_id: "int64" },
      },
      problem: 'subject_field "rider_id" is not a string',
    },
    {
      title: "an id_field that is not in the request",
      method: withPolicy(reading, {
        access: { own: [Role.RIDER], ownership: byResource("trip", "id") },
      }),
      problem: 'id_field "id" is not a field of the request',
    },
    {
      title: "a resource without a name",
      method: withPolicy(reading, {
        access: { own: [Role.RIDER], ownership: byResource("", "trip_id") },
      }),
      problem: "its resource has no name",
    },
    {
      title: "ownership by a field within a message",
      method: {
        ...withPolicy(reading, {
          access: { own: [Role.RIDER], ownership: byResource("trip", "inner.id") },
        }),
        fields: { inner: "message" },
      },
      problem: undefined,
    },
    {
      title: "an external method that takes the tenant",
      method: { ...reading, fields: { tenant_id: "string" } },
      problem: "takes tenant_id, which for external methods comes from the token alone",
    },
    {
      title: "a unary method without a deadline",
      method: withPolicy(reading, { deadlineMs: 0 }),
      problem: "is unary and has no deadline_ms",
    },
    {
      title: "a stream without a deadline",
      method: { ...withPolicy(reading, { deadlineMs: 0 }), streams: "responses" },
      problem: undefined,
    },
    {
      title: "a changing method that does not say what a repetition means",
      method: withPolicy(changing, { idempotency: Idempotency.UNSPECIFIED }),
      problem: "neither is NO_SIDE_EFFECTS nor declares an idempotency",
    },
    {
      title: "a reading method with an idempotency",
      method: withPolicy(reading, { idempotency: Idempotency.NATURAL }),
      problem: "is NO_SIDE_EFFECTS and yet declares an idempotency",
    },
    {
      title: "a key without request_id",
      method: { ...changing, fields: { trip_id: "string" } },
      problem: "is IDEMPOTENCY_KEY without string request_id",
    },
    {
      title: "a key whose request_id is a number",
      method: { ...changing, fields: { request_id: "int64" } },
      problem: "is IDEMPOTENCY_KEY without string request_id",
    },
    {
      title: "a request_id that nothing reads",
      method: withPolicy(changing, { idempotency: Idempotency.NATURAL }),
      problem: "has a request_id that nothing reads: it is not IDEMPOTENCY_KEY",
    },
    {
      title: "a success code that is none",
      method: withPolicy(reading, { httpSuccess: 404 }),
      problem: "http_success 404 is no success",
    },
    {
      title: "paths with fields of the request",
      method: {
        ...reading,
        http: { ...get("/api/trips/{trip_id}"), additionalBindings: [get("/api/x/{trip_id=*}")] },
      },
      problem: undefined,
    },
    {
      title: "a path field that is not in the request",
      method: { ...reading, http: get("/api/trips/{id}") },
      problem: "GET /api/trips/{id}: the request has no field id",
    },
    {
      title: "a path field of an additional binding that is not in the request",
      method: {
        ...reading,
        http: { ...get("/api/trips/{trip_id}"), additionalBindings: [get("/api/rides/{ride}")] },
      },
      problem: "GET /api/rides/{ride}: the request has no field ride",
    },
    {
      title: "a repeated path field",
      method: { ...reading, http: get("/api/trips/{trips}"), fields: { trips: "strings" } },
      problem: "GET /api/trips/{trips}: trips is not a scalar",
    },
    {
      title: "a body that is not in the request",
      method: {
        ...withPolicy(changing, { callers: [], access: { any: [Role.ADMIN] } }),
        http: { pattern: { case: "post", value: "/api/trips" }, body: "trip" },
      },
      problem: "POST /api/trips: body trip is not a field of the request",
    },
    {
      title: "a response_body that is not in the response",
      method: { ...reading, http: { ...get("/api/trips"), responseBody: "trips" } },
      problem: "GET /api/trips: response_body trips is not a field of the response",
    },
    {
      title: "GET with a body",
      method: { ...reading, http: { ...get("/api/trips"), body: "*" } },
      problem: "GET /api/trips: GET has no body",
    },
    {
      title: "GET that changes something",
      method: {
        ...withPolicy(changing, { callers: [], access: { any: [Role.ADMIN] } }),
        http: get("/api/trips"),
      },
      problem: "GET /api/trips: GET is only for NO_SIDE_EFFECTS",
    },
    {
      title: "a path without a leading slash",
      method: { ...reading, http: get("api/trips") },
      problem: 'GET api/trips: the path does not start with "/"',
    },
    {
      title: "an internal method with an HTTP binding",
      method: {
        ...changing,
        http: { pattern: { case: "post", value: "/api/trips" }, body: "*" },
      },
      problem: "is internal and yet has an HTTP binding",
    },
    {
      title: "an HTTP binding of a request stream",
      method: { ...reading, streams: "requests", http: get("/api/trips") },
      problem: "streams requests, which an HTTP binding cannot carry",
    },
  ];

  for (const { title, method, problem } of cases) {
    it(problem ? `finds ${title}` : `accepts ${title}`, () => {
      expect(contractProblems([contract(method)])).to.deep.equal(
        problem ? [`ridemesh.trip.v1.TripService.Act0: ${problem}`] : [],
      );
    });
  }

  it("finds two methods under one verb and path, whatever their variables are called", () => {
    const problems = contractProblems([
      contract(
        { ...reading, http: get("/api/trips/{trip_id}") },
        { ...reading, http: get("/api/trips/{rider_id}"), fields: { rider_id: "string" } },
      ),
    ]);
    expect(problems).to.deep.equal([
      "ridemesh.trip.v1.TripService.Act1: GET /api/trips/{} is already ridemesh.trip.v1.TripService.Act0",
    ]);
  });
});

function withPolicy<P extends Planted>(
  method: P,
  change: MessageInitShape<typeof MethodPolicySchema>,
): Planted {
  return { ...method, policy: { ...(method.policy as object), ...change } };
}

function bySubject(field: string) {
  return { case: "subjectField" as const, value: field };
}

function byResource(name: string, idField: string) {
  return { case: "resource" as const, value: { name, idField } };
}

/** The descriptor of a file in which one service has these methods. */
function contract(...methods: Planted[]): DescFile {
  const set = create(FileDescriptorSetSchema, {
    file: [
      {
        name: "ridemesh/trip/v1/trip_service.proto",
        package: "ridemesh.trip.v1",
        syntax: "proto3",
        messageType: [
          { name: "Inner", field: [field("id", 0, "string")] },
          ...methods.flatMap(({ fields = {} }, index) => [
            {
              name: `Act${index}Request`,
              field: Object.entries(fields).map(([name, type], i) => field(name, i, type)),
            },
            { name: `Act${index}Response` },
          ]),
        ],
        service: [
          {
            name: "TripService",
            method: methods.map((method, index) => ({
              name: `Act${index}`,
              inputType: `.ridemesh.trip.v1.Act${index}Request`,
              outputType: `.ridemesh.trip.v1.Act${index}Response`,
              clientStreaming: method.streams === "requests",
              serverStreaming: method.streams === "responses",
              options: options(method),
            })),
          },
        ],
      },
    ],
  });
  return createFileRegistry(set).getFile("ridemesh/trip/v1/trip_service.proto")!;
}

function options(method: Planted) {
  const result = create(MethodOptionsSchema, {
    idempotencyLevel: method.readOnly
      ? MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS
      : MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN,
  });
  if (method.policy !== "none") {
    setExtension(result, policyOption, create(MethodPolicySchema, method.policy));
  }
  if (method.http) setExtension(result, http, create(HttpRuleSchema, method.http));
  return result;
}

function field(name: string, index: number, type: NonNullable<Planted["fields"]>[string]) {
  const types = {
    string: FieldDescriptorProto_Type.STRING,
    strings: FieldDescriptorProto_Type.STRING,
    int64: FieldDescriptorProto_Type.INT64,
    message: FieldDescriptorProto_Type.MESSAGE,
  };
  return {
    name,
    number: index + 1,
    type: types[type],
    label:
      type === "strings"
        ? FieldDescriptorProto_Label.REPEATED
        : FieldDescriptorProto_Label.OPTIONAL,
    ...(type === "message" ? { typeName: ".ridemesh.trip.v1.Inner" } : {}),
  };
}
