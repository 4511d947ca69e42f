/** What happens when many do the same at once, or the process is killed in the middle. */
import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { PaymentStatus, type Payment } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import { PaymentServiceService } from "../../gen/grpc/ridemesh/payment/v1/payment_service.js";
import { PaymentMethodKind } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import type { RunningService } from "../runtime/service.js";
import { Code, StatusError } from "../runtime/status.js";
import type { TestCaller } from "../testing/host.js";
import { waitFor } from "../testing/wait-for.js";
import type { PaymentConfig } from "./config.js";
import type { CardCharge, ChargeOutcome, Gateway } from "./gateway.js";
import { newRider, paymentWorld, refusal, testConfig, type World } from "./world.test.js";

const { CASH, WALLET, CARD } = PaymentMethodKind;
const { SUCCEEDED, FAILED, PENDING } = PaymentStatus;

const times = <T>(count: number, work: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => work(i)));

/** What each of the calls came to: a payment's status, or the reason of a refusal. */
const outcomes = (calls: Promise<Payment>[]) =>
  Promise.all(
    calls.map((call) =>
      call.then(
        ({ status }) => PaymentStatus[status],
        (error: unknown) => {
          if (error instanceof StatusError) return error.reason;
          throw error;
        },
      ),
    ),
  );

