-- Up Migration

-- Enumerations are those of ridemesh.driver.v1.
CREATE TABLE drivers (
  tenant_id text NOT NULL,
  driver_id uuid NOT NULL,
  city_id text NOT NULL,
  -- Encrypted.
  display_name bytea NOT NULL,
  onboarding_status smallint NOT NULL,
  review_comment text NOT NULL DEFAULT '',
  -- Offline or online; busy is known from driver_trips.
  availability smallint NOT NULL,
  availability_version bigint NOT NULL DEFAULT 0,
  -- The vehicle that he drives now or drove last.
  vehicle_id uuid,
  rating_sum int NOT NULL DEFAULT 0,
  rating_count int NOT NULL DEFAULT 0,
  create_time timestamptz NOT NULL,
  CONSTRAINT drivers_pkey PRIMARY KEY (tenant_id, driver_id),
  -- Only an approved driver is online.
  CONSTRAINT drivers_online CHECK (availability <> 2 OR onboarding_status = 3)
);
CREATE INDEX drivers_by_time ON drivers (tenant_id, create_time DESC, driver_id DESC);
CREATE INDEX drivers_by_status
  ON drivers (tenant_id, onboarding_status, create_time DESC, driver_id DESC);

-- How each driver's onboarding went, and who decided: append-only.
CREATE TABLE driver_reviews (
  tenant_id text NOT NULL,
  driver_id uuid NOT NULL,
  review_number bigint GENERATED ALWAYS AS IDENTITY,
  onboarding_status smallint NOT NULL,
  comment text NOT NULL,
  -- Empty when it moved by itself.
  reviewer_id text NOT NULL,
  review_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, driver_id, review_number),
  FOREIGN KEY (tenant_id, driver_id) REFERENCES drivers
);
REVOKE UPDATE, DELETE ON driver_reviews FROM ridemesh_driver;

CREATE TABLE vehicles (
  tenant_id text NOT NULL,
  vehicle_id uuid NOT NULL,
  driver_id uuid NOT NULL,
  -- Encrypted; the index is a keyed hash of its letters and digits.
  plate bytea NOT NULL,
  plate_index bytea NOT NULL,
  make text NOT NULL,
  model text NOT NULL,
  year int NOT NULL,
  color text NOT NULL,
  vehicle_class smallint NOT NULL,
  seats int NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, vehicle_id),
  FOREIGN KEY (tenant_id, driver_id) REFERENCES drivers,
  CONSTRAINT vehicles_plate UNIQUE (tenant_id, plate_index)
);
CREATE INDEX vehicles_of_driver ON vehicles (tenant_id, driver_id);

-- The newest document of each type; its file is in the blob store under the document's id.
CREATE TABLE documents (
  tenant_id text NOT NULL,
  driver_id uuid NOT NULL,
  type smallint NOT NULL,
  document_id uuid NOT NULL,
  expire_time timestamptz NOT NULL,
  content_type text NOT NULL,
  size_bytes int NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, driver_id, type),
  FOREIGN KEY (tenant_id, driver_id) REFERENCES drivers,
  CONSTRAINT documents_id UNIQUE (tenant_id, document_id)
);

-- The trips that each driver took, as trip events tell it. Trips are ordered by version only within
-- themselves, so a row says whether that one trip keeps its driver busy.
CREATE TABLE driver_trips (
  tenant_id text NOT NULL,
  driver_id uuid NOT NULL,
  trip_id uuid NOT NULL,
  version bigint NOT NULL,
  active boolean NOT NULL,
  PRIMARY KEY (tenant_id, driver_id, trip_id)
);
CREATE INDEX driver_trips_active ON driver_trips (tenant_id, driver_id) WHERE active;

-- What each trip brought its driver: append-only.
CREATE TABLE earnings (
  tenant_id text NOT NULL,
  driver_id uuid NOT NULL,
  trip_id uuid NOT NULL,
  share_minor bigint NOT NULL,
  currency_code text NOT NULL,
  earn_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, driver_id, trip_id)
);
CREATE INDEX earnings_by_time ON earnings (tenant_id, driver_id, earn_time);
REVOKE UPDATE, DELETE ON earnings FROM ridemesh_driver;

-- Down Migration

DROP TABLE earnings;
DROP TABLE driver_trips;
DROP TABLE documents;
DROP TABLE vehicles;
DROP TABLE driver_reviews;
DROP TABLE drivers;
