import { expect } from "chai";
import { Party } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import * as templates from "./templates.js";
import { formatMoney, type Draft } from "./templates.js";

const trip = { tripId: "trip", version: 1n, riderId: "rider", driverId: "driver" };
const usd = (amountMinor: bigint) => ({ amountMinor, currencyCode: "USD" });
const said = (drafts: Draft[]) => drafts.map(({ userId, kind }) => `${userId}: ${kind}`);
const cancelled = (
  change: Partial<Parameters<typeof templates.tripCancelled>[0]> = {},
): Parameters<typeof templates.tripCancelled>[0] => ({
  ...trip,
  party: Party.RIDER,
  fee: usd(0n),
  noShow: false,
  cityId: "new-york",
  ...change,
});

describe("notification templates", () => {
  const cases: [string, Draft[], string[]][] = [
    [
      "an accepted trip",
      templates.tripAccepted({ ...trip, cityId: "", searchNumber: 1 }),
      ["rider: trip_accepted"],
    ],
    ["a driver on his way", templates.driverArriving(trip), ["rider: driver_arriving"]],
    ["a driver at the pickup", templates.driverArrived(trip), ["rider: driver_arrived"]],
    [
      "a trip that was given back",
      templates.tripDriverCancelled({ ...trip, cityId: "", searchNumber: 2 }),
      ["rider: driver_cancelled"],
    ],
    ["a started ride", templates.tripStarted(trip), ["rider: trip_started"]],
    [
      "a completed ride",
      templates.tripCompleted({ ...trip, cityId: "" }),
      ["rider: trip_completed", "driver: trip_completed"],
    ],
    [
      "a trip that its rider cancelled",
      templates.tripCancelled(cancelled()),
      ["rider: trip_cancelled", "driver: trip_cancelled"],
    ],
    [
      "a trip that its rider cancelled before anyone accepted",
      templates.tripCancelled(cancelled({ driverId: "" })),
      ["rider: trip_cancelled"],
    ],
    [
      "a trip whose rider did not come",
      templates.tripCancelled(cancelled({ party: Party.DRIVER, noShow: true })),
      ["rider: trip_cancelled"],
    ],
    [
      "a trip that support cancelled",
      templates.tripCancelled(cancelled({ party: Party.STAFF })),
      ["rider: trip_cancelled", "driver: trip_cancelled"],
    ],
    [
      "a trip that nobody took",
      templates.tripExpired({ ...trip, reason: "" }),
      ["rider: trip_expired"],
    ],
    [
      "a payment",
      templates.paymentProcessed({ ...trip, paymentId: "", total: usd(5n), driverShare: usd(4n) }),
      ["rider: receipt", "driver: earnings"],
    ],
    [
      "a payment that brings the driver nothing",
      templates.paymentProcessed({ ...trip, paymentId: "", total: usd(5n), driverShare: usd(0n) }),
      ["rider: receipt"],
    ],
    [
      "a failed payment",
      templates.paymentFailed({ ...trip, reason: "card_declined", total: usd(5n) }),
      ["rider: payment_failed"],
    ],
  ];
  for (const [what, drafts, expected] of cases) {
    it(`tell of ${what}: ${expected.join(", ")}`, () => {
      expect(said(drafts)).to.deep.equal(expected);
      for (const { title, body } of drafts) {
        expect(title).to.match(/^[A-Z]/);
        expect(body).to.match(/[.?]$/);
      }
    });
  }

  it("name the amounts of receipt, earnings and debt", () => {
    const payment = { ...trip, paymentId: "", total: usd(1234n), driverShare: usd(987n) };
    const [receipt, earnings] = templates.paymentProcessed(payment);
    expect(receipt).to.include({ title: "Receipt: $12.34", body: "You paid $12.34." });
    expect(earnings).to.include({ title: "You earned $9.87" });
    const [debt] = templates.paymentFailed({ ...trip, reason: "", total: usd(1234n) });
    expect(debt!.body).to.contain("$12.34 could not be charged");
  });

  it("name the fee of a cancellation, and say when there is none", () => {
    const [withFee] = templates.tripCancelled(cancelled({ fee: usd(500n) }));
    expect(withFee!.body).to.equal("The trip was cancelled by you. A fee of $5.00 applies.");
    const [free] = templates.tripCancelled(cancelled());
    expect(free!.body).to.contain("It costs you nothing.");
    const [noShow, ...none] = templates.tripCancelled(
      cancelled({ party: Party.DRIVER, noShow: true, fee: usd(1000n) }),
    );
    expect(noShow!.body).to.equal(
      "Your driver waited at the pickup and nobody came. A fee of $10.00 applies.",
    );
    expect(none).to.deep.equal([]);
  });

  it("say who cancelled", () => {
    const bodyFor = (party: Party) =>
      templates.tripCancelled(cancelled({ party })).map((draft) => draft.body);
    expect(bodyFor(Party.RIDER)[1]).to.equal("The trip was cancelled by the rider.");
    expect(bodyFor(Party.STAFF)[1]).to.equal("The trip was cancelled by support.");
    expect(bodyFor(Party.SYSTEM)[1]).to.equal("The trip was cancelled.");
    expect(bodyFor(Party.DRIVER)[0]).to.contain("by the driver.");
  });

  it("say why nobody took a trip", () => {
    const body = (reason: string) => templates.tripExpired({ ...trip, reason })[0]!.body;
    expect(body("no_drivers_nearby")).to.contain("no free driver near the pickup");
    expect(body("no_driver_accepted")).to.contain("No driver could take");
  });
});

describe("amounts in words", () => {
  const cases: [bigint, string, string][] = [
    [0n, "USD", "$0.00"],
    [5n, "USD", "$0.05"],
    [123456n, "USD", "$1,234.56"],
    [-250n, "USD", "-$2.50"],
    [9_007_199_254_740_993n, "USD", "$90,071,992,547,409.93"],
    [1500n, "JPY", "¥1,500"],
    [1500n, "KWD", "KWD\u00a01.500"],
    [999n, "EUR", "€9.99"],
  ];
  for (const [amountMinor, currencyCode, expected] of cases) {
    it(`write ${amountMinor} of ${currencyCode} as ${expected}`, () => {
      expect(formatMoney({ amountMinor, currencyCode })).to.equal(expected);
    });
  }
});
