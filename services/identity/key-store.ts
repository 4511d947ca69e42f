/** All SQL of signing keys. Owns row ↔ SigningKey. */
import type { JWK } from "jose";
import { statement, transaction, type Db, type Pool, type Row } from "../runtime/postgres.js";
import type { Secrets } from "../runtime/secrets.js";
import type { KeyLife } from "./signing-keys.js";

/** A signing key as it is stored. */
export interface SigningKey extends KeyLife {
  publicJwk: JWK;
  /** PKCS #8 in PEM, encrypted. */
  sealedPrivateKey: Buffer;
}

interface KeyRow extends Row {
  kid: string;
  public_jwk: JWK;
  private_key: Buffer;
  create_time: Date;
  expire_time: Date;
  revoke_time: Date | null;
}

const selectAll = statement<KeyRow>(
  "keys_select",
  `SELECT kid, public_jwk, private_key, create_time, expire_time, revoke_time FROM signing_keys
   ORDER BY create_time DESC, kid`,
);
const insert = statement(
  "key_insert",
  `INSERT INTO signing_keys (kid, public_jwk, private_key, create_time, expire_time)
   VALUES ($1, $2, $3, $4, $5)`,
);
// Two processes that find a key due make one of it.
const lock = statement("keys_lock", "SELECT pg_advisory_xact_lock(7281)");
const trim = statement("keys_trim", "DELETE FROM signing_keys WHERE expire_time <= $1");

/** Every key that is kept, newest first. */
export async function loadKeys(db: Db): Promise<SigningKey[]> {
  return (await selectAll(db, [])).map((row) => ({
    kid: row.kid,
    publicJwk: row.public_jwk,
    sealedPrivateKey: row.private_key,
    createTime: row.create_time,
    expireTime: row.expire_time,
    revokeTime: row.revoke_time ?? undefined,
  }));
}

/** Adds a key if `isDue` still says so once nobody else can add one. */
export async function addKey(
  pool: Pool,
  secrets: Secrets,
  key: { kid: string; publicJwk: JWK; privateKey: string; createTime: Date; expireTime: Date },
  isDue: (keys: SigningKey[]) => boolean,
): Promise<void> {
  const sealed = secrets.encryptText(key.privateKey);
  await transaction(pool, async (tx) => {
    await lock(tx, []);
    if (!isDue(await loadKeys(tx))) return;
    const publicJwk = JSON.stringify(key.publicJwk);
    await insert(tx, [key.kid, publicJwk, sealed, key.createTime, key.expireTime]);
  });
}

/** Removes keys that have ended. */
export async function trimKeys(db: Db, now: Date): Promise<void> {
  await trim(db, [now]);
}
