/** All SQL of searches and offers. */
import { OfferStatus, type Offer } from "../../gen/grpc/ridemesh/dispatch/v1/offer.js";
import { BeginMatchingResponse } from "../../gen/grpc/ridemesh/trip/v1/trip_internal_service.js";
import { statement, type Db, type Row } from "../runtime/postgres.js";

/** A search for a driver. */
export interface Search {
  tenantId: string;
  tripId: string;
  searchNumber: number;
  cityId: string;
  /** What is searched for; undefined before the trip service was asked. */
  request: BeginMatchingResponse | undefined;
  round: number;
  roundEndTime: Date | undefined;
  /** Whether no driver has been asked so far. */
  askedNobody: boolean;
  declinedDriverIds: string[];
  traceparent: string | undefined;
  /** Nobody has looked at it before, and there is no offer of it. */
  fresh: boolean;
}

interface SearchRow extends Row {
  tenant_id: string;
  trip_id: string;
  search_number: number;
  city_id: string;
  request: Buffer | null;
  round: number;
  round_end_time: Date | null;
  asked_nobody: boolean;
  declined_driver_ids: string[];
  traceparent: string | null;
  unclaimed: boolean;
}

/** A due search, or a row that says only when the next one is due. */
type ClaimRow = { [Column in keyof SearchRow]: SearchRow[Column] | null } & {
  next_due: Date | null;
};

const searchColumns = `tenant_id, trip_id, search_number, city_id, request, round, round_end_time,
  asked_nobody, declined_driver_ids, traceparent`;

const insertSearch = statement(
  "search_insert",
  `INSERT INTO searches (tenant_id, trip_id, search_number, open, city_id, next_time, traceparent)
   VALUES ($1, $2, $3, true, $4, $5, $6)
   ON CONFLICT (tenant_id, trip_id) DO UPDATE SET
     search_number = excluded.search_number, open = true, request = NULL, round = 0,
     round_end_time = NULL, asked_nobody = true, declined_driver_ids = '{}',
     next_time = excluded.next_time, wants_drivers = false, claim_until = NULL,
     traceparent = excluded.traceparent
   WHERE searches.search_number < excluded.search_number`,
);
const claim = statement<ClaimRow>(
  "searches_claim",
  `WITH due AS (
     SELECT tenant_id, trip_id, claim_until FROM searches
     WHERE open AND next_time <= $1 AND (claim_until IS NULL OR claim_until < $2)
     ORDER BY next_time LIMIT $4 FOR UPDATE SKIP LOCKED),
   claimed AS (
     UPDATE searches s SET claim_until = $3 FROM due
     WHERE s.tenant_id = due.tenant_id AND s.trip_id = due.trip_id
     RETURNING ${searchColumns.replaceAll(/(\w+)/g, "s.$1")}, due.claim_until IS NULL AS unclaimed)
   SELECT claimed.*, next.due AS next_due
   FROM (SELECT min(next_time) AS due FROM searches
         WHERE open AND next_time > $1 AND (claim_until IS NULL OR claim_until < $2)) next
     LEFT JOIN claimed ON true`,
);
const renew = statement(
  "searches_renew",
  `UPDATE searches s SET claim_until = $1
   FROM unnest($2::text[], $3::uuid[], $4::int[]) AS mine (tenant_id, trip_id, search_number)
   WHERE s.tenant_id = mine.tenant_id AND s.trip_id = mine.trip_id
     AND s.search_number = mine.search_number AND s.claim_until IS NOT NULL`,
);
const update = statement(
  "search_update",
  `UPDATE searches SET request = $4, round = $5, round_end_time = $6, asked_nobody = $7,
     next_time = LEAST($8, CASE WHEN next_time >= $10 THEN next_time END), wants_drivers = $9,
     claim_until = NULL
   WHERE tenant_id = $1 AND trip_id = $2 AND search_number = $3 AND open`,
);
const close = statement(
  "search_close",
  `UPDATE searches SET open = false, wants_drivers = false, claim_until = NULL
   WHERE tenant_id = $1 AND trip_id = $2 AND search_number <= $3`,
);
const nudge = statement(
  "searches_nudge",
  // A search that is being worked on may have looked already: it looks once more.
  `UPDATE searches SET next_time = $3
   WHERE tenant_id = $1 AND city_id = $2 AND open
     AND ((wants_drivers AND next_time > $3) OR claim_until IS NOT NULL)`,
);
const nudgeOne = statement(
  "search_nudge",
  `UPDATE searches SET next_time = $3, declined_driver_ids = declined_driver_ids || $4::uuid
   WHERE tenant_id = $1 AND trip_id = $2 AND open`,
);

