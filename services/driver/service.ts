/** Handlers of DriverService. */
import {
  Availability,
  OnboardingStatus,
  type Vehicle,
} from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import { DriverRegistered } from "../../gen/grpc/ridemesh/driver/v1/driver_events.js";
import type { DriverServiceService } from "../../gen/grpc/ridemesh/driver/v1/driver_service.js";
import type { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import type { CallContext } from "../runtime/call-context.js";
import type { Client } from "../runtime/client.js";
import { addSeconds } from "../runtime/clock.js";
import { saveAnswer } from "../runtime/idempotency.js";
import { uuidv7 } from "../runtime/ids.js";
import { appendEvents, newEvent } from "../runtime/outbox.js";
import { decodePageToken, encodePageToken } from "../runtime/page-token.js";
import { isUniqueViolation, transaction } from "../runtime/postgres.js";
import type { Handlers } from "../runtime/server.js";
import {
  Code,
  StatusError,
  failedPrecondition,
  invalidField,
  notFound,
  unavailable,
} from "../runtime/status.js";
import type { Cities } from "../runtime/watch.js";
import { decideAvailability, type Turn } from "./availability.js";
import { changeDriver, newDriver } from "./changes.js";
import { addDocument, getDocumentFile, type DocumentDeps } from "./documents.js";
import { sumEarnings } from "./earnings.js";
import { review } from "./onboarding.js";
import { comparedPlate, shownPlate } from "./plate.js";
import { driverKey, plateKey, type DriverRecord, type Position } from "./store.js";
import { storableTime } from "./times.js";
import { toDriver } from "./view.js";

export interface DriverDeps extends DocumentDeps {
  identity: Pick<Client<IdentityInternalServiceService>, "listDisplayNames">;
  cities: Pick<Cities, "get">;
}

const maxVehicles = 20;
const defaultPageSize = 50;
const defaultPeriodDays = 30;

/** Drivers, from application to earnings. */
export function driverService(deps: DriverDeps): Handlers<DriverServiceService> {
  const { pool, domain, store, secrets } = deps;

  const load = async (ctx: CallContext, driverId: string): Promise<DriverRecord> => {
    const [driver] = await store.load(pool, ctx.caller.tenantId, [driverId]);
    if (!driver) throw notFound("driver");
    return driver;
  };

  const nameOf = async (ctx: CallContext): Promise<string> => {
    const { tenantId, subject } = ctx.caller;
    const { displayNames } = await deps.identity.listDisplayNames(
      { tenantId, userIds: [subject] },
      ctx,
    );
    const name = displayNames[subject];
    if (name === undefined) throw notFound("account");
    return name;
  };

  return {
    registerDriver: async ({ cityId }, ctx) => {
      const { tenantId, subject: driverId } = ctx.caller;
      if (!deps.cities.get(tenantId, cityId)) {
        throw invalidField("city_id", "is not a city of the operator", "UNKNOWN_CITY");
      }
      const displayName = await nameOf(ctx);
      const now = domain.now();
      const record = newDriver({ tenantId, driverId, cityId, displayName }, now);
      const driver = toDriver(record);
      const { traceparent } = ctx;
      const about = { key: driverId, tenantId, time: now, traceparent };
      const event = newEvent(DriverRegistered, { driverId, cityId }, about);
      const answer = ctx.answer({ driver });
      try {
        await transaction(pool, async (tx) => {
          await store.insert(tx, record);
          await store.insertReview(tx, record, "", now);
          await appendEvents(tx, [event]);
          await saveAnswer(tx, answer);
        });
      } catch (error) {
        if (!isUniqueViolation(error, driverKey)) throw error;
        throw taken("ALREADY_APPLIED", "the account has applied to drive already");
      }
      deps.wakeRelay();
      return { driver };
    },

    getDriver: async ({ driverId }, ctx) => ({ driver: toDriver(await load(ctx, driverId)) }),

    listDrivers: async ({ onboardingStatus, pageSize, pageToken }, ctx) => {
      const size = pageSize || defaultPageSize;
      const of = { tenantId: ctx.caller.tenantId, status: onboardingStatus };
      const found = await store.list(pool, of, positionOf(pageToken), size + 1);
      const drivers = found.slice(0, size);
      const last = drivers.at(-1);
      return {
        drivers: drivers.map(toDriver),
        nextPageToken:
          found.length > size && last
            ? encodePageToken([last.createTime.toISOString(), last.driverId])
            : "",
      };
    },

    addVehicle: async ({ driverId, vehicle: given }, ctx) => {
      const plate = shownPlate(given!.plate);
      const compared = comparedPlate(plate);
      if (!compared) throw invalidField("vehicle.plate", "has neither letters nor digits");
      const plateIndex = secrets.blindIndex(compared);
      try {
        return await changeDriver(deps, ctx, driverId, async (driver, tx, now) => {
          if (driver.vehicles.length >= maxVehicles) {
            throw invalidField("vehicle", `a driver has at most ${maxVehicles}`);
          }
          const vehicle: Vehicle = { ...given!, vehicleId: uuidv7(now), plate };
          await store.insertVehicle(tx, driver, vehicle, plateIndex, now);
          return { driver: { ...driver, vehicles: [...driver.vehicles, vehicle] }, reviewerId: "" };
        });
      } catch (error) {
        if (!isUniqueViolation(error, plateKey)) throw error;
        throw taken("PLATE_TAKEN", "another vehicle has this plate", "vehicle.plate");
      }
    },

    addDocument: (request, ctx) => addDocument(deps, request, ctx),

    getDocumentFile: (request, ctx) => getDocumentFile(deps, request, ctx),

    reviewDriver: ({ driverId, decision, comment }, ctx) =>
      changeDriver(deps, ctx, driverId, (before, _tx, now) => {
        const result = review(before.onboardingStatus, decision, before, now);
        if (result.refused) {
          throw failedPrecondition(result.reason, result.message, result.metadata);
        }
        const approved = result.status === OnboardingStatus.APPROVED;
        const driver = {
          ...before,
          onboardingStatus: result.status,
          reviewComment: approved ? "" : comment,
          availability: approved ? before.availability : Availability.OFFLINE,
        };
        return { driver, reviewerId: ctx.caller.subject };
      }),

    setDriverAvailability: ({ driverId, availability, vehicleId }, ctx) =>
      changeDriver(deps, ctx, driverId, (before, _tx, now) => {
        const online = availability === Availability.ONLINE;
        const wanted = online ? Availability.ONLINE : Availability.OFFLINE;
        const { vehicleId: chosen } = turned(decideAvailability(before, wanted, vehicleId, now));
        const driver = { ...before, availability: wanted, vehicleId: chosen };
        return { driver, reviewerId: "" };
      }),

    getEarnings: async (request, ctx) => {
      const { tenantId } = ctx.caller;
      const driver = await load(ctx, request.driverId);
      const city = deps.cities.get(tenantId, driver.cityId);
      if (!city) throw unavailable("the driver's city is not known");
      // What is earned at this very moment counts.
      const untilTime = request.untilTime
        ? storableTime("until_time", request.untilTime)
        : new Date(domain.now().getTime() + 1);
      const fromTime = request.fromTime
        ? storableTime("from_time", request.fromTime)
        : addSeconds(untilTime, -defaultPeriodDays * 86_400);
      if (fromTime > untilTime) throw invalidField("from_time", "is later than until_time");
      const of = { tenantId, driverId: driver.driverId, fromTime, untilTime };
      return { earnings: await sumEarnings(pool, of, city) };
    },
  };
}

function positionOf(pageToken: string): Position | undefined {
  const values = decodePageToken(pageToken, 2);
  if (!values) return undefined;
  const [time, driverId] = values as [string, string];
  const createTime = new Date(time);
  if (Number.isNaN(createTime.getTime()) || !/^[0-9a-f-]{36}$/.test(driverId)) {
    throw invalidField("page_token", "is not one that an earlier answer gave");
  }
  return { createTime, driverId };
}

/** Throws what stands in the way of a driver's wish. */
function turned(turn: Turn): Turn & { outcome: "turned" } {
  switch (turn.outcome) {
    case "turned":
      return turn;
    case "refused": {
      const { reason, message, metadata } = turn.rejection;
      throw failedPrecondition(reason, message, metadata);
    }
    case "vehicle_unknown":
      throw notFound("vehicle");
    case "vehicle_unclear":
      throw invalidField("vehicle_id", "is needed: the driver has several vehicles");
    default:
      return turn satisfies never;
  }
}

function taken(reason: string, message: string, field?: string): StatusError {
  if (field === undefined) return new StatusError(Code.ALREADY_EXISTS, { reason, message });
  const violations = [{ field, message }];
  return new StatusError(Code.ALREADY_EXISTS, {
    reason,
    message: `${field}: ${message}`,
    violations,
  });
}
