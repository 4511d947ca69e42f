/** Page tokens: opaque to the caller, a keyset position to us. */
import { invalidField } from "./status.js";

/** A token for the position after these values. */
export function encodePageToken(values: readonly string[]): string {
  return Buffer.from(JSON.stringify(values)).toString("base64url");
}

/** The values of a token; undefined for an empty one. INVALID_ARGUMENT when it is not one of ours. */
export function decodePageToken(token: string, count: number): string[] | undefined {
  if (!token) return undefined;
  try {
    const values: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    if (
      Array.isArray(values) &&
      values.length === count &&
      values.every((v) => typeof v === "string")
    ) {
      return values;
    }
  } catch {
    // Falls through: what cannot be read is not ours either.
  }
  throw invalidField("page_token", "is not one that an earlier answer gave");
}
