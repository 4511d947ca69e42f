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

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** Encrypts with the first key; decrypts with any. */
export function createSecrets(keys: [DataKey, ...DataKey[]]): Secrets {
  const [current] = keys;
  const byId = new Map(keys.map((k) => [k.id, k.key]));
  // The index must outlive rotation: it hangs on the oldest key.
  const indexKey = derive(keys.at(-1)!.key, "blind-index");
  const encrypt = (plain: Uint8Array): Buffer => {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv(algorithm, current.key, nonce, { authTagLength: tagBytes });
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    const id = Buffer.from(current.id);
    return Buffer.concat([Buffer.from([id.length]), id, nonce, cipher.getAuthTag(), body]);
  };
  const decrypt = (sealed: Uint8Array): Buffer => {
    const bytes = Buffer.from(sealed);
    const idEnd = 1 + (bytes[0] ?? 0);
    const key = byId.get(bytes.subarray(1, idEnd).toString());
    if (!key) throw new Error("sealed with an unknown key");
    const nonce = bytes.subarray(idEnd, idEnd + nonceBytes);
    const tagEnd = idEnd + nonceBytes + tagBytes;
    // With its length given, a tag that was cut short is refused.
    const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
    decipher.setAuthTag(bytes.subarray(idEnd + nonceBytes, tagEnd));
    return Buffer.concat([decipher.update(bytes.subarray(tagEnd)), decipher.final()]);
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
