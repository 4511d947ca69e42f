/** The recorded trips as the demand of one day. */
import type { RecordedTrip } from "./trips-file.js";

export const SECONDS_PER_DAY = 86_400;

/** Which part of the day is played. */
export interface Window {
  /** Seconds from midnight, at least 0 and below a day. */
  fromSecond: number;
  /**
   * Seconds from midnight, above 0 and up to a day; not included. Not later than the start means that
   * the window runs past midnight.
   */
  toSecond: number;
}

export const WHOLE_DAY: Window = { fromSecond: 0, toSecond: SECONDS_PER_DAY };

/** A trip and when it is asked for. */
export interface ScheduledRequest {
  /** Place in the order of play, from 0. */
  index: number;
  trip: RecordedTrip;
  /** Domain seconds after the start of the window. */
  offsetSeconds: number;
}

/** What is played, and how many playable trips are not. */
export interface Demand {
  requests: ScheduledRequest[];
  /** Trips outside the window or beyond the limit. */
  leftOut: number;
}

/**
 * Folds trips of any dates into one day by the local time at which they began: a month of trips, one
 * in 1,900 of them recorded, becomes a day of a small city. Requests come in the order of play; trips
 * of the same second keep the order of the file. With `limit`, only the first so many are played.
 */
export function foldDay(
  trips: readonly RecordedTrip[],
  options: { window?: Window; limit?: number } = {},
): Demand {
  const { window = WHOLE_DAY, limit = Infinity } = options;
  const lengthSeconds = windowSeconds(window);
  const requests = trips
    .map((trip) => ({ trip, offsetSeconds: secondsAfter(window.fromSecond, trip) }))
    .filter(({ offsetSeconds }) => offsetSeconds < lengthSeconds)
    .sort((a, b) => a.offsetSeconds - b.offsetSeconds)
    .slice(0, limit)
    .map((request, index) => ({ index, ...request }));
  return { requests, leftOut: trips.length - requests.length };
}

/**
 * So many of the trips, spread over the day as all of them are: taken at even steps from their order by
 * time of day. All of them when there are not more; in the given order.
 */
export function sampleOfDay(trips: readonly RecordedTrip[], count: number): RecordedTrip[] {
  const { requests } = foldDay(trips);
  const size = Math.min(count, requests.length);
  const chosen = new Set<RecordedTrip>();
  for (let pick = 0; pick < size; pick += 1) {
    chosen.add(requests[Math.floor(((pick + 0.5) * requests.length) / size)]!.trip);
  }
  return trips.filter((trip) => chosen.has(trip));
}

/** Length of a window in seconds, up to a day. */
export function windowSeconds({ fromSecond, toSecond }: Window): number {
  return toSecond > fromSecond ? toSecond - fromSecond : toSecond - fromSecond + SECONDS_PER_DAY;
}

function secondsAfter(fromSecond: number, trip: RecordedTrip): number {
  return (trip.pickupSecondOfDay - fromSecond + SECONDS_PER_DAY) % SECONDS_PER_DAY;
}
