/** The platform's domain clock, as a client follows it. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { WallClock } from "../../services/runtime/clock.js";
import type { Api } from "./api.js";

export interface DomainTime {
  now(): Date;
  /** Domain seconds per wall second. */
  rate: number;
  /** Resolves when the domain clock shows the time, or the signal aborts. */
  sleepUntil(time: Date, signal?: AbortSignal): Promise<void>;
  sleep(seconds: number, signal?: AbortSignal): Promise<void>;
}

/** Reads the clock once and goes on from there: both run evenly. */
export async function followDomainClock(api: Api, wall: WallClock): Promise<DomainTime> {
  const askedMs = wall.monotonicMs();
  const { clock } = await api.city.getClock({});
  const answeredMs = wall.monotonicMs();
  const { rate } = clock!;
  // The answer was made somewhere between question and arrival: half-way is the best guess.
  const originMs = timestampDate(clock!.now!).getTime();
  const originWallMs = (askedMs + answeredMs) / 2;
  const nowMs = () => originMs + (wall.monotonicMs() - originWallMs) * rate;
  const sleepUntil = (time: Date, signal?: AbortSignal) =>
    wall.sleep((time.getTime() - nowMs()) / rate, signal);
  return {
    rate,
    now: () => new Date(nowMs()),
    sleepUntil,
    sleep: (seconds, signal) => wall.sleep((seconds * 1000) / rate, signal),
  };
}
