/** The path of one call through a server, for each of the kinds of method that the contract has. */
import type { EventEmitter } from "node:events";
import { toBinary, type DescMethod, type Message } from "@bufbuild/protobuf";
import type {
  Metadata,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceError,
} from "@grpc/grpc-js";
import type { MethodPolicy } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { Idempotency } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import type { CallContext, Caller } from "./call-context.js";
import type { WallClock } from "./clock.js";
import {
  findAnswer,
  freshKeyHeader,
  hashBody,
  isAnswered,
  saveError,
  type Answer,
  type AnswerKey,
} from "./idempotency.js";
import { uuidv4 } from "./ids.js";
import type { Logger } from "./log.js";
import type { Metrics } from "./metrics.js";
import { checkOwnership, checkPeer, checkRoles, gatewayName, type Owners } from "./policy.js";
import { isConnectionError, type Pool } from "./postgres.js";
import type { Secrets } from "./secrets.js";
import { Code, StatusError, isDecision, toServiceError, unavailable } from "./status.js";
import { peerOfCertificate } from "./tls.js";
import { anonymous, invalidToken, isInvalidToken, type TokenVerifier } from "./token.js";
import { decodeValid } from "./validation.js";

/** What serving a call needs. */
export interface ServeDeps {
  service: string;
  pool: Pool;
  verifier: TokenVerifier;
  owners: Owners;
  secrets: Secrets;
  wall: WallClock;
  metrics: Metrics;
  log: Logger;
}

/** A method, as the contract and the generated stub describe it. */
export interface ServedMethod {
  desc: DescMethod;
  policy: MethodPolicy;
  decode: (bytes: Buffer) => unknown;
  encode: (response: never) => Buffer;
  /** Whether stored answers hold personal data and must be encrypted. */
  sealAnswers: boolean;
  handler: (request: never, ctx: CallContext) => unknown;
}

type AnyCall =
  | ServerUnaryCall<Buffer, Buffer>
  | ServerWritableStream<Buffer, Buffer>
  | ServerReadableStream<Buffer, Buffer>;

type Callback = (error: Partial<ServiceError> | null, response?: Buffer) => void;

/** The function that grpc-js calls for the method. */
export function serveMethod(method: ServedMethod, deps: ServeDeps): (...args: never[]) => void {
  switch (method.desc.methodKind) {
    case "unary":
      return (call: ServerUnaryCall<Buffer, Buffer>, callback: Callback) => {
        void observed(method, deps, call, async (ctx) => {
          const message = await admit(method, deps, ctx, call.request);
          return answered(method, deps, ctx, message, call.request);
        }).then((result) => callback(result.error, result.value));
      };
    case "server_streaming":
      return (call: ServerWritableStream<Buffer, Buffer>) => {
        void observed(method, deps, call, async (ctx) => {
          await admit(method, deps, ctx, call.request);
          const responses = method.handler(method.decode(call.request) as never, ctx);
          await writeAll(call, responses as AsyncIterable<never>, method, ctx.signal);
        }).then((result) => {
          // Not destroy(): a destroyed stream sends no status, and its reader waits for ever.
          if (result.error) call.emit("error", result.error);
          else call.end();
        });
      };
    case "client_streaming":
      return (call: ServerReadableStream<Buffer, Buffer>, callback: Callback) => {
        void observed(method, deps, call, async (ctx) => {
          await authorise(method, deps, ctx);
          const requests = readAll(call, method, deps, ctx);
          const response = await method.handler(requests as never, ctx);
          return method.encode(response as never);
        }).then((result) => callback(result.error, result.value));
      };
    default:
      throw new Error(`${method.desc.name}: two-way streams are not served`);
  }
}

/** Runs a call to its end: builds its context, measures it, and turns what it throws into a status. */
async function observed(
  method: ServedMethod,
  deps: ServeDeps,
  call: AnyCall,
  run: (ctx: CallContext) => Promise<Buffer | void>,
): Promise<{ error: Partial<ServiceError> | null; value?: Buffer }> {
  const startMs = deps.wall.monotonicMs();
  const { ctx, end } = contextOf(method, deps, call);
  let error: StatusError | undefined;
  let value: Buffer | undefined;
  try {
    value = (await run(ctx)) ?? undefined;
  } catch (thrown) {
    error = toStatusError(thrown, ctx);
  }
  end();
  const seconds = (deps.wall.monotonicMs() - startMs) / 1000;
  const code = Code[error?.code ?? Code.OK];
  deps.metrics.observeCall(deps.service, method.desc.name, code, seconds);
  ctx.log.debug({ code, seconds, reason: error?.reason }, "served");
  if (!error) return { error: null, value };
  return { error: toServiceError(error, `${deps.service}.ridemesh`) };
}

