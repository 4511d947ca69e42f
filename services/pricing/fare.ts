/**
 * Fares, without I/O.
 *
 *   total = max(minimum, (base + distance × per_km + time × per_minute) × surge) + fees
 *
 * Every line is rounded half up to the minor unit by itself, and the total is the sum of the lines, so
 * that they always add up.
 */
import { FareBasis, FareLineKind, type Fare } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import type { LatLng } from "../../gen/grpc/ridemesh/type/v1/geo.js";
import { pointInPolygon } from "../runtime/geo.js";
import { localTime, type LocalTime } from "../runtime/local-time.js";
import type { HourlySurcharge, Tariff } from "./tariff.js";

/** What a fare depends on besides the tariff. */
export interface Ride {
  distanceMeters: number;
  durationSeconds: number;
  /** At the pickup. */
  waitSeconds: number;
  startTime: Date;
  timeZone: string;
  /** Where it starts and ends; undefined where only distance and time are asked about. */
  pickup?: LatLng;
  dropoff?: LatLng;
  /** 1 is none; never less. */
  surgeMultiplier: number;
}

interface Line {
  kind: FareLineKind;
  /** Whole. */
  amount: number;
}

/** The fare of a ride. Lines of 0 are left out, but for the base. */
export function fareOf(tariff: Tariff, ride: Ride, basis: FareBasis): Fare {
  const lines = [
    ...rideLines(tariff, ride),
    { kind: FareLineKind.BOOKING, amount: tariff.bookingFeeMinor },
    ...hourlyLines(tariff, localTime(ride.startTime, ride.timeZone)),
    { kind: FareLineKind.WAIT, amount: waitFee(tariff, ride.waitSeconds) },
    { kind: FareLineKind.ZONE, amount: zoneFee(tariff, ride) },
  ];
  return {
    ...summed(tariff, [...lines, { kind: FareLineKind.TAX, amount: taxOn(tariff, lines) }]),
    surgeMultiplier: ride.surgeMultiplier,
    distanceMeters: ride.distanceMeters,
    durationSeconds: ride.durationSeconds,
    basis,
  };
}

/** What the ride itself costs: a fixed fare, or base, distance and time with surge and minimum. */
function rideLines(tariff: Tariff, ride: Ride): Line[] {
  const fixed = fixedFare(tariff, ride);
  // Who is promised a fixed fare pays it also when cars are scarce.
  if (fixed !== undefined) return [{ kind: FareLineKind.FIXED, amount: fixed }];
  const metered = [
    { kind: FareLineKind.BASE, amount: tariff.baseMinor },
    { kind: FareLineKind.DISTANCE, amount: rated(ride.distanceMeters, tariff.perKmMilli, 1000) },
    { kind: FareLineKind.TIME, amount: rated(ride.durationSeconds, tariff.perMinuteMilli, 60) },
  ];
  // In whole hundredths, because 1.9 - 1 is not 0.9 in floating point.
  const surgeHundredths = Math.max(0, Math.round(ride.surgeMultiplier * 100) - 100);
  const surge = halfUp((sumOf(metered) * surgeHundredths) / 100);
  const lacking = Math.max(0, tariff.minimumMinor - sumOf(metered) - surge);
  return [
    ...metered,
    { kind: FareLineKind.SURGE, amount: surge },
    { kind: FareLineKind.MINIMUM, amount: lacking },
  ];
}

/** `quantity / per` times a rate in thousandths of a minor unit. */
function rated(quantity: number, rateMilli: number, per: number): number {
  return halfUp((quantity * rateMilli) / (per * 1000));
}

function fixedFare(tariff: Tariff, { pickup, dropoff }: Ride): number | undefined {
  if (!pickup || !dropoff) return undefined;
  const fits = ([a, b]: [string, string]) =>
    inArea(tariff, a, pickup) && inArea(tariff, b, dropoff);
  return tariff.fixed.find(({ between: [a, b] }) => fits([a, b]) || fits([b, a]))?.amountMinor;
}