/** Opens a search, in place of an earlier one of the trip. */
export async function openSearch(
  db: Db,
  search: {
    tenantId: string;
    tripId: string;
    searchNumber: number;
    cityId: string;
    now: Date;
    traceparent: string | undefined;
  },
): Promise<void> {
  const { tenantId, tripId, searchNumber, cityId, now, traceparent } = search;
  await insertSearch(db, [tenantId, tripId, searchNumber, cityId, now, traceparent ?? null]);
}

/**
 * Takes up to `limit` searches that are due, for this process alone until `claimUntil`, and says when,
 * by the domain clock, the first of those is due that are not due yet.
 */
export async function claimSearches(
  db: Db,
  domainNow: Date,
  wallNow: Date,
  claimUntil: Date,
  limit: number,
): Promise<{ searches: Search[]; nextDue: Date | undefined }> {
  const rows = await claim(db, [domainNow, wallNow, claimUntil, limit]);
  const isSearch = (row: ClaimRow): row is ClaimRow & SearchRow => row.trip_id !== null;
  const searches = rows.filter(isSearch).map((row) => ({
    tenantId: row.tenant_id,
    tripId: row.trip_id,
    searchNumber: row.search_number,
    cityId: row.city_id,
    request: row.request ? BeginMatchingResponse.decode(row.request) : undefined,
    round: row.round,
    roundEndTime: row.round_end_time ?? undefined,
    askedNobody: row.asked_nobody,
    declinedDriverIds: row.declined_driver_ids,
    traceparent: row.traceparent ?? undefined,
    fresh: row.unclaimed && row.request === null,
  }));
  return { searches, nextDue: rows[0]?.next_due ?? undefined };
}

/** Keeps searches that were claimed for longer. */
export async function renewClaims(db: Db, searches: Search[], claimUntil: Date): Promise<void> {
  await renew(db, [
    claimUntil,
    searches.map((search) => search.tenantId),
    searches.map((search) => search.tripId),
    searches.map((search) => search.searchNumber),
  ]);
}

/** Writes where a search stands and gives up the claim on it. */
export async function saveSearch(
  db: Db,
  search: Search,
  next: { time: Date; wantsDrivers: boolean; claimedAt: Date },
): Promise<void> {
  await update(db, [
    search.tenantId,
    search.tripId,
    search.searchNumber,
    requestBytes(search),
    search.round,
    search.roundEndTime ?? null,
    search.askedNobody,
    next.time,
    next.wantsDrivers,
    next.claimedAt,
  ]);
}

function requestBytes({ request }: Search): Buffer | null {
  return request ? Buffer.from(BeginMatchingResponse.encode(request).finish()) : null;
}

/** Ends a trip's searches up to this one. */
export async function closeSearch(
  db: Db,
  tenantId: string,
  tripId: string,
  searchNumber: number,
): Promise<void> {
  await close(db, [tenantId, tripId, searchNumber]);
}

/** Makes the searches of a city due that could ask another driver. */
export async function nudgeSearches(
  db: Db,
  tenantId: string,
  cityId: string,
  now: Date,
): Promise<void> {
  await nudge(db, [tenantId, cityId, now]);
}

/** Makes a trip's search due, and keeps the driver who declined out of it. */
export async function noteDecline(
  db: Db,
  tenantId: string,
  tripId: string,
  driverId: string,
  now: Date,
): Promise<void> {
  await nudgeOne(db, [tenantId, tripId, now, driverId]);
}

/** An offer with what its driver sees of the trip. */
export interface OfferRecord {
  tenantId: string;
  driverId: string;
  searchNumber: number;
  offer: Offer;
}

interface OfferRow extends Row {
  tenant_id: string;
  offer_id: string;
  trip_id: string;
  search_number: number;
  driver_id: string;
  status: OfferStatus;
  pickup_distance_meters: number;
  pickup_duration_seconds: number;
  create_time: Date;
  expire_time: Date;
  request: Buffer | null;
}

const offerColumns = `o.tenant_id, o.offer_id, o.trip_id, o.search_number, o.driver_id, o.status,
  o.pickup_distance_meters, o.pickup_duration_seconds, o.create_time, o.expire_time, s.request`;
