/**
 * A message's bytes straight to the text of its JSON (ProtoJSON). Most of what passes the gateway are
 * answers that nobody here looks into: decoding them into objects and the objects into other objects
 * costs several times as much (gateway/bench). What is out of the ordinary is left to protobuf-es:
 * messages with maps or well-known types other than Timestamp, and bytes that no sane encoder writes.
 */
import {
  ScalarType,
  fromBinary,
  toJson,
  type DescEnum,
  type DescField,
  type DescMessage,
} from "@bufbuild/protobuf";

export interface JsonTextOptions {
  /** Whether fields without presence are written out also at their default. */
  defaults: boolean;
  /** Only this field's value; "null" when it is absent. */
  only?: DescField | undefined;
}

/** Makes the function that writes messages of a type. */
export function jsonTextOf(
  schema: DescMessage,
  options: JsonTextOptions,
): (bytes: Uint8Array) => string {
  const { defaults, only } = options;
  const plan = planOf(schema);
  const slow = (bytes: Uint8Array): string => {
    const json = toJson(schema, fromBinary(schema, bytes), { alwaysEmitImplicit: defaults });
    if (!only) return JSON.stringify(json);
    return JSON.stringify((json as Record<string, unknown>)[only.jsonName] ?? null);
  };
  if (!plan) return slow;
  return (bytes) => {
    const reader: Reader = {
      bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      at: 0,
      defaults,
    };
    try {
      const values = readFields(plan, reader, bytes.length);
      if (!only) return objectOf(plan, values, defaults);
      const index = plan.byNumber.get(only.number)!;
      return valueOf(plan.fields[index]!, values[index], true) ?? "null";
    } catch (error) {
      if (error === unusual || error instanceof RangeError) return slow(bytes);
      throw error;
    }
  };
}

/** Where reading is. */
interface Reader {
  bytes: Buffer;
  at: number;
  defaults: boolean;
}

/** How a message type is written. */
interface Plan {
  fields: FieldPlan[];
  byNumber: Map<number, number>;
}

interface FieldPlan {
  /** The name with its quotes and colon. */
  key: string;
  isList: boolean;
  /** What stands for the default; undefined for a field with presence. */
  absent: string | undefined;
  /** The wire type of a single value. */
  wireType: number;
  read: (reader: Reader) => string;
  isMessage: boolean;
  /** The other members of its oneof. */
  rivals: number[];
}

/** Thrown when bytes are left to the general decoder. */
const unusual = new Error("unusual bytes");

const plans = new Map<DescMessage, Plan | undefined>();

/** The type's plan; undefined when it, or a type within it, is out of the ordinary. */
function planOf(schema: DescMessage): Plan | undefined {
  if (plans.has(schema)) return plans.get(schema);
  const plan: Plan = { fields: [], byNumber: new Map() };
  // Known before it is complete: a type may contain itself.
  plans.set(schema, plan);
  const sorted = [...schema.fields].sort((a, b) => a.number - b.number);
  for (const field of sorted) {
    const fieldPlan = fieldPlanOf(field, sorted);
    if (!fieldPlan) {
      plans.set(schema, undefined);
      return undefined;
    }
    plan.byNumber.set(field.number, plan.fields.length);
    plan.fields.push(fieldPlan);
  }
  return plan;
}

function fieldPlanOf(field: DescField, sorted: DescField[]): FieldPlan | undefined {
  const { message, scalar } = field;
  const implicit = 2;
  const isList = field.fieldKind === "list";
  const hasDefault = !isList && field.presence === implicit;
  const base = {
    key: `${JSON.stringify(field.jsonName)}:`,
    isList,
    isMessage: message !== undefined,
    rivals: sorted.flatMap((other, i) =>
      field.oneof && other.oneof === field.oneof && other !== field ? [i] : [],
    ),
  };
  if (field.fieldKind === "map") return undefined;
  if (message) {
    const read = messageReader(message);
    return read && { ...base, absent: isList ? "[]" : undefined, wireType: 2, read };
  }
  if (field.enum) {
    if (field.enum.typeName === "google.protobuf.NullValue") return undefined;
    const read = enumReader(field.enum);
    const zero = JSON.stringify(field.enum.value[0]?.name ?? 0);
    const absent = isList ? "[]" : hasDefault ? zero : undefined;
    return { ...base, absent, wireType: 0, read };
  }
  const { wireType, zero, read } = scalars[scalar!];
  const absent = isList ? "[]" : hasDefault ? zero : undefined;
  return { ...base, absent, wireType, read };
}

