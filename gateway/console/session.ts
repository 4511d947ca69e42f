/**
 * The session of whoever looks at the map. Access tokens stay in memory; the refresh token is kept in
 * the tab's session storage, so that a reload does not ask for the password again.
 */

export interface Credentials {
  /** The operator; empty means the one that the page's host belongs to. */
  operator: string;
  email: string;
  password: string;
}

export interface Tokens {
  accessToken: string;
  refreshToken: string;
  /** When the access token ends, in epoch milliseconds. */
  accessExpireMs: number;
}

export interface SessionDeps {
  login(credentials: Credentials): Promise<Tokens>;
  refresh(refreshToken: string): Promise<Tokens>;
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  /** Epoch milliseconds. */
  nowMs(): number;
}

export interface Session {
  /** Logs in; rejects as the call does. */
  login(credentials: Credentials): Promise<void>;
  /** Goes on with the session of this tab, if it has one; rejects when it has ended. */
  resume(): Promise<boolean>;
  /** The access token, renewed when it is about to end; undefined without a session. */
  token(): Promise<string | undefined>;
  /** Gets new tokens; at once for all who ask at the same time. */
  renew(): Promise<void>;
  /** Forgets everything. */
  end(): void;
  /** The operator that was given at login. */
  operator(): string;
}

const storageKey = "ridemesh.console";
/** Tokens are renewed when less than this is left of them. */
const reserveMs = 60_000;

/** A session that has not begun. */
export function createSession(deps: SessionDeps): Session {
  let operator = "";
  let tokens: Tokens | undefined;
  let renewal: Promise<void> | undefined;

  const keep = (next: Tokens) => {
    tokens = next;
    const kept = { operator, refreshToken: next.refreshToken };
    deps.storage.setItem(storageKey, JSON.stringify(kept));
  };
  const end = () => {
    tokens = undefined;
    renewal = undefined;
    deps.storage.removeItem(storageKey);
  };
  const renew = (): Promise<void> => {
    const spent = tokens;
    if (!spent) return Promise.reject(new Error("there is no session"));
    renewal ??= deps
      .refresh(spent.refreshToken)
      .then((next) => {
        // Whoever logged out or in meanwhile wants no more of the old session.
        if (tokens === spent) keep(next);
      })
      .finally(() => (renewal = undefined));
    return renewal;
  };

  return {
    login: async (credentials) => {
      const next = await deps.login(credentials);
      operator = credentials.operator;
      keep(next);
    },
    resume: async () => {
      const kept = readKept(deps.storage.getItem(storageKey));
      if (!kept) return false;
      operator = kept.operator;
      tokens = { accessToken: "", refreshToken: kept.refreshToken, accessExpireMs: 0 };
      await renew();
      return true;
    },
    token: async () => {
      if (!tokens) return undefined;
      const leftMs = tokens.accessExpireMs - deps.nowMs();
      if (leftMs < reserveMs) {
        try {
          await renew();
        } catch (error) {
          // What is left of the old one still serves.
          if (leftMs <= 0) throw error;
        }
      }
      return tokens?.accessToken;
    },
    renew,
    end,
    operator: () => operator,
  };
}

function readKept(text: string | null): { operator: string; refreshToken: string } | undefined {
  if (text === null) return undefined;
  try {
    const kept = JSON.parse(text) as { operator?: unknown; refreshToken?: unknown };
    const { operator, refreshToken } = kept;
    if (typeof operator !== "string" || typeof refreshToken !== "string") return undefined;
    return { operator, refreshToken };
  } catch {
    return undefined;
  }
}
