/** Runs the buf that npm installed, and reads what it builds. */
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import type { DescFile } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { execFileSync } from "node:child_process";
import { delimiter, resolve } from "node:path";

const binaries = resolve("node_modules/.bin");

/** Runs buf with its output on ours. @throws when buf fails */
export function buf(...args: string[]): void {
  execFileSync(`${binaries}/buf`, args, { stdio: "inherit", env: environment() });
}

/** The files of the contract, without those that they import. @throws when they do not compile */
export function readContract(): DescFile[] {
  const image = execFileSync(`${binaries}/buf`, ["build", "proto", "-o", "-"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: environment(),
    maxBuffer: 64 * 1024 * 1024,
  });
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
  return [...registry.files].filter((file) => file.proto.package.startsWith("ridemesh."));
}

/** buf looks for its plugins on the path. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${binaries}${delimiter}${process.env.PATH ?? ""}` };
}
