/** What the driver service's tests share: the service on real ports, with stand-ins for its neighbours. */
import { randomUUID } from "node:crypto";
import pg from "pg";
import { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import {
  OnboardingStatus,
  type DocumentType,
  type Driver,
  type Vehicle,
} from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import { DriverServiceService } from "../../gen/grpc/ridemesh/driver/v1/driver_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import type { BusMessage } from "../runtime/bus.js";
import type { MessageType } from "../runtime/outbox.js";
import { testHost, type TestCaller, type TestHost } from "../testing/host.js";
import { startIdentityStandIn, type IdentityStandIn } from "../testing/identity-stand-in.js";
import { publishEvent } from "../testing/publish.js";
import { startStandIn } from "../testing/stand-in.js";
import { stillClock, type StillClock } from "../testing/still-clock.js";
import { waitFor } from "../testing/wait-for.js";
import { startDriver } from "./app.js";
import { requiredDocuments } from "./onboarding.js";

export const png = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");
export const validUntil = new Date("2030-01-01T00:00:00Z");

export interface World {
  host: TestHost;
  clock: StillClock;
  identity: IdentityStandIn;
  /** Every event that the service published, in order of arrival. */
  events: BusMessage[];
  /** Rows as the superuser sees them. */
  query: (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;
  /** An account that identity knows, with the role of a driver. */
  account: (options?: { tenantId?: string; name?: string }) => TestCaller;
  admin: (tenantId?: string) => TestCaller;
  /** A driver who has applied. */
  applied: (options?: { tenantId?: string; name?: string }) => Promise<TestCaller>;
  /** A driver who may go online, with one vehicle. */
  approved: (options?: { tenantId?: string; name?: string }) => Promise<TestCaller>;
  addVehicle: (driver: TestCaller, vehicle?: Partial<Vehicle>) => Promise<Driver>;
  addDocument: (driver: TestCaller, type: DocumentType, expireTime?: Date) => Promise<Driver>;
  get: (driver: TestCaller) => Promise<Driver>;
  /** Publishes an event on the real bus; a repetition is given by the same id. */
  publish: <T>(
    type: MessageType<T>,
    message: T & { tripId: string },
    about?: { id?: string | undefined; tenantId?: string; time?: Date },
  ) => Promise<void>;
  stop: () => Promise<void>;
}

/** Starts the service with stand-ins for city and identity. */
export async function startWorld(): Promise<World> {
  const clock = stillClock("2019-03-01T12:00:00Z");
  const host = await testHost(["driver", "city", "identity"], { domain: clock });
  await startStandIn(host, "city", CityInternalServiceService, {
    watchCities: async function* (_request, ctx) {
      yield { cities };
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    },
  });
  const identity = await startIdentityStandIn(host);
  host.started(await startDriver(host.host));
  const events: BusMessage[] = [];
  const listener = await host.host.bus.subscribe({
    group: "test",
    topics: ["ridemesh.driver.v1"],
    handle: async (message) => {
      events.push(message);
    },
  });
  const superuser = new pg.Client(host.superuserUrl);
  await superuser.connect();
  const { unary } = host.call;

  const account: World["account"] = ({ tenantId = "metro", name = "Ada Lovelace" } = {}) => {
    const subject = randomUUID();
    identity.know(tenantId, subject, name);
    return { subject, tenantId, roles: [Role.DRIVER] };
  };
  const admin: World["admin"] = (tenantId = "metro") => ({
    subject: randomUUID(),
    tenantId,
    roles: [Role.ADMIN],
  });
  const applied: World["applied"] = async (options) => {
    const driver = account(options);
    const cityId = driver.tenantId === "metro" ? "new-york" : "harbor";
    await unary(DriverServiceService.registerDriver, driver, { cityId, requestId: "" });
    return driver;
  };
  const addVehicle: World["addVehicle"] = async (driver, vehicle = {}) => {
    const plate = randomUUID().slice(0, 12);
    const request = {
      driverId: driver.subject,
      vehicle: { ...corolla, plate, ...vehicle },
      requestId: "",
    };
    return (await unary(DriverServiceService.addVehicle, driver, request)).driver!;
  };
  const addDocument: World["addDocument"] = async (driver, type, expireTime = validUntil) => {
    const request = { driverId: driver.subject, type, expireTime, content: png, requestId: "" };
    return (await unary(DriverServiceService.addDocument, driver, request)).driver!;
  };
  const approved: World["approved"] = async (options) => {
    const driver = await applied(options);
    for (const type of requiredDocuments) await addDocument(driver, type);
    await addVehicle(driver);
    await unary(DriverServiceService.reviewDriver, admin(driver.tenantId), {
      driverId: driver.subject,
      decision: OnboardingStatus.APPROVED,
      comment: "",
      requestId: "",
    });
    return driver;
  };
  // The cities come over a stream that is opened with the service.
  await waitFor("the cities", async () => Boolean(await applied()));

  return {
    host,
    clock,
    identity,
    events,
    query: async (sql, values) => (await superuser.query(sql, values)).rows as never,
    account,
    admin,
    applied,
    approved,
    addVehicle,
    addDocument,
    get: async (driver) => {
      const request = { driverId: driver.subject };
      return (await unary(DriverServiceService.getDriver, driver, request)).driver!;
    },
    publish: (type, message, { id, tenantId = "metro", time = clock.time } = {}) =>
      publishEvent(host.host.bus, type, message, { key: message.tripId, tenantId, time, id }),
    stop: async () => {
      await superuser.end();
      await listener.stop();
      await host.stop();
    },
  };
}

export const corolla: Vehicle = {
  vehicleId: "",
  plate: "",
  make: "Toyota",
  model: "Corolla",
  year: 2018,
  color: "white",
  vehicleClass: VehicleClass.ECONOMY,
  seats: 4,
};

const cities = [
  City.fromPartial({
    tenantId: "metro",
    cityId: "new-york",
    name: "New York",
    timeZone: "America/New_York",
    currencyCode: "USD",
    version: 1n,
  }),
  City.fromPartial({
    tenantId: "harbor",
    cityId: "harbor",
    name: "Harbor",
    timeZone: "Asia/Tokyo",
    currencyCode: "JPY",
    version: 1n,
  }),
];
