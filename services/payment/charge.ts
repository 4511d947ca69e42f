/**
 * Charging trips. However many calls charge a trip at once, and wherever they are killed, one attempt
 * is under way at a time, and one succeeds.
 */
import { PaymentStatus } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import { PaymentMethodKind } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { saveAnswer } from "../runtime/idempotency.js";
import { uuidv7 } from "../runtime/ids.js";
import { failedPrecondition, invalidField, notFound, unavailable } from "../runtime/status.js";
import type { StatusError } from "../runtime/status.js";
import {
  chargeCard,
  conclude,
  fail,
  payFromWallet,
  resumeCharge,
  succeed,
  unknownCardFailure,
  type AttemptDeps,
  type StepOrigin,
} from "./attempts.js";
import { findCard } from "./cards.js";
import { cancelledFailure } from "./gateway.js";
import {
  begun,
  isLeased,
  newPayment,
  nextAttempt,
  payable,
  type Due,
  type Payment,
  type Way,
} from "./payment.js";
import { loadLatestAttempt, loadPaymentOfTrip, takeOver, writeStep } from "./store.js";

/**
 * Charges a trip once, as the settlement does. A payment that had failed is tried again; one that
 * another call is trying is waited for. PENDING when the gateway did not tell: to be called again.
 */
export async function chargeTrip(
  deps: AttemptDeps,
  due: Due,
  origin: StepOrigin,
): Promise<Payment> {
  let waited = false;
  for (;;) {
    const known = await loadPaymentOfTrip(deps.pool, due.tenantId, due.tripId);
    if (known?.status === PaymentStatus.SUCCEEDED) return known;
    if (known?.status === PaymentStatus.PENDING) {
      const settled = await waitOrResume(deps, known, origin);
      if (!settled) return known;
      waited = true;
      continue;
    }
    // What another call tried meanwhile counts for this one too, unless it was called off.
    if (known && waited && known.failure !== cancelledFailure) return known;
    const payment = known ?? firstPayment(deps, due);
    const way = { method: payment.method, cardId: payment.cardId };
    const tried = await attempt(deps, payment, way, undefined, origin);
    if (tried) return tried;
    waited = true;
  }
}

/** What a rider wants to pay, and how. */
export interface PayRequest {
  tenantId: string;
  tripId: string;
  riderId: string;
  /** Undefined: as the trip was booked. */
  way: Way | undefined;
  /** Undefined when the request has none. */
  requestId: string | undefined;
}

/**
 * Pays what a trip owes, as its rider does.
 *
 * @throws ALREADY_PAID, NOTHING_DUE, PAYMENT_IN_PROGRESS, CARD_DECLINED, INSUFFICIENT_FUNDS,
 * UNKNOWN_CARD; UNAVAILABLE when the gateway did not tell, and the same request carries on.
 */
export async function payTrip(
  deps: AttemptDeps,
  request: PayRequest,
  origin: StepOrigin,
): Promise<Payment> {
  const { tenantId, tripId, requestId } = request;
  for (;;) {
    const payment = await loadPaymentOfTrip(deps.pool, tenantId, tripId);
    if (!payment) throw notFound("payment of trip");
    const latest = await loadLatestAttempt(deps.pool, payment);
    const isOwn = requestId !== undefined && latest.requestId === requestId;
    switch (payment.status) {
      case PaymentStatus.SUCCEEDED:
        if (isOwn) {
          // Paid by an earlier call with this request, or on its behalf after it was killed.
          await saveAnswer(deps.pool, origin.answer?.(payment));
          return payment;
        }
        throw payment.totalMinor === 0n
          ? failedPrecondition("NOTHING_DUE", "nothing is due for the trip")
          : failedPrecondition("ALREADY_PAID", "the trip is paid", {
              payment_id: payment.paymentId,
            });
      case PaymentStatus.PENDING: {
        if (!isOwn && isLeased(latest, deps.wall.now())) {
          throw failedPrecondition("PAYMENT_IN_PROGRESS", "another attempt to pay is under way");
        }
        if (!(await waitOrResume(deps, payment, origin))) throw gatewaySilent();
        continue;
      }
      case PaymentStatus.FAILED: {
        if (isOwn) throw refusal(latest, latest.failure);
        const paid = await payNow(deps, payment, request, origin);
        if (paid) return paid;
        continue;
      }
      default:
        throw new Error(`payment ${payment.paymentId} has status ${payment.status}`);
    }
  }
}

/** Tries to pay a failed payment. Undefined when another call was faster. */
async function payNow(
  deps: AttemptDeps,
  payment: Payment,
  { way, requestId }: PayRequest,
  origin: StepOrigin,
): Promise<Payment | undefined> {
  const booked = { method: payment.method, cardId: payment.cardId };
  const wanted = payable(payment, way ?? booked);
  if (wanted.method === PaymentMethodKind.CARD) {
    // Known before anything is written: it is the request that is wrong, not the card.
    await requireCard(deps, payment.tenantId, payment.riderId, wanted.cardId);
  }
  const tried = await attempt(deps, payment, wanted, requestId, origin);
  if (tried?.status === PaymentStatus.PENDING) throw gatewaySilent();
  if (tried?.status === PaymentStatus.FAILED) throw refusal(wanted, tried.failure);
  return tried;
}

