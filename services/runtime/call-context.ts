/** What a handler knows of the call that it serves. */
import type { Logger } from "./log.js";
import type { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import type { Answer } from "./idempotency.js";

/** Whom an external call speaks for, from a verified token. */
export interface Caller {
  /** The account; empty when the call is anonymous. */
  subject: string;
  /** The operator; empty when the call is anonymous. */
  tenantId: string;
  roles: Role[];
  sessionId: string;
  /** When the token ends. */
  expireTime: Date;
  anonymous: boolean;
}

export interface CallContext {
  caller: Caller;
  /** The calling service, from the certificate of its connection. */
  peer: string;
  requestId: string;
  traceparent: string | undefined;
  /** Aborts when the caller goes away, the deadline passes, or the right to the stream ends. */
  signal: AbortSignal;
  /** When the caller stops waiting, in wall milliseconds since the epoch. */
  deadlineMs: number | undefined;
  /** The host that an external call came to, without port; empty when unknown. */
  host: string;
  /** The address that an external call came from; empty when unknown. */
  clientAddress: string;
  log: Logger;
  /** What one step of the call has read and a later one may use again: an owner's row. */
  memo: Map<string, unknown>;
  /**
   * The stored form of the response, to be written in the transaction of the effect by `saveAnswer`.
   * Undefined when the call carries no request_id. Exactly one answer must be saved by the handler of
   * a KEY method.
   */
  answer(response: unknown): Answer | undefined;
}
