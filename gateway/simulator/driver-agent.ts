/**
 * A simulated driver: an ordinary client that goes online, reports where he is, answers offers after
 * a moment, drives to the pickup, asks for the PIN, drives the ride and completes it.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { OfferStatus, type Offer } from "../../gen/es/ridemesh/dispatch/v1/offer_pb.js";
import { Availability } from "../../gen/es/ridemesh/driver/v1/driver_pb.js";
import { TripAction } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { WallClock } from "../../services/runtime/clock.js";
import type { Login } from "./api.js";
import type { DomainTime } from "./domain-time.js";
import type { LatLng } from "./geometry.js";
import { createLocationFeed, type LocationFeed } from "./location-feed.js";
import { straightDrive, waypoints, type Drive } from "./path.js";
import type { Random } from "./random.js";
import type { PlannedRide, Rides } from "./rides.js";

export interface DriverDeps {
  login: Login;
  time: DomainTime;
  wall: WallClock;
  random: Random;
  rides: Rides;
  home: LatLng;
  signal: AbortSignal;
  /** While he drives he says so often where he is, in domain seconds; 30 when left out. */
  reportSeconds?: number;
  /** Passes over riders who are not simulated, for they cannot tell him their PIN. */
  onlyKnownRiders?: boolean;
  /**
   * The platform has taken so much of an offer's time, in domain seconds: to show it, and to take the
   * answer of the driver who got the trip. Of an offer that ran out before he could answer: to show it.
   */
  sawDelay?: (seconds: number) => void;
  /** An answer that no correct platform gives. */
  unexpected: (what: string, error: unknown) => void;
}

/** Where a driver is and what he does. */
export interface DriverAgent {
  /** Resolves when he has gone home: the signal has aborted and no ride is under way. */
  done: Promise<void>;
  isBusy(): boolean;
}

/** A message of positions per so many seconds (domain time) while he drives, and while he waits. */
const drivingReportSeconds = 30;
const parkedReportSeconds = 120;
/** Within a message while driving, a point per so many seconds. */
const pointSeconds = 10;
const cruiseMps = 8;
/** From the curb into the car. */
const boardingSeconds = { low: 5, high: 20 };
const answerSeconds = { low: 2, high: 8 };

