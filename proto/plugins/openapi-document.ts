/** The OpenAPI 3.1 document of all routes of the contract. */
import type { DescEnum, DescFile, DescService } from "@bufbuild/protobuf";
import { httpRules, type HttpRoute } from "../../services/runtime/http-rules.js";
import { serviceNameOf } from "../../services/runtime/method-options.js";
import { documentPath, operation, operationId, type OptionEnums } from "./openapi-operation.js";
import {
  problemSchema,
  problemSchemas,
  reasonText,
  responseComponents,
  type Reasons,
} from "./openapi-problems.js";
import { schemaBook } from "./openapi-schema.js";
import { commentOf, merged, paragraphs, type Json } from "./openapi-text.js";

/** Describes the routes of the services in `files`, which come with what they import. */
export function openApiDocument(files: readonly DescFile[]): Json {
  const services = files.flatMap((file) => file.services);
  const routes = httpRules(services);
  const names = [...new Set(routes.map(({ method }) => serviceNameOf(method)))].sort();
  const enums = enumsOf(files);
  const reasons = names.map((name) => reasonsOf(name, enums));
  const book = schemaBook();
  const paths = pathsOf(routes, (route) => operation(route, book, optionEnums(enums)));
  return {
    openapi: "3.1.0",
    info,
    servers: [{ url: "/", description: "The gateway that serves this document." }],
    tags: reasons.map((own) => tagOf(own, services, routes)),
    paths,
    components: {
      securitySchemes,
      schemas: {
        Problem: problemSchema,
        ...merged(reasons.map(problemSchemas)),
        ...book.schemas(),
      },
      responses: merged(reasons.map(responseComponents)),
    },
  };
}

const verbOrder = ["GET", "PUT", "POST", "DELETE", "PATCH"];

/** Operations by path and verb, in the order of both. */
function pathsOf(routes: HttpRoute[], describe: (route: HttpRoute) => Json): Json {
  checkUnique(routes.map(operationId), "operationId");
  const byPath = new Map<string, HttpRoute[]>();
  for (const route of routes) {
    const path = documentPath(route);
    byPath.set(path, [...(byPath.get(path) ?? []), route]);
  }
  // To OpenAPI, paths that differ only in the names of their fields are the same path.
  checkUnique(
    [...byPath.keys()].map((path) => path.replaceAll(/\{[^}]*\}/g, "{}")),
    "path",
  );
  return Object.fromEntries(
    [...byPath]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, sharing]) => [
        path,
        Object.fromEntries(
          sharing
            .toSorted((a, b) => verbOrder.indexOf(a.verb) - verbOrder.indexOf(b.verb))
            .map((route) => [route.verb.toLowerCase(), describe(route)]),
        ),
      ]),
  );
}

function checkUnique(values: string[], what: string): void {
  const twice = values.find((value, index) => values.indexOf(value) < index);
  if (twice !== undefined) throw new Error(`${what} ${twice} comes twice`);
}

function tagOf(reasons: Reasons, services: DescService[], routes: HttpRoute[]): Json {
  const { service } = reasons;
  const shown = new Set(routes.map(({ method }) => method.parent));
  const comments = services
    .filter((desc) => shown.has(desc) && serviceNameOf(desc) === service)
    .map(commentOf);
  return { name: service, description: paragraphs(...comments, reasonText(reasons)) };
}

/** Every enum that is declared in the files or in what they import, by name. */
function enumsOf(files: readonly DescFile[]): Map<string, DescEnum> {
  const seen = new Set<DescFile>();
  const visit = (file: DescFile): void => {
    if (seen.has(file)) return;
    seen.add(file);
    file.dependencies.forEach(visit);
  };
  files.forEach(visit);
  return new Map([...seen].flatMap((file) => file.enums.map((desc) => [desc.typeName, desc])));
}

function reasonsOf(service: string, enums: Map<string, DescEnum>): Reasons {
  return {
    service,
    own: enums.get(`ridemesh.${service}.v1.ErrorReason`),
    common: enums.get("ridemesh.type.v1.ErrorReason"),
  };
}

function optionEnums(enums: Map<string, DescEnum>): OptionEnums {
  const role = enums.get("ridemesh.options.v1.Role");
  const idempotency = enums.get("ridemesh.options.v1.Idempotency");
  if (!role || !idempotency) throw new Error("no file imports ridemesh/options/v1/options.proto");
  return { role, idempotency };
}

const info: Json = {
  title: "Ridemesh",
  version: "1.0.0",
  summary: "Rides, from registration to receipt.",
  description: paragraphs(
    "The REST form of the contract; the same methods answer over Connect, gRPC-Web and gRPC.",
    "JSON follows the mapping of Protocol Buffers: names in lowerCamelCase, 64-bit integers as " +
      "strings, enum values by name, times in RFC 3339 (UTC), bytes in base64. A field at its zero " +
      "value may be left out, and a field that is left out is at its zero value. Unknown fields are " +
      "refused.",
    "Errors are problem details (RFC 9457). `reason` is for programs; each tag lists those of its " +
      "service.",
  ),
  license: { name: "MIT", identifier: "MIT" },
};

const securitySchemes: Json = {
  bearer: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "The access token of a session, from login, registration or refresh.",
  },
  streamTicket: {
    type: "apiKey",
    in: "query",
    name: "ticket",
    description: "A ticket for one stream, for clients that cannot set headers.",
  },
};
