/** The result of a replay: from what was observed to figures, a table, JSON. */
import type { RefusedRow } from "./trips-file.js";

/** How a requested trip ended. */
export type Outcome =
  | { kind: "completed" }
  | { kind: "cancelled" }
  | { kind: "expired"; reason: string }
  /** It never came to an end, or could not even be asked for. */
  | { kind: "stuck"; reason: string };

/** What was seen of one requested trip; a figure that was never reached is left out. */
export interface RideObservation {
  outcome: Outcome;
  movedDropoff: boolean;
  /** What the meter showed then, minor units; 0 or less takes no part in the fare error. */
  meterFareMinor: bigint;
  /** Our final fare, comparable to it (see fare-lines.ts), minor units. */
  finalFareMinor?: bigint;
  /** Whether the upfront price became the final one. */
  upfrontKept?: boolean;
  /** Wall time from the request's answer to the first offer at a driver: the platform's part only. */
  firstOfferMs?: number;
  /** Wall time that the accepting call took. */
  acceptMs?: number;
  /** Domain time from the request to the driver's arrival. */
  waitSeconds?: number;
  /** The accepting driver's way to the pickup. */
  pickupDistanceMeters?: number;
}

/** What an audit of the databases found. */
export interface AuditFindings {
  doubleAssignments: number;
  /** What is left over of all ledger entries, by currency; 0 when they balance. */
  ledgerImbalanceMinor: Readonly<Record<string, bigint>>;
}

/** All that a replay saw. */
export interface ReplayObservations {
  /** One for each requested trip. */
  rides: readonly RideObservation[];
  rows: { read: number; bad: readonly RefusedRow[]; skipped: readonly RefusedRow[] };
  /** Playable rows that the window or the limit left out. */
  leftOutRows: number;
  wallSeconds: number;
  /** Domain seconds per second, on average. */
  speed: number;
  /** Null without database access. */
  audit: AuditFindings | null;
  /** Domain events that the platform published meanwhile; null when that cannot be known. */
  events: number | null;
  /** Of the platform's processes; null when it runs elsewhere. */
  peakRssBytes: number | null;
  /** CPU time by part; empty when it runs elsewhere. */
  cpuSeconds: Readonly<Record<string, number>>;
  /** Answers that no correct run has, such as `429 TripService.CreateTrip`, and how many there were. */
  unexpectedAnswers: Readonly<Record<string, number>>;
}

