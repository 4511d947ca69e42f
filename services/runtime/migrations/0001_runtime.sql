-- Up Migration

-- Events that wait to be sent. The columns are those that Debezium's outbox router expects.
CREATE TABLE outbox (
  id uuid PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  aggregatetype text NOT NULL,
  aggregateid text NOT NULL,
  type text NOT NULL,
  tenant_id text NOT NULL,
  payload bytea NOT NULL,
  create_time timestamptz NOT NULL,
  traceparent text
);
CREATE INDEX outbox_by_seq ON outbox (seq);

-- Events that were consumed, in the transaction of their effect.
CREATE TABLE inbox (
  consumer text NOT NULL,
  event_id uuid NOT NULL,
  receive_time timestamptz NOT NULL,
  PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_by_time ON inbox (receive_time);

-- Answers to calls that carried a request_id, in the transaction of their effect.
CREATE TABLE idempotency_keys (
  tenant_id text NOT NULL,
  subject text NOT NULL,
  method text NOT NULL,
  request_id text NOT NULL,
  body_hash bytea NOT NULL,
  code int NOT NULL,
  answer bytea NOT NULL,
  encrypted boolean NOT NULL,
  create_time timestamptz NOT NULL,
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, subject, method, request_id)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (create_time);

-- Down Migration

DROP TABLE idempotency_keys;
DROP TABLE inbox;
DROP TABLE outbox;
