/** What the handlers of the identity service work with. */
import type { DomainClock, WallClock } from "../runtime/clock.js";
import type { Pool } from "../runtime/postgres.js";
import type { Secrets } from "../runtime/secrets.js";
import type { Trust } from "../runtime/token.js";
import type { Keyring } from "./keyring.js";
import type { Operators } from "./operators.js";
import type { Passwords } from "./passwords.js";
import type { RefreshTokens } from "./refresh-token.js";
import type { TrustSource } from "./trust.js";
import type { Turns } from "./turns.js";

/** What making accounts takes. */
export interface AccountDeps {
  pool: Pool;
  secrets: Secrets;
  passwords: Passwords;
  /** For locks, sessions, tokens and the audit log. */
  wall: WallClock;
  /** For when accounts were made, and for events. */
  domain: DomainClock;
  wakeRelay: () => void;
}

export interface IdentityDeps extends AccountDeps {
  operators: Operators;
  keyring: Keyring;
  refreshTokens: RefreshTokens;
  trust: TrustSource;
  /** This process's own verifier, which learns of revocations first. */
  verifier: Trust;
  /** Registrations of one e-mail wait for each other, so that only one of them hashes. */
  turns: Turns;
}