const withSearch = "searches s ON s.tenant_id = o.tenant_id AND s.trip_id = o.trip_id";

/** A driver to be asked. */
export interface NewOffer {
  offerId: string;
  driverId: string;
  pickupDistanceMeters: number;
  pickupDurationSeconds: number;
}

// The search stays open until the offers are there: whoever closes it then ends them.
const insertOffers = statement<Row & { offer_id: string }>(
  "offers_insert",
  `WITH search AS (
     SELECT 1 FROM searches
     WHERE tenant_id = $1 AND trip_id = $2 AND search_number = $3 AND open FOR SHARE
   )
   INSERT INTO offers (tenant_id, trip_id, search_number, create_time, expire_time, status,
     offer_id, driver_id, pickup_distance_meters, pickup_duration_seconds)
   SELECT $1, $2, $3, $4, $5, 0, n.*
   FROM search, unnest($6::uuid[], $7::uuid[], $8::float8[], $9::float8[]) AS n
   ON CONFLICT (tenant_id, driver_id) WHERE status <= 1 DO NOTHING
   RETURNING offer_id`,
);
const holders = statement<Row & { driver_id: string }>(
  "offers_holders",
  "SELECT driver_id FROM offers WHERE tenant_id = $1 AND driver_id = ANY ($2::uuid[]) AND status <= 1",
);
// With what the drivers see of the trip: offers are shown from here on.
const showOffers = statement<Row & { offer_id: string }>(
  "offers_show",
  `WITH seen AS (
     UPDATE searches SET request = $4 WHERE tenant_id = $1 AND trip_id = $2 AND search_number = $3
   )
   UPDATE offers SET status = 1 WHERE tenant_id = $1 AND offer_id = ANY ($5::uuid[]) AND status = 0
   RETURNING offer_id`,
);
const ofDriver = statement<OfferRow>(
  "offers_of_driver",
  `SELECT ${offerColumns} FROM offers o JOIN ${withSearch}
   WHERE o.tenant_id = $1 AND o.driver_id = $2 AND o.status = 1`,
);
const oneOffer = statement<OfferRow>(
  "offer_select",
  `SELECT ${offerColumns} FROM offers o JOIN ${withSearch} WHERE o.tenant_id = $1 AND o.offer_id = $2`,
);
// Offers that are still being made end without a word: nobody knows of them.
const endOffers = statement<OfferRow>(
  "offers_end",
  `WITH unmade AS (
     UPDATE offers SET status = 5
     WHERE tenant_id = $1 AND trip_id = $2 AND status = 0 AND search_number <= $5
   )
   UPDATE offers o SET status = CASE WHEN o.driver_id = $4::uuid THEN 2 ELSE $3 END
   FROM searches s
   WHERE o.tenant_id = $1 AND o.trip_id = $2 AND o.status = 1
     AND o.search_number <= $5 AND s.tenant_id = o.tenant_id AND s.trip_id = o.trip_id
   RETURNING ${offerColumns}`,
);
// Who looks at a trip makes its offers: those that are unmade were left by a process that was killed.
const reviewOffers = statement<OfferRow>(
  "offers_review",
  `WITH unmade AS (
     UPDATE offers SET status = 5 WHERE tenant_id = $1 AND trip_id = $2 AND status = 0
   ),
   expired AS (
     UPDATE offers o SET status = 4 FROM searches s
     WHERE o.tenant_id = $1 AND o.trip_id = $2 AND o.status = 1 AND o.expire_time <= $3
       AND s.tenant_id = o.tenant_id AND s.trip_id = o.trip_id
     RETURNING ${offerColumns}
   )
   SELECT * FROM expired
   UNION ALL
   SELECT ${offerColumns} FROM offers o JOIN ${withSearch}
   WHERE o.tenant_id = $1 AND o.trip_id = $2 AND o.status = 1 AND o.expire_time > $3`,
);
const withdrawOffers = statement(
  "offers_withdraw",
  "UPDATE offers SET status = 5 WHERE tenant_id = $1 AND offer_id = ANY ($2::uuid[]) AND status <= 1",
);
const declineOffer = statement(
  "offer_decline",
  "UPDATE offers SET status = 3 WHERE tenant_id = $1 AND offer_id = $2 AND status = 1 RETURNING 1",
);

