/**
 * Lays the third-party .proto files that our contract imports into an ignored folder: Google's from
 * google-gax, protovalidate's printed from the descriptor inside its npm package (it ships no source).
 * They are never committed.
 */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DescFile } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
} from "@bufbuild/protobuf/wkt";

const require = createRequire(import.meta.url);

/** The Google files that the contract imports, or whose messages the runtime writes. */
const googleFiles = [
  "google/api/annotations.proto",
  "google/api/http.proto",
  "google/rpc/code.proto",
  "google/rpc/error_details.proto",
  "google/rpc/status.proto",
];

/** gRPC's own reflection service, which the gateway answers. */
const reflectionFile = "grpc/reflection/v1/reflection.proto";

/** Writes every third-party file below `folder`. */
export async function writeThirdPartyProtos(folder: string): Promise<void> {
  const gax = require.resolve("google-gax").replace(/\/build\/.*$/, "/build/protos");
  for (const file of googleFiles) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(gax, file), join(folder, file));
  }
  const reflection = require.resolve("@grpc/reflection").replace(/\/build\/.*$/, "/build/proto");
  mkdirSync(dirname(join(folder, reflectionFile)), { recursive: true });
  cpSync(join(reflection, reflectionFile), join(folder, reflectionFile));
  // The package does not export its generated module; its place within is stable within a version.
  const entry = require.resolve("@bufbuild/protovalidate").replace(/\/dist\/.*$/, "");
  const module = (await import(
    pathToFileURL(join(entry, "dist/esm/gen/buf/validate/validate_pb.js")).href
  )) as { file_buf_validate_validate: DescFile };
  mkdirSync(join(folder, "buf/validate"), { recursive: true });
  writeFileSync(
    join(folder, "buf/validate/validate.proto"),
    printFile(module.file_buf_validate_validate),
  );
}

/** Prints a proto2 file: shapes only, without the options that the validator has built in. */
function printFile(file: DescFile): string {
  const proto = file.proto;
  return [
    'syntax = "proto2";',
    `package ${proto.package};`,
    ...proto.dependency.map((name) => `import "${name}";`),
    ...proto.enumType.flatMap((e) => printEnum(e)),
    ...proto.messageType.flatMap((m) => printMessage(m)),
    ...printExtensions(proto.extension),
    "",
  ].join("\n");
}

function printMessage(message: DescriptorProto): string[] {
  return [
    `message ${message.name} {`,
    ...message.enumType.flatMap((e) => printEnum(e)),
    ...message.nestedType.flatMap((m) => printMessage(m)),
    ...message.field
      .filter((field) => field.oneofIndex === undefined || !hasOneof(field))
      .map((field) => printField(field, true)),
    ...message.oneofDecl.flatMap((oneof, index) => [
      `oneof ${oneof.name} {`,
      ...message.field
        .filter((field) => hasOneof(field) && field.oneofIndex === index)
        .map((field) => printField(field, false)),
      "}",
    ]),
    ...message.extensionRange.map((r) => {
      const last = (r.end ?? 0) - 1;
      return `extensions ${r.start} to ${last >= 536870911 ? "max" : last};`;
    }),
    ...printExtensions(message.extension),
    "}",
  ];
}

function hasOneof(field: FieldDescriptorProto): boolean {
  return Object.hasOwn(field, "oneofIndex") && field.oneofIndex !== undefined;
}

function printExtensions(extensions: FieldDescriptorProto[]): string[] {
  return extensions.map((field) => `extend ${field.extendee} { ${printField(field, true)} }`);
}

function printField(field: FieldDescriptorProto, withLabel: boolean): string {
  const label =
    field.label === FieldDescriptorProto_Label.REPEATED
      ? "repeated "
      : field.label === FieldDescriptorProto_Label.REQUIRED
        ? "required "
        : "optional ";
  const type = field.typeName || FieldDescriptorProto_Type[field.type].toLowerCase();
  return `${withLabel ? label : ""}${type} ${field.name} = ${field.number};`;
}

function printEnum(e: EnumDescriptorProto): string[] {
  return [`enum ${e.name} {`, ...e.value.map((v) => `${v.name} = ${v.number};`), "}"];
}
