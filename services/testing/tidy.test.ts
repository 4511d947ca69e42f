/** The house rules: each one finds a planted violation, then the repository keeps them all. */
import type { DescFile } from "@bufbuild/protobuf";
import { expect } from "chai";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { contractProblems } from "../../proto/plugins/contract-rules.js";
import {
  anatomyProblems,
  clockProblems,
  hostProblems,
  importProblems,
  leftoverProblems,
  lengthProblems,
  lockedPlatformProblems,
  processProblems,
  scriptEntryPoints,
  sqlClockProblems,
  topLevelProblems,
  type RepoFile,
} from "./house-rules.js";
import { readRepository } from "./repository.js";

const file = (path: string, text: string): RepoFile => ({ path, text });

describe("house rules", () => {
  describe("imports", () => {
    const cases: [from: string, to: string, allowed: boolean][] = [
      ["services/trip/store.ts", "./trip.js", true],
      ["services/trip/store.ts", "../runtime/postgres.js", true],
      ["services/trip/service.ts", "../../gen/grpc/ridemesh/trip/v1/trip.js", true],
      ["services/trip/service.ts", "../../gen/es/ridemesh/trip/v1/trip_pb.js", false],
      ["services/trip/service.test.ts", "../../gen/es/ridemesh/trip/v1/trip_pb.js", true],
      ["services/trip/store.ts", "../payment/store.js", false],
      ["services/trip/service.test.ts", "../payment/store.js", false],
      ["services/trip/service.test.ts", "../testing/postgres.js", true],
      ["services/trip/trip.bench.ts", "../testing/postgres.js", true],
      ["services/trip/store.ts", "../testing/postgres.js", false],
      ["services/trip/app.ts", "../standalone/main.js", false],
      ["services/trip/app.ts", "../../gateway/app.js", false],
      ["services/runtime/server.ts", "../../gen/es/google/rpc/status_pb.js", true],
      ["services/runtime/server.ts", "../trip/trip.js", false],
      ["services/runtime/server.ts", "../testing/postgres.js", false],
      ["services/runtime/server.test.ts", "../testing/postgres.js", true],
      ["services/testing/host.ts", "../runtime/server.js", true],
      ["services/testing/host.ts", "../trip/app.js", false],
      ["services/testing/postgres.ts", "../standalone/postgres.js", true],
      ["services/testing/postgres.ts", "../standalone/main.js", false],
      ["services/testing/check.ts", "../../proto/plugins/third-party.js", true],
      ["services/standalone/main.ts", "../trip/app.js", true],
      ["services/standalone/main.ts", "../../gateway/app.js", true],
      ["services/standalone/main.ts", "../testing/postgres.js", true],
      ["gateway/app.ts", "./routes.js", true],
      ["gateway/app.ts", "../gen/es/ridemesh/trip/v1/trip_pb.js", true],
      ["gateway/app.ts", "../gen/grpc/ridemesh/trip/v1/trip.js", false],
      ["gateway/app.test.ts", "../gen/grpc/ridemesh/trip/v1/trip.js", false],
      ["gateway/app.ts", "../services/runtime/tls.js", true],
      ["gateway/app.ts", "../services/trip/trip.js", false],
      ["gateway/app.ts", "./e2e/world.js", false],
      ["gateway/app.test.ts", "../services/testing/host.js", true],
      ["gateway/bench/edge.ts", "../../gen/grpc/ridemesh/trip/v1/trip.js", true],
      ["gateway/bench/edge.ts", "../../services/standalone/main.js", true],
      ["gateway/bench/edge.ts", "../../services/trip/trip.js", false],
      ["gateway/e2e/ride.test.ts", "../../services/trip/app.js", true],
      ["gateway/simulator/rider.ts", "../../gen/es/ridemesh/trip/v1/trip_pb.js", true],
      ["gateway/simulator/rider.ts", "../../gen/grpc/ridemesh/trip/v1/trip.js", false],
      ["gateway/simulator/rider.ts", "../app.js", false],
      ["gateway/simulator/rider.ts", "../../services/runtime/clock.js", true],
      ["proto/plugins/openapi.ts", "../../gen/es/google/api/http_pb.js", true],
      ["proto/plugins/openapi.ts", "../../services/runtime/policy.js", true],
      ["proto/plugins/openapi.ts", "../../services/trip/trip.js", false],
    ];
    for (const [from, to, allowed] of cases) {
      it(`${allowed ? "let" : "do not let"} ${from} import ${to}`, () => {
        const problems = importProblems([file(from, `\nimport { x } from "${to}";\n`)]);
        expect(problems).to.have.length(allowed ? 0 : 1);
        if (!allowed) expect(problems[0]).to.match(new RegExp(`^${from}:2: may not import `));
      });
    }

    it("leave packages alone", () => {
      expect(importProblems([file("services/trip/a.ts", `import pg from "pg";`)])).to.be.empty;
    });
  });

  describe("clocks", () => {
    const forbidden = [
      "const t = Date.now();",
      "const read = Date.now;",
      "const t = new Date();",
      "setTimeout(f, 5);",
      "globalThis.setTimeout(f, 5);",
      "const t = setInterval(f, 5);",
      "const t = performance.now();",
      `import { setTimeout as delay } from "node:timers/promises";`,
      `import * as timers from "node:timers/promises";`,
      `import timers from "timers";`,
    ];
    for (const line of forbidden) {
      it(`find ${line}`, () => {
        expect(clockProblems([file("services/trip/a.ts", `\n${line}`)])[0]).to.match(
          /^services\/trip\/a\.ts:2: .*: take a clock from deps$/,
        );
        expect(clockProblems([file("services/runtime/clock.ts", line)])).to.be.empty;
        expect(clockProblems([file("gateway/console/map.ts", line)])).to.be.empty;
        expect(clockProblems([file("gateway/bench/load.ts", line)])).to.be.empty;
        expect(clockProblems([file("services/trip/a.test.ts", line)])).to.be.empty;
        expect(clockProblems([file("services/trip/a.bench.ts", line)])).to.be.empty;
      });
    }

    it("leave dates of given times, methods of other things, comments and strings alone", () => {
      const text = [
        "const t = new Date(5);",
        "socket.setTimeout(5);",
        "clock.now();",
        `import { setImmediate } from "node:timers/promises";`,
        "// Date.now() would not do",
        `const s = "Date.now()";`,
      ].join("\n");
      expect(clockProblems([file("services/trip/a.ts", text)])).to.be.empty;
    });
  });

  describe("SQL", () => {
    for (const call of ["now()", "NOW ()", "CURRENT_TIMESTAMP", "clock_timestamp()"]) {
      it(`does not read the time by ${call}`, () => {
        const sql = `create table t (\n  time timestamptz default ${call}\n);`;
        const store = `await db.query(\n  \`select ${call}\`,\n);`;
        expect(sqlClockProblems([file("services/trip/migrations/1.sql", sql)])).to.deep.equal([
          `services/trip/migrations/1.sql:2: ${call} in SQL: pass the time as a parameter`,
        ]);
        expect(sqlClockProblems([file("services/trip/store.ts", store)])).to.deep.equal([
          `services/trip/store.ts:2: ${call} in SQL: pass the time as a parameter`,
        ]);
        expect(sqlClockProblems([file("services/runtime/migrations/1.sql", sql)])).to.be.empty;
      });
    }

    it("may be near a clock, in code and in comments", () => {
      const store = "query(`select ${clock.now()} -- $1`); // not now()";
      expect(sqlClockProblems([file("services/trip/store.ts", store)])).to.be.empty;
      expect(sqlClockProblems([file("services/trip/m.sql", "select 1; -- no now()")])).to.be.empty;
    });
  });

  describe("the process", () => {
    it("gives its environment only to config.ts", () => {
      const text = "const x = process.env.PORT;";
      expect(processProblems([file("services/trip/config.ts", text)], [])).to.be.empty;
      expect(processProblems([file("services/trip/main.ts", text)], [])).to.deep.equal([
        "services/trip/main.ts:1: process.env outside config.ts",
      ]);
    });

    for (const use of ["process.exit(1)", `process.on("SIGTERM", f)`, "process.exitCode = 1"]) {
      it(`is touched by ${use} only in entry points`, () => {
        const entry = ["gateway/simulator/replay.ts"];
        expect(processProblems([file("services/trip/app.ts", use)], entry)).to.have.length(1);
        expect(processProblems([file("services/trip/main.ts", use)], entry)).to.be.empty;
        expect(processProblems([file("gateway/simulator/replay.ts", use)], entry)).to.be.empty;
      });
    }

    it("has the entry points that package.json runs", () => {
      const scripts = {
        start: "tsx services/standalone/main.ts",
        test: "mocha",
        x: "tsx a/b.ts -y",
      };
      expect(scriptEntryPoints({ scripts })).to.deep.equal([
        "services/standalone/main.ts",
        "a/b.ts",
      ]);
    });
  });

  it("keep the top level small", () => {
    const paths = ["scripts/a.sh", "jest.config.js", ".nvmrc", "docs/a.md", "README.md"];
    expect(topLevelProblems(paths.map((path) => file(path, "")))).to.deep.equal([
      "scripts: does not belong on the top level",
      "jest.config.js: does not belong on the top level",
    ]);
  });

  it("keep files short, tests and the contract less so, generated code free", () => {
    const long = (lines: number) => "x\n".repeat(lines);
    const files = [
      file("services/trip/a.ts", long(500)),
      file("services/trip/b.ts", long(501)),
      file("services/trip/b.test.ts", long(800)),
      file("services/trip/c.test.ts", long(801)),
      file("proto/ridemesh/trip/v1/trip.proto", long(800)),
      file("gen/es/a.ts", long(9000)),
    ];
    expect(lengthProblems(files)).to.deep.equal([
      "services/trip/b.ts: 501 lines; split it by noun (limit 500)",
      "services/trip/c.test.ts: 801 lines; split it by noun (limit 800)",
    ]);
  });

  it("give every service the same anatomy", () => {
    const files = ["services/trip/main.ts", "services/trip/app.ts", "services/runtime/log.ts"];
    expect(anatomyProblems(files.map((path) => file(path, "")))).to.deep.equal([
      "services/trip/README.md: is missing",
    ]);
  });

  it("find what is left over", () => {
    const note = ["TO", "DO"].join("");
    const path = ["", "home", "someone"].join("/");
    const text = `// ${note}: later\nconst at = "${path}";\nit.only("x", () => {});\n`;
    expect(leftoverProblems([file("services/trip/a.test.ts", text)])).to.deep.equal([
      `services/trip/a.test.ts:1: ${note} is left over`,
      `services/trip/a.test.ts:2: ${path} is a path of one machine`,
      "services/trip/a.test.ts:3: it.only hides other tests",
    ]);
    const fine = `GET /api/riders/{rider_id}/home/x\nimport "../home/a.js";\nfilter.only(1);`;
    expect(leftoverProblems([file("a.ts", fine)])).to.be.empty;
  });

  it("keep the packages of every platform in the lock file", () => {
    const native = { optionalDependencies: { "@x/linux": "1.0.0", "@x/darwin": "1.0.0" } };
    const packages = { "node_modules/x": native, "node_modules/@x/linux": {} };
    const lock = (entries: object) =>
      file("package-lock.json", JSON.stringify({ packages: entries }));
    expect(lockedPlatformProblems([lock(packages)])).to.deep.equal([
      "package-lock.json: lacks @x/darwin; run node .config/lock-platforms.js",
    ]);
    const nested = { ...packages, "node_modules/x/node_modules/@x/darwin": {} };
    expect(lockedPlatformProblems([lock(nested)])).to.be.empty;
  });

  it("keep hosts out of the lock file", () => {
    const lock = `{ "resolved": "https://registry.example/x/-/x-1.tgz" }`;
    expect(hostProblems([file("package-lock.json", lock)])).to.have.length(1);
    expect(hostProblems([file(".npmrc", "registry=https://registry.example")])).to.have.length(1);
    expect(hostProblems([file("package-lock.json", `{ "version": "1.0.0" }`)])).to.be.empty;
  });
});

