/** Messages and enums as JSON Schemas, after the JSON mapping of Protocol Buffers. */
import { ScalarType, type DescEnum, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence as Presence } from "@bufbuild/protobuf/wkt";
import {
  boolConstraints,
  bytesConstraints,
  enumConstraints,
  listConstraints,
  mapConstraints,
  messageNotes,
  numberConstraints,
  rulesOf,
  stringConstraints,
  wellKnownConstraints,
  type Constraints,
  type FieldRules,
} from "./openapi-rules.js";
import { commentOf, compact, merged, paragraphs, valueList, type Json } from "./openapi-text.js";

/** Collects the schemas that a document refers to. */
export interface SchemaBook {
  /** Refers to a message or an enum, and keeps its schema. */
  refTo(desc: DescMessage | DescEnum): Json;
  /** A field's schema, and whether a request must give it. */
  fieldSchema(field: DescField): { schema: Json; required: boolean };
  /** An object of some of a message's fields, not kept. */
  objectSchema(message: DescMessage, fields: readonly DescField[]): Json;
  /** All schemas that were referred to, by name, in its order. */
  schemas(): Record<string, Json>;
}

/** "trip.v1.Trip" for ridemesh.trip.v1.Trip. */
export function schemaName(desc: DescMessage | DescEnum): string {
  return desc.typeName.replace(/^ridemesh\./, "");
}

/** Starts an empty book. */
export function schemaBook(): SchemaBook {
  const known = new Map<string, Json>();

  const refTo = (desc: DescMessage | DescEnum): Json => {
    const name = schemaName(desc);
    if (!known.has(name)) {
      // Kept before it is made, so that a message may hold itself.
      known.set(name, {});
      known.set(name, desc.kind === "enum" ? enumSchema(desc) : objectSchema(desc, desc.fields));
    }
    return { $ref: `#/components/schemas/${name}` };
  };

  const objectSchema = (message: DescMessage, fields: readonly DescField[]): Json => {
    const described = fields.map((field) => ({ field, ...fieldSchema(field) }));
    const required = described.filter((d) => d.required).map((d) => d.field.jsonName);
    return compact({
      type: "object",
      description: paragraphs(commentOf(message), ...oneofNotes(message), ...messageNotes(message)),
      properties:
        described.length > 0
          ? Object.fromEntries(described.map((d) => [d.field.jsonName, d.schema]))
          : undefined,
      required: required.length > 0 ? required : undefined,
    });
  };

  const fieldSchema = (field: DescField): { schema: Json; required: boolean } => {
    const rules = rulesOf(field);
    const { schema, notes, zeroPasses } = valueSchema(field, rules);
    const description = paragraphs(commentOf(field), ...notes, ...rules.notes);
    return {
      schema: compact({ ...schema, description }),
      required: isRequired(field, rules, zeroPasses),
    };
  };

  const valueSchema = (field: DescField, rules: FieldRules): Constraints => {
    const own = rules.ignore === "always" ? {} : rules.byType;
    switch (field.fieldKind) {
      case "scalar":
        return scalarSchema(field.scalar, own, rules.required && !hasPresence(field));
      case "enum": {
        const given = rules.required && !hasPresence(field);
        return enumValueSchema(field.enum, { ...own.enum, ...(given ? { not_in: [0] } : {}) });
      }
      case "message":
        return messageValueSchema(field.message, own);
      case "list": {
        const items = (own.repeated?.items ?? {}) as Record<string, Json>;
        const item = elementSchema(field, items);
        const list = listConstraints(own.repeated ?? {});
        const minItems = rules.required ? { minItems: 1 } : {};
        return {
          schema: { type: "array", items: describe(item), ...minItems, ...list.schema },
          notes: list.notes,
          zeroPasses: list.zeroPasses,
        };
      }
      case "map": {
        const map = mapConstraints(own.map ?? {});
        const values = (own.map?.values ?? {}) as Record<string, Json>;
        const keys = (own.map?.keys ?? {}) as Record<string, Json>;
        const propertyNames = scalarSchema(ScalarType.STRING, keys, false).schema;
        const names = Object.keys(propertyNames).length > 1 ? { propertyNames } : {};
        const minProperties = rules.required ? { minProperties: 1 } : {};
        return {
          schema: {
            type: "object",
            additionalProperties: describe(elementSchema(field, values)),
            ...names,
            ...minProperties,
            ...map.schema,
          },
          notes: map.notes,
          zeroPasses: map.zeroPasses,
        };
      }
      default:
        return field satisfies never;
    }
  };

  const elementSchema = (
    field: DescField & { fieldKind: "list" | "map" },
    rules: Record<string, Json>,
  ): Constraints => {
    if (field.message) return messageValueSchema(field.message, rules);
    if (field.enum) return enumValueSchema(field.enum, rules.enum ?? {});
    return scalarSchema(field.scalar, rules, false);
  };

  const enumValueSchema = (desc: DescEnum, rules: Json): Constraints => {
    const constraints = enumConstraints(rules, desc);
    const { enum: names } = constraints.schema;
    return { ...constraints, schema: names ? { type: "string", enum: names } : refTo(desc) };
  };

  const messageValueSchema = (message: DescMessage, rules: Record<string, Json>): Constraints => {
    const wellKnown = wellKnownSchemas[message.typeName];
    if (!wellKnown) {
      if (message.typeName.startsWith("google.protobuf.")) {
        throw new Error(`${message.typeName} has no schema here`);
      }
      return { schema: refTo(message), notes: [], zeroPasses: true };
    }
    const { schema, notes } = wellKnownConstraints(merged(Object.values(rules)));
    return { schema: { ...wellKnown, ...schema }, notes, zeroPasses: true };
  };

  const schemas = () =>
    Object.fromEntries([...known].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));

  return { refTo, fieldSchema, objectSchema, schemas };
}

