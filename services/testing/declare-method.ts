/** Methods made up for a test, to see what is read out of contracts that ours is not. */
import {
  create,
  createFileRegistry,
  setExtension,
  type DescFile,
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { protoCamelCase } from "@bufbuild/protobuf/reflect";
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldDescriptorProtoSchema,
  FieldOptionsSchema,
  FileDescriptorProtoSchema,
  MethodOptions_IdempotencyLevel as Level,
  MethodOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import {
  field as fieldRules,
  FieldRulesSchema,
  file_buf_validate_validate,
} from "../../gen/es/buf/validate/validate_pb.js";
import { file_google_api_annotations, http } from "../../gen/es/google/api/annotations_pb.js";
import { HttpRuleSchema } from "../../gen/es/google/api/http_pb.js";
import {
  file_ridemesh_options_v1_options,
  MethodPolicySchema,
  policy,
} from "../../gen/es/ridemesh/options/v1/options_pb.js";

/** What a message is made from, as a plain object. */
type Init<Desc extends DescMessage> = Exclude<MessageInitShape<Desc>, MessageShape<Desc>>;

/** A field of a made-up message: a string, unless it says more. */
export interface DeclaredField {
  name: string;
  type?: Type;
  /** Of a message or an enum, with a leading dot. */
  typeName?: string;
  repeated?: boolean;
  jsonName?: string;
  rules?: Init<typeof FieldRulesSchema>;
}

export interface DeclaredMethod {
  policy?: Init<typeof MethodPolicySchema>;
  http?: Init<typeof HttpRuleSchema>;
  readOnly?: boolean;
  serverStreaming?: boolean;
  clientStreaming?: boolean;
  request?: DeclaredField[];
  response?: DeclaredField[];
}

/**
 * The method ridemesh.example.v1.ExampleService/DoIt. Its messages are DoItRequest, DoItResponse and,
 * for fields of type ".ridemesh.example.v1.Part", Part with one string field `name`.
 */
export function declareMethod(declared: DeclaredMethod): DescMethod {
  const options = create(MethodOptionsSchema, {
    idempotencyLevel: declared.readOnly ? Level.NO_SIDE_EFFECTS : Level.IDEMPOTENCY_UNKNOWN,
  });
  if (declared.policy) {
    setExtension(options, policy, create(MethodPolicySchema, declared.policy));
  }
  if (declared.http) setExtension(options, http, create(HttpRuleSchema, declared.http));
  const imports = [
    file_ridemesh_options_v1_options,
    file_google_api_annotations,
    file_buf_validate_validate,
  ];
  const file = create(FileDescriptorProtoSchema, {
    name: "ridemesh/example/v1/example_service.proto",
    package: "ridemesh.example.v1",
    syntax: "proto3",
    dependency: imports.map((dependency) => dependency.proto.name),
    messageType: [
      { name: "DoItRequest", field: (declared.request ?? []).map(fieldProto) },
      { name: "DoItResponse", field: (declared.response ?? []).map(fieldProto) },
      { name: "Part", field: [fieldProto({ name: "name" }, 0)] },
    ],
    service: [
      {
        name: "ExampleService",
        method: [
          {
            name: "DoIt",
            inputType: ".ridemesh.example.v1.DoItRequest",
            outputType: ".ridemesh.example.v1.DoItResponse",
            serverStreaming: declared.serverStreaming ?? false,
            clientStreaming: declared.clientStreaming ?? false,
            options,
          },
        ],
      },
    ],
  });
  const known = new Map<string, DescFile>(imports.flatMap(withDependencies));
  const registry = createFileRegistry(file, (name) => known.get(name));
  return registry.getService("ridemesh.example.v1.ExampleService")!.methods[0]!;
}

function fieldProto({ name, repeated, rules, type, ...given }: DeclaredField, index: number) {
  const options = create(FieldOptionsSchema);
  if (rules) setExtension(options, fieldRules, create(FieldRulesSchema, rules));
  return create(FieldDescriptorProtoSchema, {
    name,
    jsonName: protoCamelCase(name),
    number: index + 1,
    type: type ?? (given.typeName ? Type.MESSAGE : Type.STRING),
    label: repeated ? Label.REPEATED : Label.OPTIONAL,
    ...given,
    options,
  });
}

function withDependencies(file: DescFile): [string, DescFile][] {
  return [[file.proto.name, file], ...file.dependencies.flatMap(withDependencies)];
}