function zoneFee(tariff: Tariff, { pickup, dropoff }: Ride): number {
  return tariff.zones
    .filter(({ area }) =>
      [pickup, dropoff].some((point) => point !== undefined && inArea(tariff, area, point)),
    )
    .reduce((sum, { amountMinor }) => sum + amountMinor, 0);
}

function inArea(tariff: Tariff, name: string, point: LatLng): boolean {
  return tariff.areas.some((area) => area.name === name && pointInPolygon(point, area.polygon));
}

function hourlyLines(tariff: Tariff, at: LocalTime): Line[] {
  const kinds = { night: FareLineKind.NIGHT, peak: FareLineKind.PEAK };
  return tariff.hourly
    .filter((surcharge) => applies(surcharge, at))
    .map((surcharge) => ({ kind: kinds[surcharge.kind], amount: surcharge.amountMinor }));
}

function applies(surcharge: HourlySurcharge, { weekday, minuteOfDay }: LocalTime): boolean {
  const { fromMinute, toMinute } = surcharge;
  const within =
    fromMinute < toMinute
      ? minuteOfDay >= fromMinute && minuteOfDay < toMinute
      : minuteOfDay >= fromMinute || minuteOfDay < toMinute;
  return within && surcharge.weekdays.includes(weekday);
}

/** What waiting at the pickup costs beyond the free time, by the second. */
export function waitFee(tariff: Tariff, waitSeconds: number): number {
  return rated(Math.max(0, waitSeconds - tariff.freeWaitSeconds), tariff.waitPerMinuteMilli, 60);
}

/** Zone fees are passed on and not taxed. */
function taxOn(tariff: Tariff, lines: Line[]): number {
  if (tariff.tax.kind === "flat") return tariff.tax.amountMinor;
  const taxed = lines.filter(({ kind }) => kind !== FareLineKind.ZONE && kind !== FareLineKind.TAX);
  return halfUp((Math.max(0, sumOf(taxed)) * tariff.tax.basisPoints) / 10_000);
}

/** The route may be longer or shorter than the quoted one by this share, or by these meters. */
const toleranceShare = 0.1;
const toleranceMeters = 500;

/** Whether a measured route is the quoted one, as far as an upfront price is concerned. */
export function isWithinTolerance(measuredMeters: number, quotedMeters: number): boolean {
  const allowed = Math.max(toleranceShare * quotedMeters, toleranceMeters);
  return Math.abs(measuredMeters - quotedMeters) <= allowed;
}

/** The quoted fare, kept, with the wait at the pickup on top. */
export function upfrontFare(tariff: Tariff, quoted: Fare, waitSeconds: number): Fare {
  const kept = quoted.lines.map(({ kind, amountMinor }) => ({ kind, amount: Number(amountMinor) }));
  const wait = waitFee(tariff, waitSeconds);
  if (wait === 0) return { ...quoted, basis: FareBasis.UPFRONT };
  const before = kept.filter(({ kind }) => kind !== FareLineKind.TAX);
  const quotedTax = sumOf(kept) - sumOf(before);
  const waitLine = { kind: FareLineKind.WAIT, amount: wait };
  const tax = tariff.tax.kind === "flat" ? quotedTax : quotedTax + taxOn(tariff, [waitLine]);
  const lines = [...before, waitLine, { kind: FareLineKind.TAX, amount: tax }];
  return { ...quoted, ...summed(tariff, lines), basis: FareBasis.UPFRONT };
}

function summed(tariff: Tariff, lines: Line[]): Pick<Fare, "total" | "lines"> {
  return {
    total: { amountMinor: BigInt(sumOf(lines)), currencyCode: tariff.currencyCode },
    lines: lines
      .filter(({ kind, amount }) => amount !== 0 || kind === FareLineKind.BASE)
      .map(({ kind, amount }) => ({ kind, amountMinor: BigInt(amount) })),
  };
}

function sumOf(lines: Line[]): number {
  return lines.reduce((sum, { amount }) => sum + amount, 0);
}

/** Rounds half up; every amount here is far below 2^53, where that is exact. */
function halfUp(amount: number): number {
  return Math.floor(amount + 0.5);
}
