/** Error answers: RFC 9457 problem details, with the reasons that each service gives. */
import type { DescEnum, DescMethod } from "@bufbuild/protobuf";
import type { HttpRoute } from "../../services/runtime/http-rules.js";
import { isReadOnly, policyOf } from "../../services/runtime/method-options.js";
import { paragraphs, valueList, type Json } from "./openapi-text.js";

/** The reasons that a service gives: its own, and those that any service gives. */
export interface Reasons {
  service: string;
  own: DescEnum | undefined;
  common: DescEnum | undefined;
}

interface ErrorAnswer {
  status: number;
  name: string;
  description: string;
  /** Whether it says when to try again. */
  retry?: true;
  /** Whether an operation can give it. */
  applies: (route: HttpRoute) => boolean;
}

const always = () => true;
const unary = (method: DescMethod) => method.methodKind === "unary";
const isPublic = (method: DescMethod) => policyOf(method).access?.public === true;
/** A public method that writes, as a login, judges the credentials that it is given. */
const judgesCaller = ({ method }: HttpRoute) => !isPublic(method) || !isReadOnly(method);

const answers: ErrorAnswer[] = [
  {
    status: 400,
    name: "BadRequest",
    description: "The request breaks a rule of its fields; `violations` names each.",
    applies: always,
  },
  {
    status: 401,
    name: "Unauthorized",
    description: "The token is missing or not valid, or the credentials are wrong.",
    applies: judgesCaller,
  },
  {
    status: 403,
    name: "Forbidden",
    description: "The caller may not do this.",
    applies: judgesCaller,
  },
  {
    status: 404,
    name: "NotFound",
    description: "There is no such thing, or none that the caller may know of.",
    applies: namesThings,
  },
  {
    status: 409,
    name: "Conflict",
    description: "The state of things does not allow it; `reason` and `metadata` say why.",
    applies: ({ method }) => unary(method),
  },
  {
    status: 413,
    name: "ContentTooLarge",
    description: "The body is larger than the method takes.",
    applies: ({ body }) => body !== undefined,
  },
  {
    status: 429,
    name: "TooManyRequests",
    description: "Too many calls.",
    retry: true,
    applies: always,
  },
  {
    status: 500,
    name: "InternalServerError",
    description: "An error of the platform, whose log has it under `request_id`.",
    applies: always,
  },
  {
    status: 503,
    name: "ServiceUnavailable",
    description: "Something that is needed for the answer is away or overloaded; try again.",
    retry: true,
    applies: always,
  },
  {
    status: 504,
    name: "GatewayTimeout",
    description: "The deadline passed before there was an answer.",
    applies: ({ method }) => unary(method),
  },
];

/** An operation's error answers by status. */
export function errorResponses(route: HttpRoute, service: string): Json {
  const applying = answers.filter((answer) => answer.applies(route));
  return Object.fromEntries(
    applying.map(({ status, name }) => [
      String(status),
      { $ref: `#/components/responses/${service}.${name}` },
    ]),
  );
}

/** The answers that a service's operations refer to. */
export function responseComponents({ service }: Reasons): Record<string, Json> {
  return Object.fromEntries(
    answers.map(({ name, description, retry }) => [
      `${service}.${name}`,
      {
        description,
        ...(retry ? { headers: { "Retry-After": retryAfter } } : {}),
        content: {
          "application/problem+json": {
            schema: { $ref: `#/components/schemas/${service}.Problem` },
          },
        },
      },
    ]),
  );
}

/** A service's problem details: those of all services, with its reasons. */
export function problemSchemas(reasons: Reasons): Record<string, Json> {
  const { service } = reasons;
  return {
    [`${service}.Problem`]: {
      description: `What went wrong in a call to the ${service} service.`,
      allOf: [
        { $ref: "#/components/schemas/Problem" },
        {
          type: "object",
          properties: { reason: { $ref: `#/components/schemas/${service}.Reason` } },
        },
      ],
    },
    [`${service}.Reason`]: {
      description: reasonText(reasons),
      // Open: another service that is asked for the answer may be the one that refuses.
      anyOf: [
        { type: "string", enum: [...valuesOf(reasons.own), ...valuesOf(reasons.common)] },
        { type: "string" },
      ],
    },
  };
}

/** The reasons of a service in words. */
export function reasonText({ service, own, common }: Reasons): string {
  const listOf = (desc: DescEnum) =>
    valueList(desc, withoutPrefix)
      .split("\n")
      .filter((line) => !line.startsWith("- `UNSPECIFIED`"))
      .join("\n");
  return paragraphs(
    own && `Reasons with the domain \`${service}.ridemesh\`:`,
    own && listOf(own),
    common && "Reasons with the domain `ridemesh`, which any service gives:",
    common && listOf(common),
  );
}

function valuesOf(desc: DescEnum | undefined): string[] {
  return (desc?.values ?? [])
    .filter((value) => value.number !== 0)
    .map((value) => withoutPrefix(value.name));
}

function withoutPrefix(name: string): string {
  return name.replace(/^ERROR_REASON_/, "");
}

/** Whether a request names something that there may not be. */
function namesThings(route: HttpRoute): boolean {
  const { input } = route.method;
  const names = input.fields.map((field) => field.name);
  const named = (name: string) =>
    name === "operator" ||
    (/_ids?$/.test(name) && name !== "request_id" && name !== "last_event_id");
  return route.pathParams.length > 0 || names.some(named);
}

const retryAfter: Json = {
  description: "Seconds to wait before the next try.",
  schema: { type: "integer", minimum: 0 },
};

/** Problem details as every service gives them. */
export const problemSchema: Json = {
  type: "object",
  description: "What went wrong, as RFC 9457 has it.",
  properties: {
    type: {
      type: "string",
      format: "uri-reference",
      description: "Names the kind of problem.",
    },
    title: { type: "string", description: "The kind of problem in words." },
    status: { type: "integer", format: "int32", description: "The HTTP status." },
    detail: { type: "string", description: "What went wrong this time." },
    instance: {
      type: "string",
      format: "uri-reference",
      description: "The path that was called.",
    },
    code: { type: "string", description: "The gRPC code: `FAILED_PRECONDITION`." },
    reason: { type: "string", description: "Why, for programs: `ILLEGAL_TRANSITION`." },
    domain: {
      type: "string",
      description: "Whose reason it is: `ridemesh`, or a service as in `trip.ridemesh`.",
    },
    metadata: {
      type: "object",
      additionalProperties: { type: "string" },
      description: "What belongs to the reason, as the current state.",
    },
    request_id: { type: "string", description: "Names this call in logs and traces." },
    violations: {
      type: "array",
      description: "Each field that breaks a rule.",
      items: {
        type: "object",
        properties: {
          field: { type: "string", description: "Its path as in the proto: `pickup.point.lat`." },
          message: { type: "string", description: "What is wrong with it." },
          rule: { type: "string", description: "The rule: `double.lte`." },
        },
        required: ["field", "message"],
      },
    },
    retry_after_seconds: {
      type: "number",
      minimum: 0,
      description: "When to try again; absent when that would not help.",
    },
  },
  required: ["type", "title", "status", "code", "reason"],
};
