/** Times that callers give. */
import { invalidField } from "../runtime/status.js";

const earliestMs = Date.parse("0001-01-01T00:00:00Z");
const latestMs = Date.parse("9999-12-31T23:59:59.999Z");

/** The time, when it is one that a Timestamp may hold; else INVALID_ARGUMENT naming the field. */
export function storableTime(field: string, time: Date): Date {
  const ms = time.getTime();
  if (ms >= earliestMs && ms <= latestMs) return time;
  throw invalidField(field, "is not within the years 1 to 9999");
}
