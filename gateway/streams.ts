/** What SSE and WebSocket share: who may open the stream, and its messages as JSON with their ids. */
import { create, fromBinary, toBinary, type DescMessage, type Message } from "@bufbuild/protobuf";
import {
  IdentityInternalService,
  RedeemStreamTicketRequestSchema,
  RedeemStreamTicketResponseSchema,
} from "../gen/es/ridemesh/identity/v1/identity_internal_service_pb.js";
import { admit, type EdgeCall, type EdgeDeps } from "./edge.js";
import { header, urlOf, type HttpRequest } from "./http.js";
import { jsonTextOf } from "./json-text.js";
import type { RestMatch } from "./rest-router.js";
import { encodeValid, restRequest } from "./transcode.js";

/** A message of a stream. */
export interface StreamMessage {
  /** Resumes the stream after this message; undefined where the stream has no ids. */
  id: string | undefined;
  json: string;
}

/** Idle streams say so this often, so that nobody in between takes them for dead. */
export const heartbeatMs = 15_000;

/**
 * Opens the stream that a REST route names. The caller shows a token in a header or a WebSocket
 * subprotocol, or spends a ticket from the query.
 */
export async function openStream(
  deps: EdgeDeps,
  match: RestMatch,
  request: HttpRequest,
  ids: { requestId: string; traceparent: string },
  options: { authorization?: string; signal: AbortSignal },
): Promise<{ call: EdgeCall; messages: AsyncIterable<StreamMessage> }> {
  const { route, params } = match;
  const { method } = route;
  const { query } = urlOf(request);
  const ticket = query.get("ticket");
  query.delete("ticket");
  let { authorization } = options;
  if (!authorization && ticket) authorization = await redeem(deps, ticket, ids);
  const { signal } = options;
  const call = await admit(deps, method, request, ids, {
    ...(authorization ? { authorization } : {}),
    signal,
  });
  const message = restRequest(route, params, query, Buffer.alloc(0));
  const resume = message as Message & { lastEventId?: string };
  const lastEventId = header(request, "last-event-id");
  if (lastEventId && method.input.field["lastEventId"]) resume.lastEventId = lastEventId;
  const bytes = encodeValid(method.input, message);
  const source = deps.upstream.serverStream(method, bytes, call.upstream);
  const textOf = jsonTextOf(method.output, { defaults: true });
  const messages = (async function* () {
    for await (const answer of source) {
      yield { id: eventIdOf(method.output, answer), json: textOf(answer) };
    }
  })();
  return { call, messages };
}

/** The id of a stream's message, where its type has one. */
function eventIdOf(schema: DescMessage, bytes: Uint8Array): string | undefined {
  const only = schema.field["eventId"];
  if (!only) return undefined;
  const id = JSON.parse(jsonTextOf(schema, { defaults: true, only })(bytes)) as string;
  return id || undefined;
}

async function redeem(
  deps: EdgeDeps,
  ticket: string,
  ids: { requestId: string; traceparent: string },
): Promise<string> {
  const method = IdentityInternalService.method.redeemStreamTicket;
  const request = toBinary(
    RedeemStreamTicketRequestSchema,
    create(RedeemStreamTicketRequestSchema, { ticket }),
  );
  const headers = { "x-request-id": ids.requestId, traceparent: ids.traceparent };
  const answer = await deps.upstream.unary(method, request, { headers });
  return `Bearer ${fromBinary(RedeemStreamTicketResponseSchema, answer).accessToken}`;
}
