import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { create, createFileRegistry, fromBinary, type FileRegistry } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type FileDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import {
  ServerReflection,
  ServerReflectionRequestSchema,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "../gen/es/grpc/reflection/v1/reflection_pb.js";
import { allMethods, allServices, isExternal } from "../services/runtime/contract.js";
import { startTestGateway, type TestGateway } from "./world.test.js";

type Question = ServerReflectionRequest["messageRequest"];

describe("reflection", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway([]);
  });
  after(() => gateway.stop());

  /** The answers to questions that are asked one after the other on one stream. */
  const ask = async (...questions: Question[]) => {
    const client = createClient(ServerReflection, createGrpcTransport({ baseUrl: gateway.url }));
    const requests = async function* () {
      for (const messageRequest of questions) {
        yield create(ServerReflectionRequestSchema, { host: "here", messageRequest });
      }
    };
    const answers: ServerReflectionResponse[] = [];
    for await (const response of client.serverReflectionInfo(requests())) answers.push(response);
    return answers.map((answer) => answer.messageResponse);
  };

  const filesOf = async (question: Question): Promise<FileDescriptorProto[]> => {
    const [answer] = await ask(question);
    if (answer?.case !== "fileDescriptorResponse") throw new Error(`${answer?.case}`);
    return answer.value.fileDescriptorProto.map((b) => fromBinary(FileDescriptorProtoSchema, b));
  };

  const listed = async (): Promise<string[]> => {
    const [answer] = await ask({ case: "listServices", value: "" });
    if (answer?.case !== "listServicesResponse") throw new Error(`${answer?.case}`);
    return answer.value.service.map(({ name }) => name);
  };

  /** All that can be learnt, put together as a client does. */
  const learnt = async (): Promise<FileRegistry> => {
    const files = new Map<string, FileDescriptorProto>();
    for (const name of await listed()) {
      for (const file of await filesOf({ case: "fileContainingSymbol", value: name })) {
        files.set(file.name, file);
      }
    }
    return createFileRegistry(create(FileDescriptorSetSchema, { file: inOrder(files) }));
  };

  it("lists the services that have external methods, and no others", async () => {
    const external = allServices().filter((service) => service.methods.some(isExternal));
    expect(await listed()).to.have.members([
      "grpc.reflection.v1.ServerReflection",
      ...external.map((service) => service.typeName),
    ]);
  });

  it("describes every external method, and no internal one", async () => {
    const registry = await learnt();
    for (const method of allMethods()) {
      const service = registry.getService(method.parent.typeName);
      const described = service?.methods.find((m) => m.name === method.name);
      if (!isExternal(method)) {
        expect(described, `${method.parent.typeName}/${method.name}`).to.equal(undefined);
        continue;
      }
      expect(described, `${method.parent.typeName}/${method.name}`).to.include({
        methodKind: method.methodKind,
      });
      expect(described!.input.fields.map((f) => f.name)).to.deep.equal(
        method.input.fields.map((f) => f.name),
      );
      expect(described!.output.typeName).to.equal(method.output.typeName);
    }
  });

  it("finds methods, messages and enums by name", async () => {
    for (const symbol of [
      "ridemesh.trip.v1.TripService.GetTrip",
      "ridemesh.trip.v1.GetTripRequest",
      "ridemesh.trip.v1.TripState",
    ]) {
      const files = await filesOf({ case: "fileContainingSymbol", value: symbol });
      expect(files[0]!.name, symbol).to.match(/^ridemesh\/trip\/v1\//);
    }
  });

  it("sends a file with all that it imports", async () => {
    const name = "ridemesh/trip/v1/trip_service.proto";
    const files = await filesOf({ case: "fileByFilename", value: name });
    expect(files[0]!.name).to.equal(name);
    const sent = new Set(files.map((file) => file.name));
    for (const file of files) expect([...sent]).to.include.members(file.dependency);
  });

  it("knows nothing of what is internal, or is not there", async () => {
    for (const value of [
      "ridemesh.trip.v1.TripInternalService",
      "ridemesh.identity.v1.IdentityInternalService.RedeemStreamTicket",
      "ridemesh.nothing.v1.Nothing",
    ]) {
      const [answer] = await ask({ case: "fileContainingSymbol", value });
      expect(answer, value).to.deep.include({ case: "errorResponse" });
      expect(answer!.value).to.include({ errorCode: 5 });
    }
  });

  it("finds the contract's options as extensions", async () => {
    const [numbers, found] = await ask(
      { case: "allExtensionNumbersOfType", value: "google.protobuf.MethodOptions" },
      {
        case: "fileContainingExtension",
        value: { containingType: "google.protobuf.MethodOptions", extensionNumber: 50100 } as never,
      },
    );
    expect((numbers!.value as { extensionNumber: number[] }).extensionNumber).to.include(50100);
    expect(found!.case).to.equal("fileDescriptorResponse");
  });

  it("answers many questions on one stream, also one that asks nothing", async () => {
    const answers = await ask(
      { case: "listServices", value: "" },
      { case: undefined },
      { case: "fileByFilename", value: "nothing.proto" },
    );
    expect(answers.map((answer) => answer.case)).to.deep.equal([
      "listServicesResponse",
      "errorResponse",
      "errorResponse",
    ]);
  });
});

/** Imports before what imports them, as a registry wants them. */
function inOrder(files: Map<string, FileDescriptorProto>): FileDescriptorProto[] {
  const ordered = new Set<FileDescriptorProto>();
  const visit = (name: string): void => {
    const file = files.get(name);
    if (!file || ordered.has(file)) return;
    file.dependency.forEach(visit);
    ordered.add(file);
  };
  [...files.keys()].forEach(visit);
  return [...ordered];
}
