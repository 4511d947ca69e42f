/** One route of the contract as an OpenAPI operation. */
import type { DescEnum, DescField } from "@bufbuild/protobuf";
import type { Access, Idempotency, Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { queryFields, type HttpRoute } from "../../services/runtime/http-rules.js";
import {
  isReadOnly,
  policyOf,
  rpcName,
  serviceNameOf,
} from "../../services/runtime/method-options.js";
import { errorResponses } from "./openapi-problems.js";
import type { SchemaBook } from "./openapi-schema.js";
import { commentOf, compact, firstSentence, paragraphs, type Json } from "./openapi-text.js";

/** The contract's own enums, whose values' names go into the document. */
export interface OptionEnums {
  role: DescEnum;
  idempotency: DescEnum;
}

/** "TripService_GetTrip"; a method's further routes get "_2", "_3". */
export function operationId({ method, additionalIndex }: HttpRoute): string {
  const suffix = additionalIndex === 0 ? "" : `_${additionalIndex + 1}`;
  return `${method.parent.name}_${method.name}${suffix}`;
}

/** The path with its fields as JSON has them: "/api/trips/{tripId}". */
export function documentPath(route: HttpRoute): string {
  return route.path.replaceAll(/\{([^}]*)\}/g, (_, path: string) => {
    const fields = fieldsAt(route, path);
    return `{${fields.map((field) => field.jsonName).join(".")}}`;
  });
}

/** The operation of a route. */
export function operation(route: HttpRoute, book: SchemaBook, enums: OptionEnums): Json {
  const { method } = route;
  const { access, deadlineMs, idempotency, requestsPerMinute } = policyOf(method);
  const comment = commentOf(method);
  const streams = method.methodKind === "server_streaming";
  const callers = rolesOf(access!, enums.role);
  const parameters = parametersOf(route, book);
  return compact({
    operationId: operationId(route),
    tags: [serviceNameOf(method)],
    summary: firstSentence(comment),
    description: paragraphs(
      comment,
      accessText(access!, callers, route),
      streams ? streamText(route) : undefined,
    ),
    security: securityOf(access!, streams),
    parameters: parameters.length > 0 ? parameters : undefined,
    requestBody: requestBodyOf(route, book),
    responses: { ...successOf(route, book), ...errorResponses(route, serviceNameOf(method)) },
    "x-ridemesh-rpc": rpcName(method),
    "x-ridemesh-roles": access!.public ? undefined : callers,
    "x-ridemesh-deadline-ms": deadlineMs || undefined,
    "x-ridemesh-idempotency": isReadOnly(method)
      ? "NO_SIDE_EFFECTS"
      : valueName(enums.idempotency, idempotency),
    "x-ridemesh-requests-per-minute": requestsPerMinute || undefined,
  });
}

function parametersOf(route: HttpRoute, book: SchemaBook): Json[] {
  const { method } = route;
  const path = route.pathParams.map((name) => {
    const fields = fieldsAt(route, name);
    return { ...parameter("path", fields, book), required: true };
  });
  const keyed = isKeyed(route);
  const query = queryFields(route)
    .filter((field) => !(keyed && field.name === "request_id"))
    .flatMap((field) => queryParameters([field], book));
  const headers: Json[] = [];
  if (keyed) headers.push(keyParameter(method.input.field.requestId!, book));
  if (method.methodKind === "server_streaming") {
    query.push(ticketParameter);
    const resume = method.input.fields.find((field) => field.name === "last_event_id");
    if (resume) headers.push(resumeParameter(resume, book));
  }
  return [...path, ...query, ...headers];
}

/** A field of a field is written with a dot between their names. */
function queryParameters(fields: DescField[], book: SchemaBook): Json[] {
  const field = fields.at(-1)!;
  const { schema } = book.fieldSchema(field);
  if (field.fieldKind === "map" || (field.fieldKind === "list" && field.message)) {
    throw new Error(`${field.parent.typeName}.${field.name} cannot be in a query`);
  }
  if (field.fieldKind !== "message" || schema.type !== undefined) {
    return [parameter("query", fields, book)];
  }
  if (fields.slice(0, -1).some((outer) => outer.message === field.message)) {
    throw new Error(`${field.message.typeName} holds itself and cannot be in a query`);
  }
  return field.message.fields.flatMap((inner) => queryParameters([...fields, inner], book));
}

function parameter(place: "path" | "query", fields: DescField[], book: SchemaBook): Json {
  const described = fields.map((field) => book.fieldSchema(field));
  const { description, ...schema } = described.at(-1)!.schema;
  return compact({
    name: fields.map((field) => field.jsonName).join("."),
    in: place,
    description,
    // What is in an optional message is only needed when the message is.
    required: described.every(({ required }) => required) || undefined,
    schema,
  });
}

function isKeyed({ method }: HttpRoute): boolean {
  const key: Idempotency.KEY = 1;
  return policyOf(method).idempotency === key;
}

