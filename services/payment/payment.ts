/**
 * The rules of a payment, without I/O. A payment is made once a trip and goes PENDING → SUCCEEDED or
 * FAILED; a failed one is tried again by a new attempt. At most one attempt is pending.
 */
import {
  PaymentPurpose,
  PaymentStatus,
  type Payment as PaymentView,
} from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import { PaymentMethodKind } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { split } from "./ledger.js";

/** A payment. */
export interface Payment {
  tenantId: string;
  paymentId: string;
  /** Raised by one at each change. */
  version: bigint;
  tripId: string;
  riderId: string;
  /** Empty when nobody drove. */
  driverId: string;
  purpose: PaymentPurpose;
  method: PaymentMethodKind;
  /** Empty: the rider's default card. */
  cardId: string;
  currencyCode: string;
  totalMinor: bigint;
  driverShareMinor: bigint;
  commissionMinor: bigint;
  taxMinor: bigint;
  status: PaymentStatus;
  /** Why it failed; else empty. */
  failure: string;
  /** The number of the latest attempt. */
  attemptNumber: number;
  createTime: Date;
  updateTime: Date;
}

/** A try to get money from a rider, for a payment or into his wallet. */
export interface Attempt {
  tenantId: string;
  attemptId: string;
  /** Undefined for a top-up. */
  paymentId: string | undefined;
  number: number;
  riderId: string;
  method: PaymentMethodKind;
  cardId: string;
  /** What the gateway knows the charge by; empty where no gateway is asked. */
  gatewayKey: string;
  amountMinor: bigint;
  currencyCode: string;
  /** The request that made it; undefined when it had none. */
  requestId: string | undefined;
  status: PaymentStatus;
  failure: string;
  /** While it is pending: until when whoever carries it out may be at it, by the wall clock. */
  leaseExpireTime: Date | undefined;
  createTime: Date;
  decideTime: Date | undefined;
}

/** How a rider pays. */
export interface Way {
  method: PaymentMethodKind;
  /** Empty: his default card. */
  cardId: string;
}

/** What a trip owes. */
export interface Due {
  tenantId: string;
  tripId: string;
  riderId: string;
  driverId: string;
  purpose: PaymentPurpose;
  way: Way;
  totalMinor: bigint;
  taxMinor: bigint;
  currencyCode: string;
}

/** A payment at version 0: not yet tried, not yet stored. */
export function newPayment(
  due: Due,
  paymentId: string,
  commissionBasisPoints: number,
  now: Date,
): Payment {
  const { way, ...rest } = due;
  return {
    ...rest,
    ...split(due.totalMinor, due.taxMinor, due.driverId, commissionBasisPoints),
    paymentId,
    version: 0n,
    ...payable(due, way),
    status: PaymentStatus.PENDING,
    failure: "",
    attemptNumber: 0,
    createTime: now,
    updateTime: now,
  };
}

/**
 * Cash needs a ride and a driver who takes it. The fee of a ride that did not take place, which nobody
 * is there to hand over, comes out of the wallet instead.
 */
export function payable(due: { purpose: PaymentPurpose; driverId: string }, way: Way): Way {
  if (way.method !== PaymentMethodKind.CASH) return way;
  if (due.purpose === PaymentPurpose.FARE && due.driverId) return way;
  return { method: PaymentMethodKind.WALLET, cardId: "" };
}

/** The next attempt of a payment that is not paid. */
export function nextAttempt(
  payment: Payment,
  way: Way,
  made: { attemptId: string; requestId: string | undefined; leaseExpireTime: Date; now: Date },
): Attempt {
  const number = payment.attemptNumber + 1;
  const { tenantId, tripId } = payment;
  return {
    tenantId,
    attemptId: made.attemptId,
    paymentId: payment.paymentId,
    number,
    riderId: payment.riderId,
    method: way.method,
    cardId: way.cardId,
    // From the trip, so that whoever carries the attempt out says the same to the gateway.
    gatewayKey: way.method === PaymentMethodKind.CARD ? `trip/${tenantId}/${tripId}/${number}` : "",
    amountMinor: payment.totalMinor,
    currencyCode: payment.currencyCode,
    requestId: made.requestId,
    status: PaymentStatus.PENDING,
    failure: "",
    leaseExpireTime: made.leaseExpireTime,
    createTime: made.now,
    decideTime: undefined,
  };
}

/** A payment and its latest attempt, as a step leaves them. */
export interface Step {
  payment: Payment;
  attempt: Attempt;
}

/** The attempt is under way: the gateway is being asked. */
export function begun({ payment, attempt }: Step, now: Date): Step {
  return {
    payment: {
      ...payment,
      version: payment.version + 1n,
      status: PaymentStatus.PENDING,
      attemptNumber: attempt.number,
      updateTime: now,
    },
    attempt,
  };
}

/** The money has moved. */
export function succeeded({ payment, attempt }: Step, now: Date): Step {
  return {
    payment: {
      ...payment,
      version: payment.version + 1n,
      status: PaymentStatus.SUCCEEDED,
      failure: "",
      method: attempt.method,
      cardId: attempt.cardId,
      attemptNumber: attempt.number,
      updateTime: now,
    },
    attempt: decided(attempt, PaymentStatus.SUCCEEDED, "", now),
  };
}

/** The money was refused; the trip still owes it. */
export function failed({ payment, attempt }: Step, failure: string, now: Date): Step {
  return {
    payment: {
      ...payment,
      version: payment.version + 1n,
      status: PaymentStatus.FAILED,
      failure,
      attemptNumber: attempt.number,
      updateTime: now,
    },
    attempt: decided(attempt, PaymentStatus.FAILED, failure, now),
  };
}

/** An attempt that has come to its end. */
export function decided(
  attempt: Attempt,
  status: PaymentStatus.SUCCEEDED | PaymentStatus.FAILED,
  failure: string,
  now: Date,
): Attempt {
  return { ...attempt, status, failure, leaseExpireTime: undefined, decideTime: now };
}

/** Whether someone may still be carrying the attempt out. */
export function isLeased(attempt: Attempt, wallNow: Date): boolean {
  return attempt.leaseExpireTime !== undefined && attempt.leaseExpireTime > wallNow;
}

/** A payment, as the contract shows it. */
export function viewOf(payment: Payment): PaymentView {
  const { paymentId, tripId, riderId, driverId, purpose, method, cardId, status, failure } =
    payment;
  const { currencyCode, createTime, updateTime } = payment;
  const money = (amountMinor: bigint) => ({ amountMinor, currencyCode });
  return {
    paymentId,
    tripId,
    riderId,
    driverId,
    purpose,
    paymentMethod: { kind: method, cardId },
    total: money(payment.totalMinor),
    driverShare: money(payment.driverShareMinor),
    commission: money(payment.commissionMinor),
    tax: money(payment.taxMinor),
    status,
    failure: status === PaymentStatus.FAILED ? failure : "",
    createTime,
    updateTime,
  };
}
