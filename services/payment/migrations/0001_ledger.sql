-- Up Migration

-- What is held for whom. The balance is the sum of the account's entries; only the trigger below
-- writes it, so the two cannot differ.
CREATE TABLE accounts (
  tenant_id text NOT NULL,
  account_id uuid NOT NULL,
  kind text NOT NULL CHECK (
    kind IN ('rider_wallet', 'driver', 'platform', 'tax', 'gateway_clearing', 'cash_clearing')
  ),
  -- The rider or driver; for the platform's own accounts the number of the stripe.
  owner_id text NOT NULL,
  currency_code text NOT NULL CHECK (currency_code ~ '^[A-Z]{3}$'),
  balance_minor bigint NOT NULL DEFAULT 0,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, account_id),
  UNIQUE (tenant_id, kind, owner_id, currency_code),
  CONSTRAINT accounts_wallet_not_negative CHECK (kind <> 'rider_wallet' OR balance_minor >= 0)
);
REVOKE INSERT, UPDATE, DELETE ON accounts FROM ridemesh_payment;
GRANT INSERT (tenant_id, account_id, kind, owner_id, currency_code, create_time)
  ON accounts TO ridemesh_payment;

-- A movement of money, whole or not at all.
CREATE TABLE transfers (
  tenant_id text NOT NULL,
  transfer_id uuid NOT NULL,
  -- trip_fare, cancellation_fee, cash_collected, wallet_top_up
  kind text NOT NULL,
  -- The payment, or the attempt of a top-up.
  reference uuid NOT NULL,
  trip_id uuid,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, transfer_id),
  CONSTRAINT transfers_once UNIQUE (tenant_id, reference, kind)
);
-- One charge a trip, whatever the code does.
CREATE UNIQUE INDEX transfers_charge_of_trip ON transfers (tenant_id, trip_id)
  WHERE kind IN ('trip_fare', 'cancellation_fee');
REVOKE UPDATE, DELETE ON transfers FROM ridemesh_payment;

CREATE TABLE entries (
  tenant_id text NOT NULL,
  transfer_id uuid NOT NULL,
  line smallint NOT NULL,
  account_id uuid NOT NULL,
  currency_code text NOT NULL,
  -- Above 0 raises the account's balance.
  amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
  -- The rider on whose statement the entry is a line.
  rider_id uuid,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, transfer_id, line),
  FOREIGN KEY (tenant_id, transfer_id) REFERENCES transfers
);
CREATE INDEX entries_of_account ON entries (tenant_id, account_id);
CREATE INDEX entries_of_rider ON entries (tenant_id, rider_id, create_time DESC, transfer_id DESC)
  WHERE rider_id IS NOT NULL;
REVOKE UPDATE, DELETE ON entries FROM ridemesh_payment;

-- Refuses entries that do not balance, and carries the others into the balances. Accounts are written
-- in the order of their ids, so that two transfers never wait for each other.
CREATE FUNCTION post_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  change record;
BEGIN
  IF EXISTS (
    SELECT 1 FROM added GROUP BY tenant_id, transfer_id, currency_code HAVING sum(amount_minor) <> 0
  ) THEN
    RAISE EXCEPTION 'the entries of a transfer do not balance'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'entries_balance', TABLE = 'entries';
  END IF;
  FOR change IN
    SELECT tenant_id, account_id, currency_code, sum(amount_minor)::bigint AS amount_minor
    FROM added GROUP BY tenant_id, account_id, currency_code ORDER BY tenant_id, account_id
  LOOP
    UPDATE accounts a SET balance_minor = a.balance_minor + change.amount_minor
    WHERE a.tenant_id = change.tenant_id AND a.account_id = change.account_id
      AND a.currency_code = change.currency_code;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'an entry names no account of its currency'
        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'entries_account', TABLE = 'entries';
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;

CREATE TRIGGER entries_post AFTER INSERT ON entries
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION post_entries();

-- Down Migration

DROP TABLE entries;
DROP FUNCTION post_entries;
DROP TABLE transfers;
DROP TABLE accounts;
