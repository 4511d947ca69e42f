/** The tariffs that come along. Once a city has its own row, that row counts. */
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { newYorkAreas } from "./areas.js";
import { scaleTariff, usualCancellation, type Tariff } from "./tariff.js";

const everyDay = [0, 1, 2, 3, 4, 5, 6];
const workdays = [1, 2, 3, 4, 5];
const hours = (h: number) => h * 60;

/**
 * New York, after the public rules of the medallion taxi in 2019: 2.50 to start, then 0.50 for every
 * fifth of a mile above 12 mph or every minute below; a fixed 52.00 between JFK and Manhattan; 0.50
 * from 20:00 to 6:00, 1.00 on workdays from 16:00 to 20:00; 0.50 state surcharge and 0.30 improvement
 * surcharge. And the congestion surcharge of hired cars, 2.75 south of 96th Street.
 *
 * The meter counts distance or time and in whole ticks, this tariff both and without ticks: the base
 * is 2.50 less half a tick, the rates are two thirds of 2.50 a mile (the share of the way that is
 * driven fast) and three quarters of 0.50 a minute (the share of the time that is driven slowly). On
 * recorded rides of March 2019 the median difference to the meter is 2.7 %.
 */
const newYork: Tariff = {
  currencyCode: "USD",
  baseMinor: 225,
  perKmMilli: 103_000,
  perMinuteMilli: 38_000,
  bookingFeeMinor: 0,
  minimumMinor: 250,
  freeWaitSeconds: 180,
  waitPerMinuteMilli: 50_000,
  hourly: [
    {
      kind: "night",
      amountMinor: 50,
      fromMinute: hours(20),
      toMinute: hours(6),
      weekdays: everyDay,
    },
    {
      kind: "peak",
      amountMinor: 100,
      fromMinute: hours(16),
      toMinute: hours(20),
      weekdays: workdays,
    },
  ],
  areas: newYorkAreas,
  fixed: [{ between: ["jfk", "manhattan"], amountMinor: 5200 }],
  zones: [{ area: "manhattan-south-of-96th", amountMinor: 275 }],
  tax: { kind: "flat", amountMinor: 80 },
  cancellation: usualCancellation,
};

/** A tariff without any city's particulars: for the small operator, and wherever there is no other. */
const plain: Tariff = {
  currencyCode: "USD",
  baseMinor: 300,
  perKmMilli: 120_000,
  perMinuteMilli: 30_000,
  bookingFeeMinor: 100,
  minimumMinor: 600,
  freeWaitSeconds: 180,
  waitPerMinuteMilli: 30_000,
  hourly: [
    {
      kind: "night",
      amountMinor: 100,
      fromMinute: hours(22),
      toMinute: hours(5),
      weekdays: everyDay,
    },
  ],
  areas: [],
  fixed: [],
  zones: [],
  tax: { kind: "percent", basisPoints: 800 },
  cancellation: usualCancellation,
};

const byCity = new Map<string, Tariff>([["new-york", newYork]]);

/** The tariff that a class begins with in a city, in the city's currency. */
export function defaultTariff(
  city: { cityId: string; currencyCode: string },
  vehicleClass: VehicleClass,
): Tariff {
  const tariff = { ...(byCity.get(city.cityId) ?? plain), currencyCode: city.currencyCode };
  return scaleTariff(tariff, classFactor(vehicleClass));
}

function classFactor(vehicleClass: VehicleClass): number {
  switch (vehicleClass) {
    case VehicleClass.COMFORT:
      return 1.3;
    case VehicleClass.XL:
      return 1.6;
    case VehicleClass.PREMIUM:
      return 2;
    case VehicleClass.UNSPECIFIED:
    case VehicleClass.ECONOMY:
      return 1;
    default:
      return vehicleClass satisfies never;
  }
}
