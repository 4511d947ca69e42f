/** What the clock on the wall says in a city: day of the week and minute of the day. */
import { LRUCache } from "lru-cache";

/** A moment in a time zone. */
export interface LocalTime {
  /** 0 is Sunday. */
  weekday: number;
  /** 0 to 1439. */
  minuteOfDay: number;
}

/** Zones change their offset at whole quarters of an hour of UTC, so within one it is the same. */
const quarterMs = 900_000;

const formatters = new Map<string, Intl.DateTimeFormat>();
const offsets = new LRUCache<string, number>({ max: 10_000 });

/** The local time in an IANA time zone. Throws a RangeError when there is no such zone. */
export function localTime(time: Date, timeZone: string): LocalTime {
  const local = new Date(time.getTime() + offsetMs(time, timeZone));
  return {
    weekday: local.getUTCDay(),
    minuteOfDay: local.getUTCHours() * 60 + local.getUTCMinutes(),
  };
}

/** Milliseconds that the zone is ahead of UTC. Asking Intl costs a hundred times a look-up. */
function offsetMs(time: Date, timeZone: string): number {
  const quarter = Math.floor(time.getTime() / quarterMs);
  const key = `${timeZone} ${quarter}`;
  let offset = offsets.get(key);
  if (offset === undefined) {
    offset = readOffsetMs(new Date(quarter * quarterMs), timeZone);
    offsets.set(key, offset);
  }
  return offset;
}

function readOffsetMs(time: Date, timeZone: string): number {
  let formatter = formatters.get(timeZone);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat("en-US", {
      timeZone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    formatters.set(timeZone, formatter);
  }
  const parts: Record<string, number> = {};
  for (const { type, value } of formatter.formatToParts(time)) parts[type] = Number(value);
  const { year, month, day, hour, minute, second } = parts;
  return Date.UTC(year!, month! - 1, day, hour, minute, second) - time.getTime();
}
