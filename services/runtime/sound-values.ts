/**
 * What no rule of the contract says because it holds for every field: text has no NUL, which PostgreSQL
 * cannot keep, and a time is one that google.protobuf.Timestamp allows, years 0001 to 9999.
 */
import { ScalarType, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { FieldViolation } from "./status.js";

const firstSecond = -62_135_596_800n;
const lastSecond = 253_402_300_799n;

/** Looks at one field of a message; adds what is wrong with it, under the path so far. */
type Look = (message: Fields, path: string, found: FieldViolation[]) => void;
type Fields = Record<string, unknown>;

const looks = new Map<DescMessage, Look[]>();

/** The fields that hold what they cannot, by their paths: `pickup.address`, `points[3].observe_time`. */
export function unsoundValues(schema: DescMessage, message: Message): FieldViolation[] {
  const found: FieldViolation[] = [];
  lookAt(schema, message, "", found);
  return found;
}

function lookAt(
  schema: DescMessage,
  message: Message,
  path: string,
  found: FieldViolation[],
): void {
  let known = looks.get(schema);
  if (!known) {
    known = schema.fields.flatMap((field) => lookFor(field));
    looks.set(schema, known);
  }
  for (const look of known) look(message, path, found);
}

/** How to look at a field; nothing when every value of its type is sound. */
function lookFor(field: DescField): Look[] {
  const check = checkOf(field);
  if (!check) return [];
  const { localName, name } = field;
  if (field.fieldKind !== "list") {
    return [
      (message, path, found) => {
        const value = message[localName];
        if (value !== undefined) check(value, path + name, found);
      },
    ];
  }
  return [
    (message, path, found) => {
      const items = message[localName] as unknown[];
      for (let i = 0; i < items.length; i += 1) check(items[i], `${path}${name}[${i}]`, found);
    },
  ];
}

type Check = (value: unknown, path: string, found: FieldViolation[]) => void;

function checkOf(field: DescField): Check | undefined {
  // No request has a map, and members of a oneof are held elsewhere.
  if (field.fieldKind === "map" || field.oneof) return undefined;
  if (field.message?.typeName === "google.protobuf.Timestamp") return checkTime;
  const { message } = field;
  if (message) return (value, path, found) => lookAt(message, value as Message, `${path}.`, found);
  return field.scalar === ScalarType.STRING ? checkText : undefined;
}

const checkText: Check = (value, path, found) => {
  if (!(value as string).includes("\0")) return;
  found.push({ field: path, message: "must not contain the character NUL", rule: "string.nul" });
};

const checkTime: Check = (value, path, found) => {
  const { seconds, nanos } = value as Timestamp;
  const sound =
    seconds >= firstSecond && seconds <= lastSecond && nanos >= 0 && nanos < 1_000_000_000;
  if (sound) return;
  const message = "must be a time of the years 0001 to 9999";
  found.push({ field: path, message, rule: "timestamp.range" });
};
