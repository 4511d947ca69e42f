/** Row ↔ Payment, Row ↔ Attempt. */
import type { PaymentPurpose, PaymentStatus } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import type { PaymentMethodKind } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import type { Row } from "../runtime/postgres.js";
import type { Attempt, Payment } from "./payment.js";

/** The columns of `payments`, in the order of `paymentValues`. */
export const paymentColumns = [
  "tenant_id",
  "payment_id",
  "version",
  "trip_id",
  "rider_id",
  "driver_id",
  "purpose",
  "method",
  "card_id",
  "currency_code",
  "total_minor",
  "driver_share_minor",
  "commission_minor",
  "tax_minor",
  "status",
  "failure",
  "attempt_number",
  "create_time",
  "update_time",
] as const;

export interface PaymentRow extends Row {
  tenant_id: string;
  payment_id: string;
  version: bigint;
  trip_id: string;
  rider_id: string;
  driver_id: string | null;
  purpose: PaymentPurpose;
  method: PaymentMethodKind;
  card_id: string;
  currency_code: string;
  total_minor: bigint;
  driver_share_minor: bigint;
  commission_minor: bigint;
  tax_minor: bigint;
  status: PaymentStatus;
  failure: string;
  attempt_number: number;
  create_time: Date;
  update_time: Date;
}

export function paymentValues(payment: Payment): unknown[] {
  return [
    payment.tenantId,
    payment.paymentId,
    payment.version,
    payment.tripId,
    payment.riderId,
    payment.driverId || null,
    payment.purpose,
    payment.method,
    payment.cardId,
    payment.currencyCode,
    payment.totalMinor,
    payment.driverShareMinor,
    payment.commissionMinor,
    payment.taxMinor,
    payment.status,
    payment.failure,
    payment.attemptNumber,
    payment.createTime,
    payment.updateTime,
  ];
}

export function toPayment(row: PaymentRow): Payment {
  return {
    tenantId: row.tenant_id,
    paymentId: row.payment_id,
    version: row.version,
    tripId: row.trip_id,
    riderId: row.rider_id,
    driverId: row.driver_id ?? "",
    purpose: row.purpose,
    method: row.method,
    cardId: row.card_id,
    currencyCode: row.currency_code,
    totalMinor: row.total_minor,
    driverShareMinor: row.driver_share_minor,
    commissionMinor: row.commission_minor,
    taxMinor: row.tax_minor,
    status: row.status,
    failure: row.failure,
    attemptNumber: row.attempt_number,
    createTime: row.create_time,
    updateTime: row.update_time,
  };
}

/** The columns of `attempts`, in the order of `attemptValues`. */
export const attemptColumns = [
  "tenant_id",
  "attempt_id",
  "payment_id",
  "number",
  "rider_id",
  "method",
  "card_id",
  "gateway_key",
  "amount_minor",
  "currency_code",
  "request_id",
  "status",
  "failure",
  "lease_expire_time",
  "create_time",
  "decide_time",
] as const;

/** Their types, for a statement that cannot tell them from where its parameters stand. */
export const attemptTypes: Record<(typeof attemptColumns)[number], string> = {
  tenant_id: "text",
  attempt_id: "uuid",
  payment_id: "uuid",
  number: "int",
  rider_id: "uuid",
  method: "smallint",
  card_id: "text",
  gateway_key: "text",
  amount_minor: "bigint",
  currency_code: "text",
  request_id: "text",
  status: "smallint",
  failure: "text",
  lease_expire_time: "timestamptz",
  create_time: "timestamptz",
  decide_time: "timestamptz",
};

export interface AttemptRow extends Row {
  tenant_id: string;
  attempt_id: string;
  payment_id: string | null;
  number: number;
  rider_id: string;
  method: PaymentMethodKind;
  card_id: string;
  gateway_key: string;
  amount_minor: bigint;
  currency_code: string;
  request_id: string | null;
  status: PaymentStatus;
  failure: string;
  lease_expire_time: Date | null;
  create_time: Date;
  decide_time: Date | null;
}

export function attemptValues(attempt: Attempt): unknown[] {
  return [
    attempt.tenantId,
    attempt.attemptId,
    attempt.paymentId ?? null,
    attempt.number,
    attempt.riderId,
    attempt.method,
    attempt.cardId,
    attempt.gatewayKey,
    attempt.amountMinor,
    attempt.currencyCode,
    attempt.requestId ?? null,
    attempt.status,
    attempt.failure,
    attempt.leaseExpireTime ?? null,
    attempt.createTime,
    attempt.decideTime ?? null,
  ];
}

export function toAttempt(row: AttemptRow): Attempt {
  return {
    tenantId: row.tenant_id,
    attemptId: row.attempt_id,
    paymentId: row.payment_id ?? undefined,
    number: row.number,
    riderId: row.rider_id,
    method: row.method,
    cardId: row.card_id,
    gatewayKey: row.gateway_key,
    amountMinor: row.amount_minor,
    currencyCode: row.currency_code,
    requestId: row.request_id ?? undefined,
    status: row.status,
    failure: row.failure,
    leaseExpireTime: row.lease_expire_time ?? undefined,
    createTime: row.create_time,
    decideTime: row.decide_time ?? undefined,
  };
}
