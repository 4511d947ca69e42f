/**
 * The pages that the gateway serves beside the API: a landing page, the console with its live map,
 * the API docs. A fixed list of paths; nothing of a request ever becomes a file name.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { consoleScript, repositoryFolder } from "./console/script.js";

/** An answer to GET of a path. */
export interface Page {
  /** 200, 304 (not changed since the caller's copy) or 308 (see the location header). */
  status: number;
  contentType: string;
  body: Buffer;
  headers: Record<string, string>;
}

export interface Pages {
  /**
   * The page at a path (without a query); undefined when there is none. `ifNoneMatch` is the request's
   * header of that name. Rejects when a file cannot be read, or the console cannot be bundled.
   */
  find(path: string, ifNoneMatch?: string): Promise<Page | undefined>;
}

/** The account with which the console of a demonstration logs in by itself. */
export interface DemoLogin {
  operator: string;
  email: string;
  password: string;
}

interface Source {
  contentType: string;
  read: () => Promise<Buffer>;
  headers?: Record<string, string>;
}

const html = "text/html; charset=utf-8";
const css = "text/css; charset=utf-8";
const script = "text/javascript; charset=utf-8";
const svg = "image/svg+xml";
const json = "application/json; charset=utf-8";

const common = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
};

/** What may be loaded: nothing from elsewhere, no inline script, no frames around or inside. */
function policy(rules: Record<string, string>): Record<string, string> {
  const all = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    ...rules,
  };
  const text = Object.entries(all)
    .map(([name, value]) => `${name} ${value}`)
    .join("; ");
  return { "content-security-policy": text, "cross-origin-opener-policy": "same-origin" };
}

const landingPolicy = policy({ "style-src": "'self'", "img-src": "'self'" });
const consolePolicy = policy({
  "script-src": "'self'",
  "style-src": "'self'",
  "img-src": "'self'",
  "connect-src": "'self'",
  "require-trusted-types-for": "'script'",
});
// Swagger UI sets style attributes, and draws its icons from data URLs.
const docsPolicy = policy({
  "script-src": "'self'",
  "style-src": "'self' 'unsafe-inline'",
  "img-src": "'self' data:",
  "connect-src": "'self'",
});

const redirects: Record<string, string> = { "/console": "/console/", "/docs": "/docs/" };

/**
 * Prepares the pages; reads and bundles nothing before it is asked for, and everything once.
 *
 * @param options.demo makes the console log in by itself with this account: for demonstrations only
 */
export function createPages(options: { demo?: DemoLogin | undefined } = {}): Promise<Pages> {
  const sources = pageSources(repositoryFolder, options.demo);
  const ready = new Map<string, Promise<Page>>();

  const load = (path: string, source: Source): Promise<Page> => {
    let page = ready.get(path);
    if (!page) {
      page = toPage(source);
      ready.set(path, page);
      // What failed is tried again at the next request.
      page.catch(() => ready.delete(path));
    }
    return page;
  };

  return Promise.resolve({
    find: async (path, ifNoneMatch) => {
      const location = Object.hasOwn(redirects, path) ? redirects[path] : undefined;
      if (location !== undefined) return redirect(location);
      const source = sources.get(path);
      if (!source) return undefined;
      const page = await load(path, source);
      const etag = page.headers["etag"];
      if (etag === undefined || !matches(ifNoneMatch, etag)) return page;
      return { ...page, status: 304, body: Buffer.alloc(0) };
    },
  });
}

function pageSources(root: string, demo: DemoLogin | undefined): Map<string, Source> {
  const own = (name: string, contentType: string, headers?: Record<string, string>): Source => ({
    contentType,
    read: () => readFile(join(root, "gateway/console", name)),
    ...(headers ? { headers } : {}),
  });
  const swagger = (name: string, contentType: string): Source => ({
    contentType,
    read: () => readFile(join(swaggerFolder(), name)),
  });
  return new Map<string, Source>([
    ["/", own("landing.html", html, landingPolicy)],
    ["/console/", own("index.html", html, consolePolicy)],
    ["/console/app.js", { contentType: script, read: () => consoleScript(root) }],
    ["/console/base.css", own("base.css", css)],
    ["/console/style.css", own("style.css", css)],
    ["/console/login.css", own("login.css", css)],
    ["/console/landing.css", own("landing.css", css)],
    ["/console/icon.svg", own("icon.svg", svg)],
    [
      "/console/config.json",
      {
        contentType: json,
        read: () => Promise.resolve(Buffer.from(JSON.stringify(demo ? { demo } : {}))),
        headers: { "cache-control": "no-store" },
      },
    ],
    ["/docs/", own("docs.html", html, docsPolicy)],
    ["/docs/docs.js", own("docs.js", script)],
    ["/docs/swagger-ui.css", swagger("swagger-ui.css", css)],
    ["/docs/swagger-ui-bundle.js", swagger("swagger-ui-bundle.js", script)],
    [
      "/openapi.json",
      {
        contentType: json,
        read: () => readFile(join(root, "gen/openapi/ridemesh.openapi.json")),
        // Other pages may read it, as they may call the API.
        headers: { "cross-origin-resource-policy": "cross-origin" },
      },
    ],
  ]);
}

/** Where the files of Swagger UI are; only its assets are read, none of its code is run here. */
function swaggerFolder(): string {
  return dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
}

async function toPage({ contentType, read, headers }: Source): Promise<Page> {
  const body = await read();
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  return {
    status: 200,
    contentType,
    body,
    // Names stay the same when contents change, so copies are asked about each time.
    headers: { ...common, "cache-control": "no-cache", etag, ...headers },
  };
}

function redirect(location: string): Page {
  return {
    status: 308,
    contentType: html,
    body: Buffer.from(`<!doctype html><meta http-equiv="refresh" content="0; url=${location}">`),
    headers: { ...common, ...policy({}), location },
  };
}

/** If-None-Match (RFC 9110, 13.1.2): a list of tags, compared weakly, or any. */
function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (!ifNoneMatch) return false;
  return ifNoneMatch
    .split(",")
    .map((tag) => tag.trim().replace(/^W\//, ""))
    .some((tag) => tag === "*" || tag === etag);
}
