/**
 * Works on the searches that are due: finds drivers, writes offers into the trip, tells the drivers,
 * and ends what has run out. Everything it waits for is a row, so it goes on after a kill.
 */
import type { EtaInternalServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_internal_service.js";
import { OfferStatus } from "../../gen/grpc/ridemesh/dispatch/v1/offer.js";
import type { LocationInternalServiceService } from "../../gen/grpc/ridemesh/location/v1/location_internal_service.js";
import type { TripInternalServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_internal_service.js";
import type { Client } from "../runtime/client.js";
import { addSeconds, type DomainClock, type WallClock } from "../runtime/clock.js";
import type { Fanout } from "../runtime/fanout.js";
import { uuidv4 } from "../runtime/ids.js";
import { startLoop, type Loop } from "../runtime/lifecycle.js";
import type { Logger } from "../runtime/log.js";
import type { Pool } from "../runtime/postgres.js";
import { Code, StatusError } from "../runtime/status.js";
import type { Cities } from "../runtime/watch.js";
import { nextLook, planSearch } from "./search.js";
import {
  addOffers,
  claimSearches,
  closeSearch,
  endTripOffers,
  findHolders,
  makeLive,
  renewClaims,
  reviewTripOffers,
  saveSearch,
  withdraw,
  type NewOffer,
  type OfferRecord,
  type Search,
} from "./store.js";

export interface EngineDeps {
  pool: Pool;
  domain: DomainClock;
  wall: WallClock;
  log: Logger;
  cities: Cities;
  trips: Pick<Client<TripInternalServiceService>, "beginMatching" | "offerTrip" | "expireTrip">;
  locations: Pick<Client<LocationInternalServiceService>, "findCandidates">;
  eta: Pick<Client<EtaInternalServiceService>, "estimateLegs">;
  /** Tells drivers of their offers; the channel is `offerChannel`. */
  offers: Fanout<OfferRecord>;
}

/** The channel of a driver's offers. */
export function offerChannel(tenantId: string, driverId: string): string {
  return `${tenantId}/${driverId}`;
}

/** So many searches are worked on at a time. */
const width = 32;
/** A claim that is not renewed runs out after this long; then another process takes the search over. */
const claimMs = 1200;
const renewMs = claimMs / 3;
/** Without news, a search that wants drivers looks for them again after this long (wall time). */
const recheckMs = 1000;
const idleMs = 500;
/** Choosing again at once when other searches were quicker; after so many times, at the next look. */
const triesALook = 3;
/** So many times as many candidates are looked at as offers can be made: some hold others. */
const candidateFactor = 4;
/** Speed by which drivers are ranked when no estimate is to be had, in meters per second. */
const fallbackSpeedMps = 6;

/** Works on searches as they fall due, and when woken. */
export function startEngine(deps: EngineDeps): Loop {
  const { pool, domain, wall, log } = deps;
  const underWay = new Map<Search, Promise<void>>();
  const claimUntil = () => new Date(wall.now().getTime() + claimMs);
  const loop = startLoop({
    name: "dispatch",
    wall,
    log,
    work: async () => {
      const claimedAt = domain.now();
      const free = width - underWay.size;
      if (free === 0) return idleMs;
      const claimed = await claimSearches(pool, claimedAt, wall.now(), claimUntil(), free);
      // Nobody waits for the slowest: a search that falls due meanwhile is taken at once.
      for (const search of claimed.searches) {
        const work = workOn(deps, search, claimedAt)
          .catch((error: unknown) => {
            // The claim runs out by itself, and the search is taken again.
            log.error({ trip_id: search.tripId, err: error }, "search left to its claim");
          })
          .finally(() => {
            underWay.delete(search);
            loop.wake();
          });
        underWay.set(search, work);
      }
      if (!claimed.nextDue || underWay.size === width) return idleMs;
      return Math.min(idleMs, domain.wallMsUntil(claimed.nextDue));
    },
  });
  // Claims are short, so that the searches of a process that is killed do not wait; who is at work
  // renews his.
  const renewal = startLoop({
    name: "dispatch-claims",
    wall,
    log,
    work: async () => {
      if (underWay.size > 0) await renewClaims(pool, [...underWay.keys()], claimUntil());
      return renewMs;
    },
  });
  return {
    wake: loop.wake,
    stop: async () => {
      await loop.stop();
      await Promise.all(underWay.values());
      await renewal.stop();
    },
  };
}

/** One look at one search. A failure leaves it for another look a little later. */
async function workOn(deps: EngineDeps, search: Search, claimedAt: Date): Promise<void> {
  try {
    await look(deps, search, claimedAt);
  } catch (error) {
    if (isRefusal(error)) {
      // The trip has a driver, was cancelled, or searches anew: this search is over.
      await endSearch(deps, search);
      return;
    }
    deps.log.warn({ trip_id: search.tripId, err: error }, "search failed, will look again");
    const time = addSeconds(deps.domain.now(), 0.5 * deps.domain.rate);
    await saveSearch(deps.pool, search, { time, wantsDrivers: true, claimedAt });
  }
}

async function look(deps: EngineDeps, search: Search, claimedAt: Date): Promise<void> {
  const { pool, domain } = deps;
  const { tenantId, tripId, searchNumber } = search;
  search.request ??= await deps.trips.beginMatching({ tenantId, tripId, searchNumber }, search);
  const city = deps.cities.get(tenantId, search.cityId);
  if (!city) throw new Error(`city ${search.cityId} is not known`);

  const now = domain.now();
  const { over, standing } = search.fresh
    ? { over: [], standing: [] }
    : await reviewTripOffers(pool, tenantId, tripId, now);
  announce(deps, over);
  // Also when the process that asked them was killed before it could note it.
  if (over.length + standing.length > 0) search.askedNobody = false;
  const liveOffers = standing.map((record) => record.offer.expireTime!);
  const plan = planSearch({ ...search, liveOffers }, city.dispatch!, now);
  if (plan.kind === "finish") {
    const reason = search.askedNobody ? "no_drivers_nearby" : "no_driver_accepted";
    await deps.trips.expireTrip({ tenantId, tripId, searchNumber, reason }, search);
    await endSearch(deps, search);
    return;
  }
  search.round = plan.round;
  search.roundEndTime = plan.roundEndTime;
  let wantsDrivers = false;
  if (plan.vacancies > 0) {
    const asked = new Set(standing.map((record) => record.driverId));
    let vacancies = plan.vacancies;
    for (let tries = 0; tries < triesALook && vacancies > 0; tries += 1) {
      const chosen = await chooseDrivers(deps, search, plan.radiusMeters, vacancies, asked);
      if (chosen.length === 0) break;
      const expireTime = addSeconds(domain.now(), city.dispatch!.offerSeconds);
      const made = await offer(deps, search, chosen, expireTime);
      if (made > 0) search.askedNobody = false;
      for (let i = 0; i < made; i += 1) liveOffers.push(expireTime);
      vacancies -= made;
      // Whom another search took meanwhile, the next nearest may stand in for.
      if (made === chosen.length) break;
    }
    wantsDrivers = vacancies > 0;
  }
  const recheckSeconds = (recheckMs / 1000) * domain.rate;
  const time = nextLook(plan.roundEndTime, liveOffers, recheckSeconds, wantsDrivers, domain.now());
  await saveSearch(pool, search, { time, wantsDrivers, claimedAt });
}

/** The nearest available drivers who hold no offer and did not say no, quickest to the pickup first. */
async function chooseDrivers(
  deps: EngineDeps,
  search: Search,
  radiusMeters: number,
  vacancies: number,
  asked: Set<string>,
): Promise<NewOffer[]> {
  const { tenantId, cityId, request } = search;
  const { drivers } = await deps.locations.findCandidates(
    {
      tenantId,
      cityId,
      point: request!.pickup!.point,
      radiusMeters,
      limit: vacancies * candidateFactor + asked.size,
      vehicleClass: request!.vehicleClass,
    },
    search,
  );
  const refused = new Set([...request!.excludedDriverIds, ...search.declinedDriverIds, ...asked]);
  const open = drivers.filter((driver) => !refused.has(driver.driverId));
  if (open.length === 0) return [];
  const holders = await findHolders(
    deps.pool,
    tenantId,
    open.map((driver) => driver.driverId),
  );
  const nearest = open.filter((driver) => !holders.has(driver.driverId)).slice(0, vacancies);
  if (nearest.length === 0) return [];
  const estimates = await deps.eta
    .estimateLegs(
      {
        tenantId,
        cityId,
        legs: nearest.map((d) => ({ origin: d.point, destination: request!.pickup!.point })),
        departTime: deps.domain.now(),
      },
      search,
    )
    .then((answer) => answer.estimates)
    .catch((error: unknown) => {
      deps.log.warn({ err: error }, "no travel times, drivers are ranked by distance");
      return nearest.map((d) => ({
        distanceMeters: d.distanceMeters,
        durationSeconds: d.distanceMeters / fallbackSpeedMps,
      }));
    });
  return nearest
    .map((driver, i) => ({
      offerId: uuidv4(),
      driverId: driver.driverId,
      pickupDistanceMeters: estimates[i]!.distanceMeters,
      pickupDurationSeconds: estimates[i]!.durationSeconds,
    }))
    .sort((a, b) => a.pickupDurationSeconds - b.pickupDurationSeconds);
}

/**
 * Makes offers: first here, where the index keeps a driver to one, then in the trip, which decides who
 * may accept, and only then the drivers are told. Returns how many were made.
 */
async function offer(
  deps: EngineDeps,
  search: Search,
  chosen: NewOffer[],
  expireTime: Date,
): Promise<number> {
  const { pool } = deps;
  const { tenantId, tripId, searchNumber } = search;
  const now = deps.domain.now();
  const begun = await addOffers(pool, search, chosen, now, expireTime);
  if (begun.length === 0) return 0;
  try {
    const offers = begun.map(({ offerId, driverId }) => ({ offerId, driverId, expireTime }));
    await deps.trips.offerTrip({ tenantId, tripId, searchNumber, offers }, search);
  } catch (error) {
    await withdraw(
      pool,
      tenantId,
      begun.map((o) => o.offerId),
    );
    throw error;
  }
  const made = await makeLive(pool, search, begun);
  const request = search.request!;
  const records = made.map((one) => ({
    tenantId,
    driverId: one.driverId,
    searchNumber,
    offer: {
      ...one,
      tripId,
      status: OfferStatus.LIVE,
      pickup: request.pickup,
      vehicleClass: request.vehicleClass,
      riderFirstName: request.rider?.firstName ?? "",
      riderRatingAverage: request.rider?.ratingAverage ?? 0,
      expireTime,
      createTime: now,
    },
  }));
  announce(deps, records);
  return made.length;
}

/** The search is over: whoever still holds an offer is told that it is gone. */
async function endSearch(deps: EngineDeps, search: Search): Promise<void> {
  const { tenantId, tripId, searchNumber } = search;
  await closeSearch(deps.pool, tenantId, tripId, searchNumber);
  const gone = OfferStatus.WITHDRAWN;
  announce(deps, await endTripOffers(deps.pool, tenantId, tripId, gone, undefined, searchNumber));
}

/** Tells drivers of what became of their offers. */
export function announce(deps: Pick<EngineDeps, "offers">, records: OfferRecord[]): void {
  for (const record of records) {
    deps.offers.publish(
      offerChannel(record.tenantId, record.driverId),
      record,
      record.offer.offerId,
    );
  }
}

/** Whether the trip itself says that this search has nothing more to do. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof StatusError &&
    (error.code === Code.FAILED_PRECONDITION || error.code === Code.NOT_FOUND)
  );
}
