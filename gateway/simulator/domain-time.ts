/** The platform's domain clock, as a client follows it. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { WallClock } from "../../services/runtime/clock.js";
import type { Api } from "./api.js";

/** What the domain clock showed at a time of the wall clock, from which on it runs at a rate. */
export interface Course {
  origin: Date;
  wallOrigin: Date;
  /** Domain seconds per wall second. */
  rate: number;
}

export interface DomainTime {
  now(): Date;
  /** Domain seconds per wall second. */
  readonly rate: number;
  /** Resolves when the domain clock shows the time, or the signal aborts. */
  sleepUntil(time: Date, signal?: AbortSignal): Promise<void>;
  sleep(seconds: number, signal?: AbortSignal): Promise<void>;
  /** The platform's clock has taken this course. */
  follow(course: Course): void;
}

/** Reads the clock once and goes on from there: both run evenly, until told otherwise. */
export async function followDomainClock(api: Api, wall: WallClock): Promise<DomainTime> {
  const askedMs = wall.now().getTime();
  const { clock } = await api.city.getClock({});
  const answeredMs = wall.now().getTime();
  // The answer was made somewhere between question and arrival: half-way is the best guess.
  const wallOrigin = new Date((askedMs + answeredMs) / 2);
  return createDomainTime(wall, {
    origin: timestampDate(clock!.now!),
    wallOrigin,
    rate: clock!.rate,
  });
}

/** A domain clock with this course. */
export function createDomainTime(wall: WallClock, course: Course): DomainTime {
  let { rate } = course;
  let originMs = 0;
  let wallOriginMs = 0;
  /** Who sleeps reckons anew when the course changes. */
  const sleepers = new Set<() => void>();
  const nowMs = () => originMs + (wall.monotonicMs() - wallOriginMs) * rate;

  const sleepUntil = async (time: Date, signal?: AbortSignal): Promise<void> => {
    for (;;) {
      const leftMs = (time.getTime() - nowMs()) / rate;
      if (leftMs <= 0 || signal?.aborted) return;
      const turn = new AbortController();
      const end = () => turn.abort(turned);
      sleepers.add(end);
      signal?.addEventListener("abort", end);
      await wall.sleep(Math.min(leftMs, longestMs), turn.signal);
      signal?.removeEventListener("abort", end);
      sleepers.delete(end);
    }
  };
  const follow: DomainTime["follow"] = (next) => {
    originMs = next.origin.getTime();
    wallOriginMs = wall.monotonicMs() - (wall.now().getTime() - next.wallOrigin.getTime());
    rate = next.rate;
    for (const end of sleepers) end();
  };
  follow(course);
  return {
    get rate() {
      return rate;
    },
    now: () => new Date(nowMs()),
    sleepUntil,
    sleep: (seconds, signal) => sleepUntil(new Date(nowMs() + seconds * 1000), signal),
    follow,
  };
}

/** A timer holds 24 days at most. */
const longestMs = 1e9;
/** One for all: an abort without a reason makes an error with its stack. */
const turned = new Error("turned");
