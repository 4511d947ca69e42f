/**
 * The settlement saga: final fare → charge → paid or failed. Its place is a row that commits with the
 * end of the ride; every step may be repeated, so a kill anywhere leaves only work to be done again.
 */
import type { LocationInternalServiceService } from "../../gen/grpc/ridemesh/location/v1/location_internal_service.js";
import { PaymentPurpose, PaymentStatus } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import type { PaymentInternalServiceService } from "../../gen/grpc/ridemesh/payment/v1/payment_internal_service.js";
import { FareLineKind, type Fare } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import type { PricingInternalServiceService } from "../../gen/grpc/ridemesh/pricing/v1/pricing_internal_service.js";
import { TripState } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import type { Client } from "../runtime/client.js";
import { secondsBetween } from "../runtime/clock.js";
import { startLoop, type Loop } from "../runtime/lifecycle.js";
import type { Logger } from "../runtime/log.js";
import { statement, type Row } from "../runtime/postgres.js";
import { execute, type CommandDeps } from "./commands.js";
import { loadTrip } from "./store.js";
import { owesFee, type Trip } from "./trip.js";

export interface SettlementDeps extends CommandDeps {
  location: Pick<Client<LocationInternalServiceService>, "measureRoute">;
  pricing: Pick<Client<PricingInternalServiceService>, "priceFinalFare">;
  payment: Pick<Client<PaymentInternalServiceService>, "chargeTrip">;
  log: Logger;
}

interface DueRow extends Row {
  tenant_id: string;
  trip_id: string;
  attempts: number;
}

/** A claim runs out after this long; then another process takes the trip over. */
const leaseSeconds = 60;
/** So many trips are settled at a time. */
const width = 16;
/** After this many failures to measure the route, the quoted one counts. */
const measureAttempts = 4;
const idleMs = 1000;

const claimDue = statement<DueRow>(
  "settlements_claim",
  `UPDATE settlements s
   SET attempts = s.attempts + 1, next_attempt_time = $1::timestamptz + make_interval(secs => ${leaseSeconds})
   FROM (SELECT tenant_id, trip_id FROM settlements WHERE next_attempt_time <= $1
         ORDER BY next_attempt_time LIMIT $2 FOR UPDATE SKIP LOCKED) due
   WHERE s.tenant_id = due.tenant_id AND s.trip_id = due.trip_id
   RETURNING s.tenant_id, s.trip_id, s.attempts`,
);
const forget = statement(
  "settlement_done",
  "DELETE FROM settlements WHERE tenant_id = $1 AND trip_id = $2",
);
const postpone = statement(
  "settlement_postpone",
  `UPDATE settlements SET next_attempt_time = $3, last_error = $4
   WHERE tenant_id = $1 AND trip_id = $2`,
);

/** Settles what is due, now and whenever it is woken. */
export function startSettlement(deps: SettlementDeps): Loop {
  const { pool, wall, log } = deps;
  const settleRow = async (row: DueRow, signal: AbortSignal): Promise<void> => {
    try {
      await settle(deps, row.tenant_id, row.trip_id, row.attempts, signal);
      await forget(pool, [row.tenant_id, row.trip_id]);
    } catch (error) {
      if (signal.aborted) {
        // Stopping: whoever comes next goes on at once.
        await postpone(pool, [row.tenant_id, row.trip_id, wall.now(), "stopped"]);
        return;
      }
      log.warn(
        { trip_id: row.trip_id, attempts: row.attempts, err: error },
        "settlement failed, will retry",
      );
      const waitSeconds =
        Math.min(300, 2 ** Math.min(row.attempts - 1, 10)) * (0.5 + Math.random() / 2);
      const next = new Date(wall.now().getTime() + waitSeconds * 1000);
      const text = error instanceof Error ? error.message : String(error);
      await postpone(pool, [row.tenant_id, row.trip_id, next, text.slice(0, 500)]);
    }
  };
  const underWay = new Set<Promise<void>>();
  const loop = startLoop({
    name: "settlement",
    wall,
    log,
    work: async (signal) => {
      const free = width - underWay.size;
      if (free === 0) return idleMs;
      // Nobody waits for the slowest, a card gateway that does not answer.
      for (const row of await claimDue(pool, [wall.now(), free])) {
        const work = settleRow(row, signal)
          .catch((error: unknown) => {
            // The claim runs out by itself, and the trip is taken again.
            log.error({ trip_id: row.trip_id, err: error }, "settlement left to its claim");
          })
          .finally(() => {
            underWay.delete(work);
            if (underWay.size === width - 1) loop.wake();
          });
        underWay.add(work);
      }
      return idleMs;
    },
  });
  return {
    wake: loop.wake,
    stop: async () => {
      await loop.stop();
      await Promise.all(underWay);
    },
  };
}

