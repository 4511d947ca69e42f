import { expect } from "chai";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleConsole } from "./console/bundle.js";
import { builtScript, consoleScript, repositoryFolder } from "./console/script.js";
import { createPages, type Page, type Pages } from "./pages.js";

const text = (page: Page) => page.body.toString("utf8");

describe("the gateway's pages", () => {
  let pages: Pages;
  before(async () => {
    pages = await createPages();
  });
  const page = async (path: string): Promise<Page> => {
    const found = await pages.find(path);
    if (!found) throw new Error(`there is no page ${path}`);
    return found;
  };

  const kinds: [path: string, type: string][] = [
    ["/", "text/html"],
    ["/console/", "text/html"],
    ["/console/app.js", "text/javascript"],
    ["/console/base.css", "text/css"],
    ["/console/style.css", "text/css"],
    ["/console/login.css", "text/css"],
    ["/console/landing.css", "text/css"],
    ["/console/icon.svg", "image/svg+xml"],
    ["/console/config.json", "application/json"],
    ["/docs/", "text/html"],
    ["/docs/docs.js", "text/javascript"],
    ["/docs/swagger-ui.css", "text/css"],
    ["/docs/swagger-ui-bundle.js", "text/javascript"],
    ["/openapi.json", "application/json"],
  ];
  for (const [path, type] of kinds) {
    it(`serve ${path} as ${type}`, async () => {
      const { status, contentType, body, headers } = await page(path);
      expect(status).to.equal(200);
      expect(contentType.split(";")[0]).to.equal(type);
      expect(body).to.have.length.above(0);
      expect(headers["x-content-type-options"]).to.equal("nosniff");
      expect(headers["cache-control"]).to.match(/^no-(cache|store)$/);
    });
  }

  for (const path of ["/", "/console/", "/docs/"]) {
    it(`let ${path} load nothing from elsewhere and run no inline script`, async () => {
      const { headers, body } = await page(path);
      const policy = headers["content-security-policy"]!;
      const rules = new Map(
        policy.split("; ").map((rule): [string, string[]] => {
          const [name = "", ...sources] = rule.split(" ");
          return [name, sources];
        }),
      );
      expect(rules.get("default-src")).to.deep.equal(["'none'"]);
      expect(rules.get("frame-ancestors")).to.deep.equal(["'none'"]);
      expect(rules.get("script-src") ?? ["'self'"]).to.deep.equal(["'self'"]);
      expect(policy).to.not.match(/https?:|\*|unsafe-eval/);
      expect(policy.includes("unsafe-inline")).to.equal(path === "/docs/");
      expect(body.toString()).to.not.match(/<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|https?:\/\//);
    });

    it(`serve whatever ${path} loads and links to`, async () => {
      const links = [...text(await page(path)).matchAll(/\b(?:src|href)="([^"#]+)"/g)];
      const paths = links.map(([, link]) => new URL(link!, `http://x${path}`).pathname);
      // The gateway itself answers these.
      const own = paths.filter((link) => !/^\/(api|health|\.well-known)\b/.test(link));
      expect(own).to.not.be.empty;
      for (const link of own) expect((await page(link)).status, link).to.equal(200);
    });
  }

  for (const [from, to] of [
    ["/console", "/console/"],
    ["/docs", "/docs/"],
  ] as const) {
    it(`lead from ${from} to ${to}`, async () => {
      const { status, headers } = await page(from);
      expect(status).to.equal(308);
      expect(headers["location"]).to.equal(to);
    });
  }

  const none = [
    "/console/../pages.ts",
    "/console/main.ts",
    "/console/..%2f..%2fpackage.json",
    "/docs/../package.json",
    "/docs/swagger-ui.js",
    "/docs/package.json",
    "/docs//etc/passwd",
    "/console/style.css/",
    "/__proto__",
    "/constructor",
    "toString",
    "",
    "/api/cities",
  ];
  for (const path of none) {
    it(`are not at "${path}"`, async () => {
      expect(await pages.find(path)).to.equal(undefined);
    });
  }

  it("are not sent again to who has them", async () => {
    const { headers } = await page("/console/");
    const etag = headers["etag"]!;
    for (const held of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const answer = (await pages.find("/console/", held))!;
      expect([answer.status, answer.body.length], held).to.deep.equal([304, 0]);
      expect(answer.headers["etag"]).to.equal(etag);
    }
    expect((await pages.find("/console/", `"other"`))!.status).to.equal(200);
  });

  it("hold the API's own document", async () => {
    const document = JSON.parse(text(await page("/openapi.json"))) as { openapi: string };
    expect(document.openapi).to.match(/^3\.1\./);
    expect(text(await page("/docs/docs.js"))).to.include(`"/openapi.json"`);
  });

  it("tell the console no account, unless for a demonstration", async () => {
    expect(JSON.parse(text(await page("/console/config.json")))).to.deep.equal({});
    const demo = { operator: "metro", email: "viewer@demo.example", password: "x" };
    const config = await (await createPages({ demo })).find("/console/config.json");
    expect(JSON.parse(text(config!))).to.deep.equal({ demo });
    expect(config!.headers["cache-control"]).to.equal("no-store");
  });

  it("have every element that the console looks for", async () => {
    const markup = text(await page("/console/"));
    const ids = [...markup.matchAll(/\bid="([^"]+)"/g)].map(([, id]) => id!);
    expect(new Set(ids).size, "ids are unique").to.equal(ids.length);
    const folder = join(repositoryFolder, "gateway/console");
    const names = (await readdir(folder)).filter((name) => /(?<!\.test)\.ts$/.test(name));
    const sources = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
    const wanted = [...sources.join("\n").matchAll(/\belement\("([^"]+)"/g)].map(([, id]) => id!);
    expect(wanted).to.have.length.above(20);
    expect(ids).to.include.members(wanted);
  });
});

describe("the console's script", () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "ridemesh-pages-"));
    await mkdir(join(root, "dist/console"), { recursive: true });
  });
  after(() => rm(root, { recursive: true }));

  it("is a small bundle of the app, its client and the city's zones", async () => {
    const script = (await bundleConsole(repositoryFolder)).toString("utf8");
    expect(script).to.have.length.below(300_000);
    expect(script).to.match(/\.watchMap\(/);
    expect(script).to.include("Jamaica Bay");
    expect(script).to.not.match(/^\s*import\b/m);
  });

  it("is the one that was built ahead, where there are no sources", async () => {
    await writeFile(builtScript(root), "built();");
    expect((await consoleScript(root)).toString()).to.equal("built();");
  });

  it("is the one that was built ahead, until the sources change", async () => {
    await mkdir(join(root, "gateway"), { recursive: true });
    await cp(join(repositoryFolder, "gateway/console"), join(root, "gateway/console"), {
      recursive: true,
    });
    const later = new Date(2100, 0);
    await utimes(builtScript(root), later, later);
    expect((await consoleScript(root)).toString()).to.equal("built();");
    await utimes(builtScript(root), 0, 0);
    // The copy lacks the generated code; that it is missed shows that a bundle was tried.
    const failure: unknown = await consoleScript(root).catch((error: unknown) => error);
    expect(String(failure)).to.match(/Build failed/);
  });
});
