-- Up Migration

-- What a class of vehicle costs in a city. A change is a new row; the highest version counts.
CREATE TABLE tariffs (
  tenant_id text NOT NULL,
  city_id text NOT NULL,
  -- ridemesh.type.v1.VehicleClass
  vehicle_class smallint NOT NULL,
  version int NOT NULL,
  -- Tariff of tariff.ts
  settings jsonb NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, city_id, vehicle_class, version)
);
REVOKE UPDATE, DELETE ON tariffs FROM ridemesh_pricing;

-- Down Migration

DROP TABLE tariffs;
