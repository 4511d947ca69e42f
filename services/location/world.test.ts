/** What the location service's tests share: the service on a real port, a city next door, and calls. */
import { Metadata, type ClientWritableStream } from "@grpc/grpc-js";
import pg from "pg";
import { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import { Availability } from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import { DriverAvailabilityChanged } from "../../gen/grpc/ridemesh/driver/v1/driver_events.js";
import type { DropReason, LocationPoint } from "../../gen/grpc/ridemesh/location/v1/location.js";
import {
  LocationServiceService,
  type StreamLocationsRequest,
  type StreamLocationsResponse,
} from "../../gen/grpc/ridemesh/location/v1/location_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import {
  TripAccepted,
  TripCompleted,
  TripRequested,
} from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { createChannel, type Channel } from "../runtime/client.js";
import { chartAround, type GeoPoint } from "../runtime/geo.js";
import { uuidv4 } from "../runtime/ids.js";
import type { MessageType } from "../runtime/outbox.js";
import type { RunningService } from "../runtime/service.js";
import { fromServiceError } from "../runtime/status.js";
import { testHost, type TestCaller, type TestHost } from "../testing/host.js";
import { publishEvent, type EventAbout } from "../testing/publish.js";
import { startStandIn } from "../testing/stand-in.js";
import { stillClock, type StillClock } from "../testing/still-clock.js";
import { waitFor } from "../testing/wait-for.js";
import { startLocation } from "./app.js";

const { toPoint } = chartAround({ lat: 40.75, lng: -73.98 });

/** So many meters east and north of the middle of the city. */
export function place(x: number, y = 0): GeoPoint {
  return toPoint({ x, y });
}

/** A point as a phone sends it. */
export function seen(at: GeoPoint, time: Date, rest: Partial<LocationPoint> = {}): LocationPoint {
  const usual = { accuracyMeters: 5, speedMps: 8, headingDegrees: 90 };
  return { point: at, observeTime: time, ...usual, ...rest };
}

export const staff: TestCaller = { subject: uuidv4(), roles: [Role.SUPPORT] };
export const rider: TestCaller = { subject: uuidv4(), roles: [Role.RIDER] };

export function asDriver(driverId: string, tenantId = "metro"): TestCaller {
  return { subject: driverId, roles: [Role.DRIVER], tenantId };
}

/** A client stream: send messages, then end it for the answer. */
export interface PointStream {
  send(driverId: string, points: LocationPoint[]): void;
  end(): Promise<StreamLocationsResponse>;
}

/** What became of points: how many were accepted, and how many dropped by reason. */
export interface Fate {
  accepted: number;
  dropped: Partial<Record<keyof typeof DropReason, number>>;
}

interface Ride {
  tripId: string;
  riderId: string;
  driverId: string;
}

