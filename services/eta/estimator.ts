/** Estimates drives by the learned model, or by distance alone where there is none. */
import { readFile } from "node:fs/promises";
import type { Estimate } from "../../gen/grpc/ridemesh/eta/v1/eta.js";
import { distanceMeters, type GeoPoint } from "../runtime/geo.js";
import { localTime } from "../runtime/local-time.js";
import type { Logger } from "../runtime/log.js";
import { failedPrecondition } from "../runtime/status.js";
import { estimateByDistance, estimateDrive, parseModel, type Model } from "./model.js";

/** No ride is longer, as great-circle distance. */
const maxMeters = 300_000;

export interface Estimator {
  /**
   * A drive that starts in this hour of the week, local time. FAILED_PRECONDITION (TOO_FAR) beyond
   * 300 km.
   */
  estimate(origin: GeoPoint, destination: GeoPoint, hourOfWeek: number): Estimate;
}

/** Reads the model; without one, or with one that cannot be used, estimates are by distance. */
export async function loadEstimator(file: URL | string, log: Logger): Promise<Estimator> {
  let model: Model | undefined;
  try {
    model = parseModel(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    log.error({ err: error }, "the model cannot be read: durations are estimated by distance");
  }
  return { estimate: (origin, destination, hour) => estimate(model, origin, destination, hour) };
}

function estimate(
  model: Model | undefined,
  origin: GeoPoint,
  destination: GeoPoint,
  hourOfWeek: number,
): Estimate {
  const meters = distanceMeters(origin, destination);
  if (meters > maxMeters) {
    throw failedPrecondition("TOO_FAR", "the points are further apart than any ride is", {
      distance_meters: String(Math.round(meters)),
      max_distance_meters: String(maxMeters),
    });
  }
  if (!model) return { ...estimateByDistance(meters), source: "distance" };
  const drive = estimateDrive(model, { origin, destination, meters, hourOfWeek });
  return { ...drive, source: "learned" };
}

/** The hour of the week in a time zone: 0 is the one from Sunday midnight on. */
export function hourOfWeekIn(time: Date, timeZone: string): number {
  const { weekday, minuteOfDay } = localTime(time, timeZone);
  return weekday * 24 + Math.floor(minuteOfDay / 60);
}

/** The hour of the week by the sun at a longitude, where no time zone is known. */
export function hourOfWeekAt(time: Date, lng: number): number {
  const local = new Date(time.getTime() + (lng / 15) * 3_600_000);
  return local.getUTCDay() * 24 + local.getUTCHours();
}
