/** The two ways of verifying access tokens that are compared: remembered, and each time anew. */
import { createLocalJWKSet, jwtVerify } from "jose";
import { wallClock } from "../../services/runtime/clock.js";
import {
  createTokenVerifier,
  invalidToken,
  tokenAudience,
  tokenIssuer,
  type TokenVerifier,
} from "../../services/runtime/token.js";
import type { Keys } from "./people.js";

/** The platform's own verifier, or one that checks the signature at every call. */
export function verifierOf(keys: Keys, remembers: boolean): TokenVerifier {
  const verifier = createTokenVerifier(wallClock);
  verifier.setKeys(keys);
  if (remembers) return verifier;
  const keySet = createLocalJWKSet(keys);
  return {
    ...verifier,
    verify: async (token) => {
      const { payload } = await jwtVerify(token, keySet, {
        issuer: tokenIssuer,
        audience: tokenAudience,
        algorithms: ["RS256"],
      }).catch(() => {
        throw invalidToken("the token is not valid");
      });
      return {
        subject: payload.sub!,
        tenantId: String(payload["tenant"]),
        roles: [],
        sessionId: String(payload["sid"]),
        expireTime: new Date(payload.exp! * 1000),
        anonymous: false,
      };
    },
  };
}
