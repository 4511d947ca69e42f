import { expect } from "chai";
import { PaymentPurpose, PaymentStatus } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import { PaymentMethodKind } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import {
  begun,
  failed,
  isLeased,
  newPayment,
  nextAttempt,
  payable,
  succeeded,
  viewOf,
  type Due,
} from "./payment.js";

const { CASH, WALLET, CARD } = PaymentMethodKind;
const { FARE, CANCELLATION_FEE } = PaymentPurpose;
const now = new Date("2024-05-01T12:00:00Z");
const later = new Date("2024-05-01T12:00:09Z");
const due: Due = {
  tenantId: "metro",
  tripId: "trip",
  riderId: "rider",
  driverId: "driver",
  purpose: FARE,
  way: { method: CARD, cardId: "" },
  totalMinor: 1230n,
  taxMinor: 80n,
  currencyCode: "USD",
};
const made = { attemptId: "attempt", requestId: "request", leaseExpireTime: later, now };

describe("how a trip can be paid", () => {
  const table: [string, PaymentPurpose, string, PaymentMethodKind, PaymentMethodKind][] = [
    ["a ride in cash", FARE, "driver", CASH, CASH],
    ["a ride by card", FARE, "driver", CARD, CARD],
    ["a fee by card", CANCELLATION_FEE, "driver", CARD, CARD],
    ["a fee by wallet", CANCELLATION_FEE, "driver", WALLET, WALLET],
    [
      "a fee by wallet where cash was agreed: there is no ride to hand it over in",
      CANCELLATION_FEE,
      "driver",
      CASH,
      WALLET,
    ],
    ["a ride by wallet where cash was agreed, but nobody drove", FARE, "", CASH, WALLET],
  ];
  for (const [title, purpose, driverId, method, expected] of table) {
    it(`is ${title}`, () => {
      expect(payable({ purpose, driverId }, { method, cardId: "" }).method).to.equal(expected);
    });
  }
});

describe("a payment", () => {
  const payment = newPayment(due, "payment", 2000, now);
  const attempt = nextAttempt(payment, { method: CARD, cardId: "card" }, made);

  it("begins with its shares, before any attempt", () => {
    expect(payment).to.deep.include({
      version: 0n,
      attemptNumber: 0,
      driverShareMinor: 920n,
      commissionMinor: 230n,
      taxMinor: 80n,
    });
  });

  it("has attempts with a key for the gateway each, from the trip and their number", () => {
    expect(attempt).to.deep.include({ number: 1, gatewayKey: "trip/metro/trip/1" });
    const second = nextAttempt({ ...payment, attemptNumber: 1 }, due.way, made);
    expect(second).to.deep.include({ number: 2, gatewayKey: "trip/metro/trip/2" });
  });

  it("asks no gateway for a wallet", () => {
    expect(nextAttempt(payment, { method: WALLET, cardId: "" }, made).gatewayKey).to.equal("");
  });

  it("is pending while an attempt is under way", () => {
    const step = begun({ payment, attempt }, later);
    expect(step.payment).to.deep.include({
      version: 1n,
      status: PaymentStatus.PENDING,
      attemptNumber: 1,
      updateTime: later,
    });
  });

  it("is paid with the method of the attempt that went through", () => {
    const wallet = nextAttempt(payment, { method: WALLET, cardId: "" }, made);
    const step = succeeded(
      { payment: { ...payment, failure: "card_declined" }, attempt: wallet },
      later,
    );
    expect(step.payment).to.deep.include({
      status: PaymentStatus.SUCCEEDED,
      method: WALLET,
      failure: "",
    });
    expect(step.attempt).to.deep.include({
      status: PaymentStatus.SUCCEEDED,
      leaseExpireTime: undefined,
      decideTime: later,
    });
  });

  it("keeps the method that was booked when an attempt fails", () => {
    const wallet = nextAttempt(payment, { method: WALLET, cardId: "" }, made);
    const step = failed({ payment, attempt: wallet }, "insufficient_funds", later);
    expect(step.payment).to.deep.include({
      status: PaymentStatus.FAILED,
      method: CARD,
      failure: "insufficient_funds",
    });
    expect(step.attempt).to.deep.include({
      status: PaymentStatus.FAILED,
      failure: "insufficient_funds",
    });
  });

  it("shows why it failed only while it has", () => {
    const step = failed({ payment, attempt }, "card_declined", later);
    expect(viewOf(step.payment).failure).to.equal("card_declined");
    const second = nextAttempt(step.payment, due.way, made);
    expect(viewOf(begun({ ...step, attempt: second }, later).payment).failure).to.equal("");
  });
});

describe("a lease", () => {
  const attempt = nextAttempt(newPayment(due, "payment", 2000, now), due.way, made);

  it("holds until its end", () => {
    expect(isLeased(attempt, new Date(later.getTime() - 1))).to.equal(true);
    expect(isLeased(attempt, later)).to.equal(false);
    expect(isLeased({ ...attempt, leaseExpireTime: undefined }, now)).to.equal(false);
  });
});
