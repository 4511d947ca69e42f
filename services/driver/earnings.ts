/** What drivers earned. */
import type { Earnings } from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import type { Money } from "../../gen/grpc/ridemesh/type/v1/money.js";
import { statement, type Db, type Row } from "../runtime/postgres.js";

const insert = statement(
  "earning_insert",
  `INSERT INTO earnings (tenant_id, driver_id, trip_id, share_minor, currency_code, earn_time)
   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
);
const byDay = statement<Row & { day: string; share_minor: bigint; trips: number }>(
  "earnings_by_day",
  `SELECT to_char(earn_time AT TIME ZONE $6::text, 'YYYY-MM-DD') AS day,
          sum(share_minor)::bigint AS share_minor, count(*)::int AS trips
   FROM earnings
   WHERE tenant_id = $1 AND driver_id = $2 AND earn_time >= $3 AND earn_time < $4
     AND currency_code = $5
   GROUP BY day ORDER BY day DESC`,
);

/** Notes what a trip brought its driver; a second time changes nothing. */
export async function addEarning(
  db: Db,
  earning: { tenantId: string; driverId: string; tripId: string; share: Money; earnTime: Date },
): Promise<void> {
  const { tenantId, driverId, tripId, share, earnTime } = earning;
  await insert(db, [tenantId, driverId, tripId, share.amountMinor, share.currencyCode, earnTime]);
}

/**
 * Earnings from `fromTime` up to but not including `untilTime`, by days of `timeZone` (IANA), newest
 * first. Only amounts in `currencyCode` can be summed; a city's drivers earn in its currency.
 */
export async function sumEarnings(
  db: Db,
  of: { tenantId: string; driverId: string; fromTime: Date; untilTime: Date },
  city: { currencyCode: string; timeZone: string },
): Promise<Earnings> {
  const { currencyCode, timeZone } = city;
  const rows = await byDay(db, [
    of.tenantId,
    of.driverId,
    of.fromTime,
    of.untilTime,
    currencyCode,
    timeZone,
  ]);
  return {
    total: { amountMinor: rows.reduce((sum, row) => sum + row.share_minor, 0n), currencyCode },
    tripCount: rows.reduce((sum, row) => sum + row.trips, 0),
    days: rows.map((row) => ({
      date: row.day,
      total: { amountMinor: row.share_minor, currencyCode },
      tripCount: row.trips,
    })),
  };
}
