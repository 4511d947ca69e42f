/** People of the test city, made as people are: by registering, applying, and an admin's approval. */
import { randomUUID } from "node:crypto";
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  Availability,
  DocumentType,
  OnboardingStatus,
} from "../../gen/es/ridemesh/driver/v1/driver_pb.js";
import { DriverService } from "../../gen/es/ridemesh/driver/v1/driver_service_pb.js";
import type { Session } from "../../gen/es/ridemesh/identity/v1/identity_pb.js";
import { IdentityService } from "../../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import { LocationService } from "../../gen/es/ridemesh/location/v1/location_service_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { LatLngSchema } from "../../gen/es/ridemesh/type/v1/geo_pb.js";
import { VehicleClass } from "../../gen/es/ridemesh/type/v1/vehicle_class_pb.js";
import { addSeconds } from "../../services/runtime/clock.js";
import { waitFor } from "../../services/testing/wait-for.js";
import { staffEmail, staffPassword, type TestPlatform } from "./platform.js";
import type { Wire } from "./wire.js";

export interface Point {
  lat: number;
  lng: number;
}

/** Someone who is logged in. */
export interface Person {
  tenantId: string;
  userId: string;
  role: Role;
  name: string;
  email: string;
  password: string;
  phone: string;
  /** Of his session: "Bearer" of every call. */
  token: string;
  session: Session;
}

/** A driver who may go online. */
export interface Driver extends Person {
  plate: string;
  vehicleId: string;
}

/** Makes people, and moves drivers. */
export interface People {
  /** Calls a method as a person does. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    as: Person | undefined,
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>>;
  logIn(who: Pick<Person, "tenantId" | "email" | "password">): Promise<Person>;
  staff(tenantId: string, name: "admin" | "support" | "fleet"): Promise<Person>;
  register(role: Role.RIDER | Role.DRIVER, tenantId?: string, name?: string): Promise<Person>;
  /** An approved driver, offline. */
  driver(admin: Person, name?: string): Promise<Driver>;
  goOnline(driver: Driver, at: Point): Promise<void>;
  goOffline(driver: Driver): Promise<void>;
  /** Reports a position at the present domain time. */
  report(driver: Person, at: Point): Promise<void>;
  /** Waits until the driver can be offered a trip. */
  available(driver: Driver, at: Point): Promise<void>;
}

/** The smallest PNG there is: one grey dot. */
export const tinyPng = Uint8Array.from(
  Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==",
    "base64",
  ),
);

export const documentTypes = [
  DocumentType.LICENCE,
  DocumentType.INSURANCE,
  DocumentType.REGISTRATION,
  DocumentType.BACKGROUND_CHECK,
];

/** The city that each tenant's drivers drive in. */
export const cityOf: Record<string, string> = { metro: "new-york", harbor: "harbor" };

let people = 0;

/** An e-mail that nobody has. */
export function newEmail(): string {
  return `person-${randomUUID().slice(0, 8)}@people.example`;
}

/** A licence plate that no vehicle has. */
export function newPlate(): string {
  people += 1;
  return `E2E ${String(people).padStart(5, "0")}`;
}

/** Makes people on the platform, calling it over the wire. */
export function createPeople(
  platform: Pick<TestPlatform, "clock">,
  wire: Pick<Wire, "unary">,
): People {
  const { clock } = platform;
  const call: People["call"] = (method, as, request) => wire.unary(method, as, request);

  const person = (
    facts: Omit<Person, "token" | "session">,
    session: Session | undefined,
  ): Person => ({ ...facts, token: session!.accessToken, session: session! });

  const logIn: People["logIn"] = async ({ tenantId, email, password }) => {
    const { user, session } = await call(IdentityService.method.login, undefined, {
      operator: tenantId,
      email,
      password,
    });
    const { userId, roles, displayName: name, phone } = user!;
    return person({ tenantId, userId, role: roles[0]!, name, email, password, phone }, session);
  };

  const register: People["register"] = async (role, tenantId = "metro", name = "Nova Newcomer") => {
    const email = newEmail();
    const password = `pass of ${email}`;
    people += 1;
    const phone = `+1212${String(5_000_000 + people)}`;
    const { user, session } = await call(IdentityService.method.registerUser, undefined, {
      operator: tenantId,
      email,
      phone,
      password,
      displayName: name,
      role,
    });
    const { userId } = user!;
    return person({ tenantId, userId, role, name, email, password, phone }, session);
  };

  const report: People["report"] = async (driver, at) => {
    const { result } = await call(LocationService.method.reportLocation, driver, {
      driverId: driver.userId,
      point: {
        point: create(LatLngSchema, at),
        observeTime: timestampFromDate(clock.now()),
        accuracyMeters: 5,
      },
    });
    if (result!.acceptedCount !== 1) {
      throw new Error(`the position was dropped: ${result!.dropped[0]?.reason}`);
    }
  };

  const available: People["available"] = async (driver, at) => {
    // Asked as dispatch asks, so that nobody else's right to see drivers matters.
    await waitFor(`${driver.name} to be available`, async () => {
      const { drivers } = await call(
        LocationService.method.findNearbyDrivers,
        await observer(driver.tenantId),
        { ...at, radiusMeters: 3000, limit: 100 },
      );
      return drivers.some((one) => one.driverId === driver.userId);
    });
  };

  const observers = new Map<string, Promise<Person>>();
  const staff: People["staff"] = (tenantId, name) =>
    logIn({ tenantId, email: staffEmail(tenantId, name), password: staffPassword });
  const observer = (tenantId: string): Promise<Person> => {
    let found = observers.get(tenantId);
    if (!found) observers.set(tenantId, (found = staff(tenantId, "support")));
    return found;
  };

  const setAvailability = (driver: Driver, availability: Availability) =>
    call(DriverService.method.setDriverAvailability, driver, {
      driverId: driver.userId,
      availability,
    });

  return {
    call,
    logIn,
    staff,
    register,
    report,
    available,
    driver: async (admin, name = "Doris Driver") => {
      const { tenantId } = admin;
      const account = await register(Role.DRIVER, tenantId, name);
      const driverId = account.userId;
      const plate = newPlate();
      await call(DriverService.method.registerDriver, account, { cityId: cityOf[tenantId]! });
      const { driver } = await call(DriverService.method.addVehicle, account, {
        driverId,
        vehicle: newVehicle(plate),
      });
      const expireTime = timestampFromDate(addSeconds(clock.now(), 3 * 365 * 86_400));
      for (const type of documentTypes) {
        const document = { driverId, type, expireTime, content: tinyPng };
        await call(DriverService.method.addDocument, account, document);
      }
      const decision = OnboardingStatus.APPROVED;
      await call(DriverService.method.reviewDriver, admin, { driverId, decision });
      return { ...account, plate, vehicleId: driver!.vehicles[0]!.vehicleId };
    },
    goOnline: async (driver, at) => {
      await setAvailability(driver, Availability.ONLINE);
      await report(driver, at);
      await available(driver, at);
    },
    goOffline: async (driver) => {
      await setAvailability(driver, Availability.OFFLINE);
    },
  };
}

/** An ordinary car. */
export function newVehicle(plate: string) {
  return {
    plate,
    make: "Toyota",
    model: "Corolla",
    year: 2018,
    color: "white",
    vehicleClass: VehicleClass.ECONOMY,
    seats: 4,
  };
}
