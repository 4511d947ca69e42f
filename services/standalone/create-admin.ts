/** `npm run create-admin`: makes the first admin of an operator on the platform of a data folder. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { ensureAccounts } from "../identity/accounts.js";
import { defaultBcryptCost } from "../identity/config.js";
import { createPasswords } from "../identity/passwords.js";
import { hasAdmin } from "../identity/store.js";
import { domainClock, wallClock as wall } from "../runtime/clock.js";
import { silentLogger } from "../runtime/log.js";
import { createPool, type Pool } from "../runtime/postgres.js";
import { createSecrets } from "../runtime/secrets.js";
import { StatusError } from "../runtime/status.js";
import { loadDataKeys } from "./secrets-file.js";
import { StartError } from "./start-error.js";

const help = `Makes the first admin of an operator. The platform must be running.

  npm run create-admin -- --operator NAME --email EMAIL [options]

  --data-dir DIR     the platform's data folder (default .ridemesh)
  --name NAME        the admin's name (default Admin)
  --password-stdin   reads the password from standard input; otherwise one is made and printed
  --help             prints this text`;

async function run(argv: string[]): Promise<void> {
  const given = parse(argv);
  if (given.help) {
    console.log(help);
    return;
  }
  const { operator, email } = given;
  if (!operator || !email)
    throw new StartError("--operator and --email are needed; --help says more");
  if (!/^[^\s@]+@[^\s@]+$/.test(email)) throw new StartError(`"${email}" is not an e-mail address`);
  const folder = resolve(given["data-dir"]);
  const password = given["password-stdin"]
    ? await readStdin()
    : randomBytes(12).toString("base64url");
  const pool = await connect(folder);
  try {
    await checkOperator(pool, operator);
    const secrets = createSecrets(await loadDataKeys(folder, () => Promise.resolve(true)));
    const made = await ensureAccounts(
      {
        pool,
        secrets,
        passwords: createPasswords({ cost: defaultBcryptCost, secrets }),
        wall,
        domain: domainClock({ wall }),
        wakeRelay: () => undefined,
      },
      [{ tenantId: operator, email, password, displayName: given.name, roles: [Role.ADMIN] }],
    );
    if (made.length === 0) {
      throw new StartError(
        (await hasAdmin(pool, operator))
          ? `operator ${operator} has an admin already, who can make others: POST /api/users`
          : `${email} has an account of ${operator} already; choose another --email`,
      );
    }
  } finally {
    await pool.end();
  }
  console.log(`Made ${email}, admin of ${operator}.`);
  if (!given["password-stdin"]) console.log(`Password: ${password}`);
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      options: {
        "data-dir": { type: "string", default: ".ridemesh" },
        operator: { type: "string" },
        email: { type: "string" },
        name: { type: "string", default: "Admin" },
        "password-stdin": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new StartError(`${(error as Error).message}; --help lists the options`);
  }
}

/** The running platform's database, as the superuser whose password the data folder keeps. */
async function connect(folder: string): Promise<Pool> {
  const read = (name: string) => readFile(join(folder, name), "utf8").then((text) => text.trim());
  let url: string;
  try {
    const [password, port] = await Promise.all([read("postgres-password"), read("postgres-port")]);
    url = `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`;
  } catch {
    throw new StartError(`${folder} is not a data folder that this user may read; see --data-dir`);
  }
  const pool = createPool({
    url: `${url}?options=${encodeURIComponent("-c search_path=identity")}`,
    max: 1,
    name: "create-admin",
    log: silentLogger,
  });
  try {
    await pool.query("SELECT 1");
  } catch {
    await pool.end();
    throw new StartError(`no platform is running over ${folder}; start it with: npm start`);
  }
  return pool;
}

async function checkOperator(pool: Pool, operator: string): Promise<void> {
  const { rows } = await pool.query<{ tenant_id: string }>(
    "SELECT tenant_id FROM city.operators ORDER BY tenant_id",
  );
  const known = rows.map((row) => row.tenant_id);
  if (known.includes(operator)) return;
  throw new StartError(`there is no operator ${operator}; there are ${known.join(", ")}`);
}

async function readStdin(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin) text += String(chunk);
  return text.replace(/\r?\n$/, "");
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  if (error instanceof StartError || error instanceof StatusError) {
    console.error(`create-admin: ${error.message}`);
  } else {
    console.error(error);
  }
  process.exitCode = 1;
}
