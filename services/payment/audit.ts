/**
 * Questions to the database that an independent audit asks, as SQL: for who can read the schema but
 * does not run this service. A healthy ledger answers each of them with no row.
 */

/** By currency, what all entries add up to where it is not 0: `currency_code, imbalance_minor`. */
export const imbalance = `
  SELECT currency_code, sum(amount_minor)::bigint AS imbalance_minor
  FROM payment.entries GROUP BY currency_code HAVING sum(amount_minor) <> 0
  ORDER BY currency_code`;

/** Transfers that do not balance by themselves: `tenant_id, transfer_id, currency_code, imbalance_minor`. */
export const unbalancedTransfers = `
  SELECT tenant_id, transfer_id, currency_code, sum(amount_minor)::bigint AS imbalance_minor
  FROM payment.entries GROUP BY tenant_id, transfer_id, currency_code HAVING sum(amount_minor) <> 0
  ORDER BY tenant_id, transfer_id`;

/** Accounts whose balance is not the sum of their entries: `tenant_id, account_id, kind, cached_minor, derived_minor`. */
export const wrongBalances = `
  SELECT a.tenant_id, a.account_id, a.kind, a.balance_minor AS cached_minor,
         coalesce(sum(e.amount_minor), 0)::bigint AS derived_minor
  FROM payment.accounts a LEFT JOIN payment.entries e USING (tenant_id, account_id)
  GROUP BY a.tenant_id, a.account_id, a.kind, a.balance_minor
  HAVING a.balance_minor <> coalesce(sum(e.amount_minor), 0)
  ORDER BY a.tenant_id, a.account_id`;

/** Wallets that hold less than nothing: `tenant_id, owner_id, currency_code, balance_minor`. */
export const overdrawnWallets = `
  SELECT tenant_id, owner_id, currency_code, balance_minor
  FROM payment.accounts WHERE kind = 'rider_wallet' AND balance_minor < 0
  ORDER BY tenant_id, owner_id`;

/** Trips that the ledger charged more than once: `tenant_id, trip_id, charges`. */
export const tripsChargedTwice = `
  SELECT tenant_id, trip_id, count(*)::int AS charges
  FROM payment.transfers WHERE kind IN ('trip_fare', 'cancellation_fee')
  GROUP BY tenant_id, trip_id HAVING count(*) > 1
  ORDER BY tenant_id, trip_id`;

/** Trips that the embedded gateway charged more than once: `tenant_id, trip_id, charges`. */
export const tripsChargedTwiceAtSandbox = `
  SELECT split_part(idempotency_key, '/', 2) AS tenant_id,
         split_part(idempotency_key, '/', 3) AS trip_id, count(*)::int AS charges
  FROM payment.sandbox_charges WHERE idempotency_key LIKE 'trip/%' AND status = 'succeeded'
  GROUP BY 1, 2 HAVING count(*) > 1
  ORDER BY 1, 2`;

/** Payments that say something else than the ledger: `tenant_id, payment_id, total_minor, moved_minor`. */
export const paymentsWithoutMoney = `
  SELECT p.tenant_id, p.payment_id,
         CASE WHEN p.status = 2 THEN p.total_minor ELSE 0 END AS total_minor,
         coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor > 0), 0)::bigint AS moved_minor
  FROM payment.payments p
  LEFT JOIN payment.transfers t ON t.tenant_id = p.tenant_id AND t.reference = p.payment_id
    AND t.kind IN ('trip_fare', 'cancellation_fee')
  LEFT JOIN payment.entries e ON e.tenant_id = t.tenant_id AND e.transfer_id = t.transfer_id
  GROUP BY p.tenant_id, p.payment_id, p.status, p.total_minor
  HAVING CASE WHEN p.status = 2 THEN p.total_minor ELSE 0 END
      <> coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor > 0), 0)
  ORDER BY p.tenant_id, p.payment_id`;
