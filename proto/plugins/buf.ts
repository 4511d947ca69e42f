/** Runs the buf that npm installed, and reads what it builds. */
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import type { DescFile } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { spawnSync } from "node:child_process";
import { delimiter, resolve } from "node:path";

const binaries = resolve("node_modules/.bin");

/** Runs buf with its output on ours; whether it succeeded. It says itself what was wrong. */
export function buf(...args: string[]): boolean {
  return spawnSync(`${binaries}/buf`, args, { stdio: "inherit", env: environment() }).status === 0;
}

/** The files of the contract, without those that they import; undefined when buf refuses them. */
export function readContract(): DescFile[] | undefined {
  const { status, stdout } = spawnSync(`${binaries}/buf`, ["build", "proto", "-o", "-"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: environment(),
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) return undefined;
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, stdout));
  return [...registry.files].filter((file) => file.proto.package.startsWith("ridemesh."));
}

/** buf looks for its plugins on the path. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${binaries}${delimiter}${process.env.PATH ?? ""}` };
}
