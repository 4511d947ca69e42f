/** Events that begin, end and hasten searches. */
import { OfferStatus } from "../../gen/grpc/ridemesh/dispatch/v1/offer.js";
import { Availability } from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import { DriverAvailabilityChanged } from "../../gen/grpc/ridemesh/driver/v1/driver_events.js";
import {
  TripAccepted,
  TripCancelled,
  TripCompleted,
  TripDriverCancelled,
  TripExpired,
  TripRequested,
} from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import { on, type EventHandler, type EventMeta } from "../runtime/consumer.js";
import { announce, type EngineDeps } from "./engine.js";
import {
  closeSearch,
  endTripOffers,
  nudgeSearches,
  openSearch,
  type OfferRecord,
} from "./store.js";

export type ConsumerDeps = Pick<EngineDeps, "pool" | "domain" | "offers"> & {
  wakeEngine: () => void;
};

/** A search that no later one follows. */
const anySearch = 2_147_483_647;

/** The handlers. Each event done twice changes nothing more, so that no inbox is needed. */
export function dispatchConsumer(deps: ConsumerDeps): EventHandler[] {
  const { pool, domain } = deps;

  const begin = (meta: EventMeta, tripId: string, searchNumber: number, cityId: string) =>
    openSearch(pool, {
      tenantId: meta.tenantId,
      tripId,
      searchNumber,
      cityId,
      now: domain.now(),
      traceparent: meta.traceparent,
    });

  /** Ends a trip's searches and offers, and gives the offers that it ended. */
  const end = async (
    meta: EventMeta,
    tripId: string,
    searchNumber: number,
    acceptedBy?: string,
  ): Promise<OfferRecord[]> => {
    const { tenantId } = meta;
    await closeSearch(pool, tenantId, tripId, searchNumber);
    const gone = OfferStatus.WITHDRAWN;
    const ended = await endTripOffers(pool, tenantId, tripId, gone, acceptedBy, searchNumber);
    announce(deps, ended);
    return ended;
  };

  /** A driver has become free: searches of his city may ask him. */
  const hasten = async (tenantId: string, cityId: string): Promise<void> => {
    await nudgeSearches(pool, tenantId, cityId, domain.now());
    deps.wakeEngine();
  };

  return [
    on(TripRequested, async (event, meta) => {
      await begin(meta, event.tripId, 1, event.cityId);
      deps.wakeEngine();
    }),
    on(TripDriverCancelled, async (event, meta) => {
      await end(meta, event.tripId, event.searchNumber - 1);
      await begin(meta, event.tripId, event.searchNumber, event.cityId);
      await hasten(meta.tenantId, event.cityId);
    }),
    on(TripAccepted, async (event, meta) => {
      const ended = await end(meta, event.tripId, event.searchNumber, event.driverId);
      const free = ended.some((record) => record.driverId !== event.driverId);
      if (free) await hasten(meta.tenantId, event.cityId);
    }),
    on(TripExpired, async (event, meta) => {
      await end(meta, event.tripId, anySearch);
    }),
    on(TripCancelled, async (event, meta) => {
      await end(meta, event.tripId, anySearch);
      await hasten(meta.tenantId, event.cityId);
    }),
    on(TripCompleted, (event, meta) => hasten(meta.tenantId, event.cityId)),
    on(DriverAvailabilityChanged, async (event, meta) => {
      if (event.availability === Availability.ONLINE) await hasten(meta.tenantId, event.cityId);
    }),
  ];
}
