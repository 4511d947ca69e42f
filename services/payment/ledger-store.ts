/** The rows of the ledger. Only inserted; the database checks and carries the balances. */
import { LRUCache } from "lru-cache";
import { statement, type Db, type Row } from "../runtime/postgres.js";
import { accountId, type Account, type Transfer } from "./ledger.js";

const insertAccounts = statement(
  "accounts_insert",
  `INSERT INTO accounts (tenant_id, account_id, kind, owner_id, currency_code, create_time)
   SELECT t.*, $6::timestamptz
   FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[]) AS t
   ON CONFLICT DO NOTHING`,
);

/** Accounts that are known to be there, by id: they are never removed. */
export type KnownAccounts = LRUCache<string, true>;

/** A memory of accounts, to be kept as long as the pool that they were seen through. */
export function knownAccounts(): KnownAccounts {
  return new LRUCache({ max: 100_000 });
}

/**
 * Makes sure that the accounts of the transfers are there. Outside the transaction that moves the
 * money, so that new accounts are not waited for while balances are locked.
 */
export async function ensureAccounts(
  db: Db,
  known: KnownAccounts,
  transfers: Transfer[],
  now: Date,
): Promise<void> {
  const missing = new Map<string, Account>();
  for (const { account } of transfers.flatMap((transfer) => transfer.entries)) {
    const id = accountId(account);
    if (!known.has(id)) missing.set(id, account);
  }
  if (missing.size === 0) return;
  const sorted = [...missing].sort(([a], [b]) => (a < b ? -1 : 1));
  const accounts = sorted.map(([, account]) => account);
  await insertAccounts(db, [
    accounts.map((a) => a.tenantId),
    sorted.map(([id]) => id),
    accounts.map((a) => a.kind),
    accounts.map((a) => a.ownerId),
    accounts.map((a) => a.currencyCode),
    now,
  ]);
  for (const [id] of sorted) known.set(id, true);
}

/**
 * The parts of a statement that write transfers if `changed`, an earlier part, has a row. Parameters
 * are numbered from `n` on, and are those of `transferValues`.
 */
export function transferParts(n: number): string {
  return `
  moved AS (
    INSERT INTO transfers (tenant_id, transfer_id, kind, reference, trip_id, create_time)
    SELECT $1, t.transfer_id, t.kind, t.reference, t.trip_id, $${n + 4}::timestamptz
    FROM changed, unnest($${n}::uuid[], $${n + 1}::text[], $${n + 2}::uuid[], $${n + 3}::uuid[])
      AS t (transfer_id, kind, reference, trip_id)),
  posted AS (
    INSERT INTO entries
      (tenant_id, transfer_id, line, account_id, currency_code, amount_minor, rider_id, create_time)
    SELECT $1, e.transfer_id, e.line, e.account_id, e.currency_code, e.amount_minor, e.rider_id,
           $${n + 4}::timestamptz
    FROM changed,
      unnest($${n + 5}::uuid[], $${n + 6}::smallint[], $${n + 7}::uuid[], $${n + 8}::text[],
             $${n + 9}::bigint[], $${n + 10}::uuid[])
      AS e (transfer_id, line, account_id, currency_code, amount_minor, rider_id))`;
}

/** How many parameters `transferParts` takes. */
export const transferWidth = 11;

/** The values of `transferParts`. */
export function transferValues(transfers: Transfer[], now: Date): unknown[] {
  const entries = transfers.flatMap((transfer) =>
    transfer.entries.map((entry, line) => ({ ...entry, line, transferId: transfer.transferId })),
  );
  return [
    transfers.map((t) => t.transferId),
    transfers.map((t) => t.kind),
    transfers.map((t) => t.reference),
    transfers.map((t) => t.tripId ?? null),
    now,
    entries.map((e) => e.transferId),
    entries.map((e) => e.line),
    entries.map((e) => accountId(e.account)),
    entries.map((e) => e.account.currencyCode),
    entries.map((e) => e.amountMinor),
    entries.map((e) => e.riderId ?? null),
  ];
}

/** Whether a statement failed because a wallet holds too little. */
export function isOverdrawn(error: unknown): boolean {
  const e = error as { code?: string; constraint?: string } | undefined;
  return e?.code === "23514" && e.constraint === "accounts_wallet_not_negative";
}

const wallet = statement<Row & { balance_minor: bigint; currency_code: string }>(
  "accounts_wallet",
  `SELECT balance_minor, currency_code FROM accounts
   WHERE tenant_id = $1 AND kind = 'rider_wallet' AND owner_id = $2 ORDER BY currency_code`,
);

/** What a rider's wallet holds, by currency. */
export async function loadWallet(
  db: Db,
  tenantId: string,
  riderId: string,
): Promise<{ amountMinor: bigint; currencyCode: string }[]> {
  const rows = await wallet(db, [tenantId, riderId]);
  return rows.map((row) => ({ amountMinor: row.balance_minor, currencyCode: row.currency_code }));
}

/** A line of a rider's statement. */
export interface StatementLine {
  transferId: string;
  kind: string;
  tripId: string;
  amountMinor: bigint;
  currencyCode: string;
  createTime: Date;
}

/** A place in a statement. */
export interface StatementPosition {
  createTime: Date;
  transferId: string;
}

interface StatementRow extends Row {
  transfer_id: string;
  kind: string;
  trip_id: string | null;
  amount_minor: bigint;
  currency_code: string;
  create_time: Date;
}

const statementOf = statement<StatementRow>(
  "entries_of_rider",
  `SELECT e.transfer_id, t.kind, t.trip_id, e.amount_minor, e.currency_code, e.create_time
   FROM entries e JOIN transfers t USING (tenant_id, transfer_id)
   WHERE e.tenant_id = $1 AND e.rider_id = $2
     AND (e.create_time, e.transfer_id) < ($3::timestamptz, $4::uuid)
   ORDER BY e.create_time DESC, e.transfer_id DESC LIMIT $5`,
);

const end: StatementPosition = {
  createTime: new Date("9999-01-01T00:00:00Z"),
  transferId: "ffffffff-ffff-ffff-ffff-ffffffffffff",
};

/** A rider's statement, newest first, after a position. */
export async function loadStatement(
  db: Db,
  tenantId: string,
  riderId: string,
  after: StatementPosition | undefined,
  limit: number,
): Promise<StatementLine[]> {
  const { createTime, transferId } = after ?? end;
  const rows = await statementOf(db, [tenantId, riderId, createTime, transferId, limit]);
  return rows.map((row) => ({
    transferId: row.transfer_id,
    kind: row.kind,
    tripId: row.trip_id ?? "",
    amountMinor: row.amount_minor,
    currencyCode: row.currency_code,
    createTime: row.create_time,
  }));
}
