/**
 * The demonstration's accounts. Their passwords are made at the first start and kept in the data
 * folder: nothing that is printed for one machine opens another.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { replaceFile } from "./data-folder.js";
import { StartError } from "./start-error.js";

/** An account that is there from the first start. */
export interface DemoAccount {
  tenantId: string;
  email: string;
  password: string;
  displayName: string;
  roles: Role[];
}

export interface DemoAccounts {
  admin: DemoAccount;
  /** Sees everything and changes little: the map's own account. */
  viewer: DemoAccount;
  rider: DemoAccount;
  driver: DemoAccount;
  otherAdmin: DemoAccount;
}

/**
 * The accounts of the folder; made at the first call. `isUsed` tells whether the platform has run over
 * it already: accounts are not added to a folder that began without them.
 *
 * @throws StartError then.
 */
export async function loadDemoAccounts(
  folder: string,
  isUsed: () => Promise<boolean> = () => Promise.resolve(false),
): Promise<DemoAccounts> {
  const path = join(folder, "demo-password");
  let password: string;
  try {
    password = (await readFile(path, "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    if (await isUsed()) {
      throw new StartError(
        `the data folder ${folder} began without the demo city: start with --no-demo, or choose another with --data-dir`,
      );
    }
    password = `demo-${randomBytes(6).toString("hex")}`;
    await replaceFile(path, `${password}\n`);
  }
  const account = (name: string, displayName: string, roles: Role[], tenantId = "metro") => ({
    tenantId,
    email: `${name}@demo.example`,
    password,
    displayName,
    roles,
  });
  return {
    admin: account("admin", "Ada Operator", [Role.ADMIN]),
    viewer: account("viewer", "Vera Viewer", [Role.SUPPORT]),
    rider: account("rider", "Rita Rider", [Role.RIDER]),
    driver: account("driver", "Dana Driver", [Role.DRIVER]),
    otherAdmin: account("admin", "Hans Harbor", [Role.ADMIN], "harbor"),
  };
}
