/** Values that a program may choke on: for each field of a request that could carry them. */
import {
  ScalarType,
  create,
  type DescField,
  type DescMessage,
  type Message,
} from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Violation } from "./violations.js";

/** Ways of putting such values into a valid request. Rules may refuse them; nothing may break. */
export function hostileTo(schema: DescMessage): Violation[] {
  return schema.fields.flatMap((field) => ofField(field));
}

function ofField(field: DescField): Violation[] {
  const to = (what: string, value: unknown): Violation => ({
    field: field.name,
    what,
    apply: (request) => {
      const isList = field.fieldKind === "list";
      (request as unknown as Record<string, unknown>)[field.localName] = isList ? [value] : value;
    },
  });
  if (field.name === "request_id") return [to("holds a NUL", "a\0b"), to("is odd", "'; --\u202e")];
  if (field.fieldKind === "map") return [];
  if (field.message) {
    if (field.message.typeName === TimestampSchema.typeName) {
      const time = (seconds: bigint) => create(TimestampSchema, { seconds });
      return [
        to("is before all time", time(-62_135_596_801n)),
        to("is the year 0001", time(-62_135_596_800n)),
        to("is the year 9999", time(253_402_300_799n)),
        to("is after all time", time(9_000_000_000_000_000n)),
        to("is beyond a date", time(9_223_372_036_854_775_807n)),
      ];
    }
    return hostileTo(field.message).map((inner) => ({
      field: `${field.name}.${inner.field}`,
      what: inner.what,
      apply: (request) => {
        const at = request as unknown as Record<string, Message | Message[] | undefined>;
        const value = at[field.localName];
        const present = Array.isArray(value) ? value[0] : value;
        const message = present ?? create(field.message);
        if (!present) at[field.localName] = field.fieldKind === "list" ? [message] : message;
        inner.apply(message);
      },
    }));
  }
  if (field.enum) return [to("is negative", -1), to("is huge", 2_147_483_647)];
  switch (field.scalar) {
    case ScalarType.STRING:
      return [
        to("holds a NUL", "a\0b"),
        to("holds a quote", "a'); DROP TABLE trips; --"),
        to("holds signs beyond the first plane", "🛺\u202e\u{10ffff}"),
        to("is of blanks", "   "),
      ];
    case ScalarType.DOUBLE:
      return [
        to("is no number", Number.NaN),
        to("is infinite", Number.POSITIVE_INFINITY),
        to("is tiny", 5e-324),
        to("is minus zero", -0),
      ];
    case ScalarType.INT32:
      return [to("is the least", -2_147_483_648), to("is the most", 2_147_483_647)];
    case ScalarType.INT64:
      return [
        to("is the least", -9_223_372_036_854_775_808n),
        to("is the most", 9_223_372_036_854_775_807n),
      ];
    default:
      return [];
  }
}
