/** What the trip service's tests share: the service on real ports, with stand-ins for its neighbours. */
import { randomUUID } from "node:crypto";
import pg from "pg";
import { DriverInternalServiceService } from "../../gen/grpc/ridemesh/driver/v1/driver_internal_service.js";
import {
  LocationInternalServiceService,
  type MeasureRouteRequest,
} from "../../gen/grpc/ridemesh/location/v1/location_internal_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { PaymentStatus, type Payment } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import {
  PaymentInternalServiceService,
  type ChargeTripRequest,
} from "../../gen/grpc/ridemesh/payment/v1/payment_internal_service.js";
import {
  PricingInternalServiceService,
  type GetTripTermsRequest,
  type PriceFinalFareRequest,
} from "../../gen/grpc/ridemesh/pricing/v1/pricing_internal_service.js";
import { RiderInternalServiceService } from "../../gen/grpc/ridemesh/rider/v1/rider_internal_service.js";
import { TripState, type Trip } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { TripInternalServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_internal_service.js";
import {
  RequestTripRequest,
  TripAction,
  TripServiceService,
} from "../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import type { BusMessage } from "../runtime/bus.js";
import type { Client } from "../runtime/client.js";
import { addSeconds } from "../runtime/clock.js";
import { uuidOf } from "../runtime/ids.js";
import type { RunningService } from "../runtime/service.js";
import type { StatusError } from "../runtime/status.js";
import { testHost, type TestCaller, type TestHost } from "../testing/host.js";
import { movableWall, type MovableWall } from "../testing/movable-wall.js";
import { startStandIn } from "../testing/stand-in.js";
import { stillClock, type StillClock } from "../testing/still-clock.js";
import { startTrip } from "./app.js";
import { dollars, sampleTerms } from "./sample.test.js";

/** What the stand-ins were asked, and what a test may change of their answers. */
export interface Neighbours {
  terms: GetTripTermsRequest[];
  fares: PriceFinalFareRequest[];
  routes: MeasureRouteRequest[];
  charges: ChargeTripRequest[];
  /** What pricing says instead of giving terms. */
  refuseTerms: StatusError | undefined;
  /** How a trip's charge ends; may throw. */
  charge: (request: ChargeTripRequest) => Promise<Partial<Payment>>;
  measure: (
    request: MeasureRouteRequest,
  ) => Promise<{ distanceMeters: number; pointCount: number; polyline: string }>;
  price: (request: PriceFinalFareRequest) => Promise<void>;
}

export interface World {
  host: TestHost;
  clock: StillClock;
  wall: MovableWall;
  neighbours: Neighbours;
  /** As dispatch calls it. */
  dispatch: Client<TripInternalServiceService>;
  service: RunningService;
  /** Stops the service, and lets another take its place. */
  restart: () => Promise<void>;
  /** Every event that the service published, in order of arrival. */
  events: BusMessage[];
  /** Rows as the superuser sees them. */
  query: (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;
  rider: (tenantId?: string) => TestCaller;
  driver: (tenantId?: string) => TestCaller;
  admin: (tenantId?: string) => TestCaller;
  /** Requests a trip on a quote of its own. */
  request: (rider: TestCaller, about?: Partial<RequestTripRequest>) => Promise<Trip>;
  /** Offers a trip to drivers for 15 s, after the search has begun. */
  offer: (trip: Trip, drivers: TestCaller[], searchNumber?: number) => Promise<string[]>;
  accept: (trip: Trip, driver: TestCaller, requestId?: string) => Promise<Trip>;
  act: (
    trip: Trip,
    caller: TestCaller,
    action: TripAction,
    about?: { pin?: string; reason?: string; requestId?: string },
  ) => Promise<Trip>;
  get: (trip: Trip, caller: TestCaller) => Promise<Trip>;
  cancel: (trip: Trip, caller: TestCaller, requestId?: string) => Promise<Trip>;
  /** A trip of the rider and the driver that has come so far, by real calls. */
  tripIn: (state: TripState, rider: TestCaller, driver: TestCaller) => Promise<Trip>;
  stop: () => Promise<void>;
}

/** Starts the service with stand-ins for rider, driver, location, pricing and payment. */
export async function startWorld(): Promise<World> {
  const clock = stillClock("2019-03-01T12:00:00Z");
  const wall = movableWall();
  const names = ["trip", "rider", "driver", "location", "pricing", "payment"];
  const host = await testHost(names, { domain: clock });
  const neighbours: Neighbours = {
    terms: [],
    fares: [],
    routes: [],
    charges: [],
    refuseTerms: undefined,
    charge: () => Promise.resolve({ status: PaymentStatus.SUCCEEDED }),
    measure: () => Promise.resolve({ distanceMeters: 3300, pointCount: 20, polyline: "" }),
    price: () => Promise.resolve(),
  };
  await startNeighbours(host, neighbours);
  let port = 0;
  /** Always at the same place, where the others look for it. */
  const startService = async () => {
    const listen = () => ({ host: "127.0.0.1", port });
    const started = await startTrip({ ...host.host, wall, listen });
    port = started.port;
    return host.started(started);
  };
  let service = await startService();

  const events: BusMessage[] = [];
  const listener = await host.host.bus.subscribe({
    group: "test",
    topics: ["ridemesh.trip.v1"],
    handle: (message) => Promise.resolve(void events.push(message)),
  });
  const superuser = new pg.Pool({ connectionString: host.superuserUrl, max: 2 });
  const dispatch = host.internalClient(TripInternalServiceService, "trip", "dispatch");
  const { unary } = host.call;
  const account = (role: Role) => (tenantId?: string) => ({
    subject: randomUUID(),
    roles: [role],
    ...(tenantId ? { tenantId } : {}),
  });
  const tenantOf = (caller: TestCaller) => caller.tenantId ?? "metro";

  const world: World = {
    host,
    clock,
    wall,
    neighbours,
    dispatch,
    service,
    restart: async () => {
      await service.stop();
      world.service = service = await startService();
    },
    events,
    query: async (sql, values) => (await superuser.query(sql, values)).rows as never,
    rider: account(Role.RIDER),
    driver: account(Role.DRIVER),
    admin: account(Role.ADMIN),
    request: async (rider, about = {}) => {
      const request = { quoteToken: `quote:${randomUUID()}`, requestId: randomUUID(), ...about };
      const message = RequestTripRequest.fromPartial(request);
      return (await unary(TripServiceService.requestTrip, rider, message)).trip!;
    },
    offer: async ({ tripId }, drivers, searchNumber = 1) => {
      const tenantId = tenantOf(drivers[0]!);
      await dispatch.beginMatching({ tenantId, tripId, searchNumber });
      const expireTime = addSeconds(clock.now(), 15);
      const offers = drivers.map(({ subject: driverId }) => {
        return { offerId: randomUUID(), driverId, expireTime };
      });
      await dispatch.offerTrip({ tenantId, tripId, searchNumber, offers });
      return offers.map(({ offerId }) => offerId);
    },
    accept: async ({ tripId }, driver, requestId = randomUUID()) =>
      (await unary(TripServiceService.acceptTrip, driver, { tripId, requestId })).trip!,
    act: async ({ tripId }, caller, action, about = {}) => {
      const defaults = { pin: "", reason: "", requestId: randomUUID() };
      const request = { tripId, action, ...defaults, ...about };
      return (await unary(TripServiceService.updateTripStatus, caller, request)).trip!;
    },
    get: async ({ tripId }, caller) =>
      (await unary(TripServiceService.getTrip, caller, { tripId })).trip!,
    cancel: async ({ tripId }, caller, requestId = randomUUID()) => {
      const request = { tripId, reason: "why", requestId };
      return (await unary(TripServiceService.cancelTrip, caller, request)).trip!;
    },
    tripIn: async (state, rider, driver) => {
      const trip = await world.request(rider);
      const steps: [TripState, () => Promise<unknown>][] = [
        [TripState.MATCHING, () => world.offer(trip, [driver])],
        [TripState.ACCEPTED, () => world.accept(trip, driver)],
        [TripState.DRIVER_ARRIVING, () => world.act(trip, driver, TripAction.ARRIVING)],
        [TripState.DRIVER_ARRIVED, () => world.act(trip, driver, TripAction.ARRIVED)],
        [TripState.STARTED, () => world.act(trip, driver, TripAction.START, { pin: trip.pin })],
        [TripState.COMPLETED, () => world.act(trip, driver, TripAction.COMPLETE)],
      ];
      for (const [reached, step] of steps) if (reached <= state) await step();
      return trip;
    },
    stop: async () => {
      await listener.stop();
      await superuser.end();
      await host.stop();
    },
  };
  return world;
}

async function startNeighbours(host: TestHost, neighbours: Neighbours): Promise<void> {
  await startStandIn(host, "rider", RiderInternalServiceService, {
    listRiderCards: ({ riderIds }) =>
      Promise.resolve({
        cards: riderIds.map((riderId) => ({ riderId, firstName: "Rita", ratingAverage: 4.7 })),
      }),
  });
  await startStandIn(host, "driver", DriverInternalServiceService, {
    listDriverCards: ({ driverIds }) => {
      const about = { firstName: "Dan", ratingAverage: 4.9 };
      const vehicle = { vehicleDescription: "Blue Toyota Prius", plate: "NYC-123" };
      const cards = driverIds.map((driverId) => ({ driverId, ...about, ...vehicle }));
      return Promise.resolve({ cards });
    },
  });
  await startStandIn(host, "location", LocationInternalServiceService, {
    measureRoute: async (request) => {
      neighbours.routes.push(request);
      return neighbours.measure(request);
    },
  });
  await startStandIn(host, "pricing", PricingInternalServiceService, {
    getTripTerms: (request) => {
      neighbours.terms.push(request);
      if (neighbours.refuseTerms) return Promise.reject(neighbours.refuseTerms);
      const { quoteToken, pickup, dropoff } = request;
      const terms = sampleTerms(quoteToken.replace(/^quote:/, ""));
      return Promise.resolve({
        terms: { ...terms, pickup: pickup ?? terms.pickup, dropoff: dropoff ?? terms.dropoff },
      });
    },
    priceFinalFare: async (request) => {
      neighbours.fares.push(request);
      await neighbours.price(request);
      const { distanceMeters, durationSeconds, terms } = request;
      return { fare: { ...terms!.fare!, total: dollars(14.25), distanceMeters, durationSeconds } };
    },
  });
  await startStandIn(host, "payment", PaymentInternalServiceService, {
    chargeTrip: async (request) => {
      neighbours.charges.push(request);
      const outcome = await neighbours.charge(request);
      return {
        payment: {
          paymentId: uuidOf("charge", request.tripId),
          tripId: request.tripId,
          riderId: request.onBehalfOf,
          driverId: request.driverId,
          purpose: request.purpose,
          paymentMethod: request.paymentMethod,
          total: request.total,
          driverShare: dollars(11.4),
          commission: dollars(2.85),
          tax: dollars(0),
          status: PaymentStatus.SUCCEEDED,
          failure: "",
          createTime: undefined,
          updateTime: undefined,
          ...outcome,
        },
      };
    },
  });
}
