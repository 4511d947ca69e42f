/** Identifiers. */
import { createHash, randomBytes, randomUUID } from "node:crypto";

/**
 * A UUID version 7 (RFC 9562) for the moment `now`: ids made later sort later, which keeps indexes
 * compact.
 */
export function uuidv7(now: Date): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now.getTime(), 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return format(bytes);
}

/** A random UUID. */
export function uuidv4(): string {
  return randomUUID();
}

/** The UUID that always belongs to these words: the same words give the same id (version 8). */
export function uuidOf(...words: string[]): string {
  const bytes = createHash("sha256").update(words.join("\u0000")).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return format(bytes);
}

function format(bytes: Buffer): string {
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
