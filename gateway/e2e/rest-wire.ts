/** REST with server-sent events: requests and answers put into HTTP as google.api.http says. */
import {
  create,
  fromJson,
  toJson,
  type DescMessage,
  type DescMethod,
  type JsonObject,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { allServices } from "../../services/runtime/contract.js";
import { httpRules, type HttpRoute } from "../../services/runtime/http-rules.js";
import { errorOf, http, type Problem } from "./http.js";
import { readEvents } from "./event-stream.js";
import { headersOf, type Wire } from "./wire.js";

const routes = httpRules(allServices());

/** The routes of a method: the first is its own, the others are additional. */
export function routesOf(method: DescMethod): HttpRoute[] {
  return routes.filter((route) => route.method === method);
}

/** A request in the form of a route. */
export interface RestRequest {
  verb: string;
  /** With its query. */
  path: string;
  body: JsonValue | undefined;
}

/** Puts a request into the form of a route. */
export function restRequestOf(route: HttpRoute, json: JsonObject): RestRequest {
  const rest = { ...json };
  const take = (name: string): JsonValue | undefined => {
    const { jsonName } = route.method.input.fields.find((field) => field.name === name)!;
    const value = rest[jsonName];
    delete rest[jsonName];
    return value;
  };
  const path = route.path.replaceAll(/\{([^}]+)\}/g, (_, name: string) => {
    return encodeURIComponent(textOf(take(name)));
  });
  if (route.body === "*") return { verb: route.verb, path, body: rest };
  const body = route.body === undefined ? undefined : take(route.body);
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(rest)) {
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, textOf(one));
  }
  const mark = query.size > 0 ? "?" : "";
  return { verb: route.verb, path: `${path}${mark}${query}`, body };
}

/** A value as a path and a query write it. */
function textOf(value: JsonValue | undefined): string {
  if (typeof value === "string") return value;
  return value === undefined ? "" : JSON.stringify(value);
}

/** REST over HTTP/1.1. `prefer` chooses among a method's routes, from 0 on; the last when fewer. */
export function restWire(url: string, prefer = 0): Wire {
  const routeOf = (method: DescMethod): HttpRoute => {
    const found = routesOf(method);
    const route = found[Math.min(prefer, found.length - 1)];
    if (!route) throw new Error(`${method.name} has no REST form`);
    return route;
  };
  return {
    name: prefer === 0 ? "REST" : "REST (other paths)",
    unary: async (method, as, request, options = {}) => {
      const route = routeOf(method);
      const { verb, path, body } = restRequestOf(route, jsonOf(method.input, request));
      const answer = await http(url, verb, path, {
        headers: headersOf(as, options),
        ...(body === undefined ? {} : { body }),
        ...(options.signal ? { signal: options.signal } : {}),
      });
      if (answer.status >= 400) throw errorOf(answer.json as unknown as Problem);
      if (answer.status !== route.successStatus) {
        throw new Error(`${verb} ${path} was answered by ${answer.status}`);
      }
      return messageOf(method.output, route, answer.json);
    },
    watch: async function* (method, as, request, options) {
      const route = routeOf(method);
      const json = jsonOf(method.input, request);
      const lastEventId = json["lastEventId"] as string | undefined;
      delete json["lastEventId"];
      const { path } = restRequestOf(route, json);
      const { signal } = options;
      const resume = lastEventId ? { lastEventId } : {};
      for await (const { data } of readEvents(url, path, { as, signal, ...resume })) {
        yield fromJson(method.output, data as JsonValue);
      }
    },
    send: undefined,
    stop: () => Promise.resolve(),
  };
}

/** A request as JSON. */
export function jsonOf<I extends DescMessage>(schema: I, request: MessageInitShape<I>): JsonObject {
  return toJson(schema, create(schema, request)) as JsonObject;
}

function messageOf<O extends DescMessage>(
  schema: O,
  route: HttpRoute,
  json: Record<string, unknown>,
): MessageShape<O> {
  if (route.responseBody === undefined) return fromJson(schema, json as JsonValue);
  const { jsonName } = schema.fields.find((field) => field.name === route.responseBody)!;
  return fromJson(schema, { [jsonName]: json as JsonValue });
}
