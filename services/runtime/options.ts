/**
 * Reads the contract's options off descriptors, by name. By name and not through the extensions of
 * gen/es, because the protoc plugins read the same options while gen/es is being written.
 */
import {
  getOption,
  hasOption,
  type DescExtension,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescMethod,
} from "@bufbuild/protobuf";
import type { FieldRules, MessageRules } from "../../gen/es/buf/validate/validate_pb.js";
import type { HttpRule } from "../../gen/es/google/api/http_pb.js";
import type { MethodPolicy } from "../../gen/es/ridemesh/options/v1/options_pb.js";

/** The options that can be read, with what each holds. */
interface Options {
  "ridemesh.options.v1.policy": MethodPolicy;
  "ridemesh.options.v1.pii": boolean;
  "google.api.http": HttpRule;
  "buf.validate.field": FieldRules;
  "buf.validate.message": MessageRules;
}

/** What can carry options. */
type Annotated = DescMethod | DescField | DescMessage;

/** The value of an option; undefined where it is not set. */
export function optionOf<Name extends keyof Options>(
  desc: Annotated,
  name: Name,
): Options[Name] | undefined {
  const extension = optionSet(desc, name);
  return extension && (getOption(desc as never, extension) as Options[Name]);
}

/** The extension that an option is, where it is set; undefined elsewhere. */
export function optionSet(desc: Annotated, name: keyof Options): DescExtension | undefined {
  const file = desc.kind === "message" ? desc.file : desc.parent.file;
  const extension = extensionNamed(name, file, new Set());
  return extension && hasOption(desc as never, extension) ? extension : undefined;
}

/** An option can only be set in a file that imports the one which declares it. */
function extensionNamed(
  name: string,
  file: DescFile,
  seen: Set<DescFile>,
): DescExtension | undefined {
  if (seen.has(file)) return undefined;
  seen.add(file);
  const here = file.extensions.find((extension) => extension.typeName === name);
  if (here) return here;
  for (const dependency of file.dependencies) {
    const found = extensionNamed(name, dependency, seen);
    if (found) return found;
  }
  return undefined;
}
