/** buf.validate rules as JSON Schema keywords. What JSON Schema cannot say becomes a note. */
import { getOption, type DescEnum, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { isReflectMessage, reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { optionSet } from "../../services/runtime/options.js";
import { merged, type Json } from "./openapi-text.js";

/** Rules of one type (as string.max_len), by name: those that are set. */
type Rules = Record<string, unknown>;

/** What rules come to. */
export interface Constraints {
  /** Keywords for the schema of the value. */
  schema: Json;
  /** Sentences for its description. */
  notes: string[];
  /** Whether the type's zero value (empty, 0) passes, and so the field may be left out. */
  zeroPasses: boolean;
}

/** A field's rules as they are written in the contract. */
export interface FieldRules {
  /** Whether it must be given; for a value without presence, be other than zero. */
  required: boolean;
  ignore: "never" | "zero" | "always";
  /** Rules of the field's type, by type: { string: { max_len: 64n } }. */
  byType: Record<string, Rules>;
  /** Rules in the Common Expression Language, in words. */
  notes: string[];
}

/** The rules of a field; none are set on a field without the option. */
export function rulesOf(field: DescField): FieldRules {
  const set = setValues(field, "buf.validate.field");
  const { required, ignore, cel, cel_expression: _, ...byType } = set;
  return {
    required: required === true,
    ignore: ignore === 1 ? "zero" : ignore === 3 ? "always" : "never",
    byType: byType as Record<string, Rules>,
    notes: celNotes(cel),
  };
}

/** What a message's own rules ask, in words. */
export function messageNotes(message: DescMessage): string[] {
  return celNotes(setValues(message, "buf.validate.message").cel);
}

function celNotes(cel: unknown): string[] {
  const rules = (cel ?? []) as { id?: string; message?: string; expression?: string }[];
  return rules.map(({ id, message, expression }) => `Rule \`${id}\`: ${message ?? expression}.`);
}

/** The constraints of a string. */
export function stringConstraints(rules: Rules): Constraints {
  return constraints(rules, (rule, value) => {
    const count = Number(value);
    switch (rule) {
      case "min_len":
        return { schema: { minLength: count }, zeroPasses: count === 0 };
      case "max_len":
        return { schema: { maxLength: count } };
      case "len":
        return { schema: { minLength: count, maxLength: count }, zeroPasses: count === 0 };
      case "pattern":
        return {
          schema: { pattern: value },
          zeroPasses: new RegExp(value as string, "u").test(""),
        };
      case "email":
      case "hostname":
      case "ipv4":
      case "ipv6":
      case "uri":
      case "uuid":
        return { schema: { format: rule }, zeroPasses: false };
      case "uri_ref":
        return { schema: { format: "uri-reference" } };
      case "max_bytes":
      case "not_contains":
        return undefined;
      default:
        return (
          valueConstraints(rule, value, "") ?? { notes: [note(rule, value)], zeroPasses: false }
        );
    }
  });
}

const bounds: Record<
  string,
  { keyword: string; words: string; zeroPasses: (n: number) => boolean }
> = {
  gt: { keyword: "exclusiveMinimum", words: "More than", zeroPasses: (bound) => 0 > bound },
  gte: { keyword: "minimum", words: "At least", zeroPasses: (bound) => 0 >= bound },
  lt: { keyword: "exclusiveMaximum", words: "Less than", zeroPasses: (bound) => 0 < bound },
  lte: { keyword: "maximum", words: "At most", zeroPasses: (bound) => 0 <= bound },
};

/** The constraints of a number. Those of 64 bits are strings in JSON, which only notes can bound. */
export function numberConstraints(rules: Rules, is64Bit: boolean): Constraints {
  return constraints(rules, (rule, value) => {
    const bound = bounds[rule];
    if (bound) {
      const { keyword, words } = bound;
      const zeroPasses = bound.zeroPasses(Number(value));
      return is64Bit
        ? { notes: [`${words} ${String(value)}.`], zeroPasses }
        : { schema: { [keyword]: Number(value) }, zeroPasses };
    }
    return rule === "finite" ? {} : valueConstraints(rule, value, is64Bit ? "0" : 0);
  });
}

/** The constraints of a boolean. */
export function boolConstraints(rules: Rules): Constraints {
  return constraints(rules, (rule, value) => valueConstraints(rule, value, false));
}

/** The constraints of bytes: lengths are those of their base64 text. */
export function bytesConstraints(rules: Rules): Constraints {
  const encoded = (length: number) => Math.ceil(length / 3) * 4;
  // Base64 is also taken without its padding.
  const unpadded = (length: number) => Math.ceil((length * 4) / 3);
  return constraints(rules, (rule, value) => {
    const length = Number(value);
    switch (rule) {
      case "min_len":
        return { schema: { minLength: unpadded(length) }, zeroPasses: length === 0 };
      case "max_len":
        return { schema: { maxLength: encoded(length) } };
      case "len":
        return {
          schema: { minLength: unpadded(length), maxLength: encoded(length) },
          zeroPasses: length === 0,
        };
      default:
        return { notes: [note(rule, value)], zeroPasses: false };
    }
  });
}

/** The constraints of an enum: `enum` lists what is left of its values, if not all are. */
export function enumConstraints(rules: Rules, desc: DescEnum): Constraints {
  const numbersOf = (value: unknown) => value as number[];
  let allowed = desc.values;
  for (const [rule, value] of Object.entries(rules)) {
    if (rule === "const") allowed = allowed.filter((v) => v.number === value);
    if (rule === "in") allowed = allowed.filter((v) => numbersOf(value).includes(v.number));
    if (rule === "not_in") allowed = allowed.filter((v) => !numbersOf(value).includes(v.number));
  }
  return {
    schema: allowed.length < desc.values.length ? { enum: allowed.map((v) => v.name) } : {},
    notes: [],
    zeroPasses: allowed.some((v) => v.number === 0),
  };
}

/** The constraints of a list, without those of its items. */
export function listConstraints(rules: Rules): Constraints {
  return constraints(rules, (rule, value) => {
    if (rule === "min_items")
      return { schema: { minItems: Number(value) }, zeroPasses: value === 0n };
    if (rule === "max_items") return { schema: { maxItems: Number(value) } };
    if (rule === "unique") return { schema: { uniqueItems: true } };
    return rule === "items" ? {} : undefined;
  });
}

/** The constraints of a map, without those of its keys and values. */
export function mapConstraints(rules: Rules): Constraints {
  return constraints(rules, (rule, value) => {
    if (rule === "min_pairs") {
      return { schema: { minProperties: Number(value) }, zeroPasses: value === 0n };
    }
    if (rule === "max_pairs") return { schema: { maxProperties: Number(value) } };
    return rule === "keys" || rule === "values" ? {} : undefined;
  });
}

/** The constraints of a well-known message, as a timestamp: words only. */
export function wellKnownConstraints(rules: Rules): Constraints {
  return constraints(rules, () => undefined);
}

/** Puts together what each rule gives; one that gives nothing known is noted. */
function constraints(
  rules: Rules,
  constrain: (rule: string, value: unknown) => Partial<Constraints> | undefined,
): Constraints {
  const parts = Object.entries(rules)
    .filter(([rule]) => rule !== "example")
    .map(([rule, value]) => constrain(rule, value) ?? { notes: [note(rule, value)] });
  return {
    schema: merged(parts.map((part) => part.schema ?? {})),
    notes: parts.flatMap((part) => part.notes ?? []),
    zeroPasses: parts.every((part) => part.zeroPasses ?? true),
  };
}

function valueConstraints(
  rule: string,
  value: unknown,
  zero: unknown,
): Partial<Constraints> | undefined {
  const json = toJson(value);
  if (rule === "const") return { schema: { const: json }, zeroPasses: json === zero };
  if (rule === "in") {
    return { schema: { enum: json }, zeroPasses: (json as unknown[]).includes(zero) };
  }
  if (rule === "not_in") {
    return { schema: { not: { enum: json } }, zeroPasses: !(json as unknown[]).includes(zero) };
  }
  return undefined;
}

function note(rule: string, value: unknown): string {
  return value === true
    ? `Must be: ${rule}.`
    : `Also checked: ${rule} ${JSON.stringify(toJson(value))}.`;
}

/** 64-bit numbers as the strings that they are in JSON. */
function toJson(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJson(inner)]));
}

/** What an option says, as plain data by the proto's names; only what is set. */
function setValues(desc: DescField | DescMessage, name: Parameters<typeof optionSet>[1]): Rules {
  const extension = optionSet(desc, name);
  if (extension?.fieldKind !== "message") return {};
  return plain(reflect(extension.message, getOption(desc as never, extension) as never));
}

function plain(message: ReflectMessage): Rules {
  const set = message.fields.filter((field) => message.isSet(field));
  return Object.fromEntries(
    set.map((field) => {
      const value: unknown = message.get(field);
      if (field.fieldKind === "list") {
        const items = [...(value as Iterable<unknown>)];
        return [field.name, items.map((item) => (isReflectMessage(item) ? plain(item) : item))];
      }
      return [field.name, isReflectMessage(value) ? plain(value) : value];
    }),
  );
}
