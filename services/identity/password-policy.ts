/** What a password must be like. */
import { commonPasswords } from "./common-passwords.js";

/** Whether a password is known to have leaked. The port for a larger list than the built-in one. */
export type BreachedPasswords = (password: string) => Promise<boolean>;

/** Counted in characters, not bytes. */
export const shortestPassword = 10;

const common = new Set(commonPasswords);

/** The built-in list. */
export const isCommonPassword: BreachedPasswords = (password) =>
  Promise.resolve(common.has(password.toLowerCase()));

/**
 * Why the password cannot be used; undefined when it can. `email` is the account's: a password must
 * not be what an attacker tries first.
 */
export function passwordProblem(password: string, email: string): string | undefined {
  const characters = Array.from(password);
  if (characters.length < shortestPassword) {
    return `must have at least ${shortestPassword} characters`;
  }
  if (new Set(characters).size < 4) return "must have at least 4 different characters";
  const lower = password.toLowerCase();
  const [local = ""] = email.toLowerCase().split("@");
  if (lower === email.toLowerCase() || lower === local) return "must not be the e-mail";
  return undefined;
}

/** One form for passwords that look the same, however the keyboard wrote them. */
export function normalizePassword(password: string): string {
  return password.normalize("NFKC");
}