/** Brings one trip from where it stands to paid or failed. */
async function settle(
  deps: SettlementDeps,
  tenantId: string,
  tripId: string,
  attempt: number,
  signal: AbortSignal,
): Promise<void> {
  let trip = await loadTrip(deps.pool, tenantId, tripId);
  // A payment that has failed is tried again when the rider asks for it, by the payment service.
  if (!trip || trip.payTime || trip.paymentFailure) return;
  if (trip.state === TripState.COMPLETED && !trip.finalFare) {
    trip = await price(deps, trip, attempt, signal);
  }
  await charge(deps, trip, signal);
}

/** Fixes the final fare from the measured route. */
async function price(
  deps: SettlementDeps,
  trip: Trip,
  attempt: number,
  signal: AbortSignal,
): Promise<Trip> {
  const { tenantId, tripId, terms } = trip;
  const route = await deps.location
    .measureRoute(
      {
        tenantId,
        driverId: trip.driverId!,
        startTime: trip.startTime!,
        endTime: trip.completeTime!,
      },
      { signal },
    )
    .catch((error: unknown) => {
      if (attempt < measureAttempts || signal.aborted) throw error;
      deps.log.warn({ trip_id: tripId, err: error }, "route not measured, the quoted one counts");
      return { distanceMeters: 0, pointCount: 0, polyline: "" };
    });
  const distanceMeters = route.pointCount < 2 ? 0 : route.distanceMeters;
  const { fare } = await deps.pricing.priceFinalFare(
    {
      tenantId,
      terms,
      distanceMeters,
      durationSeconds: secondsBetween(trip.startTime!, trip.completeTime!),
      waitSeconds: secondsBetween(trip.arriveTime!, trip.startTime!),
      startTime: trip.startTime!,
    },
    { signal },
  );
  return execute(deps, tenantId, tripId, {
    kind: "record_fare",
    fare: fare!,
    distanceMeters: distanceMeters || terms.fare!.distanceMeters,
  });
}

async function charge(deps: SettlementDeps, trip: Trip, signal: AbortSignal): Promise<void> {
  const { tenantId, tripId, riderId } = trip;
  const forFee = trip.state === TripState.CANCELLED;
  if (forFee && !owesFee(trip)) return;
  const total = forFee ? trip.cancellation!.fee! : trip.finalFare!.total!;
  const { payment } = await deps.payment.chargeTrip(
    {
      tenantId,
      onBehalfOf: riderId,
      tripId,
      driverId: trip.driverId ?? "",
      purpose: forFee ? PaymentPurpose.CANCELLATION_FEE : PaymentPurpose.FARE,
      paymentMethod: trip.paymentMethod,
      total,
      taxMinor: forFee ? 0n : passedOn(trip.finalFare!),
    },
    { signal },
  );
  const { paymentId } = payment!;
  switch (payment!.status) {
    case PaymentStatus.SUCCEEDED:
      await execute(deps, tenantId, tripId, {
        kind: "paid",
        paymentId,
        total,
        driverShare: payment!.driverShare!,
      });
      return;
    case PaymentStatus.FAILED:
      await execute(deps, tenantId, tripId, {
        kind: "payment_failed",
        paymentId,
        total,
        reason: payment!.failure,
      });
      return;
    default:
      throw new Error(`payment ${paymentId} is not decided yet`);
  }
}

/** Taxes and zone fees: they belong neither to the driver nor to the platform. */
function passedOn(fare: Fare): bigint {
  return fare.lines
    .filter((line) => line.kind === FareLineKind.TAX || line.kind === FareLineKind.ZONE)
    .reduce((sum, line) => sum + line.amountMinor, 0n);
}
