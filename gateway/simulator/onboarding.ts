/** Makes riders and drivers through the public API, as people and an operator's admin would. */
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  DocumentType,
  OnboardingStatus,
  type Driver,
} from "../../gen/es/ridemesh/driver/v1/driver_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { VehicleClass } from "../../gen/es/ridemesh/type/v1/vehicle_class_pb.js";
import type { WallClock } from "../../services/runtime/clock.js";
import { loginOf, type Api, type Credentials, type Login } from "./api.js";
import type { DomainTime } from "./domain-time.js";

/** Registers an account. */
export async function register(
  api: Api,
  who: Credentials & { displayName: string; role: Role },
  wall: WallClock,
): Promise<Login> {
  const answer = await api.identity.registerUser(who);
  return loginOf(api, answer.user!.userId, answer.session!, wall);
}

/** The smallest PNG there is: one grey dot. A document's file must be of a type that it claims. */
const tinyPng = Uint8Array.from(
  Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==",
    "base64",
  ),
);

const documentTypes = [
  DocumentType.LICENCE,
  DocumentType.INSURANCE,
  DocumentType.REGISTRATION,
  DocumentType.BACKGROUND_CHECK,
];
const makes = [
  ["Toyota", "Camry"],
  ["Honda", "Accord"],
  ["Ford", "Fusion"],
  ["Nissan", "Altima"],
  ["Hyundai", "Sonata"],
] as const;
const colors = ["white", "black", "silver", "blue", "red"];

/**
 * Applies, shows documents and a vehicle, and is approved by the admin. Of a driver who is `known` what
 * he has done already is left out.
 */
export async function onboardDriver(
  driver: Login,
  admin: Login,
  facts: {
    cityId: string;
    plate: string;
    number: number;
    vehicleClass?: VehicleClass;
    known?: Driver | undefined;
  },
  time: DomainTime,
): Promise<void> {
  const { userId: driverId } = driver;
  const { known } = facts;
  const options = await driver.options();
  const { api } = driver;
  if (!known) await api.driver.registerDriver({ cityId: facts.cityId }, options);
  if (!known?.vehicles.length) {
    const [make, model] = makes[facts.number % makes.length]!;
    await api.driver.addVehicle(
      {
        driverId,
        vehicle: {
          plate: facts.plate,
          make,
          model,
          year: 2017,
          color: colors[facts.number % colors.length]!,
          vehicleClass: facts.vehicleClass ?? VehicleClass.ECONOMY,
          seats: 4,
        },
      },
      options,
    );
  }
  const expireTime = timestampFromDate(new Date(time.now().getTime() + 3 * 365 * 86_400_000));
  const shown = new Set(known?.documents.map(({ type }) => type));
  for (const type of documentTypes.filter((one) => !shown.has(one))) {
    await api.driver.addDocument({ driverId, type, expireTime, content: tinyPng }, options);
  }
  await api.driver.reviewDriver(
    { driverId, decision: OnboardingStatus.APPROVED },
    await admin.options(),
  );
}

/** Runs work on every item, so many at a time. */
export async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next;
      next += 1;
      results[index] = await work(items[index]!, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
