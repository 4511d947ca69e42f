/** What the database itself refuses, whatever the code does. */
import { randomUUID } from "node:crypto";
import { expect } from "chai";
import pg from "pg";
import { newRider, paymentWorld, type World } from "./world.test.js";

describe("the ledger's tables", () => {
  let world: World;
  /** Connected as the service itself. */
  let own: pg.Client;
  const now = new Date("2024-05-01T12:00:00Z");

  before(async () => {
    world = await paymentWorld();
    own = new pg.Client(world.test.host.database.url("payment"));
    await own.connect();
  });
  after(async () => {
    await own.end();
    await world.stop();
  });

  /** What a statement of the service comes to: "done", or the error's code and constraint. */
  const tried = async (sql: string, values: unknown[] = []): Promise<string> =>
    own.query(sql, values).then(
      () => "done",
      (error: { code: string; constraint?: string }) =>
        [error.code, error.constraint].filter(Boolean).join(" "),
    );
  const account = async (kind: string, currency = "USD"): Promise<string> => {
    const accountId = randomUUID();
    await own.query(
      `INSERT INTO accounts (tenant_id, account_id, kind, owner_id, currency_code, create_time)
       VALUES ('metro', $1, $2, $3, $4, $5)`,
      [accountId, kind, accountId, currency, now],
    );
    return accountId;
  };
  const transfer = async (): Promise<string> => {
    const transferId = randomUUID();
    await own.query(
      `INSERT INTO transfers (tenant_id, transfer_id, kind, reference, create_time)
       VALUES ('metro', $1, 'wallet_top_up', $1, $2)`,
      [transferId, now],
    );
    return transferId;
  };
  const post = (
    transferId: string,
    entries: [accountId: string, amount: number, currency?: string][],
    firstLine = 0,
  ): Promise<string> =>
    tried(
      `INSERT INTO entries
         (tenant_id, transfer_id, line, account_id, currency_code, amount_minor, create_time)
       SELECT 'metro', $1, t.line, t.account_id, t.currency, t.amount, $6
       FROM unnest($2::smallint[], $3::uuid[], $4::text[], $5::bigint[])
         AS t (line, account_id, currency, amount)`,
      [
        transferId,
        entries.map((_, i) => firstLine + i),
        entries.map(([id]) => id),
        entries.map(([, , currency]) => currency ?? "USD"),
        entries.map(([, amount]) => amount),
        now,
      ],
    );
  const balanceOf = async (accountId: string) => {
    const sql = "SELECT balance_minor FROM accounts WHERE account_id = $1";
    const { rows } = await own.query<{ balance_minor: string }>(sql, [accountId]);
    return Number(rows[0]!.balance_minor);
  };

  it("carry balanced entries into the balances", async () => {
    const [driver, platform, gateway] = [
      await account("driver"),
      await account("platform"),
      await account("gateway_clearing"),
    ];
    const entries: [string, number][] = [
      [gateway, -100],
      [driver, 80],
      [platform, 20],
    ];
    expect(await post(await transfer(), entries)).to.equal("done");
    expect(await post(await transfer(), [...entries, [driver, 5], [platform, -5]])).to.equal(
      "done",
    );
    expect([
      await balanceOf(gateway),
      await balanceOf(driver),
      await balanceOf(platform),
    ]).to.deep.equal([-200, 165, 35]);
    expect(await world.findings()).to.deep.equal({});
  });

  it("refuse entries that do not balance, and change nothing", async () => {
    const [driver, gateway] = [await account("driver"), await account("gateway_clearing")];
    const transferId = await transfer();
    const off: [string, number][] = [
      [gateway, -100],
      [driver, 99],
    ];
    expect(await post(transferId, off)).to.equal("23514 entries_balance");
    expect(await post(transferId, [[driver, 1]])).to.equal("23514 entries_balance");
    expect([await balanceOf(gateway), await balanceOf(driver)]).to.deep.equal([0, 0]);
  });

  it("refuse to add to a transfer what does not balance", async () => {
    const [driver, gateway] = [await account("driver"), await account("gateway_clearing")];
    const transferId = await transfer();
    const even: [string, number][] = [
      [gateway, -100],
      [driver, 100],
    ];
    expect(await post(transferId, even)).to.equal("done");
    expect(await post(transferId, [[driver, 7]], 2)).to.equal("23514 entries_balance");
    expect(await balanceOf(driver)).to.equal(100);
  });

  it("refuse entries that balance only across currencies or transfers", async () => {
    const [dollars, euros] = [await account("driver"), await account("driver", "EUR")];
    const across: [string, number, string][] = [
      [dollars, -100, "USD"],
      [euros, 100, "EUR"],
    ];
    expect(await post(await transfer(), across)).to.equal("23514 entries_balance");
    const [one, other] = [await transfer(), await transfer()];
    const answer = await tried(
      `INSERT INTO entries
         (tenant_id, transfer_id, line, account_id, currency_code, amount_minor, create_time)
       VALUES ('metro', $1, 0, $3, 'USD', 50, $4), ('metro', $2, 0, $3, 'USD', -50, $4)`,
      [one, other, dollars, now],
    );
    expect(answer).to.equal("23514 entries_balance");
  });

  it("refuse entries of no account, or of an account in another currency", async () => {
    const [driver, euros] = [await account("driver"), await account("driver", "EUR")];
    const nobody: [string, number][] = [
      [driver, -1],
      [randomUUID(), 1],
    ];
    expect(await post(await transfer(), nobody)).to.equal("23503 entries_account");
    const mixed: [string, number][] = [
      [driver, -1],
      [euros, 1],
    ];
    expect(await post(await transfer(), mixed)).to.equal("23503 entries_account");
  });

  it("refuse entries of no transfer, and entries of 0", async () => {
    const [driver, gateway] = [await account("driver"), await account("gateway_clearing")];
    const orphan: [string, number][] = [
      [driver, -1],
      [gateway, 1],
    ];
    expect(await post(randomUUID(), orphan)).to.match(/^23503 /);
    expect(await post(await transfer(), [[driver, 0]])).to.match(/^23514 /);
  });

  it("refuse to overdraw a wallet, but not a driver", async () => {
    const [wallet, driver] = [await account("rider_wallet"), await account("driver")];
    const toWallet = async (amount: number) =>
      post(await transfer(), [
        [wallet, amount],
        [driver, -amount],
      ]);
    expect(await toWallet(100)).to.equal("done");
    expect(await toWallet(-101)).to.equal("23514 accounts_wallet_not_negative");
    expect(await toWallet(-100)).to.equal("done");
    expect([await balanceOf(wallet), await balanceOf(driver)]).to.deep.equal([0, 0]);
  });

  it("refuse to change or remove what was written, or to set a balance", async () => {
    const denied = [
      "UPDATE entries SET amount_minor = 1",
      "DELETE FROM entries",
      "TRUNCATE entries",
      "UPDATE transfers SET kind = 'gift'",
      "DELETE FROM transfers",
      "UPDATE accounts SET balance_minor = 1",
      "DELETE FROM accounts",
      `INSERT INTO accounts
         (tenant_id, account_id, kind, owner_id, currency_code, balance_minor, create_time)
       VALUES ('metro', gen_random_uuid(), 'driver', 'x', 'USD', 5, '2024-01-01')`,
      "DELETE FROM payments",
      "DELETE FROM attempts",
      "UPDATE sandbox_charges SET amount_minor = 1",
      "ALTER TABLE entries DISABLE TRIGGER entries_post",
      "DROP TRIGGER entries_post ON entries",
    ];
    // 42501 insufficient_privilege
    for (const sql of denied) expect(await tried(sql), sql).to.equal("42501");
  });

  it("charge no trip twice, even under another payment", async () => {
    const tripId = randomUUID();
    await world.charge(newRider(), { tripId, method: 1 });
    const answer = await tried(
      `INSERT INTO transfers (tenant_id, transfer_id, kind, reference, trip_id, create_time)
       VALUES ('metro', $1, 'cancellation_fee', $1, $2, $3)`,
      [randomUUID(), tripId, now],
    );
    expect(answer).to.equal("23505 transfers_charge_of_trip");
  });

  it("keep a payment's shares equal to its total", async () => {
    await world.charge(newRider(), { method: 1 });
    const answer = await tried("UPDATE payments SET commission_minor = commission_minor + 1");
    expect(answer).to.equal("23514 payments_split");
  });
});