function toStatusError(thrown: unknown, ctx: CallContext): StatusError {
  if (thrown instanceof StatusError) return thrown;
  if (ctx.signal.aborted && ctx.signal.reason instanceof StatusError) return ctx.signal.reason;
  if (isConnectionError(thrown)) {
    ctx.log.error({ err: thrown }, "database unavailable");
    return unavailable("the service cannot reach its database");
  }
  ctx.log.error({ err: thrown }, "unexpected error");
  return new StatusError(Code.INTERNAL, {
    reason: "INTERNAL",
    domain: "ridemesh",
    message: "internal error; the log has it under the request id",
  });
}

/** The context of a call, before anything about it is believed. */
function contextOf(
  method: ServedMethod,
  deps: ServeDeps,
  call: AnyCall,
): { ctx: CallContext; end: () => void } {
  const metadata = call.metadata;
  const controller = new AbortController();
  const abort = () => controller.abort(new StatusError(Code.CANCELLED, cancelled));
  const emitter: EventEmitter = call;
  emitter.on("cancelled", abort);
  if (call.cancelled) abort();
  const requestId = text(metadata, "x-request-id") || uuidv4();
  const traceparent = text(metadata, "traceparent") || undefined;
  const deadline = call.getDeadline();
  const log = deps.log.child({
    request_id: requestId,
    ...(traceparent ? { trace_id: traceparent.split("-")[1] } : {}),
    method: method.desc.name,
  });
  const ctx: CallContext = {
    caller: anonymous,
    peer: peerOf(call),
    requestId,
    traceparent,
    signal: controller.signal,
    deadlineMs: deadline instanceof Date ? deadline.getTime() : finite(deadline),
    host: text(metadata, "x-forwarded-host"),
    clientAddress: text(metadata, "x-forwarded-for"),
    log,
    memo: new Map(),
    answer: () => undefined,
  };
  const fresh = ctx.peer === gatewayName && text(metadata, freshKeyHeader) !== "";
  contexts.set(ctx, { controller, metadata, fresh });
  const end = () => {
    emitter.off("cancelled", abort);
    // What waits for a stream's end (its token's timer, its fan-out) is let go, however it ended.
    if (method.desc.methodKind !== "unary") controller.abort(ended);
  };
  return { ctx, end };
}

/**
 * The calling service. Reading a certificate costs 50 µs and cannot change within a connection, so it
 * is read once for each; grpc-js shows the connection only inside, and where it does not, every call
 * reads its certificate.
 */
function peerOf(call: AnyCall): string {
  const { session } = (call as unknown as GrpcInternals).call?.stream ?? {};
  const known = session && peers.get(session);
  if (known !== undefined) return known;
  const peer = peerOfCertificate(call.getAuthContext().sslPeerCertificate);
  if (session) peers.set(session, peer);
  return peer;
}

interface GrpcInternals {
  call?: { stream?: { session?: object } };
}

const peers = new WeakMap<object, string>();

/** What the wrapper knows of a call that handlers need not. */
const contexts = new WeakMap<CallContext, CallSecrets>();

interface CallSecrets {
  controller: AbortController;
  metadata: Metadata;
  /** The gateway has just made the request_id: it cannot have been answered before. */
  fresh: boolean;
}

const cancelled = { reason: "CANCELLED", domain: "ridemesh", message: "the caller went away" };
/** Made once: an abort without a reason makes an error with its stack each time. */
const ended = new StatusError(Code.CANCELLED, {
  reason: "CANCELLED",
  domain: "ridemesh",
  message: "the call has ended",
});

/** Peer, token, role. Fills in the caller, and ends streams when the right to them ends. */
async function authorise(method: ServedMethod, deps: ServeDeps, ctx: CallContext): Promise<void> {
  const { controller, metadata } = contexts.get(ctx)!;
  checkPeer(method.policy, ctx.peer);
  if (!method.policy.access) return;
  const token = bearerToken(metadata);
  if (token) {
    ctx.caller = await deps.verifier.verify(token).catch((error: unknown) => {
      // Who refreshes an expired token may well send it along.
      if (method.policy.access?.public && isInvalidToken(error)) return anonymous;
      throw error;
    });
  }
  checkRoles(method.policy, ctx.caller);
  if (method.desc.methodKind !== "unary" && !ctx.caller.anonymous) {
    endWithRight(ctx.caller, deps, controller);
  }
}

/** Aborts when the caller's token ends or his session is revoked. */
function endWithRight(caller: Caller, deps: ServeDeps, controller: AbortController): void {
  const end = (message: string) => () => controller.abort(invalidToken(message));
  const stop = deps.verifier.onRevoked(caller.sessionId, end("the session has ended"));
  controller.signal.addEventListener("abort", stop, { once: true });
  const leftMs = caller.expireTime.getTime() - deps.wall.now().getTime();
  void deps.wall.sleep(leftMs, controller.signal).then(end("the token has expired"));
}

