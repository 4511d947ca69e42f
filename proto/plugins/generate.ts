/**
 * `npm run generate`: contract → gen/. Deletes what no longer comes out of it.
 * With --third-party-only it only lays out the imported protos, as buf lint needs.
 */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { writeThirdPartyProtos } from "./third-party.js";

const thirdParty = ".cache/third-party-protos";
await writeThirdPartyProtos(thirdParty);
if (!process.argv.includes("--third-party-only")) {
  for (const folder of ["gen/grpc", "gen/es"]) rmSync(folder, { recursive: true, force: true });
  buf("generate");
  // The messages of google.rpc are written into error details; no file of ours imports them.
  buf("generate", thirdParty, "--template", JSON.stringify(rpcDetailsTemplate()), "--path", `${thirdParty}/google/rpc`);
  // Options live in gen/es only; ts-proto writes them because it follows imports.
  for (const unused of ["buf", "google/api", "google/protobuf/descriptor.ts"]) {
    rmSync(`gen/grpc/${unused}`, { recursive: true, force: true });
  }
}

function buf(...args: string[]): void {
  const PATH = `${resolve("node_modules/.bin")}:${process.env.PATH}`;
  execFileSync("node_modules/.bin/buf", args, { stdio: "inherit", env: { ...process.env, PATH } });
}

function rpcDetailsTemplate(): object {
  return {
    version: "v2",
    plugins: [
      { local: "protoc-gen-es", out: "gen/es", opt: ["target=ts", "import_extension=js"] },
    ],
  };
}