describe("the audit", () => {
  let world: World;
  before(async () => {
    world = await paymentWorld();
  });
  after(() => world.stop());

  it("finds each thing that is wrong once somebody breaks in", async () => {
    const rider = newRider();
    await world.addCard(rider, "tok_visa");
    await world.topUp(rider, 5000n);
    const { tripId, paymentId } = await world.charge(rider, { method: 1 });
    expect(await world.findings()).to.deep.equal({});

    // As the superuser, past every guard.
    await world.rows("ALTER TABLE payment.entries DISABLE TRIGGER ALL");
    await world.rows("ALTER TABLE payment.accounts DROP CONSTRAINT accounts_wallet_not_negative");
    await world.rows("DROP INDEX payment.transfers_charge_of_trip");
    await world.rows(
      `UPDATE payment.entries SET amount_minor = amount_minor + 3
       WHERE rider_id IS NULL AND transfer_id IN
         (SELECT transfer_id FROM payment.transfers WHERE kind = 'wallet_top_up')`,
    );
    await world.rows("UPDATE payment.accounts SET balance_minor = -1 WHERE kind = 'rider_wallet'");
    await world.rows(
      `INSERT INTO payment.transfers (tenant_id, transfer_id, kind, reference, trip_id, create_time)
       VALUES ('metro', gen_random_uuid(), 'trip_fare', gen_random_uuid(), $1, '2024-01-01')`,
      [tripId],
    );
    await world.rows(
      `INSERT INTO payment.sandbox_charges
       SELECT 'trip/metro/' || $1 || '/' || n, 1, 'USD', 'succeeded', '', '2024-01-01'
       FROM generate_series(1, 2) AS n`,
      [tripId],
    );
    await world.rows("UPDATE payment.payments SET status = 3 WHERE payment_id = $1", [paymentId]);

    const found = await world.findings();
    expect(found["imbalance"]).to.deep.equal([{ currency_code: "USD", imbalance_minor: "3" }]);
    expect(Object.keys(found).sort()).to.deep.equal([
      "imbalance",
      "overdrawnWallets",
      "paymentsWithoutMoney",
      "tripsChargedTwice",
      "tripsChargedTwiceAtSandbox",
      "unbalancedTransfers",
      "wrongBalances",
    ]);
  });
});
