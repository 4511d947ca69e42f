/**
 * Prepares a database for the services: a role that owns the schemas and runs migrations, and for each
 * service a schema and a role that can read and write the rows of that schema only.
 */
import { randomBytes } from "node:crypto";
import pg from "pg";

const owner = "ridemesh_owner";

export interface DatabaseSetup {
  /** For migrations. */
  ownerUrl: string;
  /** For each schema's own role. */
  urls: Record<string, string>;
}

/**
 * Makes what is missing and gives every role a new password. Safe to repeat.
 * `superuserUrl` names the database; `schemas` are the services' names, and "bus".
 */
export async function setUpDatabase(
  superuserUrl: string,
  schemas: string[],
): Promise<DatabaseSetup> {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    const database = client.database!;
    await client.query("SELECT pg_advisory_lock(7261)");
    const ownerUrl = await makeRole(client, superuserUrl, owner);
    await client.query(`GRANT CREATE ON DATABASE "${database}" TO ${owner}`);
    await client.query(`REVOKE ALL ON SCHEMA public FROM PUBLIC`);
    await client.query(`REVOKE TEMPORARY ON DATABASE "${database}" FROM PUBLIC`);
    const urls: Record<string, string> = {};
    for (const schema of schemas) {
      const role = `ridemesh_${schema}`;
      urls[schema] = await makeRole(client, superuserUrl, role);
      await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema} AUTHORIZATION ${owner}`);
      await client.query(`GRANT USAGE ON SCHEMA ${schema} TO ${role}`);
      await untilAlone(async () => {
        const path = `SET search_path = ${schema}`;
        await client.query(`ALTER ROLE ${role} IN DATABASE "${database}" ${path}`);
      });
      await client.query(
        `ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} IN SCHEMA ${schema}
         GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${role}`,
      );
      await client.query(
        `ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} IN SCHEMA ${schema}
         GRANT USAGE ON SEQUENCES TO ${role}`,
      );
    }
    await client.query("SELECT pg_advisory_unlock(7261)");
    return { ownerUrl, urls };
  } finally {
    await client.end();
  }
}

async function makeRole(client: pg.Client, url: string, role: string): Promise<string> {
  const password = passwords.get(`${new URL(url).host}/${role}`) ?? randomBytes(18).toString("hex");
  passwords.set(`${new URL(url).host}/${role}`, password);
  await untilAlone(async () => {
    const known = await client.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [role]);
    if (known.rowCount === 0) await client.query(`CREATE ROLE ${role} LOGIN`);
    await client.query(`ALTER ROLE ${role} PASSWORD '${password}'`);
  });
  const result = new URL(url);
  result.username = role;
  result.password = password;
  return result.href;
}

/**
 * Roles belong to the whole server, while locks that we can take belong to one database: who meets the
 * set-up of another database tries again.
 */
async function untilAlone(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await work();
      return;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      const met = ["42710", "23505"].includes(code ?? "") || /concurrently updated/.test(message);
      if (!met || attempt === 20) throw error;
    }
  }
}

/** One password a server, role and process, so that several databases of one server can be set up. */
const passwords = new Map<string, string>();
