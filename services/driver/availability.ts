/** The rules of going online and offline, without I/O. */
import {
  Availability,
  OnboardingStatus,
  type Document,
  type Vehicle,
} from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import { findLack, statusName, type Rejection } from "./onboarding.js";

/** What going online and offline depends on. */
export interface Readiness {
  onboardingStatus: OnboardingStatus;
  documents: Document[];
  vehicles: Vehicle[];
  /** Online or offline, as last set. */
  availability: Availability;
  /** The vehicle that he drives now or drove last. */
  vehicleId: string | undefined;
  /** Whether a trip of his is under way. */
  onTrip: boolean;
}

/** What a wish leads to. */
export type Turn =
  | { outcome: "turned"; availability: Availability; vehicleId: string | undefined }
  | { outcome: "refused"; rejection: Rejection }
  /** The vehicle that he names is not his. */
  | { outcome: "vehicle_unknown" }
  /** He has several and does not say which. */
  | { outcome: "vehicle_unclear" };

/**
 * What becomes of a driver's wish at the domain time `now`. Going online takes the vehicle that he
 * names, else the one he drove last, else the only one that he has.
 */
export function decideAvailability(
  driver: Readiness,
  wanted: Availability.ONLINE | Availability.OFFLINE,
  wantedVehicle: string,
  now: Date,
): Turn {
  if (wanted === Availability.OFFLINE) {
    return driver.onTrip && driver.availability !== wanted
      ? refuse("ON_TRIP", "cannot go offline before the trip has ended")
      : { outcome: "turned", availability: wanted, vehicleId: driver.vehicleId };
  }
  if (driver.onboardingStatus !== OnboardingStatus.APPROVED) {
    const name = statusName(driver.onboardingStatus);
    return refuse("NOT_APPROVED", `the driver is not approved but ${name}`, {
      onboarding_status: name,
    });
  }
  const lack = findLack(driver, now);
  if (lack) return { outcome: "refused", rejection: lack };
  const chosen = wantedVehicle.toLowerCase() || driver.vehicleId || onlyVehicle(driver);
  if (!chosen) return { outcome: "vehicle_unclear" };
  if (!driver.vehicles.some((vehicle) => vehicle.vehicleId === chosen)) {
    return { outcome: "vehicle_unknown" };
  }
  if (driver.onTrip && driver.vehicleId !== chosen) {
    return refuse("ON_TRIP", "cannot change the vehicle before the trip has ended");
  }
  return { outcome: "turned", availability: wanted, vehicleId: chosen };
}

function onlyVehicle({ vehicles }: Readiness): string | undefined {
  return vehicles.length === 1 ? vehicles[0]!.vehicleId : undefined;
}

function refuse(reason: string, message: string, metadata: Record<string, string> = {}): Turn {
  return { outcome: "refused", rejection: { refused: true, reason, message, metadata } };
}
