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
  const find = (verb: string, path: string) => router.find(verb as "GET", path);
  return {
    match: (verb, path) => {
      const found = find(verb, path);
      if (found) return { route: found.store as HttpRoute, params: found.params };
      throw noRoute(
        path,
        verbs.filter((other) => other !== verb && find(other, path)),
      );
    },
  };
}