/** Everything that is checked before a handler runs. Returns the validated request. */
async function admit(
  method: ServedMethod,
  deps: ServeDeps,
  ctx: CallContext,
  bytes: Buffer,
): Promise<Message> {
  await authorise(method, deps, ctx);
  const message = decodeValid(method.desc.input, bytes);
  await checkOwnership(method.desc, method.policy, ctx, message, deps.owners);
  return message;
}

/** Runs the handler, or returns what the same request_id was answered before. */
async function answered(
  method: ServedMethod,
  deps: ServeDeps,
  ctx: CallContext,
  message: Message,
  bytes: Buffer,
): Promise<Buffer> {
  const key = answerKey(method, ctx, message);
  const run = async () =>
    method.encode((await method.handler(method.decode(bytes) as never, ctx)) as never);
  if (!key) return run();

  const { fresh } = contexts.get(ctx)!;
  const stored = fresh ? undefined : await findAnswer(deps.pool, key, deps.secrets);
  if (stored) return stored;
  let saved: Answer | undefined;
  ctx.answer = (response) => {
    const plain = method.encode(response as never);
    saved = {
      ...key,
      code: Code.OK,
      bytes: method.sealAnswers ? deps.secrets.encrypt(plain) : plain,
      encrypted: method.sealAnswers,
      time: deps.wall.now(),
    };
    return saved;
  };
  try {
    const result = await run();
    if (!saved) throw new Error(`${method.desc.name} did not store its answer`);
    return result;
  } catch (error) {
    if (isAnswered(error)) return required(await findAnswer(deps.pool, key, deps.secrets));
    if (!(error instanceof StatusError)) throw error;
    if (!isDecision(error.code)) {
      // It may have failed because another call with the key has succeeded: a version that it raised.
      const answer = await findAnswer(deps.pool, key, deps.secrets);
      if (answer) return answer;
      throw error;
    }
    if (fresh) {
      // Nobody else knows this key, so nobody will ask for the refusal again; but our own first try
      // may have succeeded unseen.
      const answer = await findAnswer(deps.pool, key, deps.secrets);
      if (answer) return answer;
      throw error;
    }
    await saveError(deps.pool, key, error, `${deps.service}.ridemesh`, deps.wall.now());
    // Another call with the key may have been first, and then its answer counts.
    return required(await findAnswer(deps.pool, key, deps.secrets));
  }
}

function required(answer: Buffer | undefined): Buffer {
  if (!answer) throw new Error("an answer that was stored is gone");
  return answer;
}

/** The key that the call's answer is stored under; undefined when it carries no request_id. */
function answerKey(
  method: ServedMethod,
  ctx: CallContext,
  message: Message,
): AnswerKey | undefined {
  if (method.policy.idempotency !== Idempotency.KEY) return undefined;
  const body = message as Message & { requestId: string };
  const { requestId } = body;
  if (!requestId) return undefined;
  body.requestId = "";
  const bodyHash = hashBody(toBinary(method.desc.input, body));
  const { subject } = ctx.caller;
  // Without a token the host tells operators apart.
  const tenantId = ctx.caller.anonymous ? ctx.host : ctx.caller.tenantId;
  return { tenantId, subject, method: method.desc.name, requestId, bodyHash };
}

/** Writes a stream's messages, waiting when the reader is slow. */
async function writeAll(
  call: ServerWritableStream<Buffer, Buffer>,
  responses: AsyncIterable<never>,
  method: ServedMethod,
  signal: AbortSignal,
): Promise<void> {
  for await (const response of responses) {
    if (signal.aborted) break;
    if (!call.write(method.encode(response))) await drained(call, signal);
  }
  if (signal.aborted && signal.reason instanceof StatusError) throw signal.reason;
}

function drained(call: ServerWritableStream<Buffer, Buffer>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    call.on("drain", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

/** Reads a stream's messages, each checked like a request of its own. */
async function* readAll(
  call: ServerReadableStream<Buffer, Buffer>,
  method: ServedMethod,
  deps: ServeDeps,
  ctx: CallContext,
): AsyncGenerator {
  for await (const bytes of call as AsyncIterable<Buffer>) {
    if (ctx.signal.aborted) break;
    const message = decodeValid(method.desc.input, bytes);
    await checkOwnership(method.desc, method.policy, ctx, message, deps.owners);
    yield method.decode(bytes);
  }
  if (ctx.signal.aborted && ctx.signal.reason instanceof StatusError) throw ctx.signal.reason;
}

function bearerToken(metadata: Metadata): string | undefined {
  const header = text(metadata, "authorization");
  if (!header) return undefined;
  const [scheme, token] = header.split(" ");
  if (scheme?.toLowerCase() !== "bearer" || !token) {
    throw invalidToken("the authorization header is not of the form Bearer …");
  }
  return token;
}

function text(metadata: Metadata, key: string): string {
  return String(metadata.get(key)[0] ?? "");
}

function finite(deadline: number): number | undefined {
  return Number.isFinite(deadline) ? deadline : undefined;
}
