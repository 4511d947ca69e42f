/** Requests that break the contract's rules, made from the rules themselves: one for each rule. */
import {
  create,
  ScalarType,
  type DescField,
  type DescMessage,
  type Message,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import type { FieldRules } from "../../gen/es/buf/validate/validate_pb.js";
import { optionOf } from "../../services/runtime/options.js";

/** A way of breaking a rule. */
export interface Violation {
  /** The field, as an error names it: "pickup.point.lat". */
  field: string;
  /** What is done to it, in words. */
  what: string;
  /** Does it, to a valid request. */
  apply(request: Message): void;
}

/** Every rule of the message's fields, and of the messages in them, that can be broken. */
export function violationsOf(schema: DescMessage): Violation[] {
  return schema.fields.flatMap((field) => ofField(field));
}

function ofField(field: DescField): Violation[] {
  const rules = optionOf(field, "buf.validate.field");
  const own = rules ? breakRules(field, rules) : [];
  const nested =
    field.fieldKind === "message" && !field.message.typeName.startsWith("google.")
      ? violationsOf(field.message).map((violation) => inside(field, violation))
      : [];
  return [...own, ...nested];
}

/** The violation of a field within the message that this field holds. */
function inside(field: DescField, inner: Violation): Violation {
  return {
    field: `${field.name}.${inner.field}`,
    what: inner.what,
    apply: (request) => {
      const at = request as unknown as Record<string, Message>;
      at[field.localName] ??= create(field.message!) as Message;
      inner.apply(at[field.localName]!);
    },
  };
}

function breakRules(field: DescField, rules: FieldRules): Violation[] {
  const to = (what: string, value: unknown, suffix = ""): Violation => ({
    field: `${field.name}${suffix}`,
    what,
    apply: (request) => {
      (request as unknown as Record<string, unknown>)[field.localName] = value;
    },
  });
  const violations: Violation[] = [];
  if (rules.required) {
    violations.push({
      field: field.name,
      what: "is left out",
      apply: (request) => reflect(field.parent, request).clear(field),
    });
  }
  const { type } = rules;
  switch (type.case) {
    case "string": {
      const { wellKnown, minLen, maxLen, pattern } = type.value;
      if (wellKnown.case === "uuid") violations.push(to("is no UUID", "not-a-uuid"));
      if (wellKnown.case === "email") violations.push(to("is no e-mail", "nobody at nowhere"));
      if (minLen > 0n) violations.push(to("is empty", ""));
      if (maxLen > 0n) violations.push(to("is too long", "x".repeat(Number(maxLen) + 1)));
      if (pattern) violations.push(to("has another form", "?!"));
      break;
    }
    case "bytes":
      if (type.value.minLen > 0n) violations.push(to("is too short", new Uint8Array(1)));
      break;
    case "int32":
    case "int64":
    case "double": {
      const { greaterThan, lessThan } = type.value;
      const number = (value: number) =>
        field.fieldKind === "scalar" && field.scalar === ScalarType.INT64 ? BigInt(value) : value;
      if (greaterThan.case === "gte")
        violations.push(to("is too small", number(Number(greaterThan.value) - 1)));
      if (greaterThan.case === "gt")
        violations.push(to("is too small", number(Number(greaterThan.value))));
      if (lessThan.case === "lte")
        violations.push(to("is too large", number(Number(lessThan.value) + 1)));
      break;
    }
    case "enum":
      if (type.value.definedOnly) violations.push(to("is not defined", 99));
      if (type.value.notIn.includes(0)) violations.push(to("is unspecified", 0));
      if (type.value.in.length > 0) violations.push(to("is none of those allowed", 98));
      break;
    case "repeated": {
      const { minItems, maxItems, items } = type.value;
      const isText = field.fieldKind === "list" && field.scalar === ScalarType.STRING;
      const item = isText ? "00000000-0000-4000-8000-000000000000" : 1;
      if (minItems > 0n) violations.push(to("has no element", []));
      if (maxItems > 0n && field.fieldKind === "list" && field.listKind !== "message") {
        const many = Array.from({ length: Number(maxItems) + 1 }, () => item);
        violations.push(to("has too many elements", many));
      }
      if (items?.type.case === "enum") violations.push(to("has a bad element", [99], "[0]"));
      if (items?.type.case === "string" && items.type.value.wellKnown.case === "uuid") {
        violations.push(to("has a bad element", ["not-a-uuid"], "[0]"));
      }
      break;
    }
    default:
      break;
  }
  return violations;
}
