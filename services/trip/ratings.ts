/** Ratings: each party rates the other once. */
import { Party, TripState } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { TripRated } from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import { saveAnswer, type Answer } from "../runtime/idempotency.js";
import { appendEvents, newEvent } from "../runtime/outbox.js";
import {
  isUniqueViolation,
  statement,
  transaction,
  type Db,
  type Pool,
  type Row,
} from "../runtime/postgres.js";
import type { Secrets } from "../runtime/secrets.js";
import { failedPrecondition } from "../runtime/status.js";
import { stateName, type Trip } from "./trip.js";

export interface Rating {
  rater: Party.RIDER | Party.DRIVER;
  stars: number;
  tags: string[];
  comment: string;
}

const insert = statement(
  "rating_insert",
  `INSERT INTO ratings (tenant_id, trip_id, rater, stars, tags, comment, create_time)
   VALUES ($1, $2, $3, $4, $5, $6, $7)`,
);
const select = statement<Row & { trip_id: string; stars: number }>(
  "ratings_select",
  `SELECT trip_id, stars FROM ratings WHERE tenant_id = $1 AND trip_id = ANY ($2::uuid[]) AND rater = $3`,
);

/** Keeps a rating of a trip that was driven. FAILED_PRECONDITION when it was not, or was rated. */
export async function rate(
  deps: { pool: Pool; secrets: Secrets },
  trip: Trip,
  rating: Rating,
  now: Date,
  answer: Answer | undefined,
  traceparent: string | undefined,
): Promise<void> {
  if (trip.state < TripState.COMPLETED || trip.state > TripState.PAYMENT_FAILED) {
    const state = stateName(trip.state);
    throw failedPrecondition("ILLEGAL_TRANSITION", `cannot rate in state ${state}`, { state });
  }
  const { tenantId, tripId, riderId } = trip;
  const { rater, stars, tags, comment } = rating;
  const event = newEvent(
    TripRated,
    { tripId, rater, riderId, driverId: trip.driverId!, stars },
    { key: tripId, tenantId, time: now, traceparent },
  );
  const sealed = comment ? deps.secrets.encryptText(comment) : null;
  try {
    await transaction(deps.pool, async (tx) => {
      await insert(tx, [tenantId, tripId, rater, stars, tags, sealed, now]);
      await appendEvents(tx, [event]);
      await saveAnswer(tx, answer);
    });
  } catch (error) {
    if (!isUniqueViolation(error, "ratings_pkey")) throw error;
    throw failedPrecondition("ALREADY_RATED", "this trip has been rated");
  }
}

/** What the party gave the other in each of these trips. */
export async function givenStars(
  db: Db,
  tenantId: string,
  tripIds: string[],
  rater: Party,
): Promise<Map<string, number>> {
  if (tripIds.length === 0) return new Map();
  const rows = await select(db, [tenantId, tripIds, rater]);
  return new Map(rows.map((row) => [row.trip_id, row.stars]));
}
