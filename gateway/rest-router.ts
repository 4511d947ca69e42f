/** Which method a verb and path call, as google.api.http says. */
import type { DescService } from "@bufbuild/protobuf";
import findMyWay from "find-my-way";
import { isExternal } from "../services/runtime/contract.js";
import { httpRules, type HttpRoute } from "../services/runtime/http-rules.js";
import { noRoute } from "./problem.js";

/** A route with the values of its path's fields. */
export interface RestMatch {
  route: HttpRoute;
  params: Record<string, string | undefined>;
}

export interface RestRouter {
  /** The route of a verb and path; throws NOT_FOUND, or UNIMPLEMENTED where other verbs are taken. */
  match(verb: string, path: string): RestMatch;
}

const verbs = ["GET", "POST", "PUT", "DELETE", "PATCH"] as const;

/**
 * What a later release brings beside paths that there are: until then it is not there, which is more
 * than that the verb is not taken.
 */
const notYet = [
  ["PUT", "/api/users/:id"],
  ["DELETE", "/api/users/:id"],
  ["POST", "/api/payments/refund"],
] as const;

/** Routes of all external methods. */
export function createRestRouter(services: readonly DescService[]): RestRouter {
  const router = findMyWay({ ignoreTrailingSlash: true });
  const routes = httpRules(services).filter((route) => isExternal(route.method));
  for (const route of routes) {
    const path = route.path.replaceAll(
      /\{([^}]+)\}/g,
      (_, name: string) => `:${name.replaceAll(".", "_")}`,
    );
    router.on(route.verb, path, () => undefined, route);
  }
  const later = findMyWay({ ignoreTrailingSlash: true });
  for (const [verb, path] of notYet) {
    if (router.find(verb, path)) throw new Error(`${verb} ${path} is there by now`);
    later.on(verb, path, () => undefined);
  }
  const find = (verb: string, path: string) => router.find(verb as "GET", path);
  return {
    match: (verb, path) => {
      const found = find(verb, path);
      if (found) return { route: found.store as HttpRoute, params: found.params };
      const isLater = later.find(verb as "GET", path) !== null;
      const others = verbs.filter((other) => other !== verb && find(other, path));
      throw noRoute(path, isLater ? [] : others);
    },
  };
}
