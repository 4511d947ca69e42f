/**
 * What every method of the contract must declare, beyond what buf's linter knows. An API whose
 * policy is missing or contradicts itself fails `npm run generate` and the tests.
 */
import { getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import type { DescField, DescFile, DescMessage, DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { http } from "../../gen/es/google/api/annotations_pb.js";
import type { HttpRule } from "../../gen/es/google/api/http_pb.js";
import {
  Idempotency,
  policy as policyOption,
  Role,
  type Access,
  type MethodPolicy,
} from "../../gen/es/ridemesh/options/v1/options_pb.js";

/** The problems of all methods in `files`, as "package.Service.Method: problem". Empty when sound. */
export function contractProblems(files: Iterable<DescFile>): string[] {
  const all = [...files];
  const methods = all.flatMap((file) => file.services).flatMap((service) => service.methods);
  const callers = new Set(["*", "gateway", ...all.map((file) => serviceName(file.proto.package))]);
  return [
    ...methods.flatMap((method) => methodProblems(method, callers).map(named(method))),
    ...routeClashes(methods),
  ];
}

function methodProblems(method: DescMethod, knownCallers: Set<string>): string[] {
  if (!hasOption(method, policyOption)) return ["no policy is declared"];
  const policy = getOption(method, policyOption);
  return [
    ...audienceProblems(method, policy, knownCallers),
    ...deadlineProblems(method, policy),
    ...idempotencyProblems(method, policy),
    ...httpProblems(method, policy),
  ];
}

function audienceProblems(method: DescMethod, policy: MethodPolicy, known: Set<string>): string[] {
  const { access, callers } = policy;
  if (access && callers.length > 0) return ["has both access and callers"];
  if (access) return accessProblems(method, access);
  if (callers.length === 0) return ["has neither access nor callers"];
  return callers
    .filter((caller) => !known.has(caller))
    .map((caller) => `caller "${caller}" is no service`);
}

function accessProblems(method: DescMethod, access: Access): string[] {
  const problems: string[] = [];
  const roles = [...access.any, ...access.own];
  if (access.public && roles.length > 0) problems.push("is public and yet names roles");
  if (!access.public && roles.length === 0) problems.push("is neither public nor open to a role");
  if (roles.includes(Role.UNSPECIFIED)) problems.push("names ROLE_UNSPECIFIED");
  for (const role of access.own.filter((own) => access.any.includes(own))) {
    problems.push(`ROLE_${Role[role]} stands in any and in own`);
  }
  const { ownership } = access;
  if (access.own.length > 0 && !ownership.case) problems.push("has own without an ownership");
  if (access.own.length === 0 && ownership.case) problems.push("has an ownership without own");
  if (method.input.fields.some((field) => field.name === "tenant_id")) {
    problems.push("takes tenant_id, which for external methods comes from the token alone");
  }
  return [...problems, ...ownershipProblems(method.input, ownership)];
}

function ownershipProblems(input: DescMessage, ownership: Access["ownership"]): string[] {
  if (ownership.case === "subjectField") {
    return stringFieldProblems(input, ownership.value, "subject_field");
  }
  if (ownership.case === "resource") {
    return [
      ...(ownership.value.name === "" ? ["its resource has no name"] : []),
      ...stringFieldProblems(input, ownership.value.idField, "id_field"),
    ];
  }
  return [];
}

function deadlineProblems(method: DescMethod, policy: MethodPolicy): string[] {
  const unary = method.methodKind === "unary";
  return unary && policy.deadlineMs === 0 ? ["is unary and has no deadline_ms"] : [];
}

function idempotencyProblems(method: DescMethod, { idempotency }: MethodPolicy): string[] {
  const readOnly = method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  const declared = idempotency !== Idempotency.UNSPECIFIED;
  if (readOnly && declared) return ["is NO_SIDE_EFFECTS and yet declares an idempotency"];
  if (!readOnly && !declared) return ["neither is NO_SIDE_EFFECTS nor declares an idempotency"];
  const requestId = method.input.fields.find((field) => field.name === "request_id");
  if (idempotency === Idempotency.KEY) {
    return requestId && isString(requestId) ? [] : ["is IDEMPOTENCY_KEY without string request_id"];
  }
  return requestId ? ["has a request_id that nothing reads: it is not IDEMPOTENCY_KEY"] : [];
}

function httpProblems(method: DescMethod, policy: MethodPolicy): string[] {
  const problems: string[] = [];
  if (policy.httpSuccess !== 0 && (policy.httpSuccess < 200 || policy.httpSuccess > 299)) {
    problems.push(`http_success ${policy.httpSuccess} is no success`);
  }
  const routes = httpRoutes(method);
  if (routes.length === 0) return problems;
  if (policy.callers.length > 0) problems.push("is internal and yet has an HTTP binding");
  if (method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming") {
    problems.push("streams requests, which an HTTP binding cannot carry");
  }
  return [...problems, ...routes.flatMap((route) => routeProblems(method, route))];
}

/** One binding of a method: the main one, or an additional one. */
interface HttpRoute {
  verb: string;
  path: string;
  body: string;
  responseBody: string;
}

function routeProblems(method: DescMethod, route: HttpRoute): string[] {
  const problems: string[] = [];
  const where = `${route.verb} ${route.path}`;
  if (!route.path.startsWith("/")) problems.push(`${where}: the path does not start with "/"`);
  if (route.verb === "GET") {
    if (route.body !== "") problems.push(`${where}: GET has no body`);
    if (method.idempotency !== MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS) {
      problems.push(`${where}: GET is only for NO_SIDE_EFFECTS`);
    }
  }
  for (const variable of pathVariables(route.path)) {
    const field = findField(method.input, variable);
    if (!field) problems.push(`${where}: the request has no field ${variable}`);
    else if (
      field.fieldKind === "message" ||
      field.fieldKind === "list" ||
      field.fieldKind === "map"
    )
      problems.push(`${where}: ${variable} is not a scalar`);
  }
  if (route.body !== "" && route.body !== "*" && !findField(method.input, route.body)) {
    problems.push(`${where}: body ${route.body} is not a field of the request`);
  }
  if (route.responseBody !== "" && !findField(method.output, route.responseBody)) {
    problems.push(`${where}: response_body ${route.responseBody} is not a field of the response`);
  }
  return problems;
}

function httpRoutes(method: DescMethod): HttpRoute[] {
  if (!hasOption(method, http)) return [];
  const rule = getOption(method, http);
  return [rule, ...rule.additionalBindings].map(toRoute);
}

function toRoute({ pattern, body, responseBody }: HttpRule): HttpRoute {
  if (pattern.case === undefined) return { verb: "?", path: "", body, responseBody };
  if (pattern.case === "custom") {
    return { verb: pattern.value.kind, path: pattern.value.path, body, responseBody };
  }
  return { verb: pattern.case.toUpperCase(), path: pattern.value, body, responseBody };
}

/** Two methods under one verb and path: the router could serve only one of them. */
function routeClashes(methods: DescMethod[]): string[] {
  const seen = new Map<string, DescMethod>();
  return methods.flatMap((method) =>
    httpRoutes(method).flatMap(({ verb, path }) => {
      const shape = `${verb} ${path.replaceAll(/\{[^}]*\}/g, "{}")}`;
      const other = seen.get(shape);
      seen.set(shape, method);
      return other
        ? [named(method)(`${shape} is already ${other.parent.typeName}.${other.name}`)]
        : [];
    }),
  );
}

function pathVariables(path: string): string[] {
  return [...path.matchAll(/\{([^}=]+)(?:=[^}]*)?\}/g)].map((match) => match[1]!);
}

function stringFieldProblems(input: DescMessage, path: string, option: string): string[] {
  const field = findField(input, path);
  if (!field) return [`${option} "${path}" is not a field of the request`];
  return isString(field) ? [] : [`${option} "${path}" is not a string`];
}

/** The field at a dotted path. */
function findField(message: DescMessage, path: string): DescField | undefined {
  const [head, ...rest] = path.split(".");
  const field = message.fields.find(({ name }) => name === head);
  if (rest.length === 0) return field;
  return field?.fieldKind === "message" ? findField(field.message, rest.join(".")) : undefined;
}

function isString(field: DescField): boolean {
  return field.fieldKind === "scalar" && field.scalar === ScalarType.STRING;
}

/** "ridemesh.trip.v1" → "trip". */
function serviceName(packageName: string): string {
  return packageName.split(".").at(-2) ?? packageName;
}

function named(method: DescMethod): (problem: string) => string {
  return (problem) => `${method.parent.typeName}.${method.name}: ${problem}`;
}
