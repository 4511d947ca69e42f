/**
 * What rider and driver of one ride tell each other outside the platform: the PIN that the rider says
 * at the door, and the way that is driven.
 */
import type { WallClock } from "../../services/runtime/clock.js";
import type { Path } from "./path.js";

/** A ride as it will be driven. */
export interface PlannedRide {
  path: Path;
  durationSeconds: number;
  pin: string;
  /** Wall milliseconds (monotonic) at which the platform had taken the request. */
  requestedAtMs: number;
  seen: SeenRide;
}

/** What was seen of a ride on the way. */
export interface SeenRide {
  firstOfferMs?: number;
  acceptMs?: number;
  pickupDistanceMeters?: number;
  arrivedAt?: Date;
}

/** The rides under way, by trip id. */
export interface Rides {
  add(tripId: string, ride: PlannedRide): void;
  find(tripId: string): PlannedRide | undefined;
  /**
   * The same for a driver who has the trip: he may have it before the answer to its request has reached
   * the rider, and waits for that a moment. Undefined for the trip of a rider who is not simulated.
   */
  known(tripId: string): Promise<PlannedRide | undefined>;
  /** When an offer of the trip first came to a driver, in monotonic milliseconds. */
  offered(tripId: string, atMs: number): void;
  remove(tripId: string): void;
}

/** The answer to a request is awaited for 5 seconds. */
const knownLooks = 250;
const knownLookMs = 20;

/** An empty book of rides. */
export function createRides(wall: WallClock): Rides {
  const rides = new Map<string, PlannedRide>();
  // An offer may reach a driver before its request's answer reaches the rider.
  const early = new Map<string, number>();
  return {
    add: (tripId, ride) => {
      rides.set(tripId, ride);
      const atMs = early.get(tripId);
      early.delete(tripId);
      if (atMs !== undefined) ride.seen.firstOfferMs = Math.max(0, atMs - ride.requestedAtMs);
    },
    find: (tripId) => rides.get(tripId),
    known: async (tripId) => {
      for (let i = 0; i < knownLooks && !rides.has(tripId); i += 1) await wall.sleep(knownLookMs);
      return rides.get(tripId);
    },
    offered: (tripId, atMs) => {
      const ride = rides.get(tripId);
      if (!ride) {
        if (!early.has(tripId)) early.set(tripId, atMs);
        return;
      }
      ride.seen.firstOfferMs ??= Math.max(0, atMs - ride.requestedAtMs);
    },
    remove: (tripId) => {
      rides.delete(tripId);
      early.delete(tripId);
    },
  };
}
