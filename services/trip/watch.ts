/** The live view of one trip. */
import type {
  WatchTripRequest,
  WatchTripResponse,
} from "../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import type { CallContext } from "../runtime/call-context.js";
import { invalidField, notFound } from "../runtime/status.js";
import type { TripDeps } from "./service.js";
import { listEvents, loadTrip, type RecordedEvent } from "./store.js";
import { isOver, type Trip } from "./trip.js";
import { TripState, Party } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { partyOf } from "./view.js";

/**
 * The trip as it is, then at each change, until it has ended. A reader that comes back with the last
 * event id that it has is told what it missed; a driver who gave the trip back sees no more of it.
 */
export async function* watchTrip(
  deps: TripDeps,
  request: WatchTripRequest,
  ctx: CallContext,
): AsyncGenerator<WatchTripResponse> {
  const { tenantId, subject } = ctx.caller;
  let seen = lastVersion(request.lastEventId);
  // Listening begins before the trip is read, so that no change falls between the two.
  const changes = deps.changes.subscribe(request.tripId, ctx.signal);
  const first = await loadTrip(deps.pool, tenantId, request.tripId);
  if (!first) throw notFound("trip");
  const party = partyOf(first, subject);

  /** `latest` is the event that led to this state: all there is to tell when nothing lies between. */
  const message = async (trip: Trip, latest?: RecordedEvent): Promise<WatchTripResponse> => {
    const recorded =
      latest?.version === seen + 1n
        ? [latest]
        : await listEvents(deps.pool, tenantId, trip.tripId, seen);
    const fresh = recorded.filter((event) => event.version <= trip.version);
    seen = trip.version;
    return {
      eventId: String(trip.version),
      trip: await deps.views.view(trip, party),
      changes: fresh.map((event) => ({
        version: event.version,
        event: event.type.slice(event.type.lastIndexOf(".") + 1),
        time: event.time,
      })),
    };
  };

  if (first.version > seen) yield await message(first);
  if (isSettled(first)) return;
  for await (const { trip, event } of changes) {
    if (trip.version <= seen) continue;
    if (party === Party.DRIVER && trip.driverId !== subject) return;
    yield await message(trip, event);
    if (isSettled(trip)) return;
  }
}

/** Over, and nothing to come but what a person does himself. */
function isSettled(trip: Trip): boolean {
  return isOver(trip.state) && trip.state !== TripState.PAYMENT_FAILED;
}

function lastVersion(eventId: string): bigint {
  if (!eventId) return 0n;
  if (!/^[0-9]{1,18}$/.test(eventId)) {
    throw invalidField("last_event_id", "is not one that this stream gave");
  }
  return BigInt(eventId);
}
