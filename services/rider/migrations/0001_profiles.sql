-- Up Migration

CREATE TABLE profiles (
  tenant_id text NOT NULL,
  rider_id uuid NOT NULL,
  -- ridemesh.rider.v1.RiderProfile without id and ratings, encrypted.
  profile bytea NOT NULL,
  create_time timestamptz NOT NULL,
  update_time timestamptz NOT NULL,
  CONSTRAINT profiles_pkey PRIMARY KEY (tenant_id, rider_id)
);

-- What drivers gave. Apart, because a rider may be rated before anyone has asked for his profile.
CREATE TABLE rider_ratings (
  tenant_id text NOT NULL,
  rider_id uuid NOT NULL,
  rating_sum int NOT NULL,
  rating_count int NOT NULL,
  PRIMARY KEY (tenant_id, rider_id)
);

-- Down Migration

DROP TABLE rider_ratings;
DROP TABLE profiles;
