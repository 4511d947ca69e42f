/** Calls of the compared gateway to the services, over grpc-js and the generated stubs. */
import { randomBytes } from "node:crypto";
import { Metadata, type Client } from "@grpc/grpc-js";
import type { Caller } from "../../../services/runtime/call-context.js";

/** A request as Fastify shows it. */
export interface IncomingRequest {
  id: string;
  ip: string;
  hostname: string;
  headers: Record<string, string | undefined>;
  caller?: Caller;
}

/** What goes along with a call. */
export function metadataOf(request: IncomingRequest): Metadata {
  const metadata = new Metadata();
  metadata.set("authorization", request.headers["authorization"]!);
  metadata.set("x-request-id", request.id);
  metadata.set(
    "traceparent",
    request.headers["traceparent"] ??
      `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-00`,
  );
  metadata.set("x-forwarded-host", request.hostname);
  metadata.set("x-forwarded-for", request.ip);
  return metadata;
}

interface Stub<Request, Response> {
  path: string;
  requestSerialize: (value: Request) => Buffer;
  responseDeserialize: (bytes: Buffer) => Response;
}

/** One call, within its deadline. */
export function callUnary<Request, Response>(
  client: Client,
  stub: Stub<Request, Response>,
  request: Request,
  metadata: Metadata,
  deadlineMs: number,
): Promise<Response> {
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      stub.path,
      stub.requestSerialize,
      stub.responseDeserialize,
      request,
      metadata,
      { deadline: Date.now() + deadlineMs },
      (error, response) => (error ? reject(error) : resolve(response!)),
    ),
  );
}
