/** Examples of what services ask each other. The caller is the first that the contract names. */
import { randomUUID } from "node:crypto";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { CityInternalService } from "../../gen/es/ridemesh/city/v1/city_internal_service_pb.js";
import { DriverInternalService } from "../../gen/es/ridemesh/driver/v1/driver_internal_service_pb.js";
import { EtaInternalService } from "../../gen/es/ridemesh/eta/v1/eta_internal_service_pb.js";
import { IdentityInternalService } from "../../gen/es/ridemesh/identity/v1/identity_internal_service_pb.js";
import { IdentityService } from "../../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import { LocationInternalService } from "../../gen/es/ridemesh/location/v1/location_internal_service_pb.js";
import { PaymentInternalService } from "../../gen/es/ridemesh/payment/v1/payment_internal_service_pb.js";
import { PaymentPurpose } from "../../gen/es/ridemesh/payment/v1/payment_pb.js";
import { PricingInternalService } from "../../gen/es/ridemesh/pricing/v1/pricing_internal_service_pb.js";
import { RiderInternalService } from "../../gen/es/ridemesh/rider/v1/rider_internal_service_pb.js";
import { PaymentMethodKind, TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripInternalService } from "../../gen/es/ridemesh/trip/v1/trip_internal_service_pb.js";
import { VehicleClass } from "../../gen/es/ridemesh/type/v1/vehicle_class_pb.js";
import { addSeconds } from "../../services/runtime/clock.js";
import { example, type Example } from "./example.js";
import { cityOf } from "./people.js";
import { spots, type World } from "./world.js";

const tenantId = "metro";
const cityId = cityOf[tenantId]!;

/** A trip that nobody is offered: no driver is near. */
async function lonely({ rides, riderA }: World): Promise<string> {
  const { tripId } = await rides.request(riderA, spots.lonely);
  await rides.reached(riderA, tripId, TripState.MATCHING);
  return tripId;
}

const terms = {
  cityId,
  vehicleClass: VehicleClass.ECONOMY,
  pickup: { point: spots.access.pickup },
  dropoff: { point: spots.access.dropoff },
  fare: { total: { amountMinor: 1000n, currencyCode: "USD" }, distanceMeters: 2000 },
};

export const internalExamples: Example[] = [
  example(CityInternalService.method.watchCities, () => ({ request: {} })),
  example(CityInternalService.method.resolveOperator, () => ({ request: { operator: tenantId } })),
  example(IdentityInternalService.method.watchTrust, () => ({ request: {} })),
  example(IdentityInternalService.method.redeemStreamTicket, async ({ people, riderA }) => {
    const made = await people.call(IdentityService.method.createStreamTicket, riderA, {});
    return { request: { ticket: made.ticket } };
  }),
  example(IdentityInternalService.method.listDisplayNames, ({ riderA }) => ({
    request: { tenantId, userIds: [riderA.userId] },
  })),
  example(DriverInternalService.method.listDriverCards, ({ driverA }) => ({
    request: { tenantId, driverIds: [driverA.userId] },
  })),
  example(RiderInternalService.method.listRiderCards, ({ riderA }) => ({
    request: { tenantId, riderIds: [riderA.userId] },
  })),
  example(LocationInternalService.method.findCandidates, ({ places }) => ({
    request: {
      tenantId,
      cityId,
      point: places.pickup,
      radiusMeters: 2000,
      limit: 5,
      vehicleClass: VehicleClass.ECONOMY,
    },
  })),
  example(LocationInternalService.method.measureRoute, ({ platform, driverA }) => {
    const now = platform.clock.now();
    const startTime = timestampFromDate(addSeconds(now, -600));
    return {
      request: { tenantId, driverId: driverA.userId, startTime, endTime: timestampFromDate(now) },
    };
  }),
  example(EtaInternalService.method.estimateLegs, ({ places }) => ({
    request: { tenantId, cityId, legs: [{ origin: places.pickup, destination: places.dropoff }] },
  })),
  example(PricingInternalService.method.getTripTerms, ({ riderA, places }) => ({
    request: {
      tenantId,
      onBehalfOf: riderA.userId,
      pickup: { point: places.pickup },
      dropoff: { point: places.dropoff },
      vehicleClass: VehicleClass.ECONOMY,
    },
  })),
  example(PricingInternalService.method.priceFinalFare, ({ platform }) => ({
    request: {
      tenantId,
      terms,
      distanceMeters: 2100,
      durationSeconds: 600,
      startTime: timestampFromDate(platform.clock.now()),
    },
  })),
  example(
    TripInternalService.method.beginMatching,
    async (world) => ({ request: { tenantId, tripId: await lonely(world), searchNumber: 1 } }),
    { leavesSearch: true },
  ),
  example(
    TripInternalService.method.offerTrip,
    async (world) => {
      const expireTime = timestampFromDate(addSeconds(world.platform.clock.now(), 15));
      const offer = { offerId: randomUUID(), driverId: world.driverB.userId, expireTime };
      const tripId = await lonely(world);
      return { request: { tenantId, tripId, searchNumber: 1, offers: [offer] } };
    },
    { leavesSearch: true },
  ),
  example(
    TripInternalService.method.withdrawOffer,
    async (world) => ({
      request: { tenantId, tripId: await lonely(world), offerId: randomUUID() },
    }),
    { leavesSearch: true },
  ),
  example(
    TripInternalService.method.expireTrip,
    async (world) => ({
      request: {
        tenantId,
        tripId: await lonely(world),
        searchNumber: 1,
        reason: "no_drivers_nearby",
      },
    }),
    { leavesSearch: true },
  ),
  example(PaymentInternalService.method.chargeTrip, async (world) => {
    const { riderA: rider, driverA: driver, places } = world;
    // Charged by the settlement already: to ask again is to be answered the same.
    const { tripId } = await world.rides.upTo(TripState.PAYMENT_PROCESSED, {
      rider,
      driver,
      places,
    });
    const { finalFare } = await world.rides.see(rider, tripId);
    return {
      request: {
        tenantId,
        onBehalfOf: rider.userId,
        tripId,
        driverId: driver.userId,
        purpose: PaymentPurpose.FARE,
        paymentMethod: { kind: PaymentMethodKind.CASH },
        total: finalFare!.total!,
      },
    };
  }),
];
