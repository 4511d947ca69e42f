/** What is in the database, table by table, in a form that can be compared. */
import type { TestPlatform } from "./platform.js";

/** Columns that background work renews without anything having happened. */
const restless: Record<string, string[]> = {
  "bus.positions": ["owner", "lease_until"],
  "bus.members": ["owner", "seen_until"],
  // Follows the points of driver_points, up to a second behind.
  "location.driver_presence": ["observe_time", "lat", "lng", "accuracy_meters", "heading_degrees"],
};

/** Tables whose rows run out by themselves within the run. */
const fading = new Set(["identity.stream_tickets"]);

interface Table {
  schema: string;
  name: string;
  columns: string[];
}

/** A digest of each table's rows, by its name. */
export type Digests = Map<string, string>;

/**
 * Digests of all tables of all services. With a tenant: of the tables that say whose their rows are,
 * and of them this tenant's rows only.
 */
export async function digestTables(platform: TestPlatform, tenantId?: string): Promise<Digests> {
  const tables = await listTables(platform);
  const wanted = tables.filter(
    ({ schema, name, columns }) =>
      !fading.has(`${schema}.${name}`) && (tenantId === undefined || columns.includes("tenant_id")),
  );
  const parts = wanted.map(({ schema, name, columns }) => {
    const left = columns.filter((one) => !restless[`${schema}.${name}`]?.includes(one));
    const list = left.map((one) => `"${one}"`).join(", ");
    const where = tenantId === undefined ? "" : `WHERE tenant_id = '${tenantId}'`;
    return `SELECT '${schema}.${name}' AS name,
      (SELECT md5(coalesce(string_agg(r, ',' ORDER BY r), ''))
       FROM (SELECT md5(x::text) AS r FROM (SELECT ${list} FROM ${schema}."${name}" ${where}) x) h)
      AS digest`;
  });
  const rows = await platform.sql<{ name: string; digest: string }>(parts.join(" UNION ALL "));
  return new Map(rows.map(({ name, digest }) => [name, digest]));
}

/** The tables whose rows are not the same. */
export function changedTables(before: Digests, after: Digests): string[] {
  return [...after.keys()].filter((name) => before.get(name) !== after.get(name));
}

async function listTables(platform: TestPlatform): Promise<Table[]> {
  return platform.sql<Table & { schema: string }>(
    `SELECT n.nspname AS schema, c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
     FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'public')
     GROUP BY n.nspname, c.relname ORDER BY 1, 2`,
  );
}
