/** What a city charges for a class of vehicle: the figures, and how they are kept. */
import type { LatLng } from "../../gen/grpc/ridemesh/type/v1/geo.js";

/** An amount that is added to rides that start within some hours. */
export interface HourlySurcharge {
  kind: "night" | "peak";
  amountMinor: number;
  /** Local minute of the day from which it applies. */
  fromMinute: number;
  /** Local minute of the day before which it applies; not after `fromMinute`: past midnight. */
  toMinute: number;
  /** Local days of the week on which the ride starts, 0 is Sunday. */
  weekdays: number[];
}

/** An area with a name, as a polygon without holes. */
export interface Area {
  name: string;
  polygon: LatLng[];
}

/** A price for rides between two areas, in either direction, whatever way they take. */
export interface FixedFare {
  between: [string, string];
  amountMinor: number;
}

/** A fee for rides that start or end in an area; passed on whole. */
export interface ZoneFee {
  area: string;
  amountMinor: number;
}

/** Tax: an amount a ride, or a share of what is taxed, in hundredths of a percent. Passed on whole. */
export type Tax = { kind: "flat"; amountMinor: number } | { kind: "percent"; basisPoints: number };

/** When cancelling costs what. */
export interface CancellationRule {
  /** Seconds after acceptance in which it is free. */
  freeSeconds: number;
  feeMinor: number;
  /** Seconds after acceptance from which the late fee applies. */
  lateSeconds: number;
  lateFeeMinor: number;
  /** Seconds after arrival from which a driver may report a no-show. */
  noShowSeconds: number;
}

/**
 * A tariff. Amounts are whole minor units of the currency; rates are thousandths of a minor unit, so
 * that 96.5 cents a kilometer can be said without a fraction.
 */
export interface Tariff {
  currencyCode: string;
  baseMinor: number;
  perKmMilli: number;
  perMinuteMilli: number;
  bookingFeeMinor: number;
  /** Base, distance, time and surge cost at least this. */
  minimumMinor: number;
  /** Waiting at the pickup up to this is free, in seconds. */
  freeWaitSeconds: number;
  waitPerMinuteMilli: number;
  hourly: HourlySurcharge[];
  areas: Area[];
  fixed: FixedFare[];
  zones: ZoneFee[];
  tax: Tax;
  cancellation: CancellationRule;
}

/** The rules of domain.md for cancelling, which every tariff that comes along has. */
export const usualCancellation: CancellationRule = {
  freeSeconds: 120,
  feeMinor: 500,
  lateSeconds: 300,
  lateFeeMinor: 1000,
  noShowSeconds: 300,
};

/**
 * The tariff of a dearer class: what pays for the ride costs `factor` times as much; surcharges of the
 * hour, zone fees, taxes and cancellation fees stay. Amounts are rounded half up.
 */
export function scaleTariff(tariff: Tariff, factor: number): Tariff {
  const scaled = (amount: number) => Math.floor(amount * factor + 0.5);
  return {
    ...tariff,
    baseMinor: scaled(tariff.baseMinor),
    perKmMilli: scaled(tariff.perKmMilli),
    perMinuteMilli: scaled(tariff.perMinuteMilli),
    bookingFeeMinor: scaled(tariff.bookingFeeMinor),
    minimumMinor: scaled(tariff.minimumMinor),
    waitPerMinuteMilli: scaled(tariff.waitPerMinuteMilli),
    fixed: tariff.fixed.map((one) => ({ ...one, amountMinor: scaled(one.amountMinor) })),
  };
}

/**
 * What is wrong with a tariff, in words; empty when nothing is. Rows of the database are checked with
 * it before they price a ride.
 */
export function tariffProblems(tariff: Tariff): string[] {
  const problems: string[] = [];
  const whole = (name: string, value: unknown, least = 0) => {
    if (!Number.isSafeInteger(value) || (value as number) < least) {
      problems.push(`${name} must be a whole number from ${least}, not ${String(value)}`);
    }
  };
  if (!/^[A-Z]{3}$/.test(tariff.currencyCode))
    problems.push("currencyCode must be an ISO 4217 code");
  whole("baseMinor", tariff.baseMinor);
  whole("perKmMilli", tariff.perKmMilli);
  whole("perMinuteMilli", tariff.perMinuteMilli);
  whole("bookingFeeMinor", tariff.bookingFeeMinor);
  whole("minimumMinor", tariff.minimumMinor);
  whole("freeWaitSeconds", tariff.freeWaitSeconds);
  whole("waitPerMinuteMilli", tariff.waitPerMinuteMilli);
  for (const one of tariff.hourly) {
    whole(`hourly ${one.kind}`, one.amountMinor);
    whole(`hourly ${one.kind} fromMinute`, one.fromMinute);
    whole(`hourly ${one.kind} toMinute`, one.toMinute);
  }
  const names = new Set(tariff.areas.map((area) => area.name));
  for (const { between, amountMinor } of tariff.fixed) {
    whole(`fixed ${between.join("–")}`, amountMinor);
    for (const name of between) if (!names.has(name)) problems.push(`no area is named ${name}`);
  }
  for (const { area, amountMinor } of tariff.zones) {
    whole(`zone ${area}`, amountMinor);
    if (!names.has(area)) problems.push(`no area is named ${area}`);
  }
  if (tariff.tax.kind === "flat") whole("tax", tariff.tax.amountMinor);
  else whole("tax", tariff.tax.basisPoints);
  for (const [name, value] of Object.entries(tariff.cancellation))
    whole(`cancellation ${name}`, value);
  return problems;
}
