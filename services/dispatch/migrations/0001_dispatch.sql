-- Up Migration

-- A search for a driver. One row a trip: a later search of the same trip replaces an earlier one.
CREATE TABLE searches (
  tenant_id text NOT NULL,
  trip_id uuid NOT NULL,
  search_number int NOT NULL,
  -- Open while drivers are asked; a closed one stays for its offers' sake.
  open boolean NOT NULL,
  -- ridemesh.trip.v1.BeginMatchingResponse; null before the trip service was asked.
  request bytea,
  city_id text NOT NULL,
  -- 0 before the first round.
  round int NOT NULL DEFAULT 0,
  round_end_time timestamptz,
  asked_nobody boolean NOT NULL DEFAULT true,
  declined_driver_ids uuid[] NOT NULL DEFAULT '{}',
  -- When there is something to do next, by the domain clock.
  next_time timestamptz NOT NULL,
  -- Fewer drivers are being asked than may be: newcomers are welcome.
  wants_drivers boolean NOT NULL DEFAULT false,
  -- Which process works on it until when, by the wall clock.
  claim_until timestamptz,
  traceparent text,
  PRIMARY KEY (tenant_id, trip_id)
);
CREATE INDEX searches_due ON searches (next_time) WHERE open;
CREATE INDEX searches_wanting ON searches (tenant_id, city_id) WHERE open AND wants_drivers;

-- Offers to drivers. Status as ridemesh.dispatch.v1.OfferStatus; 0 while the trip has not taken it yet:
-- its driver is spoken for, but he is not told.
CREATE TABLE offers (
  tenant_id text NOT NULL,
  offer_id uuid NOT NULL,
  trip_id uuid NOT NULL,
  search_number int NOT NULL,
  driver_id uuid NOT NULL,
  status smallint NOT NULL,
  pickup_distance_meters double precision NOT NULL,
  pickup_duration_seconds double precision NOT NULL,
  create_time timestamptz NOT NULL,
  expire_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, offer_id)
);
-- One live offer of any kind a driver.
CREATE UNIQUE INDEX offers_live_driver ON offers (tenant_id, driver_id) WHERE status <= 1;
CREATE INDEX offers_of_trip ON offers (tenant_id, trip_id);

-- Down Migration

DROP TABLE offers;
DROP TABLE searches;