function messageReader(schema: DescMessage): ((reader: Reader) => string) | undefined {
  if (schema.typeName === "google.protobuf.Timestamp") return readTimestamp;
  if (schema.typeName.startsWith("google.protobuf.")) return undefined;
  const plan = planOf(schema);
  return (
    plan &&
    ((reader) => {
      const end = endOf(reader);
      return objectOf(plan, readFields(plan, reader, end), reader.defaults);
    })
  );
}

function enumReader(desc: DescEnum): (reader: Reader) => string {
  const texts = new Map(desc.values.map((value) => [value.number, JSON.stringify(value.name)]));
  return (reader) => {
    const number = Number(varint(reader)) | 0;
    return texts.get(number) ?? String(number);
  };
}

/** The text of each field's value that the bytes give, in the order of the plan. */
function readFields(plan: Plan, reader: Reader, end: number): (string | undefined)[] {
  const values = plan.fields.map((): string | undefined => undefined);
  while (reader.at < end) {
    const tag = Number(varint(reader));
    // No field has the number 0, and none a larger one than fits.
    if (tag < 8 || tag > 0xffffffff) throw unusual;
    const wireType = tag & 7;
    const index = plan.byNumber.get(tag >>> 3);
    if (index === undefined) {
      skip(reader, wireType);
      continue;
    }
    const field = plan.fields[index]!;
    const known = values[index];
    if (field.isList && wireType === 2 && field.wireType !== 2) {
      const packedEnd = endOf(reader);
      let list = known;
      while (reader.at < packedEnd) {
        const text = field.read(reader);
        list = list === undefined ? text : `${list},${text}`;
      }
      if (reader.at !== packedEnd) throw unusual;
      values[index] = list;
      continue;
    }
    // A message that comes twice is merged; a value of another type is as if unknown.
    if (wireType !== field.wireType || (field.isMessage && !field.isList && known !== undefined)) {
      throw unusual;
    }
    const text = field.read(reader);
    values[index] = field.isList && known !== undefined ? `${known},${text}` : text;
    for (const rival of field.rivals) values[rival] = undefined;
  }
  if (reader.at !== end) throw unusual;
  return values;
}

function objectOf(plan: Plan, values: (string | undefined)[], defaults: boolean): string {
  let text = "";
  for (let i = 0; i < values.length; i += 1) {
    const field = plan.fields[i]!;
    const value = valueOf(field, values[i], defaults);
    if (value === undefined) continue;
    text += text === "" ? field.key + value : `,${field.key}${value}`;
  }
  return `{${text}}`;
}

function valueOf(
  field: FieldPlan,
  value: string | undefined,
  defaults: boolean,
): string | undefined {
  if (value === undefined) return defaults ? field.absent : undefined;
  if (field.isList) return `[${value}]`;
  return !defaults && value === field.absent ? undefined : value;
}

/** Reads a length, and says where what it is the length of ends. */
function endOf(reader: Reader): number {
  const length = Number(varint(reader));
  const end = reader.at + length;
  if (end > reader.bytes.length) throw unusual;
  return end;
}

/** An unsigned number of up to 64 bits; a bigint only where a double could not hold it. */
function varint(reader: Reader): number | bigint {
  const { bytes } = reader;
  let value = 0;
  let factor = 1;
  for (let i = 0; i < 7; i += 1) {
    const byte = bytes[reader.at++];
    if (byte === undefined) throw unusual;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
    factor *= 128;
  }
  let large = BigInt(value);
  for (let shift = 49n; shift < 70n; shift += 7n) {
    const byte = bytes[reader.at++];
    if (byte === undefined) throw unusual;
    large |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asUintN(64, large);
  }
  throw unusual;
}

function skip(reader: Reader, wireType: number): void {
  switch (wireType) {
    case 0:
      varint(reader);
      return;
    case 1:
      reader.at += 8;
      return;
    case 2:
      reader.at = endOf(reader);
      return;
    case 5:
      reader.at += 4;
      return;
    default:
      // Groups, which nobody writes any more.
      throw unusual;
  }
}

function readText(reader: Reader): string {
  const end = endOf(reader);
  const text = reader.bytes.toString("utf8", reader.at, end);
  // What is not UTF-8 is replaced by this character, and must be refused instead.
  if (text.includes("\ufffd")) throw unusual;
  reader.at = end;
  return JSON.stringify(text);
}

function readBytes(reader: Reader): string {
  const end = endOf(reader);
  const text = reader.bytes.toString("base64", reader.at, end);
  reader.at = end;
  return `"${text}"`;
}

function doubleText(value: number): string {
  if (Number.isFinite(value)) {
    if (Object.is(value, -0)) throw unusual;
    return String(value);
  }
  return `"${value}"`;
}

