/**
 * Topping wallets up. The attempt is stored before the gateway is asked, under the request's key: a
 * repetition finds it, waits for it, or carries on with it after a kill. Its transfer has its id, so
 * that it cannot be posted twice.
 */
import { PaymentStatus } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import { PaymentMethodKind } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { isAnswered, saveAnswer, type Answer } from "../runtime/idempotency.js";
import { uuidv7 } from "../runtime/ids.js";
import { transaction, type Db } from "../runtime/postgres.js";
import { Code, StatusError } from "../runtime/status.js";
import { chargeCard, resumeCharge, type AttemptDeps, type StepOrigin } from "./attempts.js";
import { gatewaySilent, leaseEnd, pause, refusal, requireCard } from "./charge.js";
import type { ChargeOutcome } from "./gateway.js";
import { transferOfTopUp } from "./ledger.js";
import { ensureAccounts, loadWallet } from "./ledger-store.js";
import { decided, isLeased, type Attempt } from "./payment.js";
import { decideTopUp, insertTopUp, loadTopUp, release, takeOver } from "./store.js";

/** What a rider wants to put into his wallet. */
export interface TopUpRequest {
  tenantId: string;
  riderId: string;
  /** Empty: the default card. */
  cardId: string;
  amountMinor: bigint;
  currencyCode: string;
  /** Undefined when the request has none. */
  requestId: string | undefined;
}

/** A top-up that went through. */
export interface ToppedUp {
  transferId: string;
  /** What the wallet then holds in the currency. */
  balanceMinor: bigint;
}

export type TopUpOrigin = Omit<StepOrigin, "answer"> & {
  answer?: (result: ToppedUp) => Answer | undefined;
};

/**
 * Moves money from a card into a wallet.
 *
 * @throws UNKNOWN_CARD, CARD_DECLINED; UNAVAILABLE when the gateway did not tell, and the same request
 * carries on.
 */
export async function topUp(
  deps: AttemptDeps,
  request: TopUpRequest,
  origin: TopUpOrigin,
): Promise<ToppedUp> {
  const own = await newTopUp(deps, request);
  if (await insertTopUp(deps.pool, own)) {
    return concludeTopUp(deps, own, await chargeCard(deps, own), origin);
  }
  for (;;) {
    const { tenantId, riderId, requestId } = request;
    const known = (await loadTopUp(deps.pool, tenantId, riderId, requestId!))!;
    checkSame(known, own, request.cardId !== "");
    switch (known.status) {
      case PaymentStatus.SUCCEEDED:
        return answerAgain(deps, known, origin);
      case PaymentStatus.FAILED:
        throw refusal(known, known.failure);
      case PaymentStatus.PENDING: {
        const { pool, wall } = deps;
        const taken =
          !isLeased(known, wall.now()) && (await takeOver(pool, known, wall.now(), leaseEnd(deps)));
        if (taken) return concludeTopUp(deps, known, await resumeCharge(deps, known), origin);
        if (!(await pause(deps, origin))) throw gatewaySilent();
        continue;
      }
      default:
        throw new Error(`top-up ${known.attemptId} has status ${known.status}`);
    }
  }
}

async function newTopUp(deps: AttemptDeps, request: TopUpRequest): Promise<Attempt> {
  const { tenantId, riderId, amountMinor, currencyCode, requestId } = request;
  const now = deps.domain.now();
  const attemptId = uuidv7(now);
  return {
    tenantId,
    attemptId,
    paymentId: undefined,
    number: 1,
    riderId,
    method: PaymentMethodKind.CARD,
    cardId: await requireCard(deps, tenantId, riderId, request.cardId),
    gatewayKey: `top-up/${tenantId}/${attemptId}`,
    amountMinor,
    currencyCode,
    requestId,
    status: PaymentStatus.PENDING,
    failure: "",
    leaseExpireTime: leaseEnd(deps),
    createTime: now,
    decideTime: undefined,
  };
}

/** Refuses a request whose key has another top-up. */
function checkSame(known: Attempt, own: Attempt, namesCard: boolean): void {
  const same =
    known.amountMinor === own.amountMinor &&
    known.currencyCode === own.currencyCode &&
    (!namesCard || known.cardId === own.cardId);
  if (same) return;
  const message = "was used before with another body";
  // While the other is under way nothing may be stored under the key, so it is refused as transient.
  throw new StatusError(
    known.status === PaymentStatus.PENDING ? Code.ABORTED : Code.INVALID_ARGUMENT,
    {
      reason: "REQUEST_ID_REUSED",
      domain: "ridemesh",
      message: `request_id ${message}`,
      violations: [{ field: "request_id", message }],
    },
  );
}

async function concludeTopUp(
  deps: AttemptDeps,
  attempt: Attempt,
  outcome: ChargeOutcome,
  origin: TopUpOrigin,
): Promise<ToppedUp> {
  if (outcome.status === "unknown") {
    await release(deps.pool, attempt, deps.wall.now());
    throw gatewaySilent();
  }
  if (outcome.status === "declined") {
    await failTopUp(deps, attempt, outcome.failure);
    throw refusal(attempt, outcome.failure);
  }
  try {
    return await postTopUp(deps, attempt, origin.answer);
  } catch (error) {
    // The card has been charged, whatever the request was answered before.
    if (isAnswered(error)) await postTopUp(deps, attempt, undefined);
    throw error;
  }
}

/** Writes that a top-up was refused, unless it was decided before. */
export async function failTopUp(
  deps: AttemptDeps,
  attempt: Attempt,
  failure: string,
): Promise<void> {
  const after = decided(attempt, PaymentStatus.FAILED, failure, deps.domain.now());
  await decideTopUp(deps.pool, after, []);
}

/** Moves the money of a charged top-up, unless that was done before. */
export async function postTopUp(
  deps: AttemptDeps,
  attempt: Attempt,
  answer: TopUpOrigin["answer"],
): Promise<ToppedUp> {
  const now = deps.domain.now();
  const transfer = transferOfTopUp(attempt);
  await ensureAccounts(deps.pool, deps.accounts, [transfer], now);
  return transaction(deps.pool, async (tx) => {
    const after = decided(attempt, PaymentStatus.SUCCEEDED, "", now);
    await decideTopUp(tx, after, [transfer]);
    const result = await resultOf(tx, attempt);
    await saveAnswer(tx, answer?.(result));
    return result;
  });
}

/** The result of a top-up that went through before; stored as the request's answer if it has none. */
async function answerAgain(
  deps: AttemptDeps,
  attempt: Attempt,
  { answer }: TopUpOrigin,
): Promise<ToppedUp> {
  const result = await resultOf(deps.pool, attempt);
  await saveAnswer(deps.pool, answer?.(result));
  return result;
}

async function resultOf(
  db: Db,
  { tenantId, riderId, attemptId, currencyCode }: Attempt,
): Promise<ToppedUp> {
  const wallet = await loadWallet(db, tenantId, riderId);
  const balance = wallet.find((money) => money.currencyCode === currencyCode);
  return { transferId: attemptId, balanceMinor: balance?.amountMinor ?? 0n };
}
