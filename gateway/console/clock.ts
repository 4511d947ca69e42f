/** The domain clock as a client follows it. Pure. */

/** What the platform said of its clock, and when we heard it, by a clock that only goes forward. */
export interface ClockReading {
  domainMs: number;
  /** Domain seconds per wall second. */
  rate: number;
  heardMs: number;
}

/** A reading, taken to be true in the middle between question and answer. */
export function readClock(
  said: { now: Date; rate: number },
  askedMs: number,
  answeredMs: number,
): ClockReading {
  return { domainMs: said.now.getTime(), rate: said.rate, heardMs: (askedMs + answeredMs) / 2 };
}

/** The domain time now. */
export function domainTime(reading: ClockReading, nowMs: number): Date {
  return new Date(reading.domainMs + (nowMs - reading.heardMs) * reading.rate);
}

/** A moment as a city's wall clocks show it. */
export interface LocalTime {
  time: string;
  date: string;
}

/** Returns a function that tells the time in a zone; an unknown zone is taken for UTC. */
export function localTimeIn(timeZone: string, locale?: string): (moment: Date) => LocalTime {
  const zone = isTimeZone(timeZone) ? timeZone : "UTC";
  const time = new Intl.DateTimeFormat(locale, {
    timeZone: zone,
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
  const date = new Intl.DateTimeFormat(locale, {
    timeZone: zone,
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
  });
  return (moment) => ({ time: time.format(moment), date: date.format(moment) });
}

/** The rate in words: "real time", "60 × real time". */
export function rateText(rate: number): string {
  if (rate === 1) return "real time";
  return `${Number(rate.toPrecision(3))} × real time`;
}

function isTimeZone(timeZone: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone }));
  } catch {
    return false;
  }
}