const signed = (reader: Reader): string => `"${BigInt.asIntN(64, BigInt(varint(reader)))}"`;
const unsigned = (reader: Reader): string => `"${varint(reader)}"`;
const int32 = (reader: Reader): string => {
  const value = varint(reader);
  return String(
    typeof value === "number" && value < 2 ** 31 ? value : Number(BigInt.asIntN(32, BigInt(value))),
  );
};
const zigzag64 = (reader: Reader): string => {
  const value = BigInt(varint(reader));
  return `"${(value >> 1n) ^ -(value & 1n)}"`;
};
const fixed = (size: number, read: (bytes: Buffer, at: number) => string) => (reader: Reader) => {
  const { bytes, at } = reader;
  reader.at += size;
  return read(bytes, at);
};

/** How each scalar type is read, and what its default is written as. */
const scalars: Record<
  ScalarType,
  { wireType: number; zero: string; read: (reader: Reader) => string }
> = {
  [ScalarType.DOUBLE]: {
    wireType: 1,
    zero: "0",
    read: fixed(8, (bytes, at) => doubleText(bytes.readDoubleLE(at))),
  },
  [ScalarType.FLOAT]: {
    wireType: 5,
    zero: "0",
    read: fixed(4, (bytes, at) => doubleText(bytes.readFloatLE(at))),
  },
  [ScalarType.INT64]: { wireType: 0, zero: '"0"', read: signed },
  [ScalarType.UINT64]: { wireType: 0, zero: '"0"', read: unsigned },
  [ScalarType.INT32]: { wireType: 0, zero: "0", read: int32 },
  [ScalarType.FIXED64]: {
    wireType: 1,
    zero: '"0"',
    read: fixed(8, (bytes, at) => `"${bytes.readBigUInt64LE(at)}"`),
  },
  [ScalarType.FIXED32]: {
    wireType: 5,
    zero: "0",
    read: fixed(4, (bytes, at) => String(bytes.readUInt32LE(at))),
  },
  [ScalarType.BOOL]: {
    wireType: 0,
    zero: "false",
    read: (reader) => (Number(varint(reader)) === 0 ? "false" : "true"),
  },
  [ScalarType.STRING]: { wireType: 2, zero: '""', read: readText },
  [ScalarType.BYTES]: { wireType: 2, zero: '""', read: readBytes },
  [ScalarType.UINT32]: {
    wireType: 0,
    zero: "0",
    read: (reader) => String(BigInt.asUintN(32, BigInt(varint(reader)))),
  },
  [ScalarType.SFIXED32]: {
    wireType: 5,
    zero: "0",
    read: fixed(4, (bytes, at) => String(bytes.readInt32LE(at))),
  },
  [ScalarType.SFIXED64]: {
    wireType: 1,
    zero: '"0"',
    read: fixed(8, (bytes, at) => `"${bytes.readBigInt64LE(at)}"`),
  },
  [ScalarType.SINT32]: {
    wireType: 0,
    zero: "0",
    read: (reader) => {
      const value = Number(BigInt.asUintN(32, BigInt(varint(reader))));
      return String((value >>> 1) ^ -(value & 1));
    },
  },
  [ScalarType.SINT64]: { wireType: 0, zero: '"0"', read: zigzag64 },
};

/** RFC 3339 with as many digits of a second as are needed: none, three, six or nine. */
function readTimestamp(reader: Reader): string {
  const end = endOf(reader);
  let seconds = 0;
  let nanos = 0;
  while (reader.at < end) {
    const tag = Number(varint(reader));
    const value = tag === secondsTag || tag === nanosTag ? Number(varint(reader)) : undefined;
    if (tag === secondsTag) seconds = value!;
    else if (tag === nanosTag) nanos = value!;
    else throw unusual;
  }
  // Before 1970, beyond the year 9999, or not a fraction: rare, or refused.
  if (reader.at !== end || seconds > lastSecond || nanos >= 1e9) throw unusual;
  const date = new Date(seconds * 1000 + Math.floor(nanos / 1e6)).toISOString();
  if (nanos === 0) return `"${date.slice(0, 19)}Z"`;
  if (nanos % 1e6 === 0) return `"${date}"`;
  const digits = String(nanos).padStart(9, "0");
  return `"${date.slice(0, 19)}.${nanos % 1000 === 0 ? digits.slice(0, 6) : digits}Z"`;
}

const secondsTag = (1 << 3) | 0;
const nanosTag = (2 << 3) | 0;
const lastSecond = Date.parse("9999-12-31T23:59:59Z") / 1000;