/** The rider's card, or his default one; UNKNOWN_CARD when there is none. */
export async function requireCard(
  deps: Pick<AttemptDeps, "pool">,
  tenantId: string,
  riderId: string,
  cardId: string,
): Promise<string> {
  const card = await findCard(deps.pool, tenantId, riderId, cardId);
  if (card) return card.cardId;
  if (cardId) throw invalidField("card_id", "is not one of your cards", "UNKNOWN_CARD");
  throw failedPrecondition("UNKNOWN_CARD", "there is no card on file");
}

/** The error that a refused attempt is answered with. */
export function refusal({ method }: Pick<Way, "method">, failure: string): StatusError {
  return method === PaymentMethodKind.WALLET
    ? failedPrecondition("INSUFFICIENT_FUNDS", "the wallet does not hold enough")
    : failedPrecondition("CARD_DECLINED", "the card was declined", { failure });
}

/** Not known is not refused: nothing is stored as the answer, and a repetition carries on. */
export function gatewaySilent(): StatusError {
  return unavailable("the card gateway has not answered; repeat the request");
}

function firstPayment({ domain, config }: AttemptDeps, due: Due): Payment {
  const now = domain.now();
  return newPayment(due, uuidv7(now), config.commissionBasisPoints, now);
}

/** Makes the next attempt and carries it out. Undefined when another call was faster. */
async function attempt(
  deps: AttemptDeps,
  payment: Payment,
  way: Way,
  requestId: string | undefined,
  origin: StepOrigin,
): Promise<Payment | undefined> {
  const now = deps.domain.now();
  const made = { attemptId: uuidv7(now), requestId, leaseExpireTime: leaseEnd(deps), now };
  const step = { payment, attempt: nextAttempt(payment, way, made) };
  if (payment.totalMinor === 0n) return succeed(deps, step, origin);
  switch (way.method) {
    case PaymentMethodKind.CASH:
      return succeed(deps, step, origin);
    case PaymentMethodKind.WALLET:
      return payFromWallet(deps, step, origin);
    case PaymentMethodKind.CARD: {
      const card = await findCard(deps.pool, payment.tenantId, payment.riderId, way.cardId);
      if (!card) return fail(deps, step, unknownCardFailure, origin);
      const named = { payment, attempt: { ...step.attempt, cardId: card.cardId } };
      const pending = begun(named, now);
      const change = { ...pending, transfers: [], event: undefined, answer: undefined };
      if (!(await writeStep(deps.pool, change))) return undefined;
      const outcome = await chargeCard(deps, pending.attempt);
      return conclude(deps, pending, outcome, origin);
    }
    case PaymentMethodKind.UNSPECIFIED:
      throw invalidField("payment_method.kind", "is required");
    default:
      return way.method satisfies never;
  }
}

/** When a lease that is taken now ends. */
export function leaseEnd({ wall, config }: Pick<AttemptDeps, "wall" | "config">): Date {
  return new Date(wall.now().getTime() + config.leaseMs);
}

/**
 * Waits until a pending attempt of another call is decided; carries on with it once its lease has run
 * out. False when it is still pending after that, or when the caller's time is over.
 */
async function waitOrResume(
  deps: AttemptDeps,
  payment: Payment,
  origin: StepOrigin,
): Promise<boolean> {
  const { pool, wall } = deps;
  const latest = await loadLatestAttempt(pool, payment);
  if (isLeased(latest, wall.now())) return pause(deps, origin);
  if (!(await takeOver(pool, latest, wall.now(), leaseEnd(deps)))) return pause(deps, origin);
  const outcome = await resumeCharge(deps, latest);
  // The answer of this request may not be that of the attempt's: it is made when it is read again.
  const after = await conclude(deps, { payment, attempt: latest }, outcome, {
    traceparent: origin.traceparent,
  });
  return after.status !== PaymentStatus.PENDING;
}

const pollMs = 40;
/** What is left of the caller's time for answering him, in milliseconds. */
const reserveMs = 500;

/** Lets some time pass; false when the caller would not wait any longer. */
export async function pause(
  { wall }: Pick<AttemptDeps, "wall">,
  { deadlineMs, signal }: Pick<StepOrigin, "deadlineMs" | "signal">,
): Promise<boolean> {
  const leftMs = (deadlineMs ?? Number.POSITIVE_INFINITY) - wall.now().getTime() - reserveMs;
  if (leftMs <= 0 || signal?.aborted) return false;
  await wall.sleep(Math.min(pollMs, leftMs), signal);
  return true;
}
