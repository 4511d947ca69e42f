/** REST ↔ messages: what google.api.http says, in protobuf's JSON mapping. */
import {
  ScalarType,
  fromBinary,
  fromJson,
  toBinary,
  toJson,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type Message,
} from "@bufbuild/protobuf";
import type { HttpRoute } from "../services/runtime/http-rules.js";
import { Code, StatusError, invalidField } from "../services/runtime/status.js";
import { validateMessage } from "../services/runtime/validation.js";

/** The request message of a REST call, decoded and checked. */
export function restRequest(
  route: HttpRoute,
  params: Record<string, string | undefined>,
  query: URLSearchParams,
  body: Buffer,
): Message {
  const { input } = route.method;
  const json: JsonObject = {};
  if (route.body === "*") Object.assign(json, parseJson(body, "the body"));
  else if (route.body !== undefined) {
    const field = fieldNamed(input, route.body)!;
    json[field.jsonName] = parseJson(body, route.body);
  } else if (body.length > 0 && body.toString().trim() !== "") {
    throw invalidField("body", "this call takes none");
  }
  for (const [name, value] of query) {
    const path = fieldPath(input, name);
    if (!path) throw invalidField(name, "there is no such parameter");
    setQuery(json, path, value);
  }
  // The path wins: it is what the caller addressed.
  for (const name of route.pathParams) {
    const value = params[name.replaceAll(".", "_")];
    if (value !== undefined) setPath(json, fieldPath(input, name)!, value);
  }
  const message = decodeJson(input, json);
  return message;
}

/** A message from JSON; what does not fit is INVALID_ARGUMENT that names the field. */
export function decodeJson(schema: DescMessage, json: JsonValue): Message {
  let message: Message;
  try {
    message = fromJson(schema, json);
  } catch (error) {
    throw badJson(error as Error);
  }
  return message;
}

/** Checks a message against the contract's rules and encodes it. */
export function encodeValid(schema: DescMessage, message: Message): Uint8Array {
  validateMessage(schema, message);
  return toBinary(schema, message);
}

/** The JSON of an answer: the whole of it, or the one field that the route sends alone. */
export function restResponse(route: HttpRoute, bytes: Uint8Array): JsonValue {
  const { output } = route.method;
  const json = messageJson(output, bytes) as JsonObject;
  if (route.responseBody === undefined) return json;
  return json[fieldNamed(output, route.responseBody)!.jsonName] ?? null;
}

/** A message's JSON, with every field that has no presence written out. */
export function messageJson(schema: DescMessage, bytes: Uint8Array): JsonValue {
  return toJson(schema, fromBinary(schema, bytes), { alwaysEmitImplicit: true });
}

/** Sets the request_id of a request that has one and does not carry it. */
export function setRequestId(schema: DescMessage, message: Message, requestId: string): void {
  const body = message as Message & { requestId?: string };
  if (schema.field["requestId"] && !body.requestId) body.requestId = requestId;
}

/** A JSON object from a body; an empty body is an empty object. */
export function parseJson(body: Buffer, field: string): JsonObject {
  const text = body.toString("utf8");
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalidField(field, `is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidField(field, "must be a JSON object");
  }
  return value as JsonObject;
}

function fieldNamed(schema: DescMessage, name: string): DescField | undefined {
  return schema.fields.find((field) => field.name === name || field.jsonName === name);
}

/** The fields that a dotted name leads through; undefined when it leads nowhere. */
function fieldPath(schema: DescMessage, name: string): DescField[] | undefined {
  const path: DescField[] = [];
  let at: DescMessage | undefined = schema;
  for (const part of name.split(".")) {
    const field: DescField | undefined = at && fieldNamed(at, part);
    if (!field) return undefined;
    path.push(field);
    at = field.fieldKind === "message" ? field.message : undefined;
  }
  return path;
}

function setPath(json: JsonObject, path: DescField[], value: JsonValue): void {
  let at = json;
  for (const field of path.slice(0, -1)) {
    at[field.jsonName] ??= {};
    at = at[field.jsonName] as JsonObject;
  }
  at[path.at(-1)!.jsonName] = value;
}

function setQuery(json: JsonObject, path: DescField[], text: string): void {
  const field = path.at(-1)!;
  if (field.fieldKind !== "list") {
    setPath(json, path, queryValue(field, text));
    return;
  }
  let at = json;
  for (const parent of path.slice(0, -1)) {
    at[parent.jsonName] ??= {};
    at = at[parent.jsonName] as JsonObject;
  }
  const list = (at[field.jsonName] ??= []) as JsonValue[];
  list.push(text);
}

function queryValue(field: DescField, text: string): JsonValue {
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.BOOL) {
    if (text === "true" || text === "1") return true;
    if (text === "false" || text === "0") return false;
  }
  // Protobuf's JSON takes numbers as text too, but a word must not become NaN by accident.
  if (field.fieldKind === "scalar" && numeric.has(field.scalar)) {
    const number = Number(text);
    if (text.trim() === "" || !Number.isFinite(number)) {
      throw invalidField(field.jsonName, `"${text}" is not a number`);
    }
    return number;
  }
  return text;
}

const numeric = new Set([
  ScalarType.DOUBLE,
  ScalarType.FLOAT,
  ScalarType.INT32,
  ScalarType.SINT32,
  ScalarType.UINT32,
]);

/**
 * protobuf-es says `cannot decode field ridemesh.trip.v1.X.pin from JSON: …` or `… key "pinn" is
 * unknown`: the field is named from it, so that the caller need not read our types' names.
 */
function badJson(error: Error): StatusError {
  const text = error.message;
  const field =
    /field \S+\.(\w+)/.exec(text)?.[1] ??
    /key "([^"]+)"/.exec(text)?.[1] ??
    /oneof "(\w+)"/.exec(text)?.[1];
  const what = /key "[^"]+" is unknown/.test(text)
    ? "there is no such field"
    : text.replace(/^cannot decode (message|field) \S+ from JSON:? ?/, "");
  if (field) return invalidField(field, what);
  return new StatusError(Code.INVALID_ARGUMENT, {
    reason: "INVALID_REQUEST",
    domain: "ridemesh",
    message: what,
  });
}
