/** The rows of operators and cities. */
import { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { saveAnswer, type Answer } from "../runtime/idempotency.js";
import { appendEvents, type OutboxEvent } from "../runtime/outbox.js";
import { statement, transaction, type Db, type Pool, type Row } from "../runtime/postgres.js";

/** An operator: a tenant. */
export interface Operator {
  tenantId: string;
  name: string;
  hosts: string[];
}

interface CityRow extends Row {
  tenant_id: string;
  city_id: string;
  version: bigint;
  settings: Buffer;
  update_time: Date;
}

const columns = "tenant_id, city_id, version, settings, update_time";
const all = statement<CityRow>(
  "cities_all",
  `SELECT ${columns} FROM cities ORDER BY tenant_id, city_id`,
);
const insertCity = statement(
  "city_insert",
  `INSERT INTO cities (${columns}) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING 1`,
);
const updateCity = statement(
  "city_update",
  `UPDATE cities SET version = version + 1, settings = $4, update_time = $5
   WHERE tenant_id = $1 AND city_id = $2 AND version = $3 RETURNING 1`,
);
const insertChange = statement(
  "city_change",
  `INSERT INTO city_changes (tenant_id, city_id, version, settings, actor_id, change_time)
   VALUES ($1, $2, $3, $4, $5, $6)`,
);
const insertOperator = statement(
  "operator_insert",
  "INSERT INTO operators (tenant_id, name, hosts) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
);
const operators = statement<Row & { tenant_id: string; name: string; hosts: string[] }>(
  "operators_all",
  "SELECT tenant_id, name, hosts FROM operators ORDER BY tenant_id",
);

/** Every city of every operator. */
export async function loadCities(db: Db): Promise<City[]> {
  return (await all(db, [])).map((row) => ({
    ...City.decode(row.settings),
    tenantId: row.tenant_id,
    cityId: row.city_id,
    version: row.version,
    updateTime: row.update_time,
  }));
}

/** Every operator. */
export async function loadOperators(db: Db): Promise<Operator[]> {
  const rows = await operators(db, []);
  return rows.map((row) => ({ tenantId: row.tenant_id, name: row.name, hosts: row.hosts }));
}

/** Adds operators and cities that are not there yet; leaves those that are as they are. */
export async function addMissing(pool: Pool, seeds: Operator[], cities: City[]): Promise<void> {
  await transaction(pool, async (tx) => {
    for (const one of seeds) await insertOperator(tx, [one.tenantId, one.name, one.hosts]);
    for (const city of cities) {
      const settings = encode(city);
      const added = await insertCity(tx, [
        city.tenantId,
        city.cityId,
        1n,
        settings,
        city.updateTime,
      ]);
      if (added.length === 0) continue;
      await insertChange(tx, [city.tenantId, city.cityId, 1n, settings, "", city.updateTime]);
    }
  });
}

/**
 * Replaces a city's settings if it still has the version that `city` was made from.
 *
 * @returns whether it had.
 */
export async function replaceCity(
  pool: Pool,
  city: City,
  change: { actorId: string; event: OutboxEvent; answer: Answer | undefined },
): Promise<boolean> {
  return transaction(pool, async (tx) => {
    const { tenantId, cityId, version, updateTime } = city;
    const settings = encode(city);
    const based = version - 1n;
    const rows = await updateCity(tx, [tenantId, cityId, based, settings, updateTime]);
    if (rows.length === 0) return false;
    await insertChange(tx, [tenantId, cityId, version, settings, change.actorId, updateTime]);
    await appendEvents(tx, [change.event]);
    await saveAnswer(tx, change.answer);
    return true;
  });
}

function encode(city: City): Buffer {
  return Buffer.from(City.encode(city).finish());
}