function describe({ schema, notes }: Constraints): Json {
  return notes.length > 0 ? { ...schema, description: paragraphs(...notes) } : schema;
}

function hasPresence(field: DescField): boolean {
  return field.presence !== Presence.IMPLICIT;
}

/** A field without presence is its zero value when left out, which its rules may refuse. */
function isRequired(field: DescField, rules: FieldRules, zeroPasses: boolean): boolean {
  if (rules.required) return true;
  if (rules.ignore !== "never" || field.oneof || field.fieldKind === "message") return false;
  return !hasPresence(field) && !zeroPasses;
}

function oneofNotes(message: DescMessage): string[] {
  return message.oneofs.map((oneof) => {
    const names = oneof.fields.map((field) => `\`${field.jsonName}\``);
    return `At most one of ${names.join(", ")}.`;
  });
}

function enumSchema(desc: DescEnum): Json {
  const list = valueList(desc, (name) => name);
  return {
    type: "string",
    description: paragraphs(commentOf(desc), list),
    enum: desc.values.map((value) => value.name),
  };
}

/** `nonZero` is set where `required` on a value without presence forbids its zero. */
function scalarSchema(
  scalar: ScalarType,
  byType: Record<string, Json>,
  nonZero: boolean,
): Constraints {
  const rules: Json = merged(Object.values(byType));
  const { type, kind } = scalarTypes[scalar];
  const { schema, ...rest } = constraintsOf(kind, rules);
  const zero = { string: "", number: 0, int64: "0", bool: false, bytes: "" }[kind];
  return { schema: { ...type, ...(nonZero ? { not: { const: zero } } : {}), ...schema }, ...rest };
}

type ScalarKind = "string" | "number" | "int64" | "bool" | "bytes";

function constraintsOf(kind: ScalarKind, rules: Json): Constraints {
  switch (kind) {
    case "string":
      return stringConstraints(rules);
    case "number":
      return numberConstraints(rules, false);
    case "int64":
      return numberConstraints(rules, true);
    case "bool":
      return boolConstraints(rules);
    case "bytes":
      return bytesConstraints(rules);
    default:
      return kind satisfies never;
  }
}

const int32 = { type: { type: "integer", format: "int32" }, kind: "number" } as const;
const uint32 = { type: { type: "integer", format: "uint32", minimum: 0 }, kind: "number" } as const;
const int64 = {
  type: { type: "string", format: "int64", pattern: "^-?[0-9]+$" },
  kind: "int64",
} as const;
const uint64 = {
  type: { type: "string", format: "uint64", pattern: "^[0-9]+$" },
  kind: "int64",
} as const;

const scalarTypes: Record<ScalarType, { type: Json; kind: ScalarKind }> = {
  [ScalarType.DOUBLE]: { type: { type: "number", format: "double" }, kind: "number" },
  [ScalarType.FLOAT]: { type: { type: "number", format: "float" }, kind: "number" },
  [ScalarType.INT32]: int32,
  [ScalarType.SINT32]: int32,
  [ScalarType.SFIXED32]: int32,
  [ScalarType.UINT32]: uint32,
  [ScalarType.FIXED32]: uint32,
  [ScalarType.INT64]: int64,
  [ScalarType.SINT64]: int64,
  [ScalarType.SFIXED64]: int64,
  [ScalarType.UINT64]: uint64,
  [ScalarType.FIXED64]: uint64,
  [ScalarType.BOOL]: { type: { type: "boolean" }, kind: "bool" },
  [ScalarType.STRING]: { type: { type: "string" }, kind: "string" },
  [ScalarType.BYTES]: { type: { type: "string", contentEncoding: "base64" }, kind: "bytes" },
};

/** Messages of google.protobuf that are not objects in JSON, or objects of any shape. */
const wellKnownSchemas: Record<string, Json> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$" },
  "google.protobuf.FieldMask": { type: "string" },
  "google.protobuf.Struct": { type: "object", additionalProperties: true },
  "google.protobuf.Empty": { type: "object" },
};
