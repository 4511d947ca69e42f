/** Taking points: through the driver's gate, into presence, to the followers, into the history. */
import type { Counter } from "prom-client";
import {
  DropReason,
  type IngestResult,
  type LocationPoint,
} from "../../gen/grpc/ridemesh/location/v1/location.js";
import type { DomainClock } from "../runtime/clock.js";
import type { Fanout } from "../runtime/fanout.js";
import type { Metrics } from "../runtime/metrics.js";
import { passGate } from "./ingest.js";
import type { Presence } from "./presence.js";
import type { StoredPoint } from "./store.js";
import { publishPosition, type TrackUpdate } from "./tracking.js";

export interface ReportingDeps {
  presence: Presence;
  tracks: Fanout<TrackUpdate>;
  domain: DomainClock;
  pointsCounter: Counter<"outcome">;
}

/** Points of a call or a stream, counted by what became of them. */
export interface Tally {
  accepted: number;
  dropped: Map<DropReason, number>;
}

/** Counts every point that comes in. */
export function countPoints(metrics: Metrics): Counter<"outcome"> {
  return metrics.counter(
    "location_points_total",
    "Points that drivers sent, by what became of them: accepted, or why they were dropped.",
    ["outcome"],
  );
}

export function newTally(): Tally {
  return { accepted: 0, dropped: new Map() };
}

/**
 * Decides about a driver's points, in the order in which they were observed, and shows the last
 * accepted one at once. Adds to the tally.
 *
 * @returns the accepted points, for the history.
 */
export function takePoints(
  deps: ReportingDeps,
  of: { tenantId: string; driverId: string },
  points: readonly LocationPoint[],
  tally: Tally,
): StoredPoint[] {
  const { tenantId, driverId } = of;
  const driver = deps.presence.know(tenantId, driverId);
  const nowMs = deps.domain.now().getTime();
  const accepted: StoredPoint[] = [];
  for (const { point, observeTime, accuracyMeters, speedMps, headingDegrees } of points) {
    const { lat, lng } = point!;
    const timeMs = observeTime!.getTime();
    const reason = passGate(driver.gate, { lat, lng, timeMs, accuracyMeters }, nowMs);
    if (reason === undefined) {
      const heading = headingDegrees;
      accepted.push({ tenantId, driverId, timeMs, lat, lng, accuracyMeters, speedMps, heading });
    } else {
      tally.dropped.set(reason, (tally.dropped.get(reason) ?? 0) + 1);
      deps.pointsCounter.inc({ outcome: DropReason[reason].toLowerCase() });
    }
  }
  const last = accepted.at(-1);
  if (!last) return accepted;
  tally.accepted += accepted.length;
  deps.pointsCounter.inc({ outcome: "accepted" }, accepted.length);
  deps.presence.moved(driver, last);
  publishPosition(deps.tracks, driver, last.speedMps);
  return accepted;
}

export function resultOf({ accepted, dropped }: Tally): IngestResult {
  return {
    acceptedCount: accepted,
    dropped: [...dropped].map(([reason, count]) => ({ reason, count })),
  };
}
