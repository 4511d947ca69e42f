/**
 * The ledger's rules, without I/O: which accounts there are, and which entries each movement of money
 * makes. An amount above 0 raises an account's balance; the entries of a transfer add up to 0.
 *
 * A balance above 0 is what the platform owes to the account's owner (wallet, driver), or has earned
 * (platform) or holds for the state (tax); below 0 it is what the owner owes to the platform: the
 * gateway for charged cards, a driver for cash that he took.
 */
import { PaymentMethodKind } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { PaymentPurpose } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import { uuidOf } from "../runtime/ids.js";

export type AccountKind =
  "rider_wallet" | "driver" | "platform" | "tax" | "gateway_clearing" | "cash_clearing";

export interface Account {
  tenantId: string;
  kind: AccountKind;
  /** The rider or driver; for the platform's own accounts the stripe. */
  ownerId: string;
  currencyCode: string;
}

export interface Entry {
  account: Account;
  amountMinor: bigint;
  /** The rider on whose statement it is a line. */
  riderId?: string;
}

export type TransferKind = "trip_fare" | "cancellation_fee" | "cash_collected" | "wallet_top_up";

export interface Transfer {
  transferId: string;
  kind: TransferKind;
  /** The payment, or the attempt of a top-up. */
  reference: string;
  tripId: string | undefined;
  entries: Entry[];
}

/** An account's id: always the same for the same account. */
export function accountId({ tenantId, kind, ownerId, currencyCode }: Account): string {
  return uuidOf("account", tenantId, kind, ownerId, currencyCode);
}

/** A rider's wallet. */
export function walletOf(tenantId: string, riderId: string, currencyCode: string): Account {
  return { tenantId, kind: "rider_wallet", ownerId: riderId, currencyCode };
}

/** The platform's own accounts are spread over this many rows, so that charges do not queue for one. */
const stripes = 16;

function ownAccount(
  kind: "platform" | "tax" | "gateway_clearing" | "cash_clearing",
  of: { tenantId: string; currencyCode: string },
  reference: string,
): Account {
  const stripe = Number.parseInt(reference.slice(-2), 16) % stripes;
  return { tenantId: of.tenantId, kind, ownerId: String(stripe), currencyCode: of.currencyCode };
}

/** How a total is shared, in minor units. */
export interface Split {
  driverShareMinor: bigint;
  commissionMinor: bigint;
  taxMinor: bigint;
}

/**
 * Shares a total: tax is passed on; of the rest the platform takes its commission, in hundredths of a
 * percent and rounded half up, the driver what is left. Without a driver the platform takes the rest.
 */
export function split(
  totalMinor: bigint,
  taxMinor: bigint,
  driverId: string,
  commissionBasisPoints: number,
): Split {
  const rest = totalMinor - taxMinor;
  const commissionMinor = driverId
    ? (rest * BigInt(commissionBasisPoints) + 5000n) / 10_000n
    : rest;
  return { driverShareMinor: rest - commissionMinor, commissionMinor, taxMinor };
}

/** What the transfers of a paid trip are made of. */
export interface PaidTrip extends Split {
  tenantId: string;
  paymentId: string;
  tripId: string;
  riderId: string;
  driverId: string;
  purpose: PaymentPurpose;
  method: PaymentMethodKind;
  currencyCode: string;
  totalMinor: bigint;
}

/**
 * The transfers of a paid trip: from where the rider's money is to the driver, the platform and the
 * tax; and for cash, that the driver holds it. None when nothing was due.
 */
export function transfersOfTrip(paid: PaidTrip, newId: () => string): Transfer[] {
  const { tenantId, paymentId, tripId, riderId, driverId, totalMinor, currencyCode } = paid;
  if (totalMinor === 0n) return [];
  const driver: Account = { tenantId, kind: "driver", ownerId: driverId, currencyCode };
  const fare: Transfer = {
    transferId: newId(),
    kind: paid.purpose === PaymentPurpose.CANCELLATION_FEE ? "cancellation_fee" : "trip_fare",
    reference: paymentId,
    tripId,
    entries: withAmounts([
      { account: payerOf(paid), amountMinor: -totalMinor, riderId },
      { account: driver, amountMinor: paid.driverShareMinor },
      { account: ownAccount("platform", paid, paymentId), amountMinor: paid.commissionMinor },
      { account: ownAccount("tax", paid, paymentId), amountMinor: paid.taxMinor },
    ]),
  };
  if (paid.method !== PaymentMethodKind.CASH) return [fare];
  const cash: Transfer = {
    transferId: newId(),
    kind: "cash_collected",
    reference: paymentId,
    tripId,
    entries: [
      { account: driver, amountMinor: -totalMinor },
      { account: payerOf(paid), amountMinor: totalMinor },
    ],
  };
  return [fare, cash];
}

/** Where the rider's money comes from. */
function payerOf(paid: PaidTrip): Account {
  switch (paid.method) {
    case PaymentMethodKind.CASH:
      return ownAccount("cash_clearing", paid, paid.paymentId);
    case PaymentMethodKind.WALLET:
      return walletOf(paid.tenantId, paid.riderId, paid.currencyCode);
    case PaymentMethodKind.CARD:
      return ownAccount("gateway_clearing", paid, paid.paymentId);
    case PaymentMethodKind.UNSPECIFIED:
      throw new Error("a payment has no method");
    default:
      return paid.method satisfies never;
  }
}

/** The transfer of a top-up: from the gateway into the wallet. Its id is that of the attempt. */
export function transferOfTopUp(topUp: {
  tenantId: string;
  attemptId: string;
  riderId: string;
  amountMinor: bigint;
  currencyCode: string;
}): Transfer {
  const { tenantId, attemptId, riderId, amountMinor, currencyCode } = topUp;
  return {
    transferId: attemptId,
    kind: "wallet_top_up",
    reference: attemptId,
    tripId: undefined,
    entries: [
      { account: ownAccount("gateway_clearing", topUp, attemptId), amountMinor: -amountMinor },
      { account: walletOf(tenantId, riderId, currencyCode), amountMinor, riderId },
    ],
  };
}

function withAmounts(entries: Entry[]): Entry[] {
  return entries.filter((entry) => entry.amountMinor !== 0n);
}