describe("payments at the same time", () => {
  let world: World;
  before(async () => {
    world = await paymentWorld();
  });
  after(() => world.stop());
  afterEach("the ledger is in order", async () => {
    expect(await world.findings()).to.deep.equal({});
  });

  const debtor = async () => {
    const rider = newRider();
    await world.addCard(rider, "tok_declined");
    const tripId = randomUUID();
    await world.charge(rider, { tripId });
    const { cardId } = await world.addCard(rider, "tok_visa");
    return { rider, tripId, cardId };
  };
  const transfersOf = async (tripId: string) =>
    (await world.rows("SELECT 1 FROM payment.transfers WHERE trip_id = $1", [tripId])).length;

  for (const [name, method, transfers] of [
    ["card", CARD, 1],
    ["wallet", WALLET, 1],
    ["cash", CASH, 2],
  ] as const) {
    it(`charges a trip once by ${name} in 10 calls, every time`, async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_visa");
      await world.topUp(rider, 100_000n);
      for (let round = 0; round < 10; round += 1) {
        const tripId = randomUUID();
        const driverId = randomUUID();
        const payments = await times(10, () => world.charge(rider, { tripId, driverId, method }));
        expect(new Set(payments.map((p) => p.paymentId)).size).to.equal(1);
        expect(payments.every((p) => p.status === SUCCEEDED)).to.equal(true);
        expect(await transfersOf(tripId)).to.equal(transfers);
        const charges = await world.chargesAtGateway(`trip/%${tripId}%`);
        expect(charges).to.have.length(method === CARD ? 1 : 0);
        await waitFor("its event", () => world.eventsOf(tripId).length > 0);
        expect(world.eventsOf(tripId)).to.deep.equal(["ChargeSucceeded"]);
      }
    });
  }

  it("charges a trip once in 10 calls whose gateway times out", async () => {
    const rider = newRider();
    await world.addCard(rider, "tok_timeout");
    const tripId = randomUUID();
    const payments = await times(10, () => world.charge(rider, { tripId }));
    expect(payments.every((p) => p.status === SUCCEEDED)).to.equal(true);
    expect(await world.chargesAtGateway(`%${tripId}%`)).to.have.length(1);
  });

  it("pays a trip once in 50 calls with one key, and answers all the same", async () => {
    for (const how of ["card", "wallet"]) {
      const { rider, tripId, cardId } = await debtor();
      await world.topUp(rider, 1230n, { cardId });
      const request = {
        requestId: randomUUID(),
        ...(how === "card" ? { cardId } : { paymentMethod: WALLET }),
      };
      const payments = await times(50, () => world.pay(rider, tripId, request));
      for (const payment of payments) expect(payment).to.deep.equal(payments[0]);
      expect(payments[0]!.status).to.equal(SUCCEEDED);
      expect(await transfersOf(tripId)).to.equal(1);
    }
  });

  it("tries a card once in 50 calls with one key when it is declined", async () => {
    const rider = newRider();
    await world.addCard(rider, "tok_declined");
    const tripId = randomUUID();
    await world.charge(rider, { tripId });
    const requestId = randomUUID();
    const errors = await times(50, () => refusal(world.pay(rider, tripId, { requestId })));
    expect(new Set(errors.map((e) => `${e.reason} ${e.metadata["failure"]}`))).to.deep.equal(
      new Set(["CARD_DECLINED card_declined"]),
    );
    expect(await world.chargesAtGateway(`%${tripId}%`)).to.have.length(2);
  });

  it("pays a trip once in 20 calls with keys of their own; the others are told why not", async () => {
    const { rider, tripId, cardId } = await debtor();
    const told = await outcomes(
      Array.from({ length: 20 }, () => world.pay(rider, tripId, { cardId })),
    );
    expect(told.filter((one) => one === "SUCCEEDED")).to.have.length(1);
    const others = new Set(told.filter((one) => one !== "SUCCEEDED"));
    for (const one of others) expect(one).to.be.oneOf(["ALREADY_PAID", "PAYMENT_IN_PROGRESS"]);
    expect(await transfersOf(tripId)).to.equal(1);
  });

  it("pays a trip once when the rider and the settlement both try, in every way", async () => {
    for (let round = 0; round < 5; round += 1) {
      const { rider, tripId, cardId } = await debtor();
      await world.topUp(rider, 5000n, { cardId });
      await outcomes([
        world.charge(rider, { tripId }),
        world.pay(rider, tripId, { cardId }),
        world.pay(rider, tripId, { paymentMethod: WALLET }),
        world.charge(rider, { tripId }),
        world.pay(rider, tripId),
      ]);
      // The card that declines may have been the only one that got its turn.
      const [last] = await outcomes([world.pay(rider, tripId, { paymentMethod: WALLET })]);
      expect(last).to.be.oneOf(["SUCCEEDED", "ALREADY_PAID"]);
      expect(await transfersOf(tripId)).to.equal(1);
    }
  });

  it("tops a wallet up once in 50 calls with one key, and answers all the same", async () => {
    for (const token of ["tok_visa", "tok_timeout"]) {
      const rider = newRider();
      await world.addCard(rider, token);
      const requestId = randomUUID();
      const answers = await times(50, () => world.topUp(rider, 2000n, { requestId }));
      for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
      expect(await world.balance("rider_wallet", rider.subject)).to.equal(2000);
    }
  });

  it("refuses another top-up under the key of one that is under way, which is not disturbed", async () => {
    const rider = newRider();
    await world.addCard(rider, "tok_timeout");
    const requestId = randomUUID();
    const first = world.topUp(rider, 2000n, { requestId });
    await waitFor("the first to be under way", async () => {
      const sql = "SELECT 1 FROM payment.attempts WHERE rider_id = $1";
      return (await world.rows(sql, [rider.subject])).length === 1;
    });
    const error = await refusal(world.topUp(rider, 3000n, { requestId }));
    expect(error.reason).to.equal("REQUEST_ID_REUSED");
    expect((await first).balance!.amountMinor).to.equal(2000n);
    expect(await world.topUp(rider, 2000n, { requestId })).to.deep.equal(await first);
  });

  it("keeps a card once in 50 calls with one key, and one of many as the default", async () => {
    const rider = newRider();
    const requestId = randomUUID();
    const same = await times(50, () => world.addCard(rider, "tok_visa", requestId));
    for (const card of same) expect(card).to.deep.equal(same[0]);
    const other = newRider();
    const cards = await times(10, () => world.addCard(other, "tok_visa"));
    expect(cards.filter((card) => card.isDefault)).to.have.length(1);
    const { cards: kept } = await world.test.call.unary(
      PaymentServiceService.listPaymentMethods,
      other,
      {},
    );
    expect(kept).to.have.length(10);
  });

  it("never overdraws a wallet in 100 debits at once", async () => {
    const rider = newRider();
    await world.addCard(rider, "tok_visa");
    // Enough for 37 of them.
    await world.topUp(rider, 3799n);
    const payments = await times(100, () =>
      world.charge(rider, { method: WALLET, totalMinor: 100n, taxMinor: 7n }),
    );
    const paid = payments.filter((p) => p.status === SUCCEEDED);
    const refused = payments.filter((p) => p.failure === "insufficient_funds");
    expect([paid.length, refused.length]).to.deep.equal([37, 63]);
    expect(await world.balance("rider_wallet", rider.subject)).to.equal(99);
  });

  it("does not lock up when many wallets pay many drivers crosswise while they are topped up", async () => {
    const riders = await times(5, async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_visa");
      await world.topUp(rider, 50_000n);
      return rider;
    });
    const drivers = Array.from({ length: 5 }, () => randomUUID());
    const payments = await times(100, async (i) => {
      const rider = riders[i % 5]!;
      if (i % 10 === 0) await world.topUp(rider, 100n);
      const method = [WALLET, CASH, CARD][i % 3]!;
      return world.charge(rider, { driverId: drivers[(i * 3 + (i >> 2)) % 5]!, method });
    });
    expect(payments.every((p) => p.status === SUCCEEDED)).to.equal(true);
  });
});

