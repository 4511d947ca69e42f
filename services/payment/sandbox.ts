/**
 * The embedded gateway: cards that do not exist, in books of its own. It keeps to the port like a real
 * one: each key is carried out once, whoever asks, and a call may time out after the charge was made.
 */
import type { WallClock } from "../runtime/clock.js";
import { statement, type Pool, type Row } from "../runtime/postgres.js";
import {
  cancelledFailure,
  type CardCharge,
  type CardFace,
  type ChargeOutcome,
  type Gateway,
} from "./gateway.js";

interface SandboxCard extends CardFace {
  /** Why it is declined; undefined when it is not. */
  failure?: string;
  /** Whether its charges are answered too late. */
  timesOut?: boolean;
}

const cards = new Map<string, SandboxCard>(
  Object.entries({
    tok_visa: { brand: "visa", lastFour: "4242" },
    tok_mastercard: { brand: "mastercard", lastFour: "4444" },
    tok_declined: { brand: "visa", lastFour: "0002", failure: "card_declined" },
    tok_insufficient_funds: { brand: "visa", lastFour: "9995", failure: "insufficient_funds" },
    tok_timeout: { brand: "visa", lastFour: "0119", timesOut: true },
  }),
);

interface ChargeRow extends Row {
  amount_minor: bigint;
  currency_code: string;
  status: "succeeded" | "declined";
  failure: string;
}

const insert = statement<ChargeRow>(
  "sandbox_insert",
  `INSERT INTO sandbox_charges
     (idempotency_key, amount_minor, currency_code, status, failure, create_time)
   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
   RETURNING amount_minor, currency_code, status, failure`,
);
const select = statement<ChargeRow>(
  "sandbox_select",
  `SELECT amount_minor, currency_code, status, failure FROM sandbox_charges
   WHERE idempotency_key = $1`,
);

/** The sandbox. `timeoutMs`: how long a charge of tok_timeout takes to fail, in milliseconds. */
export function createSandbox(deps: { pool: Pool; wall: WallClock; timeoutMs: number }): Gateway {
  const { pool, wall, timeoutMs } = deps;

  /** Writes a charge, or finds the one that the key has. */
  const record = async (
    charge: Pick<CardCharge, "key" | "amountMinor" | "currencyCode">,
    failure: string,
  ): Promise<ChargeRow> => {
    const { key, amountMinor, currencyCode } = charge;
    const status = failure ? "declined" : "succeeded";
    const values = [key, amountMinor, currencyCode, status, failure, wall.now()];
    const [row] = await insert(pool, values);
    if (row) return row;
    const [known] = await select(pool, [key]);
    return known!;
  };

  return {
    describeCard: (token) => {
      const card = cards.get(token);
      return Promise.resolve(card && { brand: card.brand, lastFour: card.lastFour });
    },

    charge: async (charge) => {
      const card = cards.get(charge.cardToken);
      if (!card) return { status: "declined", failure: "card_declined" };
      const row = await record(charge, card.failure ?? "");
      const isCancelled = row.failure === cancelledFailure;
      const isSame =
        row.amount_minor === charge.amountMinor && row.currency_code === charge.currencyCode;
      if (!isSame && !isCancelled) throw new Error(`key ${charge.key} was used for another charge`);
      if (card.timesOut) {
        await wall.sleep(timeoutMs);
        throw new Error("the gateway did not answer in time");
      }
      return outcomeOf(row);
    },

    lookup: async (key) => {
      const [row] = await select(pool, [key]);
      return row ? outcomeOf(row) : { status: "absent" };
    },

    cancel: async (key) =>
      outcomeOf(await record({ key, amountMinor: 0n, currencyCode: "" }, cancelledFailure)),
  };
}

function outcomeOf({ status, failure }: ChargeRow): ChargeOutcome {
  return status === "succeeded" ? { status } : { status, failure };
}
