-- Up Migration

CREATE TABLE payments (
  tenant_id text NOT NULL,
  payment_id uuid NOT NULL,
  version bigint NOT NULL,
  trip_id uuid NOT NULL,
  rider_id uuid NOT NULL,
  driver_id uuid,
  -- ridemesh.payment.v1.PaymentPurpose
  purpose smallint NOT NULL,
  -- ridemesh.trip.v1.PaymentMethodKind
  method smallint NOT NULL,
  -- Empty: the default card of the moment.
  card_id text NOT NULL,
  currency_code text NOT NULL,
  total_minor bigint NOT NULL CHECK (total_minor >= 0),
  driver_share_minor bigint NOT NULL CHECK (driver_share_minor >= 0),
  commission_minor bigint NOT NULL CHECK (commission_minor >= 0),
  tax_minor bigint NOT NULL CHECK (tax_minor >= 0),
  -- ridemesh.payment.v1.PaymentStatus
  status smallint NOT NULL,
  failure text NOT NULL,
  -- The latest attempt; 0 before the first.
  attempt_number int NOT NULL,
  create_time timestamptz NOT NULL,
  update_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, payment_id),
  -- One payment a trip.
  CONSTRAINT payments_trip UNIQUE (tenant_id, trip_id),
  CONSTRAINT payments_split CHECK (driver_share_minor + commission_minor + tax_minor = total_minor)
);
REVOKE DELETE ON payments FROM ridemesh_payment;

-- Each try to get money from a rider: for a trip, or into his wallet.
CREATE TABLE attempts (
  tenant_id text NOT NULL,
  attempt_id uuid NOT NULL,
  -- Null for a top-up.
  payment_id uuid,
  number int NOT NULL,
  rider_id uuid NOT NULL,
  method smallint NOT NULL,
  card_id text NOT NULL,
  -- What the gateway knows the charge by; empty where no gateway is asked.
  gateway_key text NOT NULL,
  amount_minor bigint NOT NULL,
  currency_code text NOT NULL,
  -- The request that made it; null when it had none.
  request_id text,
  -- ridemesh.payment.v1.PaymentStatus
  status smallint NOT NULL,
  failure text NOT NULL,
  -- While it is pending: until when whoever carries it out may be at it.
  lease_expire_time timestamptz,
  create_time timestamptz NOT NULL,
  decide_time timestamptz,
  PRIMARY KEY (tenant_id, attempt_id),
  CONSTRAINT attempts_number UNIQUE (tenant_id, payment_id, number)
);
CREATE UNIQUE INDEX attempts_pending_of_payment ON attempts (tenant_id, payment_id)
  WHERE status = 1 AND payment_id IS NOT NULL;
CREATE UNIQUE INDEX attempts_top_up_request ON attempts (tenant_id, rider_id, request_id)
  WHERE payment_id IS NULL AND request_id IS NOT NULL;
CREATE INDEX attempts_pending ON attempts (lease_expire_time) WHERE status = 1;
REVOKE DELETE ON attempts FROM ridemesh_payment;

-- Cards on file: the gateway's token, encrypted, and what a person knows the card by.
CREATE TABLE cards (
  tenant_id text NOT NULL,
  card_id uuid NOT NULL,
  rider_id uuid NOT NULL,
  token bytea NOT NULL,
  brand text NOT NULL,
  last_four text NOT NULL,
  is_default boolean NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, card_id)
);
CREATE INDEX cards_of_rider ON cards (tenant_id, rider_id, create_time);
CREATE UNIQUE INDEX cards_default ON cards (tenant_id, rider_id) WHERE is_default;

-- The embedded gateway's own books; nothing but sandbox.ts reads them.
CREATE TABLE sandbox_charges (
  idempotency_key text PRIMARY KEY,
  amount_minor bigint NOT NULL,
  currency_code text NOT NULL,
  -- succeeded, declined
  status text NOT NULL,
  failure text NOT NULL,
  create_time timestamptz NOT NULL
);
REVOKE UPDATE, DELETE ON sandbox_charges FROM ridemesh_payment;

-- Down Migration

DROP TABLE sandbox_charges;
DROP TABLE cards;
DROP TABLE attempts;
DROP TABLE payments;