describe("the repository", () => {
  let files: RepoFile[];
  before(() => (files = readRepository(".")));

  it("is read as a whole, without what is not kept", () => {
    const paths = files.map(({ path }) => path);
    expect(paths).to.include.members(["package.json", ".config/mocharc.js", "buf.yaml"]);
    expect(paths.filter((path) => path.includes("node_modules/"))).to.be.empty;
  });

  const rules: [title: string, rule: (files: RepoFile[]) => string[]][] = [
    ["keeps to the import boundaries", importProblems],
    ["takes its time from clocks", clockProblems],
    ["passes the time to SQL", sqlClockProblems],
    ["touches the process only in entry points", (all) => processProblems(all, entryPoints(all))],
    ["keeps its top level small", topLevelProblems],
    ["keeps its files short", lengthProblems],
    ["gives every service the same anatomy", anatomyProblems],
    ["has nothing left over", leftoverProblems],
    ["names no package host", hostProblems],
    ["locks the packages of every platform", lockedPlatformProblems],
  ];
  for (const [title, rule] of rules) {
    it(title, () => {
      const problems = rule(files);
      expect(problems, `\n${problems.join("\n")}\n`).to.be.empty;
    });
  }

  it("declares a sound policy for every method of the contract", async () => {
    const contract = await generatedDescriptors(files);
    expect(contract.flatMap(({ services }) => services)).to.have.length.above(10);
    const problems = contractProblems(contract);
    expect(problems, `\n${problems.join("\n")}\n`).to.be.empty;
  });
});

function entryPoints(files: RepoFile[]): string[] {
  const packageJson = files.find(({ path }) => path === "package.json")!;
  return scriptEntryPoints(JSON.parse(packageJson.text) as { scripts?: Record<string, string> });
}

async function generatedDescriptors(files: RepoFile[]): Promise<DescFile[]> {
  const paths = files
    .map(({ path }) => path)
    .filter((path) => /^gen\/es\/ridemesh\/.*\.ts$/.test(path));
  const modules = await Promise.all(
    paths.map(
      (path) => import(pathToFileURL(resolve(path)).href) as Promise<Record<string, unknown>>,
    ),
  );
  return modules.flatMap((module) =>
    Object.values(module).filter((value): value is DescFile => (value as DescFile).kind === "file"),
  );
}
