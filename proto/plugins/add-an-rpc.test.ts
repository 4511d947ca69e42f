/**
 * Adds an RPC to a scratch copy of the repository, by the very words and snippets of CONTRIBUTING.md:
 * what the document says cannot cease to be true without failing here.
 */
import { expect } from "chai";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseAllDocuments } from "yaml";

const unkept = ["node_modules", ".git", ".cache", ".ridemesh", "dist"];

/** A change that the document asks for. */
interface Edit {
  file: string;
  /** Changes the file's text; of a new file that is empty. */
  apply: (text: string) => string;
}

/** The edits of the document's section, in their order. */
function editsOf(section: string): Edit[] {
  const snippet = "\\n\\n```\\w+\\n([\\s\\S]*?)```\\n";
  const forms: { pattern: RegExp; edit: (...groups: string[]) => Edit }[] = [
    {
      pattern: new RegExp(`^In \`(.+)\`, (after|before) the line \`(.+)\`, add:${snippet}`, "gm"),
      edit: (file, where, line, code) => ({
        file,
        apply: (text) => beside(text, where, line, code),
      }),
    },
    {
      pattern: new RegExp(`^At the end of \`(.+)\`, add:${snippet}`, "gm"),
      edit: (file, code) => ({ file, apply: (text) => text + code }),
    },
    {
      pattern: new RegExp(`^Make \`(.+)\`:${snippet}`, "gm"),
      edit: (file, code) => ({ file, apply: () => code }),
    },
  ];
  return forms
    .flatMap(({ pattern, edit }) =>
      [...section.matchAll(pattern)].map((match) => ({
        at: match.index,
        edit: edit(...match.slice(1)),
      })),
    )
    .sort((a, b) => a.at - b.at)
    .map(({ edit }) => edit);
}

/** The text with the code before or after its one line that says this. */
function beside(text: string, where: string, line: string, code: string): string {
  const lines = text.split("\n");
  const at = lines.findIndex((one) => one.trim() === line);
  if (at < 0) throw new Error(`there is no line ${line}`);
  lines.splice(where === "after" ? at + 1 : at, 0, code.replace(/\n$/, ""));
  return lines.join("\n");
}

describe("adding an RPC as CONTRIBUTING.md says", function () {
  this.timeout(60_000);
  const document = readFileSync("CONTRIBUTING.md", "utf8");
  const section = /^## Add an RPC\n([\s\S]*?)(?=^## )/m.exec(document)?.[1] ?? "";
  let copy: string;

  /** Runs one of the programs that npm installed in the copy; its output, once it has succeeded. */
  const run = (program: string, ...args: string[]): string => {
    const { PATH = "" } = process.env;
    const { status, stdout, stderr } = spawnSync(join("node_modules/.bin", program), args, {
      cwd: copy,
      encoding: "utf8",
      env: { PATH, NO_COLOR: "1" },
    });
    expect(status, `${program} ${args.join(" ")}\n${stdout}${stderr}`).to.equal(0);
    return stdout;
  };
  const read = (file: string) => readFileSync(join(copy, file), "utf8");

  before(() => {
    copy = mkdtempSync(join(realpathSync(tmpdir()), "ridemesh-add-an-rpc-"));
    cpSync(".", copy, {
      recursive: true,
      filter: (source) => !unkept.includes(basename(source)) || source === ".",
    });
    symlinkSync(resolve("node_modules"), join(copy, "node_modules"), "dir");
  });
  after(() => rmSync(copy, { recursive: true, force: true }));

  it("takes at most five steps, which edit what they name", () => {
    const steps = section.match(/^### \d+\. /gm) ?? [];
    expect(steps).to.have.length.within(1, 5);
    const edits = editsOf(section);
    // Every snippet but the commands is one that is applied.
    expect(edits).to.have.length(section.match(/^```(?!sh\b)\w+$/gm)!.length);
    for (const { file, apply } of edits) {
      const path = join(copy, file);
      const text = section.includes(`Make \`${file}\`:`) ? "" : readFileSync(path, "utf8");
      writeFileSync(path, apply(text));
    }
  });

  it("generates everything that is made from the contract", () => {
    expect(section).to.contain("```sh\nnpm run generate\n```");
    run("tsx", "proto/plugins/generate.ts");
    const { paths } = JSON.parse(read("gen/openapi/ridemesh.openapi.json")) as {
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    expect(paths["/api/cities/{cityId}/time"]?.["get"]?.operationId).to.match(/GetCityTime$/);
    const policies = parseAllDocuments(read("istio/generated/city.yaml")).map((one) =>
      JSON.stringify(one.toJS()),
    );
    const method = "/ridemesh.city.v1.CityService/GetCityTime";
    expect(policies.filter((one) => one.includes(method))).to.have.length(2);
  });

  it("type-checks", () => {
    run("tsc", "--noEmit", "--pretty", "false", "-p", ".");
  });

  it("is formatted, and keeps the contract's rules", () => {
    const edited = editsOf(section).map(({ file }) => file);
    const code = edited.filter((file) => file.endsWith(".ts"));
    run("prettier", "--config", ".config/prettier.json", "--check", ...code);
    run("buf", "format", "-d", "--exit-code", "proto");
    run("buf", "lint");
  });

  it("answers over mTLS, as the document's own test says", () => {
    const command = /^npm test -- (services\/city\/\S+\.test\.ts)$/m.exec(section);
    const output = run("mocha", "--config", ".config/mocharc.js", command![1]!);
    expect(output).to.contain("in the city's time zone");
    expect(output.trim()).to.match(/\n1 passed, 0 failed$/);
  });

  it("is refused to everyone else, as the access tests made from its example say", () => {
    const command = /^npm test -- (gateway\/e2e\/\S+) -g (\w+)$/m.exec(section);
    const [, file, name] = command!;
    const output = run("mocha", "--config", ".config/mocharc.js", file!, "-g", name!);
    expect(output).to.match(/^\s*✔ refuses/m);
    expect(output.trim()).to.match(/\n[1-9]\d* passed, 0 failed$/);
  });
});
