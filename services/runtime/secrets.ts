/**
 * Encryption of personal data at rest: AES-256-GCM, the key's id in front, so that keys can rotate.
 * Layout: 1 byte key id length, key id, 12 bytes nonce, 16 bytes tag, ciphertext.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";

export interface DataKey {
  id: string;
  /** 32 bytes. */
  key: Buffer;
}

export interface Secrets {
  encrypt(plain: Uint8Array): Buffer;
  /** Throws when the key is unknown or the data was changed. */
  decrypt(sealed: Uint8Array): Buffer;
  encryptText(plain: string): Buffer;
  decryptText(sealed: Uint8Array): string;
  /** A keyed hash by which an encrypted value can be looked up; the same in every process. */
  blindIndex(value: string): Buffer;
  /** A signature over bytes, for tokens that only we read. */
  sign(purpose: string, bytes: Uint8Array): Buffer;
}

/** Encrypts with the first key; decrypts with any. */
export function createSecrets(keys: [DataKey, ...DataKey[]]): Secrets {
  const [current] = keys;
  const byId = new Map(keys.map((k) => [k.id, k.key]));
  // The index must outlive rotation: it hangs on the oldest key.
  const indexKey = derive(keys.at(-1)!.key, "blind-index");
  const encrypt = (plain: Uint8Array): Buffer => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", current.key, nonce);
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    const id = Buffer.from(current.id);
    return Buffer.concat([Buffer.from([id.length]), id, nonce, cipher.getAuthTag(), body]);
  };
  const decrypt = (sealed: Uint8Array): Buffer => {
    const bytes = Buffer.from(sealed);
    const idEnd = 1 + (bytes[0] ?? 0);
    const key = byId.get(bytes.subarray(1, idEnd).toString());
    if (!key) throw new Error("sealed with an unknown key");
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(idEnd, idEnd + 12));
    decipher.setAuthTag(bytes.subarray(idEnd + 12, idEnd + 28));
    return Buffer.concat([decipher.update(bytes.subarray(idEnd + 28)), decipher.final()]);
  };
  return {
    encrypt,
    decrypt,
    encryptText: (plain) => encrypt(Buffer.from(plain)),
    decryptText: (sealed) => decrypt(sealed).toString(),
    blindIndex: (value) => createHmac("sha256", indexKey).update(value).digest(),
    sign: (purpose, bytes) =>
      createHmac("sha256", derive(keys.at(-1)!.key, purpose))
        .update(bytes)
        .digest(),
  };
}

function derive(key: Buffer, purpose: string): Buffer {
  return createHmac("sha256", key).update(purpose).digest();
}