/** Starts the driver; resolves when he is online and can be found. */
export async function startDriver(deps: DriverDeps): Promise<DriverAgent> {
  const { login, time, wall, random, rides, signal, reportSeconds = drivingReportSeconds } = deps;
  const { api } = login;
  let position = deps.home;
  let busy = false;
  /** The offers that his phone shows. */
  const onScreen = new Set<string>();
  let working: Promise<void> = Promise.resolve();
  const feed: LocationFeed = createLocationFeed(login, signal, deps.unexpected);

  await api.driver.setDriverAvailability(
    { driverId: login.userId, availability: Availability.ONLINE },
    await login.options(),
  );
  await feed.report([{ point: position, at: time.now() }]);

  const parked = (async () => {
    await time.sleep(random.between(0, parkedReportSeconds), signal);
    while (!signal.aborted) {
      if (!busy) feed.send([{ point: position, at: time.now() }]);
      await time.sleep(parkedReportSeconds, signal);
    }
  })();

  /** Follows his offers for as long as he is online; comes back when the stream breaks. */
  const offers = (async () => {
    while (!signal.aborted) {
      try {
        for await (const { offer } of api.dispatch.watchOffers(
          {},
          await login.options({ signal }),
        )) {
          if (offer?.status === OfferStatus.LIVE) onOffer(offer);
          else if (offer) onScreen.delete(offer.offerId);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (codeOf(error) !== Code.Unauthenticated) deps.unexpected("WatchOffers", error);
        await wall.sleep(200, signal);
      }
    }
  })();

  function onOffer(offer: Offer): void {
    rides.offered(offer.tripId, wall.monotonicMs());
    const shownAfter = (time.now().getTime() - timestampDate(offer.createTime!).getTime()) / 1000;
    if (busy || onScreen.has(offer.offerId)) return;
    onScreen.add(offer.offerId);
    const work = async () => {
      await time.sleep(random.between(answerSeconds.low, answerSeconds.high), signal);
      const shown = onScreen.delete(offer.offerId);
      if (busy || signal.aborted || !shown) return;
      if (time.now() > timestampDate(offer.expireTime!)) {
        deps.sawDelay?.(shownAfter);
        return;
      }
      if (deps.onlyKnownRiders && !rides.find(offer.tripId)) return;
      busy = true;
      try {
        await serve(offer, shownAfter);
      } catch (error) {
        deps.unexpected("ride", error);
      } finally {
        busy = false;
      }
    };
    working = Promise.all([working, work()]).then(() => undefined);
  }

  /** Takes the trip if it is still to be had, and drives it to its end. */
  const serve = async (offer: Offer, shownAfter: number): Promise<void> => {
    const { tripId } = offer;
    const beganMs = wall.monotonicMs();
    try {
      await api.trip.acceptTrip({ tripId }, await login.options());
    } catch (error) {
      const code = codeOf(error);
      // Another was faster, or the offer ran out.
      if (code === Code.FailedPrecondition || code === Code.NotFound) return;
      throw error;
    }
    const acceptMs = wall.monotonicMs() - beganMs;
    deps.sawDelay?.(shownAfter + (acceptMs / 1000) * time.rate);
    const ride = await rides.known(tripId);
    if (!ride) return;
    ride.seen.acceptMs = acceptMs;
    ride.seen.pickupDistanceMeters = offer.pickupDistanceMeters;
    await drive(tripId, ride);
  };

  const drive = async (tripId: string, ride: PlannedRide): Promise<void> => {
    const act = async (action: TripAction, pin = "") => {
      await api.trip.updateTripStatus({ tripId, action, pin }, await login.options());
    };
    const pickup = ride.path.points[0]!;
    try {
      await act(TripAction.ARRIVING);
      await follow(straightDrive(position, pickup, cruiseMps));
      await act(TripAction.ARRIVED);
      ride.seen.arrivedAt = time.now();
      await time.sleep(random.between(boardingSeconds.low, boardingSeconds.high));
      await api.trip.startTrip({ tripId, pin: ride.pin }, await login.options());
      await follow({ path: ride.path, durationSeconds: ride.durationSeconds });
      await api.trip.completeTrip({ tripId }, await login.options());
    } catch (error) {
      // The rider has cancelled meanwhile.
      if (codeOf(error) === Code.FailedPrecondition || codeOf(error) === Code.NotFound) return;
      throw error;
    }
  };

  /** Drives a way in its time, reporting as he goes; the last points are surely taken at its end. */
  const follow = async (way: Drive): Promise<void> => {
    const began = time.now();
    const at = (seconds: number) => new Date(began.getTime() + seconds * 1000);
    let reported = -1;
    for (;;) {
      const until = Math.min(reported < 0 ? 0 : reported + reportSeconds, way.durationSeconds);
      await time.sleepUntil(at(until));
      const points = waypoints(way, {
        everySeconds: Math.min(pointSeconds, reportSeconds),
        afterSeconds: reported,
        untilSeconds: until,
      }).map((p) => ({ point: p.point, at: at(p.atSeconds) }));
      if (points.length > 0) position = points.at(-1)!.point;
      reported = until;
      if (until >= way.durationSeconds) {
        await feed.report(points);
        return;
      }
      feed.send(points);
    }
  };

  return {
    isBusy: () => busy,
    done: Promise.all([parked, offers]).then(async () => {
      await working;
      feed.close();
    }),
  };
}

function codeOf(error: unknown): Code | undefined {
  return error instanceof ConnectError ? error.code : undefined;
}
