import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { PaymentPurpose, PaymentStatus } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import { PaymentInternalServiceService } from "../../gen/grpc/ridemesh/payment/v1/payment_internal_service.js";
import { PaymentServiceService } from "../../gen/grpc/ridemesh/payment/v1/payment_service.js";
import { PaymentMethodKind } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { Code } from "../runtime/status.js";
import type { TestCaller } from "../testing/host.js";
import { waitFor } from "../testing/wait-for.js";
import { newRider, paymentWorld, refusal, type World } from "./world.test.js";

const { CASH, WALLET, CARD } = PaymentMethodKind;
const { SUCCEEDED, FAILED } = PaymentStatus;

describe("the payment service", () => {
  let world: World;
  before(async () => {
    world = await paymentWorld();
  });
  after(() => world.stop());
  afterEach("the ledger is in order", async () => {
    expect(await world.findings()).to.deep.equal({});
  });

  const call = <S extends Parameters<World["test"]["call"]["unary"]>[0]>(
    stub: S,
    caller: TestCaller | undefined,
    request: Parameters<S["requestSerialize"]>[0],
  ) => world.test.call.unary(stub, caller, request);
  const methodsOf = (rider: TestCaller) =>
    call(PaymentServiceService.listPaymentMethods, rider, {});
  const statementOf = async (
    rider: TestCaller,
    as: TestCaller = rider,
    page: { pageSize?: number; pageToken?: string } = {},
  ) =>
    call(PaymentServiceService.listTransactions, as, {
      customerId: rider.subject,
      pageSize: 0,
      pageToken: "",
      ...page,
    });
  /** A rider with a trip that his card did not pay. */
  const debtor = async (cardToken = "tok_declined") => {
    const rider = newRider();
    const card = await world.addCard(rider, cardToken);
    const tripId = randomUUID();
    const payment = await world.charge(rider, { tripId });
    expect(payment.status).to.equal(FAILED);
    return { rider, tripId, card, payment };
  };

  describe("charging a trip", () => {
    it("takes a card's money and shares it among driver, platform and tax", async () => {
      const rider = newRider();
      const driverId = randomUUID();
      const tripId = randomUUID();
      const card = await world.addCard(rider, "tok_visa");
      const platformBefore = await world.balance("platform");
      const payment = await world.charge(rider, { tripId, driverId });
      expect(payment).to.deep.include({
        tripId,
        riderId: rider.subject,
        driverId,
        purpose: PaymentPurpose.FARE,
        paymentMethod: { kind: CARD, cardId: card.cardId },
        total: { amountMinor: 1230n, currencyCode: "USD" },
        driverShare: { amountMinor: 920n, currencyCode: "USD" },
        commission: { amountMinor: 230n, currencyCode: "USD" },
        tax: { amountMinor: 80n, currencyCode: "USD" },
        status: SUCCEEDED,
        failure: "",
      });
      expect(await world.balance("driver", driverId)).to.equal(920);
      expect(await world.balance("platform")).to.equal(platformBefore + 230);
      expect(await world.chargesAtGateway(`%${tripId}%`)).to.deep.equal([
        { idempotency_key: `trip/metro/${tripId}/1`, status: "succeeded", amount_minor: "1230" },
      ]);
      await waitFor("the event", () => world.eventsOf(tripId).length > 0);
      expect(world.eventsOf(tripId)).to.deep.equal(["ChargeSucceeded"]);
    });

    it("records cash, and has the driver owe commission and tax", async () => {
      const driverId = randomUUID();
      const payment = await world.charge(newRider(), { driverId, method: CASH });
      expect(payment.status).to.equal(SUCCEEDED);
      expect(payment.driverShare).to.deep.equal({ amountMinor: 920n, currencyCode: "USD" });
      expect(await world.balance("driver", driverId)).to.equal(-310);
    });

    it("takes a wallet's money", async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_visa");
      await world.topUp(rider, 2000n);
      const payment = await world.charge(rider, { method: WALLET });
      expect(payment.status).to.equal(SUCCEEDED);
      expect((await methodsOf(rider)).wallet).to.deep.equal([
        { amountMinor: 770n, currencyCode: "USD" },
      ]);
    });

    it("fails when the wallet holds too little, and moves nothing", async () => {
      const rider = newRider();
      const tripId = randomUUID();
      await world.addCard(rider, "tok_visa");
      await world.topUp(rider, 1229n);
      const payment = await world.charge(rider, { tripId, method: WALLET });
      expect(payment).to.deep.include({ status: FAILED, failure: "insufficient_funds" });
      expect(await world.balance("rider_wallet", rider.subject)).to.equal(1229);
      await waitFor("the event", () => world.eventsOf(tripId).length > 0);
      expect(world.eventsOf(tripId)).to.deep.equal(["ChargeFailed"]);
    });

    for (const [token, failure] of [
      ["tok_declined", "card_declined"],
      ["tok_insufficient_funds", "insufficient_funds"],
    ] as const) {
      it(`fails on ${token} with ${failure}`, async () => {
        const rider = newRider();
        await world.addCard(rider, token);
        expect(await world.charge(rider)).to.deep.include({ status: FAILED, failure });
      });
    }

    for (const cardId of ["", randomUUID(), "not-a-uuid"]) {
      it(`fails on a card that is not on file (${cardId.slice(0, 8) || "no default"})`, async () => {
        const payment = await world.charge(newRider(), { cardId });
        expect(payment).to.deep.include({ status: FAILED, failure: "unknown_card" });
      });
    }

    it("fails on another rider's card", async () => {
      const { cardId } = await world.addCard(newRider(), "tok_visa");
      const payment = await world.charge(newRider(), { cardId });
      expect(payment).to.deep.include({ status: FAILED, failure: "unknown_card" });
    });

    it("finds out that a charge went through whose answer timed out", async () => {
      const rider = newRider();
      const tripId = randomUUID();
      await world.addCard(rider, "tok_timeout");
      expect((await world.charge(rider, { tripId })).status).to.equal(SUCCEEDED);
      expect(await world.chargesAtGateway(`%${tripId}%`)).to.have.length(1);
    });

    it("charges the named card and not the default one", async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_declined");
      const { cardId } = await world.addCard(rider, "tok_mastercard");
      const payment = await world.charge(rider, { cardId });
      expect(payment).to.deep.include({ status: SUCCEEDED, paymentMethod: { kind: CARD, cardId } });
    });

    it("returns the same payment when it is repeated, whatever the repetition says", async () => {
      const rider = newRider();
      const tripId = randomUUID();
      await world.addCard(rider, "tok_visa");
      const first = await world.charge(rider, { tripId });
      const again = await world.charge(rider, { tripId, totalMinor: 9999n, method: CASH });
      expect(again).to.deep.equal(first);
    });

    it("tries a failed payment again when it is repeated, under another key", async () => {
      const { rider, tripId } = await debtor();
      expect((await world.charge(rider, { tripId })).status).to.equal(FAILED);
      const charges = await world.chargesAtGateway(`%${tripId}%`);
      expect(charges.map((one) => one.idempotency_key)).to.deep.equal([
        `trip/metro/${tripId}/1`,
        `trip/metro/${tripId}/2`,
      ]);
    });

    it("takes a cancellation fee without tax, all for the platform when nobody drove", async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_visa");
      const fee = { purpose: PaymentPurpose.CANCELLATION_FEE, totalMinor: 500n, taxMinor: 0n };
      const alone = await world.charge(rider, { ...fee, driverId: "" });
      expect([alone.driverShare!.amountMinor, alone.commission!.amountMinor]).to.deep.equal([
        0n,
        500n,
      ]);
      const shared = await world.charge(rider, fee);
      expect([shared.driverShare!.amountMinor, shared.commission!.amountMinor]).to.deep.equal([
        400n,
        100n,
      ]);
    });

    it("takes the fee of a ride that was to be paid in cash from the wallet", async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_visa");
      await world.topUp(rider, 500n);
      const fee = { purpose: PaymentPurpose.CANCELLATION_FEE, method: CASH, taxMinor: 0n };
      const paid = await world.charge(rider, { ...fee, totalMinor: 500n });
      expect(paid).to.deep.include({
        status: SUCCEEDED,
        paymentMethod: { kind: WALLET, cardId: "" },
      });
      const owed = await world.charge(rider, { ...fee, totalMinor: 500n });
      expect(owed).to.deep.include({ status: FAILED, failure: "insufficient_funds" });
    });

    it("succeeds without moving anything when the total is 0", async () => {
      const tripId = randomUUID();
      const payment = await world.charge(newRider(), { tripId, totalMinor: 0n, taxMinor: 0n });
      expect(payment.status).to.equal(SUCCEEDED);
      const moved = await world.rows("SELECT 1 FROM payment.transfers WHERE trip_id = $1", [
        tripId,
      ]);
      expect(moved).to.deep.equal([]);
      expect(await world.chargesAtGateway(`%${tripId}%`)).to.deep.equal([]);
      await waitFor("the event", () => world.eventsOf(tripId).length > 0);
      expect(world.eventsOf(tripId)).to.deep.equal(["ChargeSucceeded"]);
    });

    it("refuses amounts that cannot be, naming the field", async () => {
      const negative = await refusal(world.charge(newRider(), { totalMinor: -1n, taxMinor: 0n }));
      expect(negative.violations.map((v) => v.field)).to.deep.equal(["total.amount_minor"]);
      const taxed = await refusal(world.charge(newRider(), { totalMinor: 10n, taxMinor: 11n }));
      expect(taxed.violations.map((v) => v.field)).to.deep.equal(["tax_minor"]);
      const without = await refusal(world.charge(newRider(), { method: 0 }));
      expect(without.violations.map((v) => v.field)).to.deep.equal(["payment_method.kind"]);
    });

    it("is for the trip service only", async () => {
      const client = world.test.internalClient(
        PaymentInternalServiceService,
        "payment",
        "stranger",
      );
      const error = await refusal(
        client.chargeTrip({
          tenantId: "metro",
          onBehalfOf: randomUUID(),
          tripId: randomUUID(),
          driverId: "",
          purpose: PaymentPurpose.FARE,
          paymentMethod: { kind: CASH, cardId: "" },
          total: { amountMinor: 1n, currencyCode: "USD" },
          taxMinor: 0n,
        }),
      );
      expect(error.reason).to.equal("CALLER_NOT_ALLOWED");
    });
  });

  describe("paying a trip", () => {
    it("pays the debt with another card, and says so in an event", async () => {
      const { rider, tripId, payment } = await debtor();
      const card = await world.addCard(rider, "tok_mastercard");
      const paid = await world.pay(rider, tripId, { cardId: card.cardId });
      expect(paid).to.deep.include({
        paymentId: payment.paymentId,
        status: SUCCEEDED,
        failure: "",
        paymentMethod: { kind: CARD, cardId: card.cardId },
      });
      await waitFor("both events", () => world.eventsOf(tripId).length > 1);
      expect(world.eventsOf(tripId)).to.deep.equal(["ChargeFailed", "ChargeSucceeded"]);
    });

    it("pays the debt from the wallet", async () => {
      const { rider, tripId } = await debtor();
      const good = await world.addCard(rider, "tok_visa");
      await world.topUp(rider, 1230n, { cardId: good.cardId });
      const paid = await world.pay(rider, tripId, { paymentMethod: WALLET });
      expect(paid.paymentMethod).to.deep.equal({ kind: WALLET, cardId: "" });
      expect(await world.balance("rider_wallet", rider.subject)).to.equal(0);
    });

    it("pays as the trip was booked when nothing is said", async () => {
      const rider = newRider();
      const tripId = randomUUID();
      await world.charge(rider, { tripId, method: WALLET });
      await world.addCard(rider, "tok_visa");
      await world.topUp(rider, 5000n);
      expect((await world.pay(rider, tripId)).paymentMethod!.kind).to.equal(WALLET);
    });

    it("is refused with ALREADY_PAID when it was paid", async () => {
      const rider = newRider();
      const tripId = randomUUID();
      const { paymentId } = await world.charge(rider, { tripId, method: CASH });
      const error = await refusal(world.pay(rider, tripId));
      expect(error.code).to.equal(Code.FAILED_PRECONDITION);
      expect(error.reason).to.equal("ALREADY_PAID");
      expect(error.domain).to.equal("payment.ridemesh");
      expect(error.metadata).to.deep.equal({ payment_id: paymentId });
    });

    it("is refused with NOTHING_DUE when it cost nothing", async () => {
      const rider = newRider();
      const tripId = randomUUID();
      await world.charge(rider, { tripId, totalMinor: 0n, taxMinor: 0n });
      expect((await refusal(world.pay(rider, tripId))).reason).to.equal("NOTHING_DUE");
    });

    it("is refused with CARD_DECLINED, and nothing has changed but the attempt", async () => {
      const { rider, tripId, payment } = await debtor();
      const card = await world.addCard(rider, "tok_insufficient_funds");
      const error = await refusal(world.pay(rider, tripId, { cardId: card.cardId }));
      expect(error.code).to.equal(Code.FAILED_PRECONDITION);
      expect(error.reason).to.equal("CARD_DECLINED");
      expect(error.metadata).to.deep.equal({ failure: "insufficient_funds" });
      const { payment: after } = await call(PaymentServiceService.getPayment, rider, {
        paymentId: payment.paymentId,
      });
      expect(after).to.deep.equal({
        ...payment,
        failure: "insufficient_funds",
        updateTime: after!.updateTime,
      });
    });

    it("is refused with INSUFFICIENT_FUNDS when the wallet holds too little", async () => {
      const { rider, tripId } = await debtor();
      const error = await refusal(world.pay(rider, tripId, { paymentMethod: WALLET }));
      expect(error.code).to.equal(Code.FAILED_PRECONDITION);
      expect(error.reason).to.equal("INSUFFICIENT_FUNDS");
    });

    it("is refused with UNKNOWN_CARD for a card that is not his", async () => {
      const { rider, tripId, payment } = await debtor();
      const { cardId } = await world.addCard(newRider(), "tok_visa");
      const error = await refusal(world.pay(rider, tripId, { cardId }));
      expect(error.code).to.equal(Code.INVALID_ARGUMENT);
      expect(error.reason).to.equal("UNKNOWN_CARD");
      expect(error.violations.map((v) => v.field)).to.deep.equal(["card_id"]);
      const [attempts] = await world.rows<{ count: string }>(
        "SELECT count(*) FROM payment.attempts WHERE payment_id = $1",
        [payment.paymentId],
      );
      expect(attempts!.count).to.equal("1");
    });

    it("is refused with UNKNOWN_CARD without any card on file", async () => {
      const rider = newRider();
      const tripId = randomUUID();
      await world.charge(rider, { tripId });
      const error = await refusal(world.pay(rider, tripId));
      expect(error.code).to.equal(Code.FAILED_PRECONDITION);
      expect(error.reason).to.equal("UNKNOWN_CARD");
    });

    it("is refused in cash, and by wallet with a card", async () => {
      const { rider, tripId } = await debtor();
      const cash = await refusal(world.pay(rider, tripId, { paymentMethod: CASH }));
      expect(cash.violations.map((v) => v.field)).to.deep.equal(["payment_method"]);
      const both = await refusal(
        world.pay(rider, tripId, { paymentMethod: WALLET, cardId: randomUUID() }),
      );
      expect(both.violations.map((v) => v.field)).to.deep.equal(["card_id"]);
    });

    it("is not found for an unknown trip, another rider and another tenant", async () => {
      const { rider, tripId } = await debtor();
      const others = [
        world.pay(rider, randomUUID()),
        world.pay(newRider(), tripId),
        world.pay({ ...rider, tenantId: "harbor" }, tripId),
      ];
      for (const error of await Promise.all(others.map(refusal))) {
        expect(error.code).to.equal(Code.NOT_FOUND);
      }
    });

    it("gives a repetition the first answer, and refuses another body under its key", async () => {
      const { rider, tripId } = await debtor();
      const { cardId } = await world.addCard(rider, "tok_visa");
      const requestId = randomUUID();
      const first = await world.pay(rider, tripId, { cardId, requestId });
      expect(await world.pay(rider, tripId, { cardId, requestId })).to.deep.equal(first);
      const error = await refusal(world.pay(rider, tripId, { requestId }));
      expect(error.reason).to.equal("REQUEST_ID_REUSED");
    });

    it("gives a repetition the first refusal, without asking the gateway again", async () => {
      const { rider, tripId } = await debtor();
      const requestId = randomUUID();
      const first = await refusal(world.pay(rider, tripId, { requestId }));
      const again = await refusal(world.pay(rider, tripId, { requestId }));
      expect([first.reason, again.reason]).to.deep.equal(["CARD_DECLINED", "CARD_DECLINED"]);
      expect(await world.chargesAtGateway(`%${tripId}%`)).to.have.length(2);
    });

    it("works without a request id", async () => {
      const { rider, tripId } = await debtor();
      const { cardId } = await world.addCard(rider, "tok_visa");
      expect((await world.pay(rider, tripId, { cardId, requestId: "" })).status).to.equal(
        SUCCEEDED,
      );
    });
  });

  describe("one payment", () => {
    it("is shown to its rider and to staff, and to nobody else", async () => {
      const rider = newRider();
      const { paymentId } = await world.charge(rider, { method: CASH });
      const admin = { ...newRider(), roles: [Role.ADMIN] };
      for (const caller of [rider, admin]) {
        const { payment } = await call(PaymentServiceService.getPayment, caller, { paymentId });
        expect(payment!.paymentId).to.equal(paymentId);
      }
      const strangers = [newRider(), newRider("harbor"), { ...admin, tenantId: "harbor" }];
      for (const caller of strangers) {
        const error = await refusal(call(PaymentServiceService.getPayment, caller, { paymentId }));
        expect(error.code).to.equal(Code.NOT_FOUND);
      }
    });
  });

  describe("a rider's cards", () => {
    it("are listed in the order in which they came; the first is the default", async () => {
      const rider = newRider();
      const first = await world.addCard(rider, "tok_visa");
      const second = await world.addCard(rider, "tok_mastercard");
      expect(first).to.deep.include({ brand: "visa", lastFour: "4242", isDefault: true });
      expect(second).to.deep.include({ brand: "mastercard", lastFour: "4444", isDefault: false });
      expect(await methodsOf(rider)).to.deep.equal({
        cards: [first, second],
        wallet: [],
        cash: true,
      });
      expect((await methodsOf(newRider())).cards).to.deep.equal([]);
    });

    it("are refused with BAD_CARD_TOKEN when the gateway does not know the token", async () => {
      const rider = newRider();
      const error = await refusal(world.addCard(rider, "4242424242424242"));
      expect(error.code).to.equal(Code.INVALID_ARGUMENT);
      expect(error.reason).to.equal("BAD_CARD_TOKEN");
      expect(error.violations.map((v) => v.field)).to.deep.equal(["card_token"]);
      expect((await methodsOf(rider)).cards).to.deep.equal([]);
    });

    it("are kept without a token that could be read, in any table", async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_visa");
      for (const table of ["cards", "idempotency_keys", "attempts", "outbox"]) {
        const found = await world.rows(
          `SELECT 1 FROM payment.${table} t
           WHERE t::text LIKE '%tok_visa%' OR t::text LIKE $1`,
          [`%${Buffer.from("tok_visa").toString("hex")}%`],
        );
        expect(found, table).to.deep.equal([]);
      }
    });
  });

  describe("topping a wallet up", () => {
    it("moves money from the default card and tells what the wallet then holds", async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_visa");
      const first = await world.topUp(rider, 2000n);
      expect(first.balance).to.deep.equal({ amountMinor: 2000n, currencyCode: "USD" });
      const second = await world.topUp(rider, 500n);
      expect(second.balance!.amountMinor).to.equal(2500n);
      const { transactions } = await statementOf(rider);
      expect(transactions.map((line) => [line.transferId, line.kind])).to.deep.equal([
        [second.transferId, "wallet_top_up"],
        [first.transferId, "wallet_top_up"],
      ]);
    });

    it("is refused with BAD_CURRENCY for a currency that the operator does not use", async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_visa");
      const error = await refusal(world.topUp(rider, 2000n, { currencyCode: "EUR" }));
      expect(error.code).to.equal(Code.INVALID_ARGUMENT);
      expect(error.reason).to.equal("BAD_CURRENCY");
      expect(error.violations.map((v) => v.field)).to.deep.equal(["amount.currency_code"]);
      const harborRider = newRider("harbor");
      await world.addCard(harborRider, "tok_visa");
      const { balance } = await world.topUp(harborRider, 2000n, { currencyCode: "EUR" });
      expect(balance).to.deep.equal({ amountMinor: 2000n, currencyCode: "EUR" });
    });

    it("is refused with CARD_DECLINED, and moves nothing", async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_declined");
      const requestId = randomUUID();
      for (const attempt of [1, 2]) {
        const error = await refusal(world.topUp(rider, 2000n, { requestId }));
        expect(error.reason, `attempt ${attempt}`).to.equal("CARD_DECLINED");
        expect(error.metadata).to.deep.equal({ failure: "card_declined" });
      }
      expect((await methodsOf(rider)).wallet).to.deep.equal([]);
    });

    it("is refused with UNKNOWN_CARD without a card, or with another's", async () => {
      const rider = newRider();
      const none = await refusal(world.topUp(rider, 2000n));
      expect([none.code, none.reason]).to.deep.equal([Code.FAILED_PRECONDITION, "UNKNOWN_CARD"]);
      const { cardId } = await world.addCard(newRider(), "tok_visa");
      const others = await refusal(world.topUp(rider, 2000n, { cardId }));
      expect([others.code, others.reason]).to.deep.equal([Code.INVALID_ARGUMENT, "UNKNOWN_CARD"]);
    });

    for (const amountMinor of [99n, 0n, -500n, 100_000_001n]) {
      it(`is refused for ${amountMinor}`, async () => {
        const error = await refusal(world.topUp(newRider(), amountMinor));
        expect(error.code).to.equal(Code.INVALID_ARGUMENT);
      });
    }

    it("finds out that a charge went through whose answer timed out", async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_timeout");
      expect((await world.topUp(rider, 700n)).balance!.amountMinor).to.equal(700n);
    });

    it("gives a repetition the first answer, and refuses another body under its key", async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_visa");
      const requestId = randomUUID();
      const first = await world.topUp(rider, 700n, { requestId });
      await world.topUp(rider, 100n);
      expect(await world.topUp(rider, 700n, { requestId })).to.deep.equal(first);
      const error = await refusal(world.topUp(rider, 701n, { requestId }));
      expect(error.reason).to.equal("REQUEST_ID_REUSED");
      expect(await world.balance("rider_wallet", rider.subject)).to.equal(800);
    });
  });

  describe("a rider's transactions", () => {
    it("are what he put in and paid, newest first, a page at a time", async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_visa");
      await world.topUp(rider, 5000n);
      const tripId = randomUUID();
      await world.charge(rider, { tripId, method: WALLET });
      await world.charge(rider, { method: CASH, totalMinor: 900n });
      await world.charge(rider, { method: CARD, totalMinor: 800n });
      const purpose = PaymentPurpose.CANCELLATION_FEE;
      await world.charge(rider, { purpose, totalMinor: 500n, taxMinor: 0n });

      const pages = [];
      let pageToken = "";
      do {
        const page = await statementOf(rider, rider, { pageSize: 2, pageToken });
        pages.push(page.transactions);
        pageToken = page.nextPageToken;
      } while (pageToken);
      expect(pages.map((page) => page.length)).to.deep.equal([2, 2, 1]);
      const lines = pages.flat();
      expect(lines.map((line) => [line.kind, Number(line.amount!.amountMinor)])).to.deep.equal([
        ["cancellation_fee", -500],
        ["trip_fare", -800],
        ["trip_fare", -900],
        ["trip_fare", -1230],
        ["wallet_top_up", 5000],
      ]);
      expect(lines[3]!.tripId).to.equal(tripId);
      expect(lines[4]!.tripId).to.equal("");
      expect((await statementOf(rider)).transactions).to.deep.equal(lines);
    });

    it("are shown to staff of the operator, and to no other rider", async () => {
      const rider = newRider();
      await world.charge(rider, { method: CASH });
      const support = { ...newRider(), roles: [Role.SUPPORT] };
      expect((await statementOf(rider, support)).transactions).to.have.length(1);
      const elsewhere = { ...support, tenantId: "harbor" };
      expect((await statementOf(rider, elsewhere)).transactions).to.deep.equal([]);
      const error = await refusal(statementOf(rider, newRider()));
      expect(error.code).to.equal(Code.NOT_FOUND);
    });

    it("are refused with a page token that was never given", async () => {
      const rider = newRider();
      const forged = Buffer.from(JSON.stringify(["yesterday", "x"])).toString("base64url");
      for (const pageToken of ["nonsense", forged]) {
        const error = await refusal(statementOf(rider, rider, { pageToken }));
        expect(error.violations.map((v) => v.field)).to.deep.equal(["page_token"]);
      }
    });
  });

  it("counts payments by outcome, and what they brought", async () => {
    const { registry } = world.test.host.metrics;
    const read = async (name: string, labels: Record<string, string>) => {
      const { values } = await registry.getSingleMetric(name)!.get();
      const wanted = JSON.stringify(labels);
      return values.find((one) => JSON.stringify(one.labels) === wanted)?.value ?? 0;
    };
    const readAll = () =>
      Promise.all([
        read("payments_total", { outcome: "succeeded" }),
        read("payments_total", { outcome: "failed" }),
        read("revenue_minor_total", { currency: "USD" }),
      ]);
    const before = await readAll();
    await world.charge(newRider(), { method: CASH, totalMinor: 321n });
    await world.charge(newRider(), { method: WALLET, totalMinor: 321n });
    const after = await readAll();
    expect(after.map((value, i) => value - before[i]!)).to.deep.equal([1, 1, 321]);
  });
});
