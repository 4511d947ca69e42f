/** Settings of the identity service. */
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { ConfigError, type Environment } from "../runtime/config.js";
import { roleName } from "../runtime/token.js";
import type { FirstAccount } from "./accounts.js";
import type { BreachedPasswords } from "./password-policy.js";

export interface IdentityConfig {
  /** log2 of bcrypt's rounds. */
  bcryptCost: number;
  /** Whether the data is thrown away after the run; only then may the cost be low. */
  temporaryData: boolean;
  /** Made at start for every tenant that has no admin yet. */
  firstAccounts: FirstAccount[];
  /** Asked besides the built-in list. */
  breachedPasswords?: BreachedPasswords;
}

/** bcrypt's cost unless configured: about a quarter of a second on a core. */
export const defaultBcryptCost = 12;

/**
 * From the environment: RIDEMESH_BCRYPT_COST, RIDEMESH_TEMPORARY_DATA=true, and
 * RIDEMESH_FIRST_ACCOUNTS, a JSON list of {tenantId, email, password, displayName, roles}.
 *
 * @throws ConfigError that names the variable which cannot be used.
 */
export function identityConfig(env: Environment): IdentityConfig {
  return checkConfig({
    bcryptCost: Number(env["RIDEMESH_BCRYPT_COST"] ?? defaultBcryptCost),
    temporaryData: env["RIDEMESH_TEMPORARY_DATA"] === "true",
    firstAccounts: parseAccounts(env["RIDEMESH_FIRST_ACCOUNTS"] ?? "[]"),
  });
}

/** Refuses settings under which passwords would be kept badly. Returns the settings. */
export function checkConfig(config: IdentityConfig): IdentityConfig {
  const { bcryptCost, temporaryData } = config;
  const lowest = temporaryData ? 4 : defaultBcryptCost;
  if (!Number.isInteger(bcryptCost) || bcryptCost < lowest || bcryptCost > 20) {
    const range = `a whole number from ${lowest} to 20`;
    const hint = temporaryData ? "" : "; less than 12 only with RIDEMESH_TEMPORARY_DATA=true";
    throw new ConfigError([`RIDEMESH_BCRYPT_COST is ${bcryptCost}, not ${range}${hint}`]);
  }
  return config;
}

function parseAccounts(text: string): FirstAccount[] {
  const wrong = (what: string) => new ConfigError([`RIDEMESH_FIRST_ACCOUNTS ${what}`]);
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    throw wrong("is not JSON");
  }
  if (!Array.isArray(list)) throw wrong("is not a list");
  return list.map((given: Record<string, unknown>, index) => {
    const word = (name: string): string => {
      const value = given[name];
      if (typeof value !== "string" || value === "") throw wrong(`lacks [${index}].${name}`);
      return value;
    };
    const roles = Array.isArray(given["roles"]) ? given["roles"].map(String) : [];
    if (roles.length === 0) throw wrong(`lacks [${index}].roles`);
    return {
      tenantId: word("tenantId"),
      email: word("email"),
      password: word("password"),
      displayName: word("displayName"),
      roles: roles.map((name) => {
        const role = grantable.find((one) => roleName(one) === name);
        if (role === undefined) throw wrong(`has a role ${name} at [${index}], which there is not`);
        return role;
      }),
    };
  });
}

const grantable = [Role.RIDER, Role.DRIVER, Role.ADMIN, Role.SUPPORT, Role.FLEET];
