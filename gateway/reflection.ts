/**
 * gRPC reflection v1: what grpcurl and buf curl ask before they call. It shows the external methods
 * only, as if the contract held nothing else.
 */
import { clone, create, toBinary, type DescFile, type DescService } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, type FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import {
  ServerReflection,
  ServerReflectionResponseSchema,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "../gen/es/grpc/reflection/v1/reflection_pb.js";
import { isExternal } from "../services/runtime/contract.js";

/** Answers reflection on the router. */
export function addReflection(router: ConnectRouter, services: readonly DescService[]): void {
  const index = createIndex(services);
  router.rpc(ServerReflection.method.serverReflectionInfo, async function* (requests) {
    for await (const request of requests) yield answer(index, request);
  });
}

interface Index {
  serviceNames: string[];
  /** Encoded descriptors by file name. */
  files: Map<string, Uint8Array>;
  /** What each file imports, by file name. */
  imports: Map<string, string[]>;
  /** The file of each message, enum, service, method, field and extension, by full name. */
  fileOfSymbol: Map<string, string>;
  fileOfExtension: Map<string, string>;
}

function createIndex(services: readonly DescService[]): Index {
  const index: Index = {
    serviceNames: [ServerReflection.typeName],
    files: new Map(),
    imports: new Map(),
    fileOfSymbol: new Map(),
    fileOfExtension: new Map(),
  };
  const roots = new Set([...services.map((service) => service.file), ServerReflection.file]);
  const add = (file: DescFile): void => {
    const { name } = file.proto;
    if (index.files.has(name)) return;
    index.files.set(name, toBinary(FileDescriptorProtoSchema, externalOnly(file)));
    index.imports.set(
      name,
      file.dependencies.map((dependency) => dependency.proto.name),
    );
    for (const service of file.services) {
      const methods = service.methods.filter((m) => !isOurs(service) || isExternal(m));
      if (methods.length === 0) continue;
      index.fileOfSymbol.set(service.typeName, name);
      for (const method of methods)
        index.fileOfSymbol.set(`${service.typeName}.${method.name}`, name);
      if (isOurs(service)) index.serviceNames.push(service.typeName);
    }
    const addMessages = (messages: readonly DescFile["messages"][number][]): void => {
      for (const message of messages) {
        index.fileOfSymbol.set(message.typeName, name);
        for (const nested of message.nestedEnums) index.fileOfSymbol.set(nested.typeName, name);
        addMessages(message.nestedMessages);
      }
    };
    addMessages(file.messages);
    for (const one of file.enums) index.fileOfSymbol.set(one.typeName, name);
    for (const extension of file.extensions) {
      index.fileOfSymbol.set(extension.typeName, name);
      index.fileOfExtension.set(`${extension.extendee.typeName}:${extension.number}`, name);
    }
    file.dependencies.forEach(add);
  };
  roots.forEach(add);
  index.serviceNames.sort();
  return index;
}

function isOurs(service: DescService): boolean {
  return service.typeName.startsWith("ridemesh.");
}

/** The file without what cannot be called from outside. */
function externalOnly(file: DescFile): FileDescriptorProto {
  const proto = clone(FileDescriptorProtoSchema, file.proto);
  const ours = file.services.filter(isOurs);
  if (ours.length === 0) return proto;
  const open = new Set(
    ours.flatMap((s) => s.methods.filter(isExternal).map((m) => `${s.name}.${m.name}`)),
  );
  for (const service of proto.service) {
    service.method = service.method.filter((m) => open.has(`${service.name}.${m.name}`));
  }
  proto.service = proto.service.filter((service) => service.method.length > 0);
  return proto;
}

function answer(index: Index, request: ServerReflectionRequest): ServerReflectionResponse {
  const { messageRequest } = request;
  const respond = (messageResponse: ServerReflectionResponse["messageResponse"]) =>
    create(ServerReflectionResponseSchema, {
      validHost: request.host,
      originalRequest: request,
      messageResponse: messageResponse as never,
    });
  const file = (name: string | undefined) =>
    name === undefined || !index.files.has(name)
      ? respond({
          case: "errorResponse",
          value: { errorCode: Code.NotFound, errorMessage: "not found" } as never,
        })
      : respond({
          case: "fileDescriptorResponse",
          value: { fileDescriptorProto: withImports(index, name) } as never,
        });
  switch (messageRequest.case) {
    case "listServices":
      return respond({
        case: "listServicesResponse",
        value: { service: index.serviceNames.map((name) => ({ name })) } as never,
      });
    case "fileByFilename":
      return file(messageRequest.value);
    case "fileContainingSymbol":
      return file(index.fileOfSymbol.get(messageRequest.value));
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = messageRequest.value;
      return file(index.fileOfExtension.get(`${containingType}:${extensionNumber}`));
    }
    case "allExtensionNumbersOfType": {
      const type = messageRequest.value;
      const extensionNumber = [...index.fileOfExtension.keys()]
        .filter((key) => key.startsWith(`${type}:`))
        .map((key) => Number(key.slice(type.length + 1)));
      return respond({
        case: "allExtensionNumbersResponse",
        value: { baseTypeName: type, extensionNumber } as never,
      });
    }
    default:
      return respond({
        case: "errorResponse",
        value: { errorCode: Code.InvalidArgument, errorMessage: "no request" } as never,
      });
  }
}

/** A file with all that it imports, so that one answer is enough. */
function withImports(index: Index, name: string): Uint8Array[] {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    (index.imports.get(file) ?? []).forEach(visit);
  };
  visit(name);
  return [...seen].map((file) => index.files.get(file)!);
}
