import { randomUUID } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { PaymentPurpose } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import { PaymentMethodKind } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import {
  accountId,
  split,
  transferOfTopUp,
  transfersOfTrip,
  type PaidTrip,
  type Transfer,
} from "./ledger.js";

const paid: PaidTrip = {
  tenantId: "metro",
  paymentId: "018f0000-0000-7000-8000-000000000005",
  tripId: "018f0000-0000-7000-8000-000000000001",
  riderId: "rider",
  driverId: "driver",
  purpose: PaymentPurpose.FARE,
  method: PaymentMethodKind.CARD,
  currencyCode: "USD",
  totalMinor: 1230n,
  driverShareMinor: 920n,
  commissionMinor: 230n,
  taxMinor: 80n,
};

/** "trip_fare: gateway_clearing/5 -1230*, driver/driver 920"; a star marks the rider's line. */
function told(transfers: Transfer[]): string[] {
  return transfers.map(({ kind, entries }) => {
    const lines = entries.map(
      ({ account, amountMinor, riderId }) =>
        `${account.kind}/${account.ownerId} ${amountMinor}${riderId ? "*" : ""}`,
    );
    return `${kind}: ${lines.join(", ")}`;
  });
}

function sumsOf(transfers: Transfer[]): bigint[] {
  return transfers.map(({ entries }) => entries.reduce((sum, e) => sum + e.amountMinor, 0n));
}

describe("the split of a total", () => {
  const table: [string, bigint, bigint, string, [bigint, bigint, bigint]][] = [
    ["passes tax on and takes 20 % of the rest", 1230n, 80n, "driver", [920n, 230n, 80n]],
    ["rounds the commission half up", 113n, 0n, "driver", [90n, 23n, 0n]],
    ["rounds the commission down below a half", 112n, 0n, "driver", [90n, 22n, 0n]],
    ["leaves everything to the platform without a driver", 500n, 0n, "", [0n, 500n, 0n]],
    ["still passes tax on without a driver", 500n, 80n, "", [0n, 420n, 80n]],
    ["shares nothing of a total that is all tax", 80n, 80n, "driver", [0n, 0n, 80n]],
    ["shares nothing of nothing", 0n, 0n, "driver", [0n, 0n, 0n]],
  ];
  for (const [title, total, tax, driverId, expected] of table) {
    it(title, () => {
      const { driverShareMinor, commissionMinor, taxMinor } = split(total, tax, driverId, 2000);
      expect([driverShareMinor, commissionMinor, taxMinor]).to.deep.equal(expected);
    });
  }
});

describe("the transfers of a trip", () => {
  it("move a card's money from the gateway", () => {
    expect(told(transfersOfTrip(paid, randomUUID))).to.deep.equal([
      "trip_fare: gateway_clearing/5 -1230*, driver/driver 920, platform/5 230, tax/5 80",
    ]);
  });

  it("move a wallet's money out of it", () => {
    const wallet = { ...paid, method: PaymentMethodKind.WALLET };
    expect(told(transfersOfTrip(wallet, randomUUID))).to.deep.equal([
      "trip_fare: rider_wallet/rider -1230*, driver/driver 920, platform/5 230, tax/5 80",
    ]);
  });

  it("record cash, and that the driver holds it: he owes commission and tax", () => {
    const cash = { ...paid, method: PaymentMethodKind.CASH };
    const transfers = transfersOfTrip(cash, randomUUID);
    expect(told(transfers)).to.deep.equal([
      "trip_fare: cash_clearing/5 -1230*, driver/driver 920, platform/5 230, tax/5 80",
      "cash_collected: driver/driver -1230, cash_clearing/5 1230",
    ]);
    const ofDriver = transfers
      .flatMap((transfer) => transfer.entries)
      .filter(({ account }) => account.kind === "driver");
    expect(ofDriver.reduce((sum, e) => sum + e.amountMinor, 0n)).to.equal(-310n);
  });

  it("name a cancellation fee, and leave out who gets nothing", () => {
    const fee = {
      ...paid,
      purpose: PaymentPurpose.CANCELLATION_FEE,
      driverId: "",
      totalMinor: 500n,
      driverShareMinor: 0n,
      commissionMinor: 500n,
      taxMinor: 0n,
    };
    expect(told(transfersOfTrip(fee, randomUUID))).to.deep.equal([
      "cancellation_fee: gateway_clearing/5 -500*, platform/5 500",
    ]);
  });

  it("are none when nothing was due", () => {
    expect(transfersOfTrip({ ...paid, totalMinor: 0n }, randomUUID)).to.deep.equal([]);
  });

  it("balance, whatever the amounts, the method and the commission", () => {
    const minor = fc.bigInt({ min: 0n, max: 10n ** 12n });
    const methods = fc.constantFrom(
      PaymentMethodKind.CASH,
      PaymentMethodKind.WALLET,
      PaymentMethodKind.CARD,
    );
    const commission = fc.integer({ min: 0, max: 10_000 });
    fc.assert(
      fc.property(
        minor,
        minor,
        methods,
        commission,
        fc.boolean(),
        (a, b, method, points, driven) => {
          const [taxMinor, totalMinor] = a < b ? [a, b] : [b, a];
          const driverId = driven || method === PaymentMethodKind.CASH ? "driver" : "";
          const shares = split(totalMinor, taxMinor, driverId, points);
          expect(Object.values(shares).every((share) => share >= 0n)).to.equal(true);
          const trip = { ...paid, ...shares, driverId, totalMinor, method };
          expect(sumsOf(transfersOfTrip(trip, randomUUID)).every((sum) => sum === 0n)).to.equal(
            true,
          );
        },
      ),
    );
  });
});

describe("the transfer of a top-up", () => {
  it("moves money from the gateway into the wallet, under the attempt's id", () => {
    const topUp = transferOfTopUp({
      tenantId: "metro",
      attemptId: "018f0000-0000-7000-8000-00000000000a",
      riderId: "rider",
      amountMinor: 2000n,
      currencyCode: "USD",
    });
    expect(told([topUp])).to.deep.equal([
      "wallet_top_up: gateway_clearing/10 -2000, rider_wallet/rider 2000*",
    ]);
    expect(topUp.transferId).to.equal("018f0000-0000-7000-8000-00000000000a");
    expect(sumsOf([topUp])).to.deep.equal([0n]);
  });
});

describe("an account's id", () => {
  it("is the same for the same account, and another for any other", () => {
    const account = {
      tenantId: "metro",
      kind: "driver",
      ownerId: "one",
      currencyCode: "USD",
    } as const;
    const others = [
      { ...account, tenantId: "harbor" },
      { ...account, kind: "rider_wallet" as const },
      { ...account, ownerId: "two" },
      { ...account, currencyCode: "EUR" },
    ];
    expect(accountId({ ...account })).to.equal(accountId(account));
    expect(new Set([account, ...others].map(accountId)).size).to.equal(5);
  });
});
