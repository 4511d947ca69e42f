/**
 * Verifies access tokens. Every service does so itself, against identity's published keys; verified
 * tokens are kept by hash until they end, because a signature costs a hundred times a look-up.
 */
import { hash } from "node:crypto";
import { createLocalJWKSet, errors, jwtVerify, type JSONWebKeySet, type JWTPayload } from "jose";
import { LRUCache } from "lru-cache";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import type { Caller } from "./call-context.js";
import type { WallClock } from "./clock.js";
import { Code, StatusError, unavailable } from "./status.js";

export const tokenIssuer = "https://ridemesh.local";
export const tokenAudience = "ridemesh";

/** What makes tokens trusted; identity's WatchTrust fills it. */
export interface Trust {
  setKeys(keys: JSONWebKeySet): void;
  revokeSession(sessionId: string, until: Date): void;
  isRevoked(sessionId: string): boolean;
  /** Calls back when the session is revoked, at once if it is already; returns how to stop. */
  onRevoked(sessionId: string, callback: () => void): () => void;
}

export interface TokenVerifier extends Trust {
  /** Throws UNAUTHENTICATED when the token is not good, UNAVAILABLE while no key is known. */
  verify(token: string): Promise<Caller>;
}

/** Nobody. */
export const anonymous: Caller = {
  subject: "",
  tenantId: "",
  roles: [],
  sessionId: "",
  expireTime: new Date(8.64e15),
  anonymous: true,
};

/** A verifier that trusts nothing yet. */
export function createTokenVerifier(wall: WallClock): TokenVerifier {
  let keySet: ReturnType<typeof createLocalJWKSet> | undefined;
  const verified = new LRUCache<string, Caller>({ max: 20_000 });
  const revoked = new Map<string, number>();
  const listeners = new Map<string, Set<() => void>>();

  const verify = async (token: string): Promise<Caller> => {
    const key = hash("sha256", token, "base64");
    let caller = verified.get(key);
    if (!caller) {
      if (!keySet) throw unavailable("signing keys are not known yet");
      try {
        const { payload } = await jwtVerify(token, keySet, {
          issuer: tokenIssuer,
          audience: tokenAudience,
          algorithms: ["RS256"],
          currentDate: wall.now(),
        });
        caller = toCaller(payload);
      } catch (error) {
        if (error instanceof errors.JWTExpired) throw invalidToken("the token has expired");
        throw invalidToken("the token is not valid");
      }
      verified.set(key, caller);
    }
    if (caller.expireTime <= wall.now()) {
      verified.delete(key);
      throw invalidToken("the token has expired");
    }
    if (revoked.has(caller.sessionId)) throw invalidToken("the session has ended");
    return caller;
  };

  return {
    verify,
    setKeys: (keys) => {
      keySet = createLocalJWKSet(keys);
      // A key that was taken back must not live on in verified tokens.
      verified.clear();
    },
    revokeSession: (sessionId, until) => {
      const nowMs = wall.now().getTime();
      for (const [id, untilMs] of revoked) if (untilMs < nowMs) revoked.delete(id);
      revoked.set(sessionId, until.getTime());
      for (const callback of listeners.get(sessionId) ?? []) callback();
    },
    isRevoked: (sessionId) => revoked.has(sessionId),
    onRevoked: (sessionId, callback) => {
      if (revoked.has(sessionId)) callback();
      const set = listeners.get(sessionId) ?? new Set();
      listeners.set(sessionId, set.add(callback));
      return () => {
        set.delete(callback);
        if (set.size === 0) listeners.delete(sessionId);
      };
    },
  };
}

const roleNames: Record<string, Role> = {
  rider: Role.RIDER,
  driver: Role.DRIVER,
  admin: Role.ADMIN,
  support: Role.SUPPORT,
  fleet: Role.FLEET,
};

/** A role as a token's `roles` claim writes it: "rider". */
export function roleName(role: Role): string {
  const found = Object.entries(roleNames).find(([, value]) => value === role);
  if (!found) throw new Error(`role ${role} has no name`);
  return found[0];
}

function toCaller(payload: JWTPayload): Caller {
  const { sub, tenant, roles, sid, exp } = payload as JWTPayload & Record<string, unknown>;
  if (!sub || typeof tenant !== "string" || typeof sid !== "string" || !exp) {
    throw new Error("claims are missing");
  }
  return {
    subject: sub,
    tenantId: tenant,
    roles: Array.isArray(roles) ? roles.flatMap((name) => roleNames[String(name)] ?? []) : [],
    sessionId: sid,
    expireTime: new Date(exp * 1000),
    anonymous: false,
  };
}

/** Whether an error says that a token is not good. */
export function isInvalidToken(error: unknown): boolean {
  return error instanceof StatusError && error.code === Code.UNAUTHENTICATED;
}

/** The token is not good. */
export function invalidToken(message: string): StatusError {
  return new StatusError(Code.UNAUTHENTICATED, {
    reason: "TOKEN_INVALID",
    domain: "ridemesh",
    message,
  });
}
