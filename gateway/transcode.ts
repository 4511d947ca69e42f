/** REST ↔ messages: what google.api.http says, in protobuf's JSON mapping. */
import {
  ScalarType,
  fromJson,
  toBinary,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type Message,
} from "@bufbuild/protobuf";
import { jsonTextOf } from "./json-text.js";
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
  const json: JsonObject = route.body === "*" ? parseJson(body, "the body") : {};
  if (route.body === undefined) {
    if (body.length > 0 && body.toString().trim() !== "") {
      throw invalidField("body", "this call takes none");
    }
  } else if (route.body !== "*") {
    json[fieldNamed(input, route.body)!.jsonName] = parseJson(body, route.body);
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
  return decodeJson(input, json);
}

/** A message from JSON; what does not fit is INVALID_ARGUMENT that names the field. */
export function decodeJson(schema: DescMessage, json: JsonValue): Message {
  try {
    return fromJson(schema, json);
  } catch (error) {
    throw badJson(schema, json, error as Error);
  }
}

/** Checks a message against the contract's rules and encodes it. */
export function encodeValid(schema: DescMessage, message: Message): Uint8Array {
  validateMessage(schema, message);
  return toBinary(schema, message);
}

/** The JSON text of an answer: the whole of it, or the one field that the route sends alone. */
export function restResponse(route: HttpRoute, bytes: Uint8Array): string {
  const { output } = route.method;
  const { responseBody } = route;
  const only = responseBody === undefined ? undefined : fieldNamed(output, responseBody);
  return jsonTextOf(output, { defaults: true, only })(bytes);
}

/** Sets the request_id of a request that does not carry one. Whether it carries one now. */
export function setRequestId(schema: DescMessage, message: Message, requestId: string): boolean {
  const body = message as Message & { requestId?: string };
  if (!schema.field["requestId"]) return false;
  body.requestId ||= requestId;
  return body.requestId !== "";
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
  const name = path.map((one) => one.name).join(".");
  const value = queryValue(field, name, text);
  if (field.fieldKind !== "list") {
    setPath(json, path, value);
    return;
  }
  let at = json;
  for (const parent of path.slice(0, -1)) {
    at[parent.jsonName] ??= {};
    at = at[parent.jsonName] as JsonObject;
  }
  const list = (at[field.jsonName] ??= []) as JsonValue[];
  list.push(value);
}

/** A query's text as the JSON of a field, or of one element of a repeated field. */
function queryValue(field: DescField, name: string, text: string): JsonValue {
  // An enum's numbers are numbers in JSON; as text only its names are known.
  if (field.enum) return /^-?[0-9]+$/.test(text) ? Number(text) : text;
  if (field.scalar === ScalarType.BOOL) {
    if (text === "true" || text === "1") return true;
    if (text === "false" || text === "0") return false;
  }
  // Protobuf's JSON takes numbers as text too, but a word must not become NaN by accident.
  if (field.scalar !== undefined && numeric.has(field.scalar)) {
    const number = Number(text);
    if (text.trim() === "" || !Number.isFinite(number)) {
      throw invalidField(name, `"${text}" is not a number`);
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

/** What a caller is told of JSON that is not such a message, without our types' names. */
function badJson(schema: DescMessage, json: JsonValue, error: Error): StatusError {
  const fault = faultIn(schema, json);
  const field = fault?.field ?? /oneof "(\w+)"/.exec(error.message)?.[1];
  const what = (fault?.message ?? error.message)
    .replace(/^cannot decode enum \S+ from JSON: (.*)$/, "$1 is not one of its values")
    .replace(/^cannot decode (message|field) \S+ from JSON:? ?/, "");
  if (field) return invalidField(field, what);
  return new StatusError(Code.INVALID_ARGUMENT, {
    reason: "INVALID_REQUEST",
    domain: "ridemesh",
    message: what,
  });
}

/**
 * The first field that cannot be decoded, by its path as the contract's rules name it
 * (`points[3].observe_time`). The decoder's own error knows at best the last part of it; so each field
 * is tried by itself. Undefined when every field can be: then they do not go together.
 */
function faultIn(
  schema: DescMessage,
  json: JsonValue,
): { field: string; message: string } | undefined {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return undefined;
  for (const [key, value] of Object.entries(json)) {
    const field = fieldNamed(schema, key);
    if (!field) return { field: key, message: "there is no such field" };
    const message = problemOf(schema, key, value);
    if (message === undefined) continue;
    const items = field.fieldKind === "list" && Array.isArray(value) ? value : undefined;
    const index = items?.findIndex((item) => problemOf(schema, key, [item]) !== undefined) ?? -1;
    const name = index < 0 ? field.name : `${field.name}[${index}]`;
    const inner =
      field.message && field.fieldKind !== "map"
        ? faultIn(field.message, index < 0 ? value : items![index]!)
        : undefined;
    return inner
      ? { field: `${name}.${inner.field}`, message: inner.message }
      : { field: name, message };
  }
  return undefined;
}

function problemOf(schema: DescMessage, key: string, value: JsonValue): string | undefined {
  try {
    fromJson(schema, { [key]: value });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
