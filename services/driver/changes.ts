/** One change of a driver: his row locked, rules applied, rows, events and the answer committed. */
import type { PoolClient } from "pg";
import {
  Availability,
  OnboardingStatus,
  type Driver,
} from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import {
  DriverAvailabilityChanged,
  DriverReviewed,
} from "../../gen/grpc/ridemesh/driver/v1/driver_events.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import type { CallContext } from "../runtime/call-context.js";
import type { DomainClock } from "../runtime/clock.js";
import { saveAnswer } from "../runtime/idempotency.js";
import { appendEvents, newEvent, type OutboxEvent } from "../runtime/outbox.js";
import { transaction, type Pool } from "../runtime/postgres.js";
import { notFound } from "../runtime/status.js";
import { afterPapers } from "./onboarding.js";
import type { DriverRecord, DriverStore } from "./store.js";
import { toDriver } from "./view.js";

export interface ChangeDeps {
  pool: Pool;
  domain: DomainClock;
  store: DriverStore;
  wakeRelay: () => void;
}

/** What a change makes of a driver, and who decided it: empty when it follows from the rules. */
export interface Change {
  driver: DriverRecord;
  reviewerId: string;
}

/**
 * Applies a change to a driver of the caller's operator and commits it with its events and the call's
 * answer. NOT_FOUND when there is no such driver; nothing is changed by what `apply` throws.
 */
export async function changeDriver(
  deps: ChangeDeps,
  ctx: CallContext,
  driverId: string,
  apply: (before: DriverRecord, tx: PoolClient, now: Date) => Promise<Change> | Change,
): Promise<{ driver: Driver }> {
  const { tenantId } = ctx.caller;
  const response = await transaction(deps.pool, async (tx) => {
    const before = await deps.store.lock(tx, tenantId, driverId);
    if (!before) throw notFound("driver");
    const now = deps.domain.now();
    const { driver: wanted, reviewerId } = await apply(before, tx, now);
    const after = numbered(before, {
      ...wanted,
      onboardingStatus: afterPapers(wanted.onboardingStatus, wanted, now),
    });
    await deps.store.update(tx, after);
    if (after.onboardingStatus !== before.onboardingStatus) {
      await deps.store.insertReview(tx, after, reviewerId, now);
    }
    await appendEvents(tx, eventsOf(before, after, reviewerId, now, ctx.traceparent));
    const driver = toDriver(after);
    await saveAnswer(tx, ctx.answer({ driver }));
    return { driver };
  });
  deps.wakeRelay();
  return response;
}

/** Counts a change of availability or vehicle. */
function numbered(before: DriverRecord, after: DriverRecord): DriverRecord {
  if (!turned(before, after)) return after;
  return { ...after, availabilityVersion: before.availabilityVersion + 1n };
}

function turned(before: DriverRecord, after: DriverRecord): boolean {
  return before.availability !== after.availability || before.vehicleId !== after.vehicleId;
}

function eventsOf(
  before: DriverRecord,
  after: DriverRecord,
  reviewerId: string,
  time: Date,
  traceparent: string | undefined,
): OutboxEvent[] {
  const { tenantId, driverId, onboardingStatus, availability, cityId } = after;
  const about = { key: driverId, tenantId, time, traceparent };
  const events: OutboxEvent[] = [];
  if (onboardingStatus !== before.onboardingStatus) {
    events.push(newEvent(DriverReviewed, { driverId, onboardingStatus, reviewerId }, about));
  }
  if (turned(before, after)) {
    const vehicle = after.vehicles.find((one) => one.vehicleId === after.vehicleId);
    const vehicleClass = vehicle?.vehicleClass ?? VehicleClass.UNSPECIFIED;
    const version = after.availabilityVersion;
    const changed = { driverId, availability, cityId, vehicleClass, version };
    events.push(newEvent(DriverAvailabilityChanged, changed, about));
  }
  return events;
}

/** A driver who has just applied. */
export function newDriver(
  of: { tenantId: string; driverId: string; cityId: string; displayName: string },
  now: Date,
): DriverRecord {
  return {
    ...of,
    onboardingStatus: OnboardingStatus.APPLIED,
    reviewComment: "",
    availability: Availability.OFFLINE,
    availabilityVersion: 0n,
    vehicleId: undefined,
    vehicles: [],
    documents: [],
    ratingSum: 0,
    ratingCount: 0,
    onTrip: false,
    createTime: now,
  };
}
