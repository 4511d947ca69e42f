import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { wallClock } from "../runtime/clock.js";
import { silentLogger } from "../runtime/log.js";
import { createPool, type Pool } from "../runtime/postgres.js";
import type { ChargeOutcome, Gateway } from "./gateway.js";
import { createSandbox } from "./sandbox.js";
import { paymentWorld, type World } from "./world.test.js";

describe("the sandbox gateway", () => {
  let world: World;
  let pool: Pool;
  let gateway: Gateway;
  before(async () => {
    world = await paymentWorld();
    const url = world.test.host.database.url("payment");
    pool = createPool({ url, max: 5, name: "sandbox", log: silentLogger });
    gateway = createSandbox({ pool, wall: wallClock, timeoutMs: 1 });
  });
  after(async () => {
    await pool.end();
    await world.stop();
  });

  const charge = (
    key: string,
    cardToken: string,
    changes: { amountMinor?: bigint; currencyCode?: string } = {},
  ): Promise<ChargeOutcome> =>
    gateway.charge({ key, cardToken, amountMinor: 500n, currencyCode: "USD", ...changes });
  const message = async (call: Promise<unknown>): Promise<string> =>
    call.then(
      () => "no error",
      (error: Error) => error.message,
    );

  const cards: [string, string, ChargeOutcome][] = [
    ["tok_visa", "visa 4242", { status: "succeeded" }],
    ["tok_mastercard", "mastercard 4444", { status: "succeeded" }],
    ["tok_declined", "visa 0002", { status: "declined", failure: "card_declined" }],
    ["tok_insufficient_funds", "visa 9995", { status: "declined", failure: "insufficient_funds" }],
  ];
  for (const [token, face, outcome] of cards) {
    it(`knows ${token} as ${face}, and what becomes of its charges`, async () => {
      const described = await gateway.describeCard(token);
      expect(`${described!.brand} ${described!.lastFour}`).to.equal(face);
      const key = randomUUID();
      expect(await charge(key, token)).to.deep.equal(outcome);
      expect(await gateway.lookup(key)).to.deep.equal(outcome);
    });
  }

  it("does not know other tokens", async () => {
    expect(await gateway.describeCard("tok_gold")).to.equal(undefined);
    expect(await gateway.describeCard("constructor")).to.equal(undefined);
    const outcome = await charge(randomUUID(), "tok_gold");
    expect(outcome).to.deep.equal({ status: "declined", failure: "card_declined" });
  });

  it("charges a key once, and gives every repetition the first answer", async () => {
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 20 }, () => charge(key, "tok_visa")));
    for (const answer of answers) expect(answer).to.deep.equal({ status: "succeeded" });
    expect(await charge(key, "tok_declined")).to.deep.equal({ status: "succeeded" });
    expect(await world.chargesAtGateway(key)).to.have.length(1);
  });

  it("refuses a key for another amount or currency", async () => {
    const key = randomUUID();
    await charge(key, "tok_visa");
    for (const change of [{ amountMinor: 501n }, { currencyCode: "EUR" }]) {
      expect(await message(charge(key, "tok_visa", change))).to.contain("was used for another");
    }
  });

  it("times out on tok_timeout although it charged, as lookup tells", async () => {
    const key = randomUUID();
    expect(await message(charge(key, "tok_timeout"))).to.contain("did not answer in time");
    expect(await gateway.lookup(key)).to.deep.equal({ status: "succeeded" });
  });

  it("has never heard of a key that was not charged", async () => {
    expect(await gateway.lookup(randomUUID())).to.deep.equal({ status: "absent" });
  });

  it("never charges a key that was cancelled before, and does not undo one that was charged", async () => {
    const off = { status: "declined", failure: "gateway_timeout" };
    const key = randomUUID();
    expect(await gateway.cancel(key)).to.deep.equal(off);
    expect(await charge(key, "tok_visa")).to.deep.equal(off);
    expect(await gateway.lookup(key)).to.deep.equal(off);
    const charged = randomUUID();
    await charge(charged, "tok_visa");
    expect(await gateway.cancel(charged)).to.deep.equal({ status: "succeeded" });
  });
});
