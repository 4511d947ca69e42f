/** Page tokens: opaque to the caller, a keyset position to us. */
import { invalidField, type StatusError } from "./status.js";

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
  throw notOurs();
}

/** Where a list by time and id goes on. */
export interface TimePosition {
  time: Date;
  /** A UUID. */
  id: string;
}

/** A token for the place after this row. */
export function encodeTimePosition({ time, id }: TimePosition): string {
  return encodePageToken([time.toISOString(), id]);
}

/** The place of a token; undefined for an empty one. INVALID_ARGUMENT when it is not one of ours. */
export function decodeTimePosition(token: string): TimePosition | undefined {
  const values = decodePageToken(token, 2);
  if (!values) return undefined;
  const [text, id] = values as [string, string];
  const time = new Date(text);
  // Exactly as we write it: PostgreSQL knows fewer times than JavaScript, and both read more forms.
  const isTime = !Number.isNaN(time.getTime()) && time.toISOString() === text && text.length === 24;
  if (!isTime || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw notOurs();
  return { time, id };
}

function notOurs(): StatusError {
  return invalidField("page_token", "is not one that an earlier answer gave");
}
