/** A simulated rider takes one ride: asks for a quote, books on it, and waits for its end. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { FareBasis } from "../../gen/es/ridemesh/pricing/v1/fare_pb.js";
import { PaymentMethodKind, TripState, type Trip } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { VehicleClass } from "../../gen/es/ridemesh/type/v1/vehicle_class_pb.js";
import type { WallClock } from "../../services/runtime/clock.js";
import type { Login } from "./api.js";
import type { DomainTime } from "./domain-time.js";
import { meteredPartMinor } from "./fare-lines.js";
import type { LatLng } from "./geometry.js";
import type { Path } from "./path.js";
import type { Outcome } from "./report.js";
import type { Rides, SeenRide } from "./rides.js";

export interface RideWish {
  pickup: LatLng;
  dropoff: LatLng;
  path: Path;
  durationSeconds: number;
  payment: PaymentMethodKind;
}

export interface RiderDeps {
  time: DomainTime;
  wall: WallClock;
  rides: Rides;
  unexpected: (what: string, error: unknown) => void;
}

/** What a rider saw of his ride. */
export interface RideSeen extends SeenRide {
  outcome: Outcome;
  finalFareMinor?: bigint;
  upfrontKept?: boolean;
  waitSeconds?: number;
  trip?: Trip;
}

/** A ride that has not ended after this is stuck (domain time beyond the drive itself). */
const patienceSeconds = 3 * 3600;
/** And never sooner than this (wall time): the platform's own delays are not the rider's. */
const patienceWallMs = 30_000;

/** Takes a ride, whatever becomes of it. Never throws. */
export async function takeRide(rider: Login, wish: RideWish, deps: RiderDeps): Promise<RideSeen> {
  const { time, wall, rides } = deps;
  const { api } = rider;
  const seen: SeenRide = {};
  let tripId: string | undefined;
  try {
    const { quotes } = await api.pricing.createQuotes(
      {
        pickup: { point: wish.pickup },
        dropoff: { point: wish.dropoff },
        vehicleClass: VehicleClass.ECONOMY,
      },
      await rider.options(),
    );
    const { trip } = await api.trip.requestTrip(
      { quoteToken: quotes[0]!.quoteToken, paymentMethod: wish.payment },
      await rider.options(),
    );
    tripId = trip!.tripId;
    const requestedAtMs = wall.monotonicMs();
    const { path, durationSeconds } = wish;
    rides.add(tripId, { path, durationSeconds, pin: trip!.pin, requestedAtMs, seen });
    const waitMs = Math.max(
      patienceWallMs,
      ((patienceSeconds + durationSeconds) * 1000) / time.rate,
    );
    const last = await lastState(rider, tripId, waitMs, deps);
    return { ...seen, ...whatBecame(last, seen) };
  } catch (error) {
    deps.unexpected("ride of a rider", error);
    const reason = error instanceof ConnectError ? Code[error.code] : "error";
    return { ...seen, outcome: { kind: "stuck", reason } };
  } finally {
    if (tripId) rides.remove(tripId);
  }
}

/** The trip as it is when nothing more happens, or when patience ends. */
async function lastState(
  rider: Login,
  tripId: string,
  waitMs: number,
  deps: RiderDeps,
): Promise<Trip | undefined> {
  const { wall } = deps;
  const giveUp = new AbortController();
  const endsAtMs = wall.monotonicMs() + waitMs;
  void wall.sleep(waitMs, giveUp.signal).then(() => giveUp.abort());
  let last: Trip | undefined;
  let lastEventId = "";
  while (wall.monotonicMs() < endsAtMs) {
    try {
      const options = await rider.options({ signal: giveUp.signal });
      for await (const message of rider.api.trip.watchTrip({ tripId, lastEventId }, options)) {
        last = message.trip;
        lastEventId = message.eventId;
        if (last && isEnd(last.state)) {
          giveUp.abort();
          return last;
        }
      }
      if (last && isEnd(last.state)) break;
    } catch (error) {
      if (giveUp.signal.aborted) break;
      deps.unexpected("WatchTrip", error);
    }
    await wall.sleep(200, giveUp.signal);
  }
  giveUp.abort();
  return last;
}

function isEnd(state: TripState): boolean {
  return (
    state === TripState.PAYMENT_PROCESSED ||
    state === TripState.PAYMENT_FAILED ||
    state === TripState.CANCELLED ||
    state === TripState.EXPIRED
  );
}

function whatBecame(trip: Trip | undefined, seen: SeenRide): RideSeen {
  switch (trip?.state) {
    case TripState.PAYMENT_PROCESSED:
    case TripState.PAYMENT_FAILED: {
      const requested = timestampDate(trip.requestTime!);
      const arrived = trip.arriveTime && timestampDate(trip.arriveTime);
      return {
        ...seen,
        trip,
        outcome: { kind: "completed" },
        finalFareMinor: meteredPartMinor(trip.finalFare!.lines),
        upfrontKept: trip.finalFare!.basis === FareBasis.UPFRONT,
        ...(arrived ? { waitSeconds: (arrived.getTime() - requested.getTime()) / 1000 } : {}),
      };
    }
    case TripState.CANCELLED:
      return { ...seen, trip, outcome: { kind: "cancelled" } };
    case TripState.EXPIRED:
      return { ...seen, trip, outcome: { kind: "expired", reason: trip.expireReason } };
    default: {
      const reason = trip ? TripState[trip.state] : "never seen";
      return { ...seen, outcome: { kind: "stuck", reason } };
    }
  }
}
