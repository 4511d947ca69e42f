/**
 * Carrying attempts out: ask the gateway, then write what came of it. The database is not held while
 * the gateway is asked, so a kill may come between the two; the attempt is then left pending, and who
 * finds its lease run out asks the gateway what became of its key.
 */
import {
  ChargeFailed,
  ChargeSucceeded,
} from "../../gen/grpc/ridemesh/payment/v1/payment_events.js";
import type { DomainClock, WallClock } from "../runtime/clock.js";
import { isAnswered, type Answer } from "../runtime/idempotency.js";
import { uuidv7 } from "../runtime/ids.js";
import type { Logger } from "../runtime/log.js";
import { newEvent, type OutboxEvent } from "../runtime/outbox.js";
import type { Pool } from "../runtime/postgres.js";
import type { Secrets } from "../runtime/secrets.js";
import { findCard } from "./cards.js";
import type { PaymentConfig } from "./config.js";
import { cancelledFailure, type ChargeOutcome, type Gateway } from "./gateway.js";
import { transfersOfTrip, type Transfer } from "./ledger.js";
import { ensureAccounts, isOverdrawn, type KnownAccounts } from "./ledger-store.js";
import { failed, succeeded, type Attempt, type Payment, type Step } from "./payment.js";
import type { PaymentMetrics } from "./metrics.js";
import { loadPayment, release, writeStep } from "./store.js";

export interface AttemptDeps {
  pool: Pool;
  wall: WallClock;
  domain: DomainClock;
  gateway: Gateway;
  secrets: Secrets;
  accounts: KnownAccounts;
  metrics: PaymentMetrics;
  config: PaymentConfig;
  log: Logger;
  wakeRelay: () => void;
}

/** What a step takes over from the call that causes it. */
export interface StepOrigin {
  traceparent?: string | undefined;
  /** The answer to be stored with the payment as it will be; for a success only. */
  answer?: ((payment: Payment) => Answer | undefined) | undefined;
  /** When the caller stops waiting, in wall milliseconds since the epoch. */
  deadlineMs?: number | undefined;
  signal?: AbortSignal;
}

/** Asks the gateway, for at most the configured time; an error or no answer is "unknown". */
export async function ask<T extends { status: string }>(
  deps: Pick<AttemptDeps, "wall" | "config" | "log">,
  question: () => Promise<T>,
): Promise<T | { status: "unknown" }> {
  const answered = new AbortController();
  const tooLate = deps.wall
    .sleep(deps.config.gatewayTimeoutMs, answered.signal)
    .then(() => ({ status: "unknown" }) as const);
  try {
    return await Promise.race([question(), tooLate]);
  } catch (error) {
    deps.log.warn({ err: error }, "the card gateway failed");
    return { status: "unknown" };
  } finally {
    answered.abort();
  }
}

/**
 * Charges an attempt's card under its key. Only who holds its lease may do so; the key makes a
 * repetition harmless. Unknown when the gateway cannot be asked, or does not tell.
 */
export async function chargeCard(deps: AttemptDeps, attempt: Attempt): Promise<ChargeOutcome> {
  const { tenantId, riderId, cardId, gatewayKey: key, amountMinor, currencyCode } = attempt;
  const card = await findCard(deps.pool, tenantId, riderId, cardId);
  if (!card) return { status: "declined", failure: unknownCardFailure };
  const cardToken = deps.secrets.decryptText(card.sealedToken);
  const charge = { key, amountMinor, currencyCode, cardToken };
  const outcome = await ask(deps, () => deps.gateway.charge(charge));
  if (outcome.status !== "unknown") return outcome;
  const known = await ask(deps, () => deps.gateway.lookup(key));
  // Absent is not refused: the charge may still be on its way.
  return known.status === "absent" ? { status: "unknown" } : known;
}

/** The failure of an attempt on a card that is not on file. */
export const unknownCardFailure = "unknown_card";

/** Finds out what became of an attempt that was left pending, and charges it if it never was. */
export async function resumeCharge(deps: AttemptDeps, attempt: Attempt): Promise<ChargeOutcome> {
  const known = await ask(deps, () => deps.gateway.lookup(attempt.gatewayKey));
  return known.status === "absent" ? chargeCard(deps, attempt) : known;
}

/** Finds out what became of an attempt that was left pending; one that never was charged never will be. */
export async function closeCharge(deps: AttemptDeps, attempt: Attempt): Promise<ChargeOutcome> {
  const known = await ask(deps, () => deps.gateway.lookup(attempt.gatewayKey));
  if (known.status !== "absent") return known;
  return ask(deps, () => deps.gateway.cancel(attempt.gatewayKey));
}

