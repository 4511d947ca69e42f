/** The ledger, as the database itself knows it. */
import type { TestPlatform } from "./platform.js";

/** What a trip's transfers did to each kind of account, in minor units. */
export async function movesOfTrip(
  platform: Pick<TestPlatform, "sql">,
  tripId: string,
): Promise<Record<string, bigint>> {
  const rows = await platform.sql<{ kind: string; amount: bigint }>(
    `SELECT a.kind, sum(e.amount_minor)::bigint AS amount
     FROM payment.transfers t
     JOIN payment.entries e USING (tenant_id, transfer_id)
     JOIN payment.accounts a USING (tenant_id, account_id)
     WHERE t.trip_id = $1 GROUP BY a.kind`,
    [tripId],
  );
  return Object.fromEntries(rows.map(({ kind, amount }) => [kind, amount]));
}

/** How often a trip was charged. */
export async function chargesOfTrip(
  platform: Pick<TestPlatform, "sql">,
  tripId: string,
): Promise<number> {
  const [row] = await platform.sql<{ n: bigint }>(
    `SELECT count(*) AS n FROM payment.transfers
     WHERE trip_id = $1 AND kind IN ('trip_fare', 'cancellation_fee')`,
    [tripId],
  );
  return Number(row!.n);
}

/** What is wrong with the books: transfers that do not balance, balances that are not their entries. */
export async function faultsOfLedger(platform: Pick<TestPlatform, "sql">): Promise<unknown[]> {
  return platform.sql(
    `SELECT 'transfer' AS what, transfer_id::text AS id FROM payment.entries
     GROUP BY tenant_id, transfer_id, currency_code HAVING sum(amount_minor) <> 0
     UNION ALL
     SELECT 'account', a.account_id::text FROM payment.accounts a
     LEFT JOIN payment.entries e USING (tenant_id, account_id)
     GROUP BY a.tenant_id, a.account_id, a.balance_minor
     HAVING a.balance_minor <> coalesce(sum(e.amount_minor), 0)
     UNION ALL
     SELECT 'double charge', trip_id::text FROM payment.transfers
     WHERE kind IN ('trip_fare', 'cancellation_fee')
     GROUP BY tenant_id, trip_id HAVING count(*) > 1`,
  );
}
