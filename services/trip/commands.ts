/** Carries commands out: load, decide, write if nobody was faster, else again. */
import { setImmediate } from "node:timers/promises";
import type { DomainClock, WallClock } from "../runtime/clock.js";
import type { Fanout } from "../runtime/fanout.js";
import type { Answer } from "../runtime/idempotency.js";
import { newEvent, type OutboxEvent } from "../runtime/outbox.js";
import { isUniqueViolation, type Pool } from "../runtime/postgres.js";
import {
  Code,
  StatusError,
  failedPrecondition,
  invalidField,
  notFound,
} from "../runtime/status.js";
import { insertTrip, loadTrip, updateTrip, type RecordedEvent } from "./store.js";
import {
  decide,
  needsSettlement,
  type Command,
  type Decision,
  type Rejection,
  type Trip,
} from "./trip.js";

/** A trip's new state, and what brought it about. */
export interface TripUpdate {
  trip: Trip;
  event: RecordedEvent;
}

export interface CommandDeps {
  pool: Pool;
  domain: DomainClock;
  wall: WallClock;
  /** Tells streams of a trip's new state; the channel is its id. */
  changes: Fanout<TripUpdate>;
  wakeRelay: () => void;
  wakeSettlement: () => void;
}

/** What a command takes over from the call that gives it. */
export interface CommandOrigin {
  traceparent?: string | undefined;
  /** The trip as the call has read it already: the first try decides on it. */
  known?: Trip | undefined;
  /** The answer to be stored with the change, made from the trip as it will be. */
  answer?: (trip: Trip) => Promise<Answer | undefined> | Answer | undefined;
}

/** A command loses to at most this many others before it gives up. */
const maxAttempts = 50;

/** Carries a command out on a trip; rejections are thrown. Returns the trip afterwards. */
export async function execute(
  deps: CommandDeps,
  tenantId: string,
  tripId: string,
  command: Command,
  origin: CommandOrigin = {},
): Promise<Trip> {
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    const known = attempt === 1 ? origin.known : undefined;
    const trip = known ?? (await loadTrip(deps.pool, tenantId, tripId));
    if (!trip) throw notFound("trip");
    const decision = decide(trip, command, deps.domain.now());
    if (decision.refused) throw rejected(decision);
    if (!decision.event) return decision.trip;
    if (await write(deps, trip, decision, origin)) return decision.trip;
    await setImmediate();
  }
  throw new StatusError(Code.ABORTED, {
    reason: "OVERLOADED",
    domain: "ridemesh",
    message: "too many changes of the trip at once",
    retryAfterMs: 100,
  });
}

/** Writes a trip that has just begun. Throws a unique violation as the store does. */
export async function begin(
  deps: CommandDeps,
  decision: Decision,
  origin: CommandOrigin,
): Promise<void> {
  const answer = await origin.answer?.(decision.trip);
  const event = eventOf(decision, deps.domain.now(), origin)!;
  await insertTrip(deps.pool, { trip: decision.trip, event, answer, settleAt: undefined });
  announce(deps, decision.trip, event, false);
}

async function write(
  deps: CommandDeps,
  before: Trip,
  decision: Decision,
  origin: CommandOrigin,
): Promise<boolean> {
  const { trip } = decision;
  const settle = needsSettlement(before, trip);
  const change = {
    trip,
    event: eventOf(decision, deps.domain.now(), origin)!,
    answer: await origin.answer?.(trip),
    settleAt: settle ? deps.wall.now() : undefined,
  };
  try {
    if (!(await updateTrip(deps.pool, change))) return false;
  } catch (error) {
    if (isUniqueViolation(error, "trips_active_driver")) {
      throw failedPrecondition("DRIVER_BUSY", "the driver is on another trip");
    }
    throw error;
  }
  announce(deps, trip, change.event, settle);
  return true;
}

function announce(deps: CommandDeps, trip: Trip, event: OutboxEvent, settle: boolean): void {
  deps.wakeRelay();
  if (settle) deps.wakeSettlement();
  const { type, time } = event;
  deps.changes.publish(
    trip.tripId,
    { trip, event: { version: trip.version, type, time } },
    "latest",
  );
}

function eventOf(decision: Decision, now: Date, origin: CommandOrigin): OutboxEvent | undefined {
  const { trip, event } = decision;
  return (
    event &&
    newEvent(event.type, event.message, {
      key: trip.tripId,
      tenantId: trip.tenantId,
      time: now,
      traceparent: origin.traceparent,
    })
  );
}

/** The error that a rejection leaves the service as. */
export function rejected(rejection: Rejection): StatusError {
  const { reason, message, metadata } = rejection;
  if (reason === "WRONG_PIN") return invalidField("pin", message, reason);
  return failedPrecondition(reason, message, metadata);
}
