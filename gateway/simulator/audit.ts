/** An audit that trusts none of our programs: it asks the databases themselves. */
import { fromBinary } from "@bufbuild/protobuf";
import pg from "pg";
import { TripAcceptedSchema } from "../../gen/es/ridemesh/trip/v1/trip_events_pb.js";
import type { AuditFindings } from "./report.js";

interface EventRow {
  tenant_id: string;
  trip_id: string;
  type: string;
  payload: Buffer;
  event_time: Date;
}

/** A time in which a driver had a trip. */
interface Assignment {
  tenantId: string;
  driverId: string;
  tripId: string;
  fromMs: number;
  untilMs: number;
}

/** What is published on the bus is never less than what was committed. */
export interface Audit extends AuditFindings {
  events: number;
}

/** Reads everything that there is. `url` must be able to read all schemas. */
export async function auditDatabase(url: string): Promise<Audit> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const events = await client.query<EventRow>(
      `SELECT tenant_id, trip_id, type, payload, event_time FROM trip.trip_events
       ORDER BY tenant_id, trip_id, version`,
    );
    const sums = await client.query<{ currency_code: string; sum: string }>(
      "SELECT currency_code, sum(amount_minor)::text AS sum FROM payment.entries GROUP BY currency_code",
    );
    // Balances are kept beside the entries: a difference is an imbalance as well.
    const drifts = await client.query<{ currency_code: string; sum: string }>(
      `SELECT a.currency_code, sum(abs(a.balance_minor - coalesce(e.total, 0)))::text AS sum
       FROM payment.accounts a
       LEFT JOIN (SELECT tenant_id, account_id, sum(amount_minor) AS total FROM payment.entries
                  GROUP BY tenant_id, account_id) e USING (tenant_id, account_id)
       GROUP BY a.currency_code`,
    );
    const charges = await client.query<{ count: string }>(
      `SELECT count(*)::text AS count FROM (
         SELECT 1 FROM payment.transfers WHERE kind IN ('trip_fare', 'cancellation_fee')
         GROUP BY tenant_id, trip_id HAVING count(*) > 1) doubled`,
    );
    const messages = await client.query<{ count: string }>(
      "SELECT count(*)::text AS count FROM bus.messages",
    );
    const ledgerImbalanceMinor: Record<string, bigint> = {};
    for (const { currency_code, sum } of [...sums.rows, ...drifts.rows]) {
      ledgerImbalanceMinor[currency_code] =
        (ledgerImbalanceMinor[currency_code] ?? 0n) + abs(BigInt(sum));
    }
    return {
      doubleAssignments: countDoubles(events.rows) + Number(charges.rows[0]!.count),
      ledgerImbalanceMinor,
      events: Number(messages.rows[0]!.count),
    };
  } finally {
    await client.end();
  }
}

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}

/** Trips with two drivers at a time, and drivers with two trips at a time. */
export function countDoubles(events: readonly EventRow[]): number {
  const assignments: Assignment[] = [];
  const open = new Map<string, Assignment>();
  let doubles = 0;
  for (const { tenant_id, trip_id, type, payload, event_time } of events) {
    const key = `${tenant_id}/${trip_id}`;
    const held = open.get(key);
    switch (type.slice(type.lastIndexOf(".") + 1)) {
      case "TripAccepted": {
        if (held) doubles += 1;
        const { driverId } = fromBinary(TripAcceptedSchema, payload);
        const fromMs = event_time.getTime();
        const assignment = {
          tenantId: tenant_id,
          driverId,
          tripId: trip_id,
          fromMs,
          untilMs: Infinity,
        };
        open.set(key, assignment);
        assignments.push(assignment);
        break;
      }
      case "TripDriverCancelled":
      case "TripCompleted":
      case "TripCancelled":
        if (held) held.untilMs = event_time.getTime();
        open.delete(key);
        break;
    }
  }
  const ofDriver = new Map<string, Assignment[]>();
  for (const one of assignments) {
    const key = `${one.tenantId}/${one.driverId}`;
    ofDriver.set(key, [...(ofDriver.get(key) ?? []), one]);
  }
  for (const list of ofDriver.values()) {
    list.sort((a, b) => a.fromMs - b.fromMs);
    for (let i = 1; i < list.length; i += 1) {
      if (list[i]!.fromMs < list[i - 1]!.untilMs) doubles += 1;
    }
  }
  return doubles;
}
