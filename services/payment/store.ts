/**
 * The SQL of payments and attempts. A step of a payment is one statement: the row, its attempt, the
 * ledger, the outbox row and the stored answer commit together or not at all.
 */
import { answerValues, type Answer } from "../runtime/idempotency.js";
import { topicOf, type OutboxEvent } from "../runtime/outbox.js";
import { statement, type Db, type Row } from "../runtime/postgres.js";
import type { Transfer } from "./ledger.js";
import { transferParts, transferValues, transferWidth } from "./ledger-store.js";
import type { Attempt, Payment, Step } from "./payment.js";
import {
  attemptColumns,
  attemptTypes,
  attemptValues,
  paymentColumns,
  paymentValues,
  toAttempt,
  toPayment,
  type AttemptRow,
  type PaymentRow,
} from "./rows.js";

/** What commits with a step. */
export interface Change extends Step {
  transfers: Transfer[];
  event: OutboxEvent | undefined;
  answer: Answer | undefined;
}

const width = paymentColumns.length;
const columns = paymentColumns.join(", ");
const attemptFrom = (n: number) =>
  attemptColumns.map((column, i) => `$${n + i}::${attemptTypes[column]}`).join(", ");

/** The part of a step's statement that follows the payment's row, its parameters from `n` on. */
function consequences(n: number): string {
  const t = n + attemptColumns.length;
  const e = t + transferWidth;
  const a = e + 8;
  return `
  attempted AS (
    INSERT INTO attempts (${attemptColumns.join(", ")}) SELECT ${attemptFrom(n)} FROM changed
    ON CONFLICT (tenant_id, attempt_id) DO UPDATE SET
      status = EXCLUDED.status, failure = EXCLUDED.failure,
      lease_expire_time = EXCLUDED.lease_expire_time, decide_time = EXCLUDED.decide_time),
  ${transferParts(t)},
  sent AS (
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, tenant_id, payload, create_time, traceparent)
    SELECT $${e}::uuid, $${e + 1}::text, $${e + 2}::text, $${e + 3}::text, $${e + 4}::text,
           $${e + 5}::bytea, $${e + 6}::timestamptz, $${e + 7}::text
    FROM changed WHERE $${e}::uuid IS NOT NULL),
  answered AS (
    INSERT INTO idempotency_keys
      (tenant_id, subject, method, request_id, body_hash, code, answer, encrypted, create_time)
    SELECT $${a}::text, $${a + 1}::text, $${a + 2}::text, $${a + 3}::text, $${a + 4}::bytea,
           $${a + 5}::int, $${a + 6}::bytea, $${a + 7}::boolean, $${a + 8}::timestamptz
    FROM changed WHERE $${a + 3}::text IS NOT NULL)
  SELECT 1 FROM changed`;
}

function eventValues(event: OutboxEvent | undefined): unknown[] {
  if (!event) return nulls(8);
  const { id, type, key, tenantId, payload, time, traceparent } = event;
  const bytes = Buffer.from(payload);
  return [id, topicOf(type), key, type, tenantId, bytes, time, traceparent ?? null];
}

function changeValues({ payment, attempt, transfers, event, answer }: Change): unknown[] {
  return [
    ...paymentValues(payment),
    ...attemptValues(attempt),
    ...transferValues(transfers, payment.updateTime),
    ...eventValues(event),
    ...(answer ? answerValues(answer) : nulls(9)),
  ];
}

function nulls(length: number): null[] {
  return Array.from({ length }, () => null);
}

const insertPayment = statement(
  "payment_insert",
  `WITH changed AS (
     INSERT INTO payments (${columns}) VALUES (${paymentColumns.map((_, i) => `$${i + 1}`).join(", ")})
     ON CONFLICT ON CONSTRAINT payments_trip DO NOTHING RETURNING 1),
   ${consequences(width + 1)}`,
);
const updatePayment = statement(
  "payment_update",
  `WITH changed AS (
     UPDATE payments SET ${paymentColumns
       .map((column, i) => `${column} = $${i + 1}`)
       .slice(2)
       .join(", ")}
     WHERE tenant_id = $1 AND payment_id = $2 AND version = $3::bigint - 1 RETURNING 1),
   ${consequences(width + 1)}`,
);

/**
 * Writes a step if nobody was faster: the payment is new, or still at the version before.
 *
 * @returns whether it was written.
 * @throws a violation of accounts_wallet_not_negative when the wallet holds too little, and of
 * idempotency_keys_pkey when the request has its answer already; nothing is written then.
 */
export async function writeStep(db: Db, change: Change): Promise<boolean> {
  const write = change.payment.version === 1n ? insertPayment : updatePayment;
  return (await write(db, changeValues(change))).length > 0;
}

const paymentById = statement<PaymentRow>(
  "payment_by_id",
  `SELECT ${columns} FROM payments WHERE tenant_id = $1 AND payment_id = $2`,
);
const paymentByTrip = statement<PaymentRow>(
  "payment_by_trip",
  `SELECT ${columns} FROM payments WHERE tenant_id = $1 AND trip_id = $2`,
);
const attemptByNumber = statement<AttemptRow>(
  "attempt_by_number",
  `SELECT ${attemptColumns.join(", ")} FROM attempts
   WHERE tenant_id = $1 AND payment_id = $2 AND number = $3`,
);

/** A payment by its id. */
export async function loadPayment(
  db: Db,
  tenantId: string,
  paymentId: string,
): Promise<Payment | undefined> {
  const [row] = await paymentById(db, [tenantId, paymentId]);
  return row && toPayment(row);
}

