/** What the replay takes from the environment: who approves its drivers on a platform that runs already. */
import { readFile } from "node:fs/promises";
import type { Credentials } from "./api.js";
import { InputError } from "./input-error.js";

/**
 * RIDEMESH_ADMIN_EMAIL, RIDEMESH_ADMIN_PASSWORD and RIDEMESH_OPERATOR (default metro); without them
 * the demo admin of `npm start` in this folder.
 *
 * @throws InputError when neither is there.
 */
export async function remoteAdmin(
  env: Record<string, string | undefined> = process.env,
): Promise<Credentials> {
  const operator = env["RIDEMESH_OPERATOR"] ?? "metro";
  const email = env["RIDEMESH_ADMIN_EMAIL"];
  const password = env["RIDEMESH_ADMIN_PASSWORD"];
  if (email && password) return { operator, email, password };
  const demo = await readFile(".ridemesh/demo-password", "utf8").catch(() => undefined);
  if (demo) return { operator, email: "admin@demo.example", password: demo.trim() };
  throw new InputError(
    "--url needs an admin who approves the drivers: set RIDEMESH_ADMIN_EMAIL and RIDEMESH_ADMIN_PASSWORD",
  );
}