export interface World {
  host: TestHost;
  clock: StillClock;
  /** Rows as the superuser sees them. */
  query: (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;
  /** Rows as the service itself sees them. */
  ownQuery: (sql: string) => Promise<unknown>;
  stopLocation: () => Promise<void>;
  /** Starts it again, where it was. */
  startLocation: () => Promise<void>;
  /** Publishes an event on the real bus; a repetition is given by the same id. */
  publish: <T>(
    type: MessageType<T>,
    message: T,
    about: Pick<EventAbout, "key"> & Partial<EventAbout>,
  ) => Promise<void>;
  /** Publishes that a driver is online; version 1 unless given. Does not wait. */
  online: (
    driverId: string,
    about?: Partial<DriverAvailabilityChanged> & { tenantId?: string },
  ) => Promise<void>;
  /** A driver who is online and was seen at the place; waits until he is found there. */
  availableAt: (
    at: GeoPoint,
    about?: Partial<DriverAvailabilityChanged> & { tenantId?: string },
  ) => Promise<string>;
  report: (driverId: string, points: LocationPoint[], tenantId?: string) => Promise<Fate>;
  openStream: (caller: TestCaller) => Promise<PointStream>;
  nearby: (
    at: GeoPoint,
    query?: { radiusMeters?: number; limit?: number; vehicleClass?: VehicleClass },
    caller?: TestCaller,
  ) => Promise<string[]>;
  /** A trip that was asked for. */
  requested: (riderId: string) => Promise<string>;
  accepted: (ride: Ride, version?: bigint, time?: Date) => Promise<void>;
  completed: (ride: Ride, version?: bigint) => Promise<void>;
  stop: () => Promise<void>;
}

const cities = ["metro/new-york", "metro/boston", "harbor/harbor"].map((name) => {
  const [tenantId, cityId] = name.split("/");
  return City.fromPartial({ tenantId: tenantId!, cityId: cityId!, timeZone: "America/New_York" });
});

/** Starts the service with a stand-in for the city service. */
export async function startWorld(): Promise<World> {
  const clock = stillClock("2024-03-01T12:00:00Z");
  const host = await testHost(["location", "city"], { domain: clock });
  await startStandIn(host, "city", CityInternalServiceService, {
    watchCities: async function* (_request, ctx) {
      yield { cities };
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    },
  });
  let location: RunningService = host.started(await startLocation(host.host));
  let channel: Channel | undefined;
  const superuser = new pg.Pool({ connectionString: host.superuserUrl, max: 2 });
  const own = new pg.Pool({ connectionString: host.host.database.url("location"), max: 1 });
  const { unary } = host.call;

  const publish: World["publish"] = (type, message, about) =>
    publishEvent(host.host.bus, type, message, { tenantId: "metro", time: clock.now(), ...about });

  const report: World["report"] = async (driverId, points, tenantId) => {
    const caller = asDriver(driverId, tenantId);
    const method = LocationServiceService.batchReportLocations;
    return fateOf(await unary(method, caller, { driverId, points }));
  };

  const online: World["online"] = (driverId, { tenantId = "metro", ...change } = {}) =>
    publish(
      DriverAvailabilityChanged,
      {
        driverId,
        availability: Availability.ONLINE,
        cityId: "new-york",
        vehicleClass: VehicleClass.ECONOMY,
        version: 1n,
        ...change,
      },
      { key: driverId, tenantId },
    );

  const nearby: World["nearby"] = async (at, query = {}, caller = rider) => {
    const request = { ...at, radiusMeters: 0, limit: 0, vehicleClass: 0, ...query };
    const answer = await unary(LocationServiceService.findNearbyDrivers, caller, request);
    return answer.drivers.map((driver) => driver.driverId);
  };

  return {
    host,
    clock,
    query: async (sql, values) =>
      (await superuser.query<Record<string, unknown>>(sql, values)).rows,
    ownQuery: (sql) => own.query(sql),
    stopLocation: () => location.stop(),
    startLocation: async () => {
      // On the port that the clients of this host know.
      const listen = () => ({ host: "127.0.0.1", port: location.port });
      location = host.started(await startLocation({ ...host.host, listen }));
    },
    publish,
    online,
    availableAt: async (at, about = {}) => {
      const driverId = uuidv4();
      const { tenantId = "metro" } = about;
      await online(driverId, about);
      await report(driverId, [seen(at, clock.now())], tenantId);
      const caller = { ...rider, tenantId };
      await waitFor("the driver to be found", async () =>
        (await nearby(at, { radiusMeters: 1, limit: 100 }, caller)).includes(driverId),
      );
      return driverId;
    },
    report,
    openStream: async (caller) => {
      const token = await host.token(caller);
      const metadata = new Metadata();
      metadata.set("authorization", `Bearer ${token}`);
      channel?.stop().catch(() => undefined);
      const { log, wall, identity } = host.host;
      channel = createChannel({
        service: "location",
        address: () => `127.0.0.1:${location.port}`,
        identity: identity("gateway"),
        wall,
        log,
      });
      return openStream(channel, metadata);
    },
    nearby,
    requested: async (riderId) => {
      const tripId = uuidv4();
      const message = TripRequested.fromPartial({ tripId, version: 1n, riderId });
      await publish(TripRequested, message, { key: tripId });
      return tripId;
    },
    accepted: (ride, version = 3n, time = clock.now()) =>
      publish(
        TripAccepted,
        { ...ride, version, cityId: "new-york", searchNumber: 1 },
        { key: ride.tripId, time },
      ),
    completed: (ride, version = 9n) =>
      publish(TripCompleted, { ...ride, version, cityId: "new-york" }, { key: ride.tripId }),
    stop: async () => {
      await channel?.stop();
      await superuser.end();
      await own.end();
      await host.stop();
    },
  };
}

export function fateOf({ result }: StreamLocationsResponse): Fate {
  const dropped = result!.dropped.map(({ reason, count }) => [reasonNames[reason]!, count]);
  return {
    accepted: result!.acceptedCount,
    dropped: Object.fromEntries(dropped) as Fate["dropped"],
  };
}

const reasonNames = ["UNSPECIFIED", "INACCURATE", "STALE", "FUTURE", "IMPOSSIBLE"];

function openStream(channel: Channel, metadata: Metadata): PointStream {
  const stub = LocationServiceService.streamLocations;
  let call: ClientWritableStream<StreamLocationsRequest>;
  const answer = new Promise<StreamLocationsResponse>((resolve, reject) => {
    call = channel.grpc.makeClientStreamRequest(
      stub.path,
      stub.requestSerialize,
      stub.responseDeserialize,
      metadata,
      (error, response) => (error ? reject(fromServiceError(error)) : resolve(response!)),
    );
  });
  // A stream that is refused may end before anybody asks for its answer.
  answer.catch(() => undefined);
  return {
    send: (driverId, points) => call.write({ driverId, points }),
    end: () => {
      call.end();
      return answer;
    },
  };
}
