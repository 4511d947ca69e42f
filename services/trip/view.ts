/**
 * What each party sees of a trip: the PIN only the rider; the rider's first name and rating the
 * driver; the driver's first name, rating, vehicle and plate the rider; no payment details the driver.
 */
import { LRUCache } from "lru-cache";
import type {
  DriverCard,
  DriverInternalServiceService,
} from "../../gen/grpc/ridemesh/driver/v1/driver_internal_service.js";
import type {
  RiderCard,
  RiderInternalServiceService,
} from "../../gen/grpc/ridemesh/rider/v1/rider_internal_service.js";
import { Party, type Trip as TripView } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import type { Client } from "../runtime/client.js";
import type { WallClock } from "../runtime/clock.js";
import type { Logger } from "../runtime/log.js";
import type { Trip } from "./trip.js";

export interface ViewDeps {
  riders: Pick<Client<RiderInternalServiceService>, "listRiderCards">;
  drivers: Pick<Client<DriverInternalServiceService>, "listDriverCards">;
  wall: WallClock;
  log: Logger;
}

/** Makes views of trips. */
export interface Views {
  /** What the party sees. `givenStars`: what it gave the other. */
  view(trip: Trip, party: Party, givenStars?: number): Promise<TripView>;
  riderCard(tenantId: string, riderId: string): Promise<RiderCard | undefined>;
}

/** Cards change rarely; a minute late is soon enough. */
const cardAgeMs = 60_000;
/** A view waits this long for a card; the call that shows it has more time than that. */
const cardWaitMs = 500;

/** Views, with the parties' cards kept for a minute. */
export function createViews(deps: ViewDeps): Views {
  const riders = new LRUCache<string, RiderCard>({ max: 20_000, ttl: cardAgeMs });
  const drivers = new LRUCache<string, DriverCard>({ max: 20_000, ttl: cardAgeMs });

  const soon = () => ({ deadlineMs: deps.wall.now().getTime() + cardWaitMs });

  /** A trip is shown without a card rather than not at all. */
  const absent = (what: string) => (error: unknown) => {
    deps.log.warn({ err: error }, `no ${what} card for the moment`);
    return undefined;
  };

  const riderCard = async (tenantId: string, riderId: string) => {
    const key = `${tenantId}/${riderId}`;
    const known = riders.get(key);
    if (known) return known;
    const answer = await deps.riders
      .listRiderCards({ tenantId, riderIds: [riderId] }, soon())
      .catch(absent("rider"));
    const card = answer?.cards[0];
    if (card) riders.set(key, card);
    return card;
  };

  const driverCard = async (tenantId: string, driverId: string) => {
    const key = `${tenantId}/${driverId}`;
    const known = drivers.get(key);
    if (known) return known;
    const answer = await deps.drivers
      .listDriverCards({ tenantId, driverIds: [driverId] }, soon())
      .catch(absent("driver"));
    const card = answer?.cards[0];
    if (card) drivers.set(key, card);
    return card;
  };

  return {
    riderCard,
    view: async (trip, party, givenStars = 0) => {
      const forDriver = party === Party.DRIVER;
      const [rider, driver] = await Promise.all([
        party === Party.RIDER ? undefined : riderCard(trip.tenantId, trip.riderId),
        forDriver || !trip.driverId ? undefined : driverCard(trip.tenantId, trip.driverId),
      ]);
      return {
        tripId: trip.tripId,
        state: trip.state,
        version: trip.version,
        riderId: trip.riderId,
        driverId: trip.driverId ?? "",
        cityId: trip.terms.cityId,
        vehicleClass: trip.terms.vehicleClass,
        pickup: trip.terms.pickup,
        dropoff: trip.terms.dropoff,
        pin: party === Party.RIDER ? trip.pin : "",
        driver: driver && {
          firstName: driver.firstName,
          ratingAverage: driver.ratingAverage,
          vehicleDescription: driver.vehicleDescription,
          plate: driver.plate,
        },
        rider: rider && { firstName: rider.firstName, ratingAverage: rider.ratingAverage },
        quotedFare: trip.terms.fare,
        finalFare: trip.finalFare,
        paymentMethod: forDriver ? { ...trip.paymentMethod, cardId: "" } : trip.paymentMethod,
        requestTime: trip.requestTime,
        acceptTime: trip.acceptTime,
        arriveTime: trip.arriveTime,
        startTime: trip.startTime,
        completeTime: trip.completeTime,
        endTime: trip.endTime,
        cancellation: trip.cancellation,
        expireReason: trip.expireReason,
        distanceMeters: trip.distanceMeters,
        paymentId: forDriver ? "" : trip.paymentId,
        paymentFailure: forDriver ? "" : trip.paymentFailure,
        givenStars,
      };
    },
  };
}

/** Which party of the trip the account is; staff when it is neither. */
export function partyOf(trip: Trip, subject: string): Party.RIDER | Party.DRIVER | Party.STAFF {
  if (subject === trip.riderId) return Party.RIDER;
  return subject === trip.driverId ? Party.DRIVER : Party.STAFF;
}
