/** The signing keys of this process: read from the database, made there when due, used to sign. */
import {
  SignJWT,
  calculateJwkThumbprint,
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  importPKCS8,
  type CryptoKey,
} from "jose";
import type { JsonWebKey, User } from "../../gen/grpc/ridemesh/identity/v1/identity.js";
import type { WallClock } from "../runtime/clock.js";
import type { Pool } from "../runtime/postgres.js";
import type { Secrets } from "../runtime/secrets.js";
import { unavailable } from "../runtime/status.js";
import { roleName, tokenAudience, tokenIssuer } from "../runtime/token.js";
import { addKey, loadKeys, type SigningKey } from "./key-store.js";
import { permissionsOf } from "./permissions.js";
import { activeKeys, keyExpiry, needsKey, signerOf } from "./signing-keys.js";

/** What an access token says. */
export interface AccessTokenContent {
  tenantId: string;
  user: User;
  sessionId: string;
  issueTime: Date;
  expireTime: Date;
}

export interface Keyring {
  /** Reads the keys again, and makes one first when it is due. */
  refresh(): Promise<void>;
  /** The public keys whose tokens are good now, newest first. */
  published(): JsonWebKey[];
  /** Signs an access token. UNAVAILABLE when there is no key to sign with. */
  sign(content: AccessTokenContent): Promise<string>;
}

const algorithm = "RS256";

/** A keyring that knows no key before its first `refresh`. */
export function createKeyring(deps: { pool: Pool; secrets: Secrets; wall: WallClock }): Keyring {
  const { pool, secrets, wall } = deps;
  let keys: SigningKey[] = [];
  const opened = new Map<string, Promise<CryptoKey>>();

  const privateKeyOf = (key: SigningKey): Promise<CryptoKey> => {
    let found = opened.get(key.kid);
    if (!found) {
      found = importPKCS8(secrets.decryptText(key.sealedPrivateKey), algorithm);
      opened.set(key.kid, found);
    }
    return found;
  };

  const reload = async (): Promise<void> => {
    keys = await loadKeys(pool);
    if (!needsKey(keys, wall.now())) return;
    const made = await makeKey();
    const now = wall.now();
    const life = { createTime: now, expireTime: keyExpiry(now) };
    await addKey(pool, secrets, { ...made, ...life }, (known) => needsKey(known, now));
    keys = await loadKeys(pool);
  };
  let reloading: Promise<void> | undefined;
  const refresh = (): Promise<void> =>
    (reloading ??= reload().finally(() => (reloading = undefined)));

  const signer = async (): Promise<SigningKey> => {
    let key = signerOf(keys, wall.now());
    if (!key) {
      // The machine has slept past the end of its keys.
      await refresh();
      key = signerOf(keys, wall.now());
    }
    if (!key) throw unavailable("there is no key to sign tokens with");
    return key;
  };

  return {
    refresh,
    published: () => activeKeys(keys, wall.now()).map(toMessage),
    sign: async ({ tenantId, user, sessionId, issueTime, expireTime }) => {
      const key = await signer();
      return new SignJWT({
        tenant: tenantId,
        roles: user.roles.map(roleName),
        permissions: permissionsOf(user.roles),
        scope: "api",
        sid: sessionId,
      })
        .setProtectedHeader({ alg: algorithm, typ: "JWT", kid: key.kid })
        .setSubject(user.userId)
        .setIssuer(tokenIssuer)
        .setAudience(tokenAudience)
        .setIssuedAt(toSeconds(issueTime))
        .setExpirationTime(toSeconds(expireTime))
        .sign(await privateKeyOf(key));
    },
  };
}

async function makeKey() {
  const pair = await generateKeyPair(algorithm, { modulusLength: 2048, extractable: true });
  const publicJwk = await exportJWK(pair.publicKey);
  return {
    kid: await calculateJwkThumbprint(publicJwk),
    publicJwk,
    privateKey: await exportPKCS8(pair.privateKey),
  };
}

function toMessage({ kid, publicJwk }: SigningKey): JsonWebKey {
  return { kty: "RSA", kid, use: "sig", alg: algorithm, n: publicJwk.n!, e: publicJwk.e! };
}

function toSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
