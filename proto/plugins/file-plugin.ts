/** What our protoc plugins have in common: descriptors in, text files out. */
import { create, createFileRegistry, type DescFile } from "@bufbuild/protobuf";
import {
  CodeGeneratorResponse_Feature as Feature,
  CodeGeneratorResponseSchema,
  FileDescriptorSetSchema,
  type CodeGeneratorRequest,
  type CodeGeneratorResponse,
} from "@bufbuild/protobuf/wkt";
import { runNodeJs } from "@bufbuild/protoplugin";

/** Texts by the path that each is written to, below the plugin's `out`. */
export type Generated = Map<string, string>;

/**
 * Runs a plugin over standard input and output. `generate` gets the files of the request without those
 * that they only import, in the order of their paths; what it throws becomes the plugin's message.
 */
export function runFilePlugin(
  name: string,
  generate: (files: readonly DescFile[]) => Generated,
): void {
  runNodeJs({ name, version: "v1", run: (request) => respond(request, generate) });
}

function respond(
  request: CodeGeneratorRequest,
  generate: (files: readonly DescFile[]) => Generated,
): CodeGeneratorResponse {
  const set = create(FileDescriptorSetSchema, { file: request.protoFile });
  const registry = createFileRegistry(set);
  const files = request.fileToGenerate.toSorted().map((path) => {
    const file = registry.getFile(path);
    if (!file) throw new Error(`${path} is not in the request`);
    return file;
  });
  return create(CodeGeneratorResponseSchema, {
    supportedFeatures: BigInt(Feature.PROTO3_OPTIONAL),
    file: [...generate(files)].map(([path, content]) => ({ name: path, content })),
  });
}
