/** The rows of riders' profiles and ratings. */
import { RiderProfile } from "../../gen/grpc/ridemesh/rider/v1/rider.js";
import { statement, type Db, type Row } from "../runtime/postgres.js";
import type { Secrets } from "../runtime/secrets.js";

/** What is known of a rider. */
export interface RiderRecord {
  riderId: string;
  /** Undefined when it has not been made yet. Its id and ratings are filled in. */
  profile: RiderProfile | undefined;
  /** Mean of the ratings; 0 when there are none. */
  ratingAverage: number;
}

interface RiderRow extends Row {
  rider_id: string;
  profile: Buffer | null;
  rating_sum: number | null;
  rating_count: number | null;
}

const select = statement<RiderRow>(
  "riders_select",
  `SELECT ids.rider_id, p.profile, r.rating_sum, r.rating_count
   FROM (SELECT DISTINCT unnest($2::uuid[]) AS rider_id) ids
   LEFT JOIN profiles p ON p.tenant_id = $1 AND p.rider_id = ids.rider_id
   LEFT JOIN rider_ratings r ON r.tenant_id = $1 AND r.rider_id = ids.rider_id`,
);
const insert = statement(
  "profile_insert",
  `INSERT INTO profiles (tenant_id, rider_id, profile, create_time, update_time)
   VALUES ($1, $2, $3, $4, $4) ON CONFLICT DO NOTHING`,
);
const lockRow = statement(
  "profile_lock",
  "SELECT 1 FROM profiles WHERE tenant_id = $1 AND rider_id = $2 FOR UPDATE",
);
const update = statement(
  "profile_update",
  "UPDATE profiles SET profile = $3, update_time = $4 WHERE tenant_id = $1 AND rider_id = $2",
);
const rate = statement(
  "rider_rate",
  `INSERT INTO rider_ratings (tenant_id, rider_id, rating_sum, rating_count) VALUES ($1, $2, $3, 1)
   ON CONFLICT (tenant_id, rider_id) DO UPDATE
   SET rating_sum = rider_ratings.rating_sum + $3, rating_count = rider_ratings.rating_count + 1`,
);

/** All SQL of riders. */
export interface RiderStore {
  /** What is known of each of these riders: one record for each id, in no order. */
  load(db: Db, tenantId: string, riderIds: string[]): Promise<RiderRecord[]>;
  /** One rider's profile, its row locked until the transaction ends. */
  lock(tx: Db, tenantId: string, riderId: string): Promise<RiderProfile | undefined>;
  /** Adds a profile where there is none. */
  insert(
    db: Db,
    tenantId: string,
    riderId: string,
    profile: RiderProfile,
    now: Date,
  ): Promise<void>;
  /** Replaces a profile that there is. */
  update(
    tx: Db,
    tenantId: string,
    riderId: string,
    profile: RiderProfile,
    now: Date,
  ): Promise<void>;
  /** Adds a rating of 1 to 5 stars. */
  addRating(tx: Db, tenantId: string, riderId: string, stars: number): Promise<void>;
}

/** The store; profiles are encrypted with `secrets`. */
export function createRiderStore(secrets: Secrets): RiderStore {
  const seal = (profile: RiderProfile): Buffer =>
    secrets.encrypt(
      RiderProfile.encode({ ...profile, riderId: "", ratingAverage: 0, ratingCount: 0 }).finish(),
    );
  const toRecord = (row: RiderRow): RiderRecord => {
    const ratingCount = row.rating_count ?? 0;
    const ratingAverage = ratingCount === 0 ? 0 : (row.rating_sum ?? 0) / ratingCount;
    const riderId = row.rider_id;
    const kept = row.profile && RiderProfile.decode(secrets.decrypt(row.profile));
    const profile = kept ? { ...kept, riderId, ratingAverage, ratingCount } : undefined;
    return { riderId, profile, ratingAverage };
  };
  const load = async (db: Db, tenantId: string, riderIds: string[]): Promise<RiderRecord[]> =>
    (await select(db, [tenantId, riderIds])).map(toRecord);

  return {
    load,
    lock: async (tx, tenantId, riderId) => {
      await lockRow(tx, [tenantId, riderId]);
      // A statement of its own, so that it sees what the last holder of the lock has written.
      return (await load(tx, tenantId, [riderId]))[0]?.profile;
    },
    insert: async (db, tenantId, riderId, profile, now) => {
      await insert(db, [tenantId, riderId, seal(profile), now]);
    },
    update: async (tx, tenantId, riderId, profile, now) => {
      await update(tx, [tenantId, riderId, seal(profile), now]);
    },
    addRating: async (tx, tenantId, riderId, stars) => {
      await rate(tx, [tenantId, riderId, stars]);
    },
  };
}
