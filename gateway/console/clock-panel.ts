/** Shows the domain clock of the platform, in the city's time. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Api } from "./api.js";
import { domainTime, localTimeIn, rateText, readClock, type ClockReading } from "./clock.js";
import { element, setText } from "./elements.js";

export interface ClockPanel {
  setTimeZone(timeZone: string): void;
  /** Asks for the time again now. */
  ask(): void;
}

const askMs = 15_000;
const tickMs = 200;

/** Starts to show the clock, and to ask for it now and then. */
export function createClockPanel(city: Api["city"], nowMs: () => number): ClockPanel {
  const clock = element("clock", HTMLTimeElement);
  const date = element("date");
  const rate = element("rate");
  let reading: ClockReading | undefined;
  let localTime = localTimeIn("UTC");

  const tick = () => {
    if (!reading) return;
    const moment = domainTime(reading, nowMs());
    const local = localTime(moment);
    clock.dateTime = moment.toISOString();
    setText(clock, local.time);
    setText(date, local.date);
  };
  const ask = async () => {
    const askedMs = nowMs();
    const said = (await city.getClock({})).clock;
    if (!said?.now) return;
    const answeredMs = nowMs();
    reading = readClock({ now: timestampDate(said.now), rate: said.rate }, askedMs, answeredMs);
    rate.dataset["rate"] = String(said.rate);
    setText(rate, rateText(said.rate));
    tick();
  };
  // While there is no answer the clock goes on as it went; the stream's lamp tells the trouble.
  const askQuietly = () => void ask().catch(() => undefined);

  setInterval(tick, tickMs);
  setInterval(askQuietly, askMs);
  return {
    setTimeZone: (timeZone) => {
      localTime = localTimeIn(timeZone);
      tick();
    },
    ask: askQuietly,
  };
}