/** A gateway that loses its connection with the service in ways that a test chooses. */
function breakable(gateway: Gateway) {
  const state = {
    /** The charge is made, and the process is gone before it hears of it. */
    dieAfterCharge: false,
    /** The process is gone before the charge leaves. */
    dieBeforeCharge: false,
    /** Nothing gets through. */
    away: false,
    charges: [] as CardCharge[],
  };
  let giveUp: (error: Error) => void;
  const lost = new Promise<never>((_, reject) => (giveUp = reject));
  lost.catch(() => undefined);
  const through: Gateway = {
    describeCard: (token) => gateway.describeCard(token),
    charge: async (charge): Promise<ChargeOutcome> => {
      if (state.away) throw new Error("connection refused");
      if (state.dieBeforeCharge) return lost;
      const outcome = await gateway.charge(charge);
      state.charges.push(charge);
      return state.dieAfterCharge ? lost : outcome;
    },
    lookup: (key) =>
      state.away ? Promise.reject(new Error("connection refused")) : gateway.lookup(key),
    cancel: (key) =>
      state.away ? Promise.reject(new Error("connection refused")) : gateway.cancel(key),
  };
  /** Lets go of the calls that got lost, so that their process can end. */
  const bury = () => {
    state.away = true;
    giveUp(new Error("connection lost"));
  };
  return { state, through, bury };
}

