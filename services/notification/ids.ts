/** Ids of notifications. */
import { uuidv7 } from "../runtime/ids.js";

/**
 * A UUID of the moment `now` that sorts after `last`, also when that is of the same millisecond or the
 * clock was set back.
 */
export function idAfter(last: string | undefined, now: Date): string {
  const id = uuidv7(now);
  if (last === undefined || id > last) return id;
  const next = (BigInt(`0x${last.replaceAll("-", "")}`) + 1n).toString(16).padStart(32, "0");
  return next.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
