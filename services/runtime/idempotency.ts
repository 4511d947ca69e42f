/**
 * Answers to mutating calls that carry a request_id. The answer is written in the transaction of its
 * effect, under a primary key: of many calls with one key a single one commits, the others roll back
 * and return its answer. Nothing is left half done by a kill, and no lease is needed.
 */
import { createHash } from "node:crypto";
import { isUniqueViolation, statement, type Db, type Pool, type Row } from "./postgres.js";
import type { Secrets } from "./secrets.js";
import { Code, StatusError, decodeStatus, encodeStatus } from "./status.js";

/** What a request_id is unique within. */
export interface AnswerKey {
  tenantId: string;
  subject: string;
  method: string;
  requestId: string;
  /** SHA-256 of the request without its request_id. */
  bodyHash: Buffer;
}

/** An answer, ready to be stored. */
export interface Answer extends AnswerKey {
  code: Code;
  bytes: Buffer;
  encrypted: boolean;
  time: Date;
}

/** Set by the gateway on a request_id that it made itself. */
export const freshKeyHeader = "x-request-id-fresh";

const constraint = "idempotency_keys_pkey";

const insert = statement(
  "idempotency_insert",
  `INSERT INTO idempotency_keys
     (tenant_id, subject, method, request_id, body_hash, code, answer, encrypted, create_time)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
);

interface StoredRow extends Row {
  body_hash: Buffer;
  code: number;
  answer: Buffer;
  encrypted: boolean;
}

const select = statement<StoredRow>(
  "idempotency_select",
  `SELECT body_hash, code, answer, encrypted FROM idempotency_keys
   WHERE tenant_id = $1 AND subject = $2 AND method = $3 AND request_id = $4`,
);

const trim = statement("idempotency_trim", "DELETE FROM idempotency_keys WHERE create_time < $1");
const trimInbox = statement("inbox_trim", "DELETE FROM inbox WHERE receive_time < $1");

/** How long answers are kept, in hours. */
export const answerRetentionHours = 24;
/** How long consumed events are remembered, in days: longer than the bus keeps them. */
const inboxRetentionDays = 8;

/** Writes the answer within the caller's transaction; a second writer of the key fails it. */
export async function saveAnswer(db: Db, answer: Answer | undefined): Promise<void> {
  if (answer) await insert(db, answerValues(answer));
}

/** The columns of idempotency_keys in their order, for a statement that writes them itself. */
export function answerValues(answer: Answer): unknown[] {
  return [
    answer.tenantId,
    answer.subject,
    answer.method,
    answer.requestId,
    answer.bodyHash,
    answer.code,
    answer.bytes,
    answer.encrypted,
    answer.time,
  ];
}

/** Whether a transaction failed because another call with the same key was first. */
export function isAnswered(error: unknown): boolean {
  return isUniqueViolation(error, constraint);
}

/**
 * The bytes of the answer that the key got before.
 * Throws the stored error, or INVALID_ARGUMENT when the body was another.
 */
export async function findAnswer(
  db: Db,
  key: AnswerKey,
  secrets: Secrets,
): Promise<Buffer | undefined> {
  const [row] = await select(db, [key.tenantId, key.subject, key.method, key.requestId]);
  if (!row) return undefined;
  if (!row.body_hash.equals(key.bodyHash)) {
    throw new StatusError(Code.INVALID_ARGUMENT, {
      reason: "REQUEST_ID_REUSED",
      domain: "ridemesh",
      message: "request_id was used before with another body",
      violations: [{ field: "request_id", message: "was used before with another body" }],
    });
  }
  const bytes = row.encrypted ? secrets.decrypt(row.answer) : row.answer;
  if (row.code !== Code.OK) throw decodeStatus(bytes);
  return bytes;
}

/** Keeps an error as the key's answer, unless the key has one by now. */
export async function saveError(
  pool: Pool,
  key: AnswerKey,
  error: StatusError,
  domain: string,
  time: Date,
): Promise<void> {
  const bytes = Buffer.from(encodeStatus(error, domain));
  try {
    await insert(pool, answerValues({ ...key, code: error.code, bytes, encrypted: false, time }));
  } catch (failure) {
    if (!isAnswered(failure)) throw failure;
  }
}

/** Forgets answers and consumed events that are older than they need to be. */
export async function forgetOld(pool: Pool, now: Date): Promise<void> {
  await trim(pool, [new Date(now.getTime() - answerRetentionHours * 3_600_000)]);
  await trimInbox(pool, [new Date(now.getTime() - inboxRetentionDays * 86_400_000)]);
}

/** SHA-256 of a request's canonical bytes. */
export function hashBody(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
