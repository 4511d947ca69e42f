/** Trip events become messages to their rider and driver. */
import * as trips from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import { on, type EventHandler, type EventMeta } from "../runtime/consumer.js";
import type { MessageType } from "../runtime/outbox.js";
import { announce, type NotificationDeps } from "./service.js";
import * as templates from "./templates.js";
import type { Draft } from "./templates.js";

/** The handlers. An event that comes twice is told once: the rows say so, no inbox is needed. */
export function notificationConsumer(deps: NotificationDeps): EventHandler[] {
  const { pool, domain, store } = deps;

  const write = async (tripId: string, drafts: Draft[], meta: EventMeta): Promise<void> => {
    if (drafts.length === 0) return;
    const { tenantId, id: eventId } = meta;
    await store.write(pool, { tenantId, tripId, eventId }, drafts, domain.now());
    for (const { userId } of drafts) announce(deps, { tenantId, userId });
  };
  const tell = <T extends { tripId: string }>(
    type: MessageType<T>,
    template: (event: T) => Draft[],
  ): EventHandler => on(type, (event, meta) => write(event.tripId, template(event), meta));

  return [
    tell(trips.TripAccepted, templates.tripAccepted),
    tell(trips.DriverArriving, templates.driverArriving),
    tell(trips.DriverArrived, templates.driverArrived),
    tell(trips.TripDriverCancelled, templates.tripDriverCancelled),
    tell(trips.TripStarted, templates.tripStarted),
    tell(trips.TripCompleted, templates.tripCompleted),
    tell(trips.TripCancelled, templates.tripCancelled),
    tell(trips.TripExpired, templates.tripExpired),
    tell(trips.PaymentProcessed, templates.paymentProcessed),
    tell(trips.PaymentFailed, templates.paymentFailed),
  ];
}
