/** The rules of a broadcast search, without I/O: rounds, how many to ask, when to look again. */
import type { DispatchSettings } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { addSeconds } from "../runtime/clock.js";

/** Where a search stands. */
export interface SearchState {
  /** From 1 on; 0 before the first. */
  round: number;
  roundEndTime: Date | undefined;
  /** When each offer that still stands runs out. */
  liveOffers: Date[];
}

/** What to do now. */
export type Plan =
  | { kind: "finish" }
  | {
      kind: "search";
      round: number;
      roundEndTime: Date;
      radiusMeters: number;
      /** So many more drivers may be asked. */
      vacancies: number;
    };

/**
 * A search goes through rounds of growing radius. A round lasts its time even when it finds nobody,
 * and offers to those who come online meanwhile; an offer outlives its round when it was made late in
 * it. After the last round and the last offer it is over.
 */
export function planSearch(state: SearchState, settings: DispatchSettings, now: Date): Plan {
  const rounds = settings.roundRadiusMeters;
  let { round, roundEndTime } = state;
  if (roundEndTime === undefined) {
    round = 1;
    roundEndTime = addSeconds(now, settings.roundSeconds);
  }
  while (roundEndTime <= now && round < rounds.length) {
    round += 1;
    // From now and not from the end of the one before: a round that was slept through is not lost.
    roundEndTime = addSeconds(now, settings.roundSeconds);
  }
  const standing = state.liveOffers.filter((expireTime) => expireTime > now).length;
  if (roundEndTime <= now) {
    if (standing === 0) return { kind: "finish" };
    return { kind: "search", round, roundEndTime, radiusMeters: rounds[round - 1]!, vacancies: 0 };
  }
  const vacancies = Math.max(0, settings.maxOffers - standing);
  return { kind: "search", round, roundEndTime, radiusMeters: rounds[round - 1]!, vacancies };
}

/** When to look at a search again: at the end of its round, or of an offer that stands. */
export function nextLook(
  roundEndTime: Date,
  liveOffers: Date[],
  recheckSeconds: number,
  wantsDrivers: boolean,
  now: Date,
): Date {
  const times = liveOffers.map((time) => time.getTime());
  if (roundEndTime > now) times.push(roundEndTime.getTime());
  if (wantsDrivers) times.push(addSeconds(now, recheckSeconds).getTime());
  return times.length > 0 ? new Date(Math.min(...times)) : now;
}
