-- Up Migration

-- The truth about trips: ids only, no personal data, kept for ever.
CREATE TABLE trip_events (
  tenant_id text NOT NULL,
  trip_id uuid NOT NULL,
  version bigint NOT NULL,
  type text NOT NULL,
  payload bytea NOT NULL,
  event_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, trip_id, version)
);
REVOKE UPDATE, DELETE ON trip_events FROM ridemesh_trip;

-- Their projection, written by the same statement. States are those of ridemesh.trip.v1.TripState.
CREATE TABLE trips (
  tenant_id text NOT NULL,
  trip_id uuid NOT NULL,
  version bigint NOT NULL,
  state smallint NOT NULL,
  rider_id uuid NOT NULL,
  driver_id uuid,
  city_id text NOT NULL,
  vehicle_class smallint NOT NULL,
  quote_id text,
  -- ridemesh.pricing.v1.TripTerms
  terms bytea NOT NULL,
  payment_kind smallint NOT NULL,
  card_id text NOT NULL DEFAULT '',
  pin text NOT NULL,
  search_number int NOT NULL,
  offers jsonb NOT NULL DEFAULT '[]',
  excluded_driver_ids uuid[] NOT NULL DEFAULT '{}',
  request_time timestamptz NOT NULL,
  accept_time timestamptz,
  arrive_time timestamptz,
  start_time timestamptz,
  complete_time timestamptz,
  end_time timestamptz,
  cancel_party smallint,
  cancel_reason text NOT NULL DEFAULT '',
  cancel_fee_minor bigint NOT NULL DEFAULT 0,
  expire_reason text NOT NULL DEFAULT '',
  distance_meters double precision NOT NULL DEFAULT 0,
  -- ridemesh.pricing.v1.Fare
  final_fare bytea,
  payment_id text NOT NULL DEFAULT '',
  payment_failure text NOT NULL DEFAULT '',
  pay_time timestamptz,
  PRIMARY KEY (tenant_id, trip_id)
);
-- One active trip a driver (ACCEPTED to STARTED), one a rider (REQUESTED to STARTED).
CREATE UNIQUE INDEX trips_active_driver ON trips (tenant_id, driver_id) WHERE state BETWEEN 3 AND 6;
CREATE UNIQUE INDEX trips_active_rider ON trips (tenant_id, rider_id) WHERE state BETWEEN 1 AND 6;
CREATE UNIQUE INDEX trips_quote ON trips (tenant_id, quote_id);
CREATE INDEX trips_of_rider ON trips (tenant_id, rider_id, request_time DESC, trip_id DESC);
CREATE INDEX trips_of_driver ON trips (tenant_id, driver_id, request_time DESC, trip_id DESC);
CREATE INDEX trips_owed ON trips (tenant_id, rider_id) WHERE payment_failure <> '';

-- What is left to do after a ride or a cancellation with a fee: the saga's place, one row a trip.
CREATE TABLE settlements (
  tenant_id text NOT NULL,
  trip_id uuid NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  next_attempt_time timestamptz NOT NULL,
  last_error text NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, trip_id)
);
CREATE INDEX settlements_due ON settlements (next_attempt_time);

CREATE TABLE ratings (
  tenant_id text NOT NULL,
  trip_id uuid NOT NULL,
  rater smallint NOT NULL,
  stars smallint NOT NULL,
  tags text[] NOT NULL,
  comment bytea,
  create_time timestamptz NOT NULL,
  CONSTRAINT ratings_pkey PRIMARY KEY (tenant_id, trip_id, rater)
);

-- Down Migration

DROP TABLE ratings;
DROP TABLE settlements;
DROP TABLE trips;
DROP TABLE trip_events;