/**
 * Writes what the gateway said of a payment's attempt. Returns the payment as it then is: still
 * PENDING, for others to carry on with, when the gateway did not tell.
 */
export async function conclude(
  deps: AttemptDeps,
  step: Step,
  outcome: ChargeOutcome,
  origin: StepOrigin,
): Promise<Payment> {
  switch (outcome.status) {
    case "succeeded":
      return (await succeed(deps, step, origin)) ?? reload(deps, step);
    case "declined":
      return (await fail(deps, step, outcome.failure, origin)) ?? reload(deps, step);
    case "unknown":
      await release(deps.pool, step.attempt, deps.wall.now());
      return step.payment;
    default:
      return outcome satisfies never;
  }
}

/** Who was faster has written it already. */
async function reload({ pool }: AttemptDeps, { payment }: Step): Promise<Payment> {
  return (await loadPayment(pool, payment.tenantId, payment.paymentId))!;
}

/**
 * Moves the money and writes that it has moved. Undefined when another step was faster.
 * Throws a wallet's violation when it holds too little; then nothing is written.
 */
export async function succeed(
  deps: AttemptDeps,
  before: Step,
  origin: StepOrigin,
): Promise<Payment | undefined> {
  const now = deps.domain.now();
  const step = succeeded(before, now);
  const { payment } = step;
  const transfers = transfersOfTrip(payment, () => uuidv7(now));
  const event = newEvent(ChargeSucceeded, successOf(payment), about(payment, now, origin));
  const answer = origin.answer?.(payment);
  await ensureAccounts(deps.pool, deps.accounts, transfers, now);
  if (!(await writeSuccess(deps, step, transfers, event, answer))) return undefined;
  deps.wakeRelay();
  deps.metrics.paid("succeeded", payment);
  return payment;
}

async function writeSuccess(
  deps: AttemptDeps,
  step: Step,
  transfers: Transfer[],
  event: OutboxEvent,
  answer: Answer | undefined,
): Promise<boolean> {
  try {
    return await writeStep(deps.pool, { ...step, transfers, event, answer });
  } catch (error) {
    // A card has been charged whatever the request was answered before; a wallet has not.
    if (isAnswered(error) && step.attempt.gatewayKey) {
      await writeStep(deps.pool, { ...step, transfers, event, answer: undefined });
      deps.wakeRelay();
    }
    throw error;
  }
}

/** Writes that the money was refused. Undefined when another step was faster. */
export async function fail(
  deps: AttemptDeps,
  before: Step,
  failure: string,
  origin: StepOrigin,
): Promise<Payment | undefined> {
  const now = deps.domain.now();
  const step = failed(before, failure, now);
  const { payment } = step;
  // A charge that was called off refused nobody anything.
  const event =
    failure === cancelledFailure
      ? undefined
      : newEvent(ChargeFailed, failureOf(payment), about(payment, now, origin));
  const written = await writeStep(deps.pool, { ...step, transfers: [], event, answer: undefined });
  if (!written) return undefined;
  deps.wakeRelay();
  deps.metrics.paid("failed", payment);
  return payment;
}

/** Pays from the wallet, or writes that it holds too little. Undefined when another step was faster. */
export async function payFromWallet(
  deps: AttemptDeps,
  before: Step,
  origin: StepOrigin,
): Promise<Payment | undefined> {
  try {
    return await succeed(deps, before, origin);
  } catch (error) {
    if (!isOverdrawn(error)) throw error;
    return fail(deps, before, "insufficient_funds", origin);
  }
}

function successOf(payment: Payment): ChargeSucceeded {
  const { paymentId, tripId, riderId, driverId, purpose, currencyCode } = payment;
  return {
    paymentId,
    tripId,
    riderId,
    driverId,
    purpose,
    total: { amountMinor: payment.totalMinor, currencyCode },
    driverShare: { amountMinor: payment.driverShareMinor, currencyCode },
  };
}

function failureOf(payment: Payment): ChargeFailed {
  const { paymentId, tripId, riderId, failure, totalMinor, currencyCode } = payment;
  return { paymentId, tripId, riderId, failure, total: { amountMinor: totalMinor, currencyCode } };
}

function about({ tripId, tenantId }: Payment, time: Date, { traceparent }: StepOrigin) {
  return { key: tripId, tenantId, time, traceparent };
}
