/**
 * Refresh tokens: opaque to their holder. Bytes: 32 secret, 16 session id, the tenant id, 16 MAC.
 * The MAC tells a token that we issued, and which must have been spent when it is not the current
 * one, from a made-up one; so no spent token need be kept. Only SHA-256 hashes are stored.
 *
 * The first secret of a family is random; each further one is a keyed hash of the token before and a
 * random salt. So a repeated rotation gives the same successor without its being stored.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Secrets } from "../runtime/secrets.js";

/** What a token that is ours says. */
export interface RefreshTokenContent {
  tenantId: string;
  /** A UUID. */
  sessionId: string;
}

export interface RefreshTokens {
  /** The first token of a new session. */
  first(content: RefreshTokenContent): string;
  /** The token that follows this one, which must be ours; the same each time for the same salt. */
  next(token: string, salt: Buffer): string;
  /** What the token says; undefined when it is not ours. */
  read(token: string): RefreshTokenContent | undefined;
}

const secretLength = 32;
const idLength = 16;
const macLength = 16;
const headLength = secretLength + idLength;

/** Tokens under the keys of `secrets`. */
export function createRefreshTokens(secrets: Secrets): RefreshTokens {
  const macOf = (body: Uint8Array) =>
    secrets.sign("refresh-token-mac", body).subarray(0, macLength);
  const write = (secret: Buffer, rest: Buffer): string => {
    const body = Buffer.concat([secret, rest]);
    return Buffer.concat([body, macOf(body)]).toString("base64url");
  };
  return {
    first: ({ tenantId, sessionId }) =>
      write(
        randomBytes(secretLength),
        Buffer.concat([Buffer.from(sessionId.replaceAll("-", ""), "hex"), Buffer.from(tenantId)]),
      ),
    next: (token, salt) => {
      const bytes = Buffer.from(token, "base64url");
      const secret = secrets.sign("refresh-token-next", Buffer.concat([salt, bytes]));
      return write(secret, bytes.subarray(secretLength, -macLength));
    },
    read: (token) => {
      const bytes = Buffer.from(token, "base64url");
      // Several texts decode to the same bytes; only one of them is the token.
      if (bytes.length <= headLength + macLength || bytes.toString("base64url") !== token) {
        return undefined;
      }
      const body = bytes.subarray(0, -macLength);
      if (!timingSafeEqual(macOf(body), bytes.subarray(-macLength))) return undefined;
      return {
        sessionId: formatUuid(bytes.subarray(secretLength, headLength)),
        tenantId: body.subarray(headLength).toString(),
      };
    },
  };
}

/** How a refresh token or a ticket is stored. */
export function hashToken(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function formatUuid(bytes: Buffer): string {
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
