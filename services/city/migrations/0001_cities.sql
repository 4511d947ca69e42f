-- Up Migration

CREATE TABLE operators (
  tenant_id text PRIMARY KEY,
  name text NOT NULL,
  -- Hosts whose anonymous callers belong to this operator.
  hosts text[] NOT NULL DEFAULT '{}'
);

CREATE TABLE cities (
  tenant_id text NOT NULL REFERENCES operators,
  city_id text NOT NULL,
  version bigint NOT NULL,
  -- ridemesh.city.v1.City
  settings bytea NOT NULL,
  update_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, city_id)
);

-- Who changed what: append-only.
CREATE TABLE city_changes (
  tenant_id text NOT NULL,
  city_id text NOT NULL,
  version bigint NOT NULL,
  settings bytea NOT NULL,
  actor_id text NOT NULL,
  change_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, city_id, version)
);
REVOKE UPDATE, DELETE ON city_changes FROM ridemesh_city;

-- Down Migration

DROP TABLE city_changes;
DROP TABLE cities;
DROP TABLE operators;