function keyParameter(requestId: DescField, book: SchemaBook): Json {
  const { description: _, ...schema } = book.fieldSchema(requestId).schema;
  return {
    name: "Idempotency-Key",
    in: "header",
    description:
      "Makes a repetition return the first answer; with another body it is refused. The same as " +
      "`requestId`. Made up when absent: then the call is not known as a repetition of any other.",
    schema,
  };
}

function resumeParameter(lastEventId: DescField, book: SchemaBook): Json {
  const { description, ...schema } = book.fieldSchema(lastEventId).schema;
  return compact({ name: "Last-Event-ID", in: "header", description, schema });
}

const ticketParameter: Json = {
  name: "ticket",
  in: "query",
  description: "A ticket of CreateStreamTicket, in place of a token: it opens one stream, once.",
  schema: { type: "string" },
};

function requestBodyOf(route: HttpRoute, book: SchemaBook): Json | undefined {
  const { body, method, pathParams } = route;
  if (body === undefined) return undefined;
  if (body !== "*") {
    const { schema, required } = book.fieldSchema(fieldsAt(route, body)[0]!);
    return { required, content: json(schema) };
  }
  const fields = method.input.fields.filter((field) => !pathParams.includes(field.name));
  if (fields.length === 0) return undefined;
  // A request belongs to one method, so it is written here; what it does not know is refused.
  const schema = { ...book.objectSchema(method.input, fields), additionalProperties: false };
  return { required: "required" in schema, content: json(schema) };
}

function successOf(route: HttpRoute, book: SchemaBook): Json {
  const { method, responseBody, successStatus } = route;
  const description = commentOf(method.output) || "Success.";
  if (successStatus === 204) return { 204: { description } };
  if (method.methodKind === "server_streaming") return streamAnswers(route, book);
  const field = method.output.fields.find(({ name }) => name === responseBody);
  const schema = field ? book.fieldSchema(field).schema : book.refTo(method.output);
  return { [successStatus]: { description, content: json(schema) } };
}

function streamAnswers({ method }: HttpRoute, book: SchemaBook): Json {
  const message = book.refTo(method.output);
  return {
    101: { description: "The WebSocket is open; each text frame is a message as of the stream." },
    200: {
      description: `${commentOf(method.output)} Each event's data is one of these.`,
      content: {
        "text/event-stream": {
          schema: {
            type: "string",
            description: "Server-sent events. The schema of their data is contentSchema.",
            contentMediaType: "application/json",
            contentSchema: message,
          },
        },
      },
    },
  };
}

function streamText({ method }: HttpRoute): string {
  const resumes = method.input.fields.some((field) => field.name === "last_event_id");
  return (
    "A stream: server-sent events, or a WebSocket when the same path is asked for an upgrade. A " +
    "client that cannot set headers passes a `ticket`." +
    (resumes ? " It resumes after the event that `Last-Event-ID` or `lastEventId` names." : "")
  );
}

function securityOf(access: Access, streams: boolean): Json[] {
  if (access.public) return [];
  return streams ? [{ bearer: [] }, { streamTicket: [] }] : [{ bearer: [] }];
}

function rolesOf(access: Access, roles: DescEnum): { any: string[]; own: string[] } {
  const nameOf = (role: Role) => valueName(roles, role).toLowerCase();
  return { any: access.any.map(nameOf), own: access.own.map(nameOf) };
}

function accessText(access: Access, roles: { any: string[]; own: string[] }, route: HttpRoute) {
  if (access.public) return "Public: needs no token.";
  const listed = (names: string[]) => names.map((name) => `\`${name}\``).join(", ");
  const parts = [];
  if (roles.any.length > 0) parts.push(listed(roles.any));
  if (roles.own.length > 0) parts.push(`${listed(roles.own)} ${ownText(access, route)}`);
  return `Roles: ${parts.join("; ")}.`;
}

function ownText({ ownership }: Access, { method }: HttpRoute): string {
  const jsonName = (name: string) => method.input.fields.find((f) => f.name === name)!.jsonName;
  switch (ownership.case) {
    case "subjectField":
      return `(only with the caller's own id as \`${jsonName(ownership.value)}\`)`;
    case "resource": {
      const { name, idField } = ownership.value;
      return `(only on the caller's own ${name.replaceAll("_", " ")}, by \`${jsonName(idField)}\`)`;
    }
    case undefined:
      throw new Error(`${rpcName(method)}: own without ownership`);
    default:
      return ownership satisfies never;
  }
}

/** The name of a value without its enum's prefix: "RIDER". */
function valueName(desc: DescEnum, number: number): string {
  const value = desc.values.find((candidate) => candidate.number === number);
  if (!value) throw new Error(`${desc.typeName} has no value ${number}`);
  return value.name.slice(desc.sharedPrefix?.length ?? 0);
}

/** The fields that a dotted path of the proto's names goes through. */
function fieldsAt({ method }: HttpRoute, path: string): DescField[] {
  let fields: readonly DescField[] = method.input.fields;
  return path.split(".").map((name) => {
    const field = fields.find((candidate) => candidate.name === name)!;
    fields = field.message?.fields ?? [];
    return field;
  });
}

function json(schema: Json): Json {
  return { "application/json": { schema } };
}
