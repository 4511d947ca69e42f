/** The rows of tariffs, and a copy of them in memory. */
import type { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import type { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import type { DomainClock, WallClock } from "../runtime/clock.js";
import { statement, type Pool, type Row } from "../runtime/postgres.js";
import { defaultTariff } from "./defaults.js";
import { tariffProblems, type Tariff } from "./tariff.js";

const latest = statement<Row & { settings: Tariff }>(
  "tariff_latest",
  `SELECT settings FROM tariffs WHERE tenant_id = $1 AND city_id = $2 AND vehicle_class = $3
   ORDER BY version DESC LIMIT 1`,
);
const insert = statement(
  "tariff_insert",
  `INSERT INTO tariffs (tenant_id, city_id, vehicle_class, version, settings, create_time)
   VALUES ($1, $2, $3, 1, $4, $5) ON CONFLICT DO NOTHING`,
);

/** Tariffs by city and class. */
export interface Tariffs {
  /** The tariff in force; a city's class that has none yet gets the one that comes along. */
  of(city: City, vehicleClass: VehicleClass): Promise<Tariff>;
}

/** Tariffs of the database, each kept for `ttlMs`; those who ask meanwhile share one reading. */
export function createTariffs(deps: {
  pool: Pool;
  wall: WallClock;
  domain: DomainClock;
  ttlMs: number;
}): Tariffs {
  const { pool, wall, domain, ttlMs } = deps;
  const kept = new Map<string, { tariff: Promise<Tariff>; untilMs: number }>();

  const load = async (city: City, vehicleClass: VehicleClass): Promise<Tariff> => {
    const { tenantId, cityId } = city;
    let [row] = await latest(pool, [tenantId, cityId, vehicleClass]);
    if (!row) {
      const settings = JSON.stringify(defaultTariff(city, vehicleClass));
      await insert(pool, [tenantId, cityId, vehicleClass, settings, domain.now()]);
      [row] = await latest(pool, [tenantId, cityId, vehicleClass]);
    }
    const problems = tariffProblems(row!.settings);
    if (problems.length > 0) {
      throw new Error(`tariff of ${tenantId}/${cityId}, class ${vehicleClass}: ${problems[0]}`);
    }
    return row!.settings;
  };

  return {
    of: (city, vehicleClass) => {
      const key = JSON.stringify([city.tenantId, city.cityId, vehicleClass]);
      const found = kept.get(key);
      if (found && found.untilMs > wall.monotonicMs()) return found.tariff;
      const tariff = load(city, vehicleClass);
      const entry = { tariff, untilMs: wall.monotonicMs() + ttlMs };
      kept.set(key, entry);
      tariff.catch(() => {
        // A failure is not kept.
        if (kept.get(key) === entry) kept.delete(key);
      });
      return tariff;
    },
  };
}
