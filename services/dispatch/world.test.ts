/**
 * What the dispatch service's tests share: the service on real ports, with stand-ins for city,
 * location, eta and trip. The stand-in for trip keeps to the rules by which trips take offers.
 */
import { randomUUID } from "node:crypto";
import pg from "pg";
import { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import {
  DispatchServiceService,
  type WatchOffersResponse,
} from "../../gen/grpc/ridemesh/dispatch/v1/dispatch_service.js";
import { OfferStatus, type Offer } from "../../gen/grpc/ridemesh/dispatch/v1/offer.js";
import { Availability } from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import { DriverAvailabilityChanged } from "../../gen/grpc/ridemesh/driver/v1/driver_events.js";
import { EtaInternalServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_internal_service.js";
import {
  LocationInternalServiceService,
  type FindCandidatesRequest,
} from "../../gen/grpc/ridemesh/location/v1/location_internal_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import {
  TripAccepted,
  TripCancelled,
  TripDriverCancelled,
  TripExpired,
  TripRequested,
} from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import {
  TripInternalServiceService,
  type OfferTripRequest,
  type TripOffer,
} from "../../gen/grpc/ridemesh/trip/v1/trip_internal_service.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { domainClock, type DomainClock } from "../runtime/clock.js";
import type { MessageType } from "../runtime/outbox.js";
import type { RunningService } from "../runtime/service.js";
import { failedPrecondition, notFound } from "../runtime/status.js";
import { testHost, type TestCaller, type TestHost } from "../testing/host.js";
import { publishEvent } from "../testing/publish.js";
import { startStandIn } from "../testing/stand-in.js";
import { waitFor } from "../testing/wait-for.js";
import { startDispatch } from "./app.js";

export const cityId = "new-york";
const pickup = { point: { lat: 40.75, lng: -73.98 }, address: "5 Pickup Street" };

/** A driver as location and eta know him. */
export interface StandInDriver extends TestCaller {
  distanceMeters: number;
  /** To the pickup; as the crow flies at 10 m/s when left out. */
  seconds?: number;
  available: boolean;
  tenantId: string;
}

/** A trip as the stand-in keeps it. */
export interface StandInTrip {
  tripId: string;
  tenantId: string;
  state: "MATCHING" | "ACCEPTED" | "CANCELLED" | "EXPIRED";
  searchNumber: number;
  offers: TripOffer[];
  excludedDriverIds: string[];
  expireReason: string;
}

export interface World {
  host: TestHost;
  domain: DomainClock;
  service: RunningService;
  /** Stops the service, or takes one for dead that was killed, and starts another in its place. */
  restart: () => Promise<void>;
  /** Drivers around the pickup; a test adds its own. */
  drivers: StandInDriver[];
  candidateRequests: FindCandidatesRequest[];
  /** What comes before the neighbours' own answers: may delay or throw. */
  before: {
    offerTrip: (request: OfferTripRequest) => Promise<void>;
    findCandidates: () => Promise<void>;
    estimateLegs: () => Promise<void>;
    withdrawOffer: () => Promise<void>;
  };
  driver: (distanceMeters: number, about?: Partial<StandInDriver>) => StandInDriver;
  /** A trip that was requested, with its event published. */
  request: (tenantId?: string) => Promise<StandInTrip>;
  publish: <T>(
    type: MessageType<T>,
    message: T & { tripId: string },
    tenantId?: string,
  ) => Promise<void>;
  accept: (trip: StandInTrip, driver: StandInDriver) => Promise<void>;
  cancel: (trip: StandInTrip) => Promise<void>;
  /** The driver who accepted gives the trip back. */
  giveBack: (trip: StandInTrip, driver: StandInDriver) => Promise<void>;
  online: (driver: StandInDriver) => Promise<void>;
  offersOf: (driver: StandInDriver) => Promise<Offer[]>;
  /** Waits until the driver holds an offer of the trip. */
  offered: (trip: StandInTrip, driver: StandInDriver) => Promise<Offer>;
  decline: (driver: StandInDriver, offerId: string, requestId?: string) => Promise<Offer>;
  watch: (driver: StandInDriver) => OfferWatcher;
  query: (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;
  stop: () => Promise<void>;
}

/** What a driver's stream has told him. */
export interface OfferWatcher {
  seen: WatchOffersResponse[];
  leave: () => Promise<void>;
  /** Waits until he was told of this status of an offer of the trip. */
  told: (trip: StandInTrip, status: OfferStatus) => Promise<Offer>;
}

const settings = {
  offerSeconds: 15,
  roundSeconds: 15,
  roundRadiusMeters: [2000, 5000, 5000],
  maxOffers: 5,
};

/** Starts the service; the domain clock runs at `rate`. */
export async function startWorld(rate: number): Promise<World> {
  const wallOrigin = new Date();
  const origin = new Date("2019-03-01T12:00:00Z");
  const clock = (host: TestHost) => domainClock({ wall: host.host.wall, rate, origin, wallOrigin });
  const host = await testHost(["dispatch", "city", "location", "eta", "trip"]);
  const domain = (host.host.domain = clock(host));
  const trips = new Map<string, StandInTrip>();
  const nothing = () => Promise.resolve();
  const superuser = new pg.Pool({ connectionString: host.superuserUrl, max: 2 });
  const leaving: AbortController[] = [];
  let port = 0;
  const start = async () => {
    const listen = () => ({ host: "127.0.0.1", port });
    const started = await startDispatch({ ...host.host, listen });
    port = started.port;
    return host.started(started);
  };

  const world: Omit<World, "service"> & { service?: RunningService } = {
    host,
    domain,
    restart: async () => {
      await world.service!.stop();
      world.service = await start();
    },
    drivers: [],
    candidateRequests: [],
    before: {
      offerTrip: nothing,
      findCandidates: nothing,
      estimateLegs: nothing,
      withdrawOffer: nothing,
    },
    driver: (distanceMeters, about = {}) => {
      const person = { subject: randomUUID(), roles: [Role.DRIVER], tenantId: "metro" };
      const driver = { ...person, distanceMeters, available: true, ...about };
      world.drivers.push(driver);
      return driver;
    },
    request: async (tenantId = "metro") => {
      const trip: StandInTrip = {
        tripId: randomUUID(),
        tenantId,
        state: "MATCHING",
        searchNumber: 1,
        offers: [],
        excludedDriverIds: [],
        expireReason: "",
      };
      trips.set(trip.tripId, trip);
      const event = TripRequested.fromPartial({ tripId: trip.tripId, version: 1n, cityId });
      await world.publish(TripRequested, event, tenantId);
      return trip;
    },
    publish: (type, message, tenantId = "metro") =>
      publishEvent(host.host.bus, type, message, {
        key: message.tripId,
        tenantId,
        time: domain.now(),
      }),
    accept: async (trip, { subject: driverId }) => {
      const offer = trip.offers.find((one) => one.driverId === driverId);
      if (trip.state !== "MATCHING" || !offer || offer.expireTime! <= domain.now()) {
        throw new Error("the stand-in's trip cannot be accepted");
      }
      trip.state = "ACCEPTED";
      const { tripId, searchNumber, tenantId } = trip;
      const event = TripAccepted.fromPartial({ tripId, driverId, cityId, searchNumber });
      await world.publish(TripAccepted, event, tenantId);
    },
    cancel: async (trip) => {
      trip.state = "CANCELLED";
      const event = TripCancelled.fromPartial({ tripId: trip.tripId, cityId });
      await world.publish(TripCancelled, event, trip.tenantId);
    },
    giveBack: async (trip, { subject: driverId }) => {
      trip.state = "MATCHING";
      trip.searchNumber += 1;
      trip.offers = [];
      trip.excludedDriverIds.push(driverId);
      const { tripId, searchNumber, tenantId } = trip;
      const event = TripDriverCancelled.fromPartial({ tripId, driverId, cityId, searchNumber });
      await world.publish(TripDriverCancelled, event, tenantId);
    },
    online: async ({ subject: driverId, tenantId }) => {
      const event = DriverAvailabilityChanged.fromPartial({
        driverId,
        availability: Availability.ONLINE,
        cityId,
      });
      const about = { key: driverId, tenantId, time: domain.now() };
      await publishEvent(host.host.bus, DriverAvailabilityChanged, event, about);
    },
    offersOf: async (driver) =>
      (await host.call.unary(DispatchServiceService.listOffers, driver, {})).offers,
    offered: (trip, driver) =>
      waitFor("the offer", async () => {
        const offers = await world.offersOf(driver);
        return offers.find(({ tripId }) => tripId === trip.tripId);
      }),
    decline: async (driver, offerId, requestId = randomUUID()) => {
      const request = { offerId, requestId };
      return (await host.call.unary(DispatchServiceService.declineOffer, driver, request)).offer!;
    },
    watch: (driver) => {
      const controller = new AbortController();
      leaving.push(controller);
      const seen: WatchOffersResponse[] = [];
      const { watchOffers } = DispatchServiceService;
      const stream = host.call.stream(watchOffers, driver, { lastEventId: "" }, controller.signal);
      const ended = (async () => {
        for await (const message of stream) seen.push(message);
      })();
      ended.catch(() => undefined);
      return {
        seen,
        leave: async () => {
          controller.abort();
          await ended;
        },
        told: ({ tripId }, status) =>
          waitFor(`to be told of ${OfferStatus[status]}`, () =>
            seen.map(({ offer }) => offer!).find((o) => o.tripId === tripId && o.status === status),
          ),
      };
    },
    query: async (sql, values) =>
      (await superuser.query<Record<string, unknown>>(sql, values)).rows,
    stop: async () => {
      for (const controller of leaving) controller.abort();
      await superuser.end();
      await host.stop();
    },
  };
  await startNeighbours(world, trips);
  world.service = await start();
  return world as World;
}

async function startNeighbours(
  world: Omit<World, "service">,
  trips: Map<string, StandInTrip>,
): Promise<void> {
  const { host } = world;
  await startStandIn(host, "city", CityInternalServiceService, {
    watchCities: async function* (_request, ctx) {
      const cities = ["metro", "harbor"].map((tenantId) =>
        City.fromPartial({ tenantId, cityId, dispatch: settings }),
      );
      yield { cities };
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    },
  });
  await startStandIn(host, "location", LocationInternalServiceService, {
    findCandidates: async (request) => {
      world.candidateRequests.push(request);
      await world.before.findCandidates();
      const near = world.drivers
        .filter((one) => one.available && one.tenantId === request.tenantId)
        .filter((one) => one.distanceMeters <= request.radiusMeters)
        .sort((a, b) => a.distanceMeters - b.distanceMeters)
        .slice(0, request.limit);
      return {
        drivers: near.map(({ subject: driverId, distanceMeters }) => ({
          driverId,
          // Where eta knows him by.
          point: { lat: 40.75, lng: distanceMeters / 1000 },
          distanceMeters,
          vehicleClass: VehicleClass.ECONOMY,
          observeTime: undefined,
        })),
      };
    },
  });
  await startStandIn(host, "eta", EtaInternalServiceService, {
    estimateLegs: async ({ legs }) => {
      await world.before.estimateLegs();
      return {
        estimates: legs.map(({ origin }) => {
          const meters = Math.round(origin!.lng * 1000);
          const driver = world.drivers.find((one) => one.distanceMeters === meters);
          return {
            distanceMeters: meters * 1.3,
            durationSeconds: driver?.seconds ?? meters / 10,
            source: "",
          };
        }),
      };
    },
  });
  /** The trip, if the search is the one that it is at. */
  const matching = (request: { tenantId: string; tripId: string; searchNumber: number }) => {
    const trip = trips.get(request.tripId);
    if (!trip || trip.tenantId !== request.tenantId) throw notFound("trip");
    if (trip.state !== "MATCHING") throw failedPrecondition("ILLEGAL_TRANSITION", trip.state);
    if (trip.searchNumber !== request.searchNumber) throw failedPrecondition("SEARCH_OVER", "over");
    return trip;
  };
  await startStandIn(host, "trip", TripInternalServiceService, {
    beginMatching: async (request) => {
      await Promise.resolve();
      return {
        riderId: randomUUID(),
        cityId,
        vehicleClass: VehicleClass.ECONOMY,
        pickup,
        excludedDriverIds: matching(request).excludedDriverIds,
        rider: { firstName: "Rita", ratingAverage: 4.7 },
      };
    },
    offerTrip: async (request) => {
      await world.before.offerTrip(request);
      const { offers } = matching(request);
      const known = new Set(offers.map(({ offerId }) => offerId));
      offers.push(...request.offers.filter(({ offerId }) => !known.has(offerId)));
      return {};
    },
    withdrawOffer: async ({ tripId, offerId }) => {
      await world.before.withdrawOffer();
      const trip = trips.get(tripId);
      if (!trip) throw notFound("trip");
      trip.offers = trip.offers.filter((offer) => offer.offerId !== offerId);
      return {};
    },
    expireTrip: async (request) => {
      const { tripId, tenantId, reason } = request;
      if (trips.get(tripId)?.state === "EXPIRED") return {};
      const trip = matching(request);
      trip.state = "EXPIRED";
      trip.expireReason = reason;
      await world.publish(TripExpired, TripExpired.fromPartial({ tripId, reason }), tenantId);
      return {};
    },
  });
}
