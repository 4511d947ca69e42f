import type { DescField } from "@bufbuild/protobuf";
import { FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import { Ignore } from "../../gen/es/buf/validate/validate_pb.js";
import { TripSchema } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import {
  RequestTripRequestSchema,
  UpdateTripStatusRequestSchema,
} from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { ListDisplayNamesResponseSchema } from "../../gen/es/ridemesh/identity/v1/identity_internal_service_pb.js";
import { declareMethod, type DeclaredField } from "../../services/testing/declare-method.js";
import { schemaBook } from "./openapi-schema.js";

function fieldOf(declared: Omit<DeclaredField, "name">): DescField {
  return declareMethod({ request: [{ name: "it", ...declared }] }).input.fields[0]!;
}

type Rules = NonNullable<DeclaredField["rules"]>;

const text = (value: object): Rules => ({ type: { case: "string", value } });
const int = (value: object): Rules => ({ type: { case: "int32", value } });
const long = (value: object): Rules => ({ type: { case: "int64", value } });
const list = (value: object): Rules => ({ type: { case: "repeated", value } });

const string = { type: "string" };
const int32 = { type: "integer", format: "int32" };
const int64 = { type: "string", format: "int64", pattern: "^-?[0-9]+$" };
const role = ".ridemesh.options.v1.Role";
const roleRef = { $ref: "#/components/schemas/options.v1.Role" };
const part = ".ridemesh.example.v1.Part";
const partRef = { $ref: "#/components/schemas/example.v1.Part" };

/** What is declared, the schema that it gives, and whether a request must give the field. */
const cases: [string, Omit<DeclaredField, "name">, object, boolean][] = [
  ["a string", {}, string, false],
  [
    "a string's length",
    { rules: text({ minLen: 0n, maxLen: 9n }) },
    { ...string, minLength: 0, maxLength: 9 },
    false,
  ],
  [
    "a string that is not empty",
    { rules: text({ minLen: 1n }) },
    { ...string, minLength: 1 },
    true,
  ],
  [
    "a string of one length",
    { rules: text({ len: 4n }) },
    { ...string, minLength: 4, maxLength: 4 },
    true,
  ],
  ["a pattern", { rules: text({ pattern: "^[a-z]+$" }) }, { ...string, pattern: "^[a-z]+$" }, true],
  [
    "a pattern that empty fits",
    { rules: text({ pattern: "^[a-z]*$" }) },
    { ...string, pattern: "^[a-z]*$" },
    false,
  ],
  [
    "a UUID",
    { rules: text({ wellKnown: { case: "uuid", value: true } }) },
    { ...string, format: "uuid" },
    true,
  ],
  [
    "an e-mail",
    { rules: text({ wellKnown: { case: "email", value: true } }) },
    { ...string, format: "email" },
    true,
  ],
  [
    "a UUID that may be left out",
    {
      rules: {
        ...text({ wellKnown: { case: "uuid", value: true } }),
        ignore: Ignore.IF_ZERO_VALUE,
      },
    },
    { ...string, format: "uuid" },
    false,
  ],
  [
    "rules that are switched off",
    { rules: { ...text({ minLen: 3n }), ignore: Ignore.ALWAYS } },
    string,
    false,
  ],
  [
    "one of some strings",
    { rules: text({ in: ["a", "b"] }) },
    { ...string, enum: ["a", "b"] },
    true,
  ],
  [
    "none of some strings",
    { rules: text({ notIn: ["a"] }) },
    { ...string, not: { enum: ["a"] } },
    false,
  ],
  [
    "a rule that a schema cannot say",
    { rules: text({ prefix: "tok_" }) },
    { ...string, description: 'Also checked: prefix "tok_".' },
    true,
  ],
  ["a required string", { rules: { required: true } }, { ...string, not: { const: "" } }, true],
  [
    "an integer's range",
    {
      type: Type.INT32,
      rules: int({ greaterThan: { case: "gte", value: 0 }, lessThan: { case: "lte", value: 5 } }),
    },
    { ...int32, minimum: 0, maximum: 5 },
    false,
  ],
  [
    "an integer from 1 on",
    { type: Type.INT32, rules: int({ greaterThan: { case: "gte", value: 1 } }) },
    { ...int32, minimum: 1 },
    true,
  ],
  [
    "a number above 0",
    {
      type: Type.DOUBLE,
      rules: { type: { case: "double", value: { greaterThan: { case: "gt", value: 0 } } } },
    },
    { type: "number", format: "double", exclusiveMinimum: 0 },
    true,
  ],
  ["a 64-bit integer", { type: Type.INT64 }, int64, false],
  [
    "a 64-bit integer's range",
    { type: Type.INT64, rules: long({ greaterThan: { case: "gte", value: 1n } }) },
    { ...int64, description: "At least 1." },
    true,
  ],
  [
    "an unsigned integer",
    { type: Type.UINT32 },
    { type: "integer", format: "uint32", minimum: 0 },
    false,
  ],
  ["a boolean", { type: Type.BOOL }, { type: "boolean" }, false],
  [
    "bytes",
    { type: Type.BYTES, rules: { type: { case: "bytes", value: { minLen: 8n, maxLen: 10n } } } },
    { type: "string", contentEncoding: "base64", minLength: 11, maxLength: 16 },
    true,
  ],
  ["an enum", { type: Type.ENUM, typeName: role }, roleRef, false],
  [
    "an enum that is given",
    {
      type: Type.ENUM,
      typeName: role,
      rules: { type: { case: "enum", value: { notIn: [0, 1, 2] } } },
    },
    { type: "string", enum: ["ROLE_ADMIN", "ROLE_SUPPORT", "ROLE_FLEET"] },
    true,
  ],
  [
    "some of an enum",
    { type: Type.ENUM, typeName: role, rules: { type: { case: "enum", value: { in: [0, 2] } } } },
    { type: "string", enum: ["ROLE_UNSPECIFIED", "ROLE_DRIVER"] },
    false,
  ],
  [
    "a required enum",
    { type: Type.ENUM, typeName: role, rules: { required: true } },
    {
      type: "string",
      enum: ["ROLE_RIDER", "ROLE_DRIVER", "ROLE_ADMIN", "ROLE_SUPPORT", "ROLE_FLEET"],
    },
    true,
  ],
  ["a message", { typeName: part }, partRef, false],
  ["a required message", { typeName: part, rules: { required: true } }, partRef, true],
  ["a list", { repeated: true, typeName: part }, { type: "array", items: partRef }, false],
  [
    "a list's length",
    { repeated: true, rules: list({ minItems: 1n, maxItems: 3n, unique: true }) },
    { type: "array", items: string, minItems: 1, maxItems: 3, uniqueItems: true },
    true,
  ],
  [
    "a list that may be empty",
    { repeated: true, rules: list({ maxItems: 3n }) },
    { type: "array", items: string, maxItems: 3 },
    false,
  ],
  [
    "a list's items",
    { repeated: true, rules: list({ items: text({ minLen: 1n }) }) },
    { type: "array", items: { ...string, minLength: 1 } },
    false,
  ],
  [
    "a required list",
    { repeated: true, rules: { required: true } },
    { type: "array", items: string, minItems: 1 },
    true,
  ],
  [
    "a rule in words",
    { rules: { cel: [{ id: "it.odd", message: "it must be odd", expression: "true" }] } },
    { ...string, description: "Rule `it.odd`: it must be odd." },
    false,
  ],
];

describe("schemas of fields", () => {
  for (const [what, declared, schema, required] of cases) {
    it(`describe ${what}, ${required ? "required" : "not required"}`, () => {
      expect(schemaBook().fieldSchema(fieldOf(declared))).to.deep.equal({ schema, required });
    });
  }

  it("describe a map by its values", () => {
    const [names] = ListDisplayNamesResponseSchema.fields;
    expect(schemaBook().fieldSchema(names!).schema).to.deep.equal({
      type: "object",
      additionalProperties: string,
    });
  });

  it("describe a timestamp as a time", () => {
    const field = TripSchema.field.requestTime;
    expect(schemaBook().fieldSchema(field).schema).to.deep.equal({
      ...string,
      format: "date-time",
    });
  });
});

describe("the schema book", () => {
  it("keeps what is referred to, and what that refers to, by name and in order", () => {
    const book = schemaBook();
    expect(book.refTo(TripSchema)).to.deep.equal({ $ref: "#/components/schemas/trip.v1.Trip" });
    const names = Object.keys(book.schemas());
    expect(names).to.include.members(["trip.v1.Trip", "trip.v1.TripState", "type.v1.LatLng"]);
    expect(names).to.deep.equal(names.toSorted());
  });

  it("writes enum values by their full names", () => {
    const book = schemaBook();
    book.refTo(TripSchema);
    const { "trip.v1.Party": party } = book.schemas();
    expect(party?.enum).to.deep.equal([
      "PARTY_UNSPECIFIED",
      "PARTY_RIDER",
      "PARTY_DRIVER",
      "PARTY_STAFF",
      "PARTY_SYSTEM",
    ]);
  });

  it("lists the fields that a request must give", () => {
    const { fields } = UpdateTripStatusRequestSchema;
    const schema = schemaBook().objectSchema(UpdateTripStatusRequestSchema, fields);
    expect(schema.required).to.deep.equal(["tripId", "action"]);
    expect(schema.properties).to.have.all.keys("tripId", "action", "pin", "reason", "requestId");
  });

  it("puts a message's own rules into words", () => {
    const schema = schemaBook().objectSchema(RequestTripRequestSchema, []);
    expect(schema.description).to.equal(
      "Rule `request_trip.quote_or_places`: give quote_token, or pickup, dropoff and vehicle_class.",
    );
  });
});
