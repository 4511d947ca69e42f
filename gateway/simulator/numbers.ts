/** Numbers and times as tables of trips write them. */

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i;

/** Beyond this doubles no longer tell neighbouring whole numbers of cents apart. */
const MAX_MAGNITUDE = 1e13;

/** A decimal number up to 10^13, or undefined: no NaN, no Infinity, no hexadecimal, no blanks. */
export function parseNumber(text: string): number | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const value = Number(text);
  return Math.abs(value) <= MAX_MAGNITUDE ? value : undefined;
}

const LOCAL_TIME = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)?$/;

/**
 * Seconds of a local time such as `2019-03-01 08:12:28` since 1970 on the same wall clock, or
 * undefined when there is no such time. No time zone is meant: two of them only tell how long
 * something took, and an offset in the text is refused because it would be ignored.
 */
export function parseLocalTime(text: string): number | undefined {
  const match = LOCAL_TIME.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0));
  const milliseconds = Date.UTC(year!, month! - 1, day, hour, minute, second);
  // Date.UTC rolls over: the 31st of April becomes the 1st of May.
  const dayExists = month! <= 12 && month! >= 1 && new Date(milliseconds).getUTCDate() === day;
  return dayExists && hour! < 24 && minute! < 60 && second! < 60
    ? milliseconds / 1000 + Number(match[7] ?? 0)
    : undefined;
}

/** 1900 to 2200: what lies outside is a damaged value. */
const EARLIEST_SECOND = Date.UTC(1900, 0) / 1000;
const LATEST_SECOND = Date.UTC(2200, 0) / 1000;

/**
 * A local time as the tables write it, `2019-03-01 08:12:28`; parts of a second are cut off. Blank
 * outside the years 1900 to 2199.
 */
export function formatLocalTime(secondsSince1970: number): string {
  const seconds = Math.floor(secondsSince1970);
  if (!(seconds >= EARLIEST_SECOND && seconds < LATEST_SECOND)) return "";
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
}
