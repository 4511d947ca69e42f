/** REST routes, as google.api.http declares them. */
import type { DescField, DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";
import type { HttpRule } from "../../gen/es/google/api/http_pb.js";
import { isExternal, policyOf, rpcName } from "./method-options.js";
import { optionOf } from "./options.js";

export type HttpVerb = "GET" | "PUT" | "POST" | "DELETE" | "PATCH";

/** One verb and path that call a method. */
export interface HttpRoute {
  method: DescMethod;
  verb: HttpVerb;
  /** Path with request fields in braces: "/api/trips/{trip_id}". */
  path: string;
  /** The fields in the path, as the proto names them, in their order; dotted when nested. */
  pathParams: string[];
  /** What the HTTP body is: "*" the whole request, a name that field of it, undefined nothing. */
  body: "*" | string | undefined;
  /** The response's field that is sent alone; undefined when the whole response is. */
  responseBody: string | undefined;
  /** HTTP status of success. */
  successStatus: number;
  /** 0 for the rule itself, 1 and up for its additional_bindings. */
  additionalIndex: number;
}

/**
 * The routes of all methods that have a rule, in the order of the contract. Throws, naming the method,
 * on a rule that cannot work: an unknown field, a path that two methods claim, a body that the verb
 * does not have.
 */
export function httpRules(services: readonly DescService[]): HttpRoute[] {
  const routes = services.flatMap((service) => service.methods).flatMap(routesOf);
  const claimed = new Map<string, DescMethod>();
  for (const { method, verb, path } of routes) {
    const shape = `${verb} ${path.replaceAll(/\{[^}]*\}/g, "{}")}`;
    const other = claimed.get(shape);
    if (other)
      throw new Error(`${rpcName(method)} and ${rpcName(other)} both claim ${verb} ${path}`);
    claimed.set(shape, method);
  }
  return routes;
}

/** The request's fields that come from the query: what neither the path nor the body gives. */
export function queryFields(route: HttpRoute): DescField[] {
  const { body, method, pathParams } = route;
  if (body === "*") return [];
  return method.input.fields.filter((f) => f.name !== body && !pathParams.includes(f.name));
}

function routesOf(method: DescMethod): HttpRoute[] {
  const rule = optionOf(method, "google.api.http");
  if (!rule) return [];
  try {
    return [rule, ...rule.additionalBindings].map((binding, index) =>
      routeOf(method, binding, index),
    );
  } catch (error) {
    throw new Error(`${rpcName(method)}: ${(error as Error).message}`, { cause: error });
  }
}

function routeOf(method: DescMethod, rule: HttpRule, additionalIndex: number): HttpRoute {
  if (!isExternal(method)) throw new Error("only external methods have an HTTP rule");
  if (additionalIndex > 0 && rule.additionalBindings.length > 0) {
    throw new Error("additional_bindings do not nest");
  }
  const { verb, path } = verbAndPath(rule);
  const route: HttpRoute = {
    method,
    verb,
    path,
    pathParams: pathParamsOf(path),
    body: rule.body || undefined,
    responseBody: rule.responseBody || undefined,
    successStatus: policyOf(method).httpSuccess || 200,
    additionalIndex,
  };
  checkFields(route);
  checkKind(route);
  return route;
}

function verbAndPath(rule: HttpRule): { verb: HttpVerb; path: string } {
  const { pattern } = rule;
  switch (pattern.case) {
    case "get":
      return { verb: "GET", path: pattern.value };
    case "put":
      return { verb: "PUT", path: pattern.value };
    case "post":
      return { verb: "POST", path: pattern.value };
    case "delete":
      return { verb: "DELETE", path: pattern.value };
    case "patch":
      return { verb: "PATCH", path: pattern.value };
    case "custom":
    case undefined:
      throw new Error("the HTTP rule needs one of get, put, post, delete, patch");
    default:
      return pattern satisfies never;
  }
}

/** Of the template syntax, literals and {field} are enough; wildcards and :verbs are refused. */
function pathParamsOf(path: string): string[] {
  const params = [];
  if (!path.startsWith("/")) throw new Error(`path ${path} does not begin with /`);
  for (const segment of path.slice(1).split("/")) {
    const param = /^\{([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)\}$/.exec(segment)?.[1];
    if (param) params.push(param);
    else if (!/^[A-Za-z0-9._~-]+$/.test(segment)) throw new Error(`path ${path} is not understood`);
  }
  if (new Set(params).size < params.length) throw new Error(`path ${path} names a field twice`);
  return params;
}

function checkFields(route: HttpRoute): void {
  const { input, output } = route.method;
  for (const param of route.pathParams) {
    const kind = fieldAt(input, param).fieldKind;
    if (kind !== "scalar" && kind !== "enum") throw new Error(`${param} cannot be in a path`);
  }
  if (route.body !== undefined && route.body !== "*") {
    fieldAt(input, route.body);
    if (route.pathParams.includes(route.body)) throw new Error(`${route.body} is in path and body`);
  }
  if (route.responseBody !== undefined) fieldAt(output, route.responseBody);
}

function checkKind(route: HttpRoute): void {
  const { body, method, responseBody, successStatus, verb } = route;
  if (body !== undefined && (verb === "GET" || verb === "DELETE"))
    throw new Error(`${verb} has no body`);
  switch (method.methodKind) {
    case "unary":
      break;
    case "server_streaming":
      // EventSource and WebSocket both begin with a GET, and their messages are sent whole.
      if (verb !== "GET" || responseBody)
        throw new Error("a stream is a GET without response_body");
      break;
    default:
      throw new Error("a client's stream cannot come over REST");
  }
  if (successStatus === 204 && method.output.fields.length > 0) {
    throw new Error("http_success 204 sends nothing, but the response has fields");
  }
}

function fieldAt(message: DescMessage, path: string): DescField {
  const [name, ...rest] = path.split(".");
  const field = message.fields.find((f) => f.name === name);
  if (!field) throw new Error(`${message.typeName} has no field ${name}`);
  if (rest.length === 0) return field;
  if (field.fieldKind !== "message") throw new Error(`${name} has no fields`);
  return fieldAt(field.message, rest.join("."));
}