describe("payments whose process is killed", () => {
  let world: World;
  let broken: ReturnType<typeof breakable>["state"];
  let bury: () => void;
  let running: RunningService[];
  /** A lease that is over as soon as nobody is at the attempt; nothing is closed behind one's back. */
  const config = { ...testConfig, gatewayTimeoutMs: 60_000, leaseMs: 200, closeAfterMs: 3_600_000 };
  /** The next process, after the one that calls went to so far. */
  const restart = async (changes: Partial<PaymentConfig> = {}) => {
    running.push(await world.restart({ ...config, ...changes }));
  };

  before(async () => {
    world = await paymentWorld(config);
  });
  after(() => world.stop());
  beforeEach(async () => {
    const through = (gateway: Gateway) => {
      const made = breakable(gateway);
      broken = made.state;
      bury = made.bury;
      return made.through;
    };
    running = [await world.restart(config, through)];
  });
  afterEach(async () => {
    bury();
    await Promise.all(running.map((service) => service.stop()));
    expect(await world.findings()).to.deep.equal({});
  });

  const attemptsOf = (rider: TestCaller) =>
    world.rows<{ status: PaymentStatus; number: number }>(
      "SELECT status, number FROM payment.attempts WHERE rider_id = $1 ORDER BY number",
      [rider.subject],
    );
  /** Makes a call that gets lost with its process, up to where that died. */
  const lose = async (rider: TestCaller, call: Promise<unknown>) => {
    call.catch(() => undefined);
    const before = broken.charges.length;
    await waitFor("the attempt to be pending", async () => {
      const left = (await attemptsOf(rider)).some((attempt) => attempt.status === PENDING);
      return left && (broken.dieBeforeCharge || broken.charges.length > before);
    });
  };

  it("are found out by the next charge: made, and not made again", async () => {
    const rider = newRider();
    await world.addCard(rider, "tok_visa");
    const tripId = randomUUID();
    broken.dieAfterCharge = true;
    await lose(rider, world.charge(rider, { tripId }));
    await restart();
    const payments = await times(10, () => world.charge(rider, { tripId }));
    expect(payments.every((p) => p.status === SUCCEEDED)).to.equal(true);
    expect(await world.chargesAtGateway(`%${tripId}%`)).to.have.length(1);
    expect(await attemptsOf(rider)).to.deep.equal([{ status: SUCCEEDED, number: 1 }]);
  });

  it("are found out by the next charge: declined", async () => {
    const rider = newRider();
    await world.addCard(rider, "tok_declined");
    const tripId = randomUUID();
    broken.dieAfterCharge = true;
    await lose(rider, world.charge(rider, { tripId }));
    await restart();
    const payment = await world.charge(rider, { tripId });
    expect(payment).to.deep.include({ status: FAILED, failure: "card_declined" });
    expect(await world.chargesAtGateway(`%${tripId}%`)).to.have.length(1);
  });

  it("are carried on under the same key when the charge never left", async () => {
    const rider = newRider();
    await world.addCard(rider, "tok_visa");
    const tripId = randomUUID();
    broken.dieBeforeCharge = true;
    await lose(rider, world.charge(rider, { tripId }));
    await restart();
    expect((await world.charge(rider, { tripId })).status).to.equal(SUCCEEDED);
    const charges = await world.chargesAtGateway(`%${tripId}%`);
    expect(charges.map((one) => one.idempotency_key)).to.deep.equal([`trip/metro/${tripId}/1`]);
  });

  it("are answered to the rider who repeats his request", async () => {
    const rider = newRider();
    await world.addCard(rider, "tok_declined");
    const tripId = randomUUID();
    await world.charge(rider, { tripId });
    const { cardId } = await world.addCard(rider, "tok_visa");
    broken.dieAfterCharge = true;
    const request = { cardId, requestId: randomUUID() };
    await lose(rider, world.pay(rider, tripId, request));
    await restart();
    const first = await world.pay(rider, tripId, request);
    expect(first.status).to.equal(SUCCEEDED);
    expect(await world.pay(rider, tripId, request)).to.deep.equal(first);
    expect(await world.chargesAtGateway(`%${tripId}%`)).to.have.length(2);
  });

  it("are found out by the rider who tries again with another request: it is paid", async () => {
    const rider = newRider();
    await world.addCard(rider, "tok_declined");
    const tripId = randomUUID();
    await world.charge(rider, { tripId });
    const { cardId } = await world.addCard(rider, "tok_visa");
    broken.dieAfterCharge = true;
    await lose(rider, world.pay(rider, tripId, { cardId }));
    await restart();
    await waitFor("the lease to run out", async () => {
      const { reason } = await refusal(world.pay(rider, tripId, { cardId }));
      expect(reason).to.be.oneOf(["PAYMENT_IN_PROGRESS", "ALREADY_PAID"]);
      return reason === "ALREADY_PAID";
    });
  });

  for (const [what, when] of [
    ["had been made", "dieAfterCharge"],
    ["never left", "dieBeforeCharge"],
  ] as const) {
    it(`put a top-up into the wallet once whose charge ${what}`, async () => {
      const rider = newRider();
      await world.addCard(rider, "tok_visa");
      const requestId = randomUUID();
      broken[when] = true;
      await lose(rider, world.topUp(rider, 2000n, { requestId }));
      await restart();
      const answers = await times(10, () => world.topUp(rider, 2000n, { requestId }));
      for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
      expect(answers[0]!.balance!.amountMinor).to.equal(2000n);
      expect(await world.balance("rider_wallet", rider.subject)).to.equal(2000);
    });
  }

  it("are closed in the background when nobody repeats them", async () => {
    const [charged, uncharged, topping] = [newRider(), newRider(), newRider()];
    const [chargedTrip, unchargedTrip] = [randomUUID(), randomUUID()];
    for (const rider of [charged, uncharged, topping]) await world.addCard(rider, "tok_visa");
    broken.dieAfterCharge = true;
    await lose(charged, world.charge(charged, { tripId: chargedTrip }));
    await lose(topping, world.topUp(topping, 700n));
    broken.dieBeforeCharge = true;
    await lose(uncharged, world.charge(uncharged, { tripId: unchargedTrip }));

    await restart({ closeAfterMs: 1 });
    await waitFor("all to be closed", async () => {
      const pending = await world.rows("SELECT 1 FROM payment.attempts WHERE status = 1");
      return pending.length === 0;
    });
    expect(await attemptsOf(charged)).to.deep.equal([{ status: SUCCEEDED, number: 1 }]);
    expect(await attemptsOf(uncharged)).to.deep.equal([{ status: FAILED, number: 1 }]);
    expect(await world.balance("rider_wallet", topping.subject)).to.equal(700);
    await waitFor("the event", () => world.eventsOf(chargedTrip).length > 0);
    expect(world.eventsOf(chargedTrip)).to.deep.equal(["ChargeSucceeded"]);
    // What was called off refused nobody anything, and is charged under a new key when asked again.
    expect(world.eventsOf(unchargedTrip)).to.deep.equal([]);
    broken.dieAfterCharge = false;
    broken.dieBeforeCharge = false;
    expect((await world.charge(uncharged, { tripId: unchargedTrip })).status).to.equal(SUCCEEDED);
    const charges = await world.chargesAtGateway(`%${unchargedTrip}%`);
    expect(charges.map((one) => one.status)).to.deep.equal(["declined", "succeeded"]);
  });

  it("stay pending while the gateway is away, and are paid once when it is back", async () => {
    const rider = newRider();
    await world.addCard(rider, "tok_visa");
    const tripId = randomUUID();
    broken.away = true;
    expect((await world.charge(rider, { tripId })).status).to.equal(PENDING);
    const topUpRequest = { requestId: randomUUID() };
    const silent = await refusal(world.topUp(rider, 500n, topUpRequest));
    expect(silent.code).to.equal(Code.UNAVAILABLE);
    const payRequest = { requestId: randomUUID() };
    const alsoSilent = await refusal(world.pay(rider, tripId, payRequest));
    expect(alsoSilent.code).to.equal(Code.UNAVAILABLE);
    broken.away = false;
    expect((await world.charge(rider, { tripId })).status).to.equal(SUCCEEDED);
    expect((await world.topUp(rider, 500n, topUpRequest)).balance!.amountMinor).to.equal(500n);
    expect((await refusal(world.pay(rider, tripId, payRequest))).reason).to.equal("ALREADY_PAID");
    expect(await world.chargesAtGateway(`%${tripId}%`)).to.have.length(1);
  });
});
