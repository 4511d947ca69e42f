/**
 * `npm run generate`: contract → the folders that buf.gen.yaml names, as gen/. Refuses a contract in
 * which a method lacks a sound policy. Deletes what no longer comes out of the contract.
 *
 * With --check it changes no committed file and fails if it would have to. With --third-party-only it
 * only lays out the imported protos, which buf needs for everything.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buf, readContract } from "./buf.js";
import { contractProblems } from "./contract-rules.js";
import { diffFolders, mirrorFolder } from "./folders.js";
import { writeThirdPartyProtos } from "./third-party.js";

const thirdParty = ".cache/third-party-protos";
const options = ["--check", "--third-party-only"];

const args = process.argv.slice(2);
const unknown = args.find((arg) => !options.includes(arg));
if (unknown) fail(`unknown option ${unknown}; there are ${options.join(" and ")}`);
const check = args.includes("--check");

// A check lays them out only when they are absent: other tools may be reading them at this moment.
if (!check || !existsSync(thirdParty)) await writeThirdPartyProtos(thirdParty);
if (!args.includes("--third-party-only")) {
  const contract = readContract() ?? fail("The contract does not compile.");
  const problems = contractProblems(contract);
  if (problems.length > 0) fail(["The contract is not sound:", ...problems].join("\n  "));
  // Aside first: our own plugins import gen/, and a failed run must not leave it half empty.
  const aside = check ? ".cache/gen-check" : ".cache/gen-new";
  generateInto(aside);
  const differences = outFolders().flatMap((folder) => {
    const compare = check ? diffFolders : mirrorFolder;
    const { missing, changed, stale } = compare(join(aside, folder), folder);
    return [
      ...missing.map((file) => `${check ? "missing" : "new"}: ${folder}/${file}`),
      ...changed.map((file) => `${check ? "differs" : "changed"}: ${folder}/${file}`),
      ...stale.map((file) => `${check ? "stale" : "deleted"}: ${folder}/${file}`),
    ];
  });
  if (check && differences.length > 0) {
    fail(["Generated code is not up to date; run npm run generate.", ...differences].join("\n  "));
  }
  for (const line of differences) console.log(line);
}

function generateInto(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const generated = buf("generate", "-o", folder);
  // The messages of google.rpc are written into error details, and gRPC's reflection is served by the
  // gateway; no file of ours imports them.
  const template = JSON.stringify(thirdPartyTemplate());
  const files = ["google/rpc", "grpc/reflection"].flatMap((p) => ["--path", `${thirdParty}/${p}`]);
  if (!generated || !buf("generate", thirdParty, "--template", template, ...files, "-o", folder)) {
    fail("buf generate failed; nothing was changed.");
  }
  // Options live in gen/es only; ts-proto writes them because it follows imports.
  for (const unused of ["buf", "google/api", "google/protobuf/descriptor.ts"]) {
    rmSync(join(folder, "gen/grpc", unused), { recursive: true, force: true });
  }
}

/** The output folders of the plugins. */
function outFolders(): string[] {
  const template = readFileSync("buf.gen.yaml", "utf8");
  const folders = [...template.matchAll(/^\s+out:\s*(\S+)\s*$/gm)].map((match) => match[1]!);
  return [...new Set(folders)];
}

function thirdPartyTemplate(): object {
  return {
    version: "v2",
    plugins: [{ local: "protoc-gen-es", out: "gen/es", opt: ["target=ts", "import_extension=js"] }],
  };
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
