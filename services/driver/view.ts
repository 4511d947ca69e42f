/** What others see of a driver. */
import { Availability, type Driver } from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import type { DriverCard } from "../../gen/grpc/ridemesh/driver/v1/driver_internal_service.js";
import type { DriverRecord } from "./store.js";

/** What the driver himself and the operator's staff see. */
export function toDriver(driver: DriverRecord): Driver {
  return {
    driverId: driver.driverId,
    displayName: driver.displayName,
    cityId: driver.cityId,
    onboardingStatus: driver.onboardingStatus,
    reviewComment: driver.reviewComment,
    availability: driver.onTrip ? Availability.BUSY : driver.availability,
    vehicles: driver.vehicles,
    documents: driver.documents,
    ratingAverage: ratingAverage(driver),
    ratingCount: driver.ratingCount,
    createTime: driver.createTime,
  };
}

/** What a rider sees: no more of the name than its first word. */
export function toCard(driver: DriverRecord): DriverCard {
  const vehicle = driver.vehicles.find((one) => one.vehicleId === driver.vehicleId);
  return {
    driverId: driver.driverId,
    firstName: driver.displayName.trim().split(/\s+/)[0]!,
    ratingAverage: ratingAverage(driver),
    vehicleDescription: vehicle
      ? [vehicle.color, vehicle.make, vehicle.model].filter((word) => word !== "").join(" ")
      : "",
    plate: vehicle?.plate ?? "",
  };
}

function ratingAverage({ ratingSum, ratingCount }: DriverRecord): number {
  return ratingCount === 0 ? 0 : ratingSum / ratingCount;
}
