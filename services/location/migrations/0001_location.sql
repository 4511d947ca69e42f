-- Up Migration

-- What is known of each driver, and where he was last: enough to find him after a restart.
CREATE TABLE driver_presence (
  tenant_id text NOT NULL,
  driver_id uuid NOT NULL,
  city_id text NOT NULL DEFAULT '',
  -- ridemesh.type.v1.VehicleClass
  vehicle_class smallint NOT NULL DEFAULT 0,
  online boolean NOT NULL DEFAULT false,
  -- Version of the last DriverAvailabilityChanged; older ones are ignored.
  availability_version bigint NOT NULL DEFAULT 0,
  -- The trip that keeps him busy, and when the last trip was accepted, this one or one before it.
  trip_id uuid,
  trip_time timestamptz,
  -- The last accepted point; written in batches, so up to a second behind.
  observe_time timestamptz,
  lat double precision,
  lng double precision,
  accuracy_meters real,
  heading_degrees real,
  PRIMARY KEY (tenant_id, driver_id)
  -- Room on each page, so that the positions, which no index has, are updated in place.
) WITH (fillfactor = 50);

-- Trips as their riders may follow them.
CREATE TABLE tracked_trips (
  tenant_id text NOT NULL,
  trip_id uuid NOT NULL,
  -- Version of the last event; older ones are ignored.
  version bigint NOT NULL,
  rider_id uuid NOT NULL,
  -- Who drives, while somebody does.
  driver_id uuid,
  active boolean NOT NULL,
  event_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, trip_id)
);
CREATE INDEX tracked_trips_ended ON tracked_trips (event_time) WHERE NOT active;

-- Where drivers were: append-only, a partition for each day (UTC) of observe_time.
CREATE TABLE driver_points (
  tenant_id text NOT NULL,
  driver_id uuid NOT NULL,
  observe_time timestamptz NOT NULL,
  lat double precision NOT NULL,
  lng double precision NOT NULL,
  accuracy_meters real NOT NULL,
  speed_mps real NOT NULL,
  heading_degrees real NOT NULL,
  PRIMARY KEY (tenant_id, driver_id, observe_time)
) PARTITION BY RANGE (observe_time);
REVOKE UPDATE, DELETE ON driver_points FROM ridemesh_location;

-- Makes a day's partition unless it is there. The owner's rights, because the service has none on
-- tables. Attached and not created in place, which would lock out readers and writers.
CREATE FUNCTION add_points_day(in_day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = location, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  part text := 'driver_points_' || to_char(in_day, 'YYYYMMDD');
BEGIN
  PERFORM pg_advisory_xact_lock(7265, 1);
  IF to_regclass(part) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE driver_points INCLUDING ALL)', part);
  -- Reached through the parent only, with the parent's grants.
  EXECUTE format('REVOKE ALL ON %I FROM ridemesh_location', part);
  EXECUTE format(
    'ALTER TABLE driver_points ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
    part, in_day::timestamp AT TIME ZONE 'UTC', (in_day + 1)::timestamp AT TIME ZONE 'UTC'
  );
END $$;

-- Drops the partitions of the days before this one; returns how many.
CREATE FUNCTION drop_points_before(in_day date) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = location, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  part text;
  dropped int := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(7265, 1);
  FOR part IN
    SELECT child.relname
    FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
    WHERE inhparent = 'driver_points'::regclass
      AND child.relname < 'driver_points_' || to_char(in_day, 'YYYYMMDD')
  LOOP
    EXECUTE format('DROP TABLE %I', part);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END $$;

REVOKE ALL ON FUNCTION add_points_day, drop_points_before FROM PUBLIC;
GRANT EXECUTE ON FUNCTION add_points_day, drop_points_before TO ridemesh_location;

-- Down Migration

DROP FUNCTION drop_points_before;
DROP FUNCTION add_points_day;
DROP TABLE driver_points;
DROP TABLE tracked_trips;
DROP TABLE driver_presence;