/** Three percentiles; null when nothing was measured. */
export interface Percentiles {
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

/**
 * The result, with the names that are printed. Always: completed + cancelled + expired + stuck =
 * requested, and requested + bad + skipped + left out = rows read.
 */
export interface ReplayResult {
  trips_requested: number;
  trips_completed: number;
  trips_cancelled: number;
  trips_expired: Record<string, number>;
  trips_stuck: number;
  double_assignments: number | null;
  ledger_imbalance_minor: Record<string, number> | null;
  first_offer_ms: Percentiles;
  accept_ms: Percentiles;
  wait_seconds: Percentiles;
  pickup_distance_meters: Percentiles;
  upfront_kept_percent: number | null;
  fare_error_median_percent: number | null;
  events_per_second: number | null;
  peak_rss_bytes: number | null;
  cpu_seconds: Record<string, number>;
  bad_rows: number;
  skipped_rows: number;
  moved_dropoffs: number;
  wall_seconds: number;
  speed: number;
  rows_read: number;
  left_out_rows: number;
  stuck_reasons: Record<string, number>;
  unexpected_answers: Record<string, number>;
  bad_row_list: RefusedRow[];
  skipped_row_list: RefusedRow[];
}

/** Figures of what was observed. */
export function buildResult(seen: ReplayObservations): ReplayResult {
  const { rides, rows, audit } = seen;
  const outcomes = rides.map(({ outcome }) => outcome);
  const fareErrors = rides.flatMap(({ meterFareMinor, finalFareMinor }) =>
    finalFareMinor !== undefined && meterFareMinor > 0n
      ? [(Math.abs(Number(finalFareMinor - meterFareMinor)) / Number(meterFareMinor)) * 100]
      : [],
  );
  const kept = measured(rides, "upfrontKept");
  return {
    trips_requested: rides.length,
    trips_completed: outcomes.filter(({ kind }) => kind === "completed").length,
    trips_cancelled: outcomes.filter(({ kind }) => kind === "cancelled").length,
    trips_expired: countReasons(outcomes, "expired"),
    trips_stuck: outcomes.filter(({ kind }) => kind === "stuck").length,
    double_assignments: audit && audit.doubleAssignments,
    ledger_imbalance_minor:
      audit &&
      Object.fromEntries(
        Object.entries(audit.ledgerImbalanceMinor).map(([code, left]) => [code, Number(left)]),
      ),
    first_offer_ms: percentiles(measured(rides, "firstOfferMs")),
    accept_ms: percentiles(measured(rides, "acceptMs")),
    wait_seconds: percentiles(measured(rides, "waitSeconds")),
    pickup_distance_meters: percentiles(measured(rides, "pickupDistanceMeters")),
    upfront_kept_percent:
      kept.length === 0 ? null : round((kept.filter(Boolean).length / kept.length) * 100, 2),
    fare_error_median_percent: fareErrors.length === 0 ? null : round(median(fareErrors), 2),
    events_per_second:
      seen.events === null || seen.wallSeconds <= 0
        ? null
        : round(seen.events / seen.wallSeconds, 1),
    peak_rss_bytes: seen.peakRssBytes,
    cpu_seconds: Object.fromEntries(
      Object.entries(seen.cpuSeconds).map(([part, seconds]) => [part, round(seconds, 2)]),
    ),
    bad_rows: rows.bad.length,
    skipped_rows: rows.skipped.length,
    moved_dropoffs: rides.filter(({ movedDropoff }) => movedDropoff).length,
    wall_seconds: round(seen.wallSeconds, 2),
    speed: round(seen.speed, 1),
    rows_read: rows.read,
    left_out_rows: seen.leftOutRows,
    stuck_reasons: countReasons(outcomes, "stuck"),
    unexpected_answers: { ...seen.unexpectedAnswers },
    bad_row_list: [...rows.bad],
    skipped_row_list: [...rows.skipped],
  };
}

/** Exact percentiles by nearest rank: the smallest value that so many percent do not exceed. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (percent: number): number | null => {
    const value = sorted[Math.ceil((percent * sorted.length) / 100) - 1];
    return value === undefined ? null : round(value, 1);
  };
  return { p50: at(50), p95: at(95), p99: at(99) };
}

/** The middle value, or the mean of the two in the middle; there must be at least one. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function measured<Key extends keyof RideObservation>(
  rides: readonly RideObservation[],
  key: Key,
): NonNullable<RideObservation[Key]>[] {
  return rides.map((ride) => ride[key]).filter((value) => value !== undefined && value !== null);
}

function countReasons(
  outcomes: readonly Outcome[],
  kind: "expired" | "stuck",
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) {
    if (outcome.kind === kind) counts[outcome.reason] = (counts[outcome.reason] ?? 0) + 1;
  }
  return counts;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** The result as one JSON object on one line. */
export function formatJson(result: ReplayResult): string {
  return JSON.stringify(result);
}

/** Rows listed in the table; the JSON lists all. */
const MAX_LISTED_ROWS = 200;

/** The result as a table for people, without a line break at its end. */
export function formatTable(result: ReplayResult): string {
  const { bad_row_list, skipped_row_list, ...figures } = result;
  const width = Math.max(...Object.keys(figures).map((name) => name.length));
  const lines = Object.entries(figures).map(
    ([name, value]) => `${name.padEnd(width)}  ${cell(value)}`,
  );
  const rows = [
    ...bad_row_list.map((row) => ({ ...row, what: "bad" })),
    ...skipped_row_list.map((row) => ({ ...row, what: "skipped" })),
  ].sort((a, b) => a.line - b.line);
  if (rows.length > 0) lines.push("", "rows not played:");
  for (const { line, what, reason } of rows.slice(0, MAX_LISTED_ROWS)) {
    lines.push(`  line ${String(line).padEnd(7)} ${what.padEnd(8)} ${reason}`);
  }
  if (rows.length > MAX_LISTED_ROWS) {
    lines.push(`  and ${rows.length - MAX_LISTED_ROWS} more; --json lists all`);
  }
  return lines.join("\n");
}

function cell(value: number | null | Percentiles | Record<string, number>): string {
  if (value === null) return "unknown";
  if (typeof value === "number") return String(value);
  const parts = Object.entries(value).map(([name, part]) => `${name} ${part ?? "unknown"}`);
  return parts.length === 0 ? "none" : parts.join(", ");
}
