/** Passwords: checked against the policy, hashed and compared off the event loop. */
import { availableParallelism } from "node:os";
import { hash, verify } from "@node-rs/bcrypt";
import { BulkheadRejectedError, bulkhead } from "cockatiel";
import type { Secrets } from "../runtime/secrets.js";
import { Code, StatusError, invalidField } from "../runtime/status.js";
import {
  isCommonPassword,
  normalizePassword,
  passwordProblem,
  type BreachedPasswords,
} from "./password-policy.js";

export interface Passwords {
  /** Throws WEAK_PASSWORD when the password may not be chosen for the account of this e-mail. */
  check(password: string, email: string): Promise<void>;
  /** bcrypt hash. RESOURCE_EXHAUSTED when too many wait; throws the signal's reason when it aborts. */
  hash(password: string, signal?: AbortSignal): Promise<string>;
  /**
   * Whether the password is the one that was hashed. Takes the same time when there is no hash, so
   * that the time does not tell whether an account exists.
   */
  verify(password: string, hashed: string | undefined, signal?: AbortSignal): Promise<boolean>;
}

/** Hashing keeps a thread busy; one of Node's four stays free for signing tokens. */
const width = Math.min(3, availableParallelism());
/** Those who would wait longer than about this are refused at once, in seconds. */
const longestWaitSeconds = 8;
/** About what a hash of cost 12 takes, in seconds. */
const secondsAtCost12 = 0.25;

/** Hashes with this bcrypt cost, after a keyed hash that lets every character of a long one count. */
export function createPasswords(options: {
  cost: number;
  secrets: Secrets;
  breached?: BreachedPasswords | undefined;
}): Passwords {
  const { cost, secrets, breached } = options;
  const secondsEach = secondsAtCost12 * 2 ** (cost - 12);
  const waiting = Math.max(10, Math.floor((width * longestWaitSeconds) / secondsEach));
  const places = bulkhead(width, waiting);
  // A hash of nothing: comparing with it costs as much as with a real one.
  const nobody = `$2b$${String(cost).padStart(2, "0")}$${".".repeat(53)}`;

  /** bcrypt reads 72 bytes only, so it gets the keyed hash in base64 (44 bytes). */
  const digest = (password: string) =>
    secrets.sign("password", Buffer.from(normalizePassword(password))).toString("base64");

  const inTurn = async <T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
    try {
      return await places.execute(async () => {
        // Nobody waits for the answer any more.
        signal?.throwIfAborted();
        return work();
      });
    } catch (error) {
      if (!(error instanceof BulkheadRejectedError)) throw error;
      throw new StatusError(Code.RESOURCE_EXHAUSTED, {
        reason: "OVERLOADED",
        domain: "ridemesh",
        message: "too many passwords are being checked",
        retryAfterMs: longestWaitSeconds * 1000,
      });
    }
  };

  return {
    check: async (password, email) => {
      const problem = passwordProblem(normalizePassword(password), email);
      if (problem) throw invalidField("password", problem, "WEAK_PASSWORD");
      const leaked = (await isCommonPassword(password)) || (await breached?.(password));
      if (leaked) throw invalidField("password", "is known to have leaked", "WEAK_PASSWORD");
    },
    hash: (password, signal) => inTurn(() => hash(digest(password), { cost }), signal),
    verify: (password, hashed, signal) =>
      inTurn(async () => {
        const right = await verify(digest(password), hashed ?? nobody);
        return hashed !== undefined && right;
      }, signal),
  };
}