/** The payment of a trip. */
export async function loadPaymentOfTrip(
  db: Db,
  tenantId: string,
  tripId: string,
): Promise<Payment | undefined> {
  const [row] = await paymentByTrip(db, [tenantId, tripId]);
  return row && toPayment(row);
}

/** The latest attempt of a payment; each payment that is stored has one. */
export async function loadLatestAttempt(db: Db, payment: Payment): Promise<Attempt> {
  const { tenantId, paymentId, attemptNumber } = payment;
  const [row] = await attemptByNumber(db, [tenantId, paymentId, attemptNumber]);
  if (!row) throw new Error(`payment ${paymentId} has no attempt ${attemptNumber}`);
  return toAttempt(row);
}

const takeOverStatement = statement(
  "attempt_take_over",
  `UPDATE attempts SET lease_expire_time = $4
   WHERE tenant_id = $1 AND attempt_id = $2 AND status = 1 AND lease_expire_time <= $3 RETURNING 1`,
);
const releaseStatement = statement(
  "attempt_release",
  `UPDATE attempts SET lease_expire_time = $3
   WHERE tenant_id = $1 AND attempt_id = $2 AND status = 1`,
);
const claimStatement = statement<AttemptRow>(
  "attempts_claim",
  `UPDATE attempts a SET lease_expire_time = $2
   FROM (SELECT tenant_id, attempt_id FROM attempts WHERE status = 1 AND lease_expire_time <= $1
         ORDER BY lease_expire_time LIMIT $3 FOR UPDATE SKIP LOCKED) left_over
   WHERE a.tenant_id = left_over.tenant_id AND a.attempt_id = left_over.attempt_id
   RETURNING ${attemptColumns.map((column) => `a.${column}`).join(", ")}`,
);

/** Takes a pending attempt over whose lease has run out at `now`; false when another has it. */
export async function takeOver(
  db: Db,
  { tenantId, attemptId }: Attempt,
  now: Date,
  until: Date,
): Promise<boolean> {
  return (await takeOverStatement(db, [tenantId, attemptId, now, until])).length > 0;
}

/** Lets others carry on with a pending attempt from `now` on. */
export async function release(db: Db, { tenantId, attemptId }: Attempt, now: Date): Promise<void> {
  await releaseStatement(db, [tenantId, attemptId, now]);
}

/** Takes over pending attempts whose leases had run out by `before`. */
export async function claimLeftOver(
  db: Db,
  before: Date,
  until: Date,
  limit: number,
): Promise<Attempt[]> {
  return (await claimStatement(db, [before, until, limit])).map(toAttempt);
}

const topUpInsert = statement(
  "top_up_insert",
  `INSERT INTO attempts (${attemptColumns.join(", ")}) VALUES (${attemptFrom(1)})
   ON CONFLICT (tenant_id, rider_id, request_id) WHERE payment_id IS NULL AND request_id IS NOT NULL
   DO NOTHING RETURNING 1`,
);
const topUpByRequest = statement<AttemptRow>(
  "top_up_by_request",
  `SELECT ${attemptColumns.join(", ")} FROM attempts
   WHERE tenant_id = $1 AND rider_id = $2 AND request_id = $3 AND payment_id IS NULL`,
);
const topUpDecide = statement(
  "top_up_decide",
  `WITH changed AS (
     UPDATE attempts SET status = $3, failure = $4, lease_expire_time = NULL, decide_time = $5
     WHERE tenant_id = $1 AND attempt_id = $2::uuid AND status = 1 RETURNING 1),
   ${transferParts(6)}
   SELECT 1 FROM changed`,
);

/** Stores a pending top-up; false when its request has one already. */
export async function insertTopUp(db: Db, topUp: Attempt): Promise<boolean> {
  return (await topUpInsert(db, attemptValues(topUp))).length > 0;
}

/** The top-up of a request. */
export async function loadTopUp(
  db: Db,
  tenantId: string,
  riderId: string,
  requestId: string,
): Promise<Attempt | undefined> {
  const [row] = await topUpByRequest(db, [tenantId, riderId, requestId]);
  return row && toAttempt(row);
}

/** Writes how a pending top-up ended, with its transfer; false when it has ended before. */
export async function decideTopUp(db: Db, topUp: Attempt, transfers: Transfer[]): Promise<boolean> {
  const { tenantId, attemptId, status, failure, decideTime } = topUp;
  const values = [tenantId, attemptId, status, failure, decideTime];
  return (await topUpDecide(db, [...values, ...transferValues(transfers, decideTime!)])).length > 0;
}

const ownersById = statement<Row & { rider_id: string }>(
  "payment_owner_by_id",
  "SELECT rider_id FROM payments WHERE tenant_id = $1 AND payment_id = $2",
);
const ownersByTrip = statement<Row & { rider_id: string }>(
  "payment_owner_by_trip",
  "SELECT rider_id FROM payments WHERE tenant_id = $1 AND trip_id = $2",
);

/** Whose a payment is, by its own id or its trip's. */
export async function riderOfPayment(
  db: Db,
  tenantId: string,
  by: { paymentId: string } | { tripId: string },
): Promise<string | undefined> {
  const [row] =
    "tripId" in by
      ? await ownersByTrip(db, [tenantId, by.tripId])
      : await ownersById(db, [tenantId, by.paymentId]);
  return row?.rider_id;
}