/** Of these drivers, who holds a live offer. */
export async function findHolders(
  db: Db,
  tenantId: string,
  driverIds: string[],
): Promise<Set<string>> {
  const rows = await holders(db, [tenantId, driverIds]);
  return new Set(rows.map((row) => row.driver_id));
}

/**
 * Begins to make offers, which nobody sees yet; a driver who holds one by now is left out. Returns those
 * that were begun.
 */
export async function addOffers(
  db: Db,
  search: Search,
  wanted: NewOffer[],
  createTime: Date,
  expireTime: Date,
): Promise<NewOffer[]> {
  const rows = await insertOffers(db, [
    search.tenantId,
    search.tripId,
    search.searchNumber,
    createTime,
    expireTime,
    wanted.map((o) => o.offerId),
    wanted.map((o) => o.driverId),
    wanted.map((o) => o.pickupDistanceMeters),
    wanted.map((o) => o.pickupDurationSeconds),
  ]);
  const made = new Set(rows.map((row) => row.offer_id));
  return wanted.filter((o) => made.has(o.offerId));
}

/** Shows offers to their drivers, but for those that ended meanwhile. Returns those that are live. */
export async function makeLive(db: Db, search: Search, begun: NewOffer[]): Promise<NewOffer[]> {
  const rows = await showOffers(db, [
    search.tenantId,
    search.tripId,
    search.searchNumber,
    requestBytes(search),
    begun.map((o) => o.offerId),
  ]);
  const live = new Set(rows.map((row) => row.offer_id));
  return begun.filter((o) => live.has(o.offerId));
}

/** The live offers of a driver. */
export async function liveOffersOfDriver(
  db: Db,
  tenantId: string,
  driverId: string,
): Promise<OfferRecord[]> {
  return (await ofDriver(db, [tenantId, driverId])).map(toRecord);
}

/** One offer; undefined when there is none. */
export async function findOffer(
  db: Db,
  tenantId: string,
  offerId: string,
): Promise<OfferRecord | undefined> {
  const [row] = await oneOffer(db, [tenantId, offerId]);
  return row && toRecord(row);
}

/** Ends a trip's live offers: accepted for the driver who took it, `status` for the others. */
export async function endTripOffers(
  db: Db,
  tenantId: string,
  tripId: string,
  status: OfferStatus,
  acceptedBy: string | undefined,
  searchNumber: number,
): Promise<OfferRecord[]> {
  const rows = await endOffers(db, [tenantId, tripId, status, acceptedBy ?? null, searchNumber]);
  return rows.map(toRecord);
}

/**
 * Ends the offers of a trip whose time is over, and those that were never made live. Returns what it
 * ended but for the latter, and what stands.
 */
export async function reviewTripOffers(
  db: Db,
  tenantId: string,
  tripId: string,
  now: Date,
): Promise<{ over: OfferRecord[]; standing: OfferRecord[] }> {
  const records = (await reviewOffers(db, [tenantId, tripId, now])).map(toRecord);
  const isLive = ({ offer }: OfferRecord) => offer.status === OfferStatus.LIVE;
  return {
    over: records.filter((record) => !isLive(record)),
    standing: records.filter(isLive),
  };
}

/** Takes offers back that the trip did not take. */
export async function withdraw(db: Db, tenantId: string, offerIds: string[]): Promise<void> {
  await withdrawOffers(db, [tenantId, offerIds]);
}

/** Declines an offer if it is live. Returns whether it was. */
export async function decline(db: Db, tenantId: string, offerId: string): Promise<boolean> {
  return (await declineOffer(db, [tenantId, offerId])).length > 0;
}

function toRecord(row: OfferRow): OfferRecord {
  const request = row.request ? BeginMatchingResponse.decode(row.request) : undefined;
  return {
    tenantId: row.tenant_id,
    driverId: row.driver_id,
    searchNumber: row.search_number,
    offer: {
      offerId: row.offer_id,
      tripId: row.trip_id,
      status: row.status,
      pickup: request?.pickup,
      vehicleClass: request?.vehicleClass ?? 0,
      riderFirstName: request?.rider?.firstName ?? "",
      riderRatingAverage: request?.rider?.ratingAverage ?? 0,
      pickupDistanceMeters: row.pickup_distance_meters,
      pickupDurationSeconds: row.pickup_duration_seconds,
      expireTime: row.expire_time,
      createTime: row.create_time,
    },
  };
}
