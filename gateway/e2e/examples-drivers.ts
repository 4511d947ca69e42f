/** Examples of drivers, their positions and their offers. */
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { DispatchService } from "../../gen/es/ridemesh/dispatch/v1/dispatch_service_pb.js";
import {
  Availability,
  DocumentType,
  OnboardingStatus,
} from "../../gen/es/ridemesh/driver/v1/driver_pb.js";
import { DriverService } from "../../gen/es/ridemesh/driver/v1/driver_service_pb.js";
import { LocationService } from "../../gen/es/ridemesh/location/v1/location_service_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { addSeconds } from "../../services/runtime/clock.js";
import { Code } from "../../services/runtime/status.js";
import { count, example, type Example } from "./example.js";
import { cityOf, documentTypes, newPlate, newVehicle, tinyPng, type Person } from "./people.js";
import type { World } from "./world.js";

const inAYear = (world: World) =>
  timestampFromDate(addSeconds(world.platform.clock.now(), 365 * 86_400));

/** Someone who has applied and shown nothing. */
async function applicant(world: World): Promise<Person> {
  const { people } = world;
  const person = await people.register(Role.DRIVER);
  await people.call(DriverService.method.registerDriver, person, { cityId: cityOf["metro"]! });
  return person;
}

/** Someone who has shown everything and waits for the decision. */
async function candidate(world: World): Promise<Person> {
  const { call } = world.people;
  const person = await applicant(world);
  const driverId = person.userId;
  await call(DriverService.method.addVehicle, person, {
    driverId,
    vehicle: newVehicle(newPlate()),
  });
  for (const type of documentTypes) {
    const document = { driverId, type, expireTime: inAYear(world), content: tinyPng };
    await call(DriverService.method.addDocument, person, document);
  }
  return person;
}

const matching = (world: World) =>
  world.rides.upTo(TripState.MATCHING, {
    rider: world.riderA,
    driver: world.driverA,
    places: world.places,
  });

/** Where a driver is now, a little later than he was last. */
function point(world: World) {
  world.platform.advance(1);
  const observeTime = timestampFromDate(world.platform.clock.now());
  return { point: world.places.pickup, observeTime, accuracyMeters: 5 };
}

export const driverExamples: Example[] = [
  example(
    DriverService.method.registerDriver,
    async ({ people }) => ({
      caller: await people.register(Role.DRIVER),
      request: { cityId: cityOf["metro"]! },
    }),
    {
      elsewhere: { code: Code.INVALID_ARGUMENT, reason: "UNKNOWN_CITY" },
      effects: (world, { caller }) =>
        count(world, "SELECT count(*) AS n FROM driver.drivers WHERE driver_id = $1", [
          caller!.userId,
        ]),
      other: () => ({ cityId: "nowhere" }),
    },
  ),
  example(DriverService.method.getDriver, ({ driverA }) => ({
    caller: driverA,
    request: { driverId: driverA.userId },
  })),
  example(DriverService.method.listDrivers, ({ admin }) => ({ caller: admin, request: {} })),
  example(
    DriverService.method.addVehicle,
    async (world) => {
      const caller = await applicant(world);
      return { caller, request: { driverId: caller.userId, vehicle: newVehicle(newPlate()) } };
    },
    {
      effects: (world, { caller }) =>
        count(world, "SELECT count(*) AS n FROM driver.vehicles WHERE driver_id = $1", [
          caller!.userId,
        ]),
      other: () => ({ vehicle: newVehicle(newPlate()) }),
    },
  ),
  example(
    DriverService.method.addDocument,
    async (world) => {
      const caller = await applicant(world);
      const request = {
        driverId: caller.userId,
        type: DocumentType.LICENCE,
        expireTime: inAYear(world),
        content: tinyPng,
      };
      return { caller, request };
    },
    {
      effects: (world, { caller }) =>
        count(world, "SELECT count(*) AS n FROM driver.documents WHERE driver_id = $1", [
          caller!.userId,
        ]),
      other: () => ({ type: DocumentType.INSURANCE }),
    },
  ),
  example(DriverService.method.getDocumentFile, async ({ people, driverA }) => {
    const driverId = driverA.userId;
    const { driver } = await people.call(DriverService.method.getDriver, driverA, { driverId });
    const { documentId } = driver!.documents[0]!;
    return { caller: driverA, request: { driverId, documentId } };
  }),
  example(
    DriverService.method.reviewDriver,
    async (world) => {
      const { userId } = await candidate(world);
      const decision = OnboardingStatus.APPROVED;
      return { caller: world.admin, request: { driverId: userId, decision } };
    },
    {
      effects: (world, { request }) =>
        count(
          world,
          `SELECT count(*) AS n FROM driver.driver_reviews
           WHERE driver_id = $1 AND reviewer_id <> ''`,
          [request.driverId],
        ),
      other: () => ({ comment: "welcome" }),
    },
  ),
  example(
    DriverService.method.setDriverAvailability,
    async (world) => {
      const caller = await world.people.driver(world.admin, "Ole Online");
      const availability = Availability.ONLINE;
      return { caller, request: { driverId: caller.userId, availability } };
    },
    {
      effects: (world, { caller }) =>
        count(world, "SELECT availability_version AS n FROM driver.drivers WHERE driver_id = $1", [
          caller!.userId,
        ]),
      other: () => ({ availability: Availability.OFFLINE }),
    },
  ),
  example(DriverService.method.getEarnings, ({ driverA }) => ({
    caller: driverA,
    request: { driverId: driverA.userId },
  })),

  example(LocationService.method.reportLocation, (world) => ({
    caller: world.driverA,
    request: { driverId: world.driverA.userId, point: point(world) },
  })),
  example(LocationService.method.batchReportLocations, (world) => ({
    caller: world.driverA,
    request: { driverId: world.driverA.userId, points: [point(world), point(world)] },
  })),
  example(LocationService.method.streamLocations, (world) => ({
    caller: world.driverA,
    request: { driverId: world.driverA.userId, points: [point(world), point(world)] },
  })),
  example(LocationService.method.findNearbyDrivers, ({ riderA, places }) => ({
    caller: riderA,
    request: places.pickup,
  })),
  example(LocationService.method.listDriverHistory, ({ driverA }) => ({
    caller: driverA,
    request: { driverId: driverA.userId },
  })),
  example(LocationService.method.trackTrip, async (world) => {
    const { riderA: rider, driverA: driver, places } = world;
    const { tripId } = await world.rides.upTo(TripState.ACCEPTED, { rider, driver, places });
    // The location service hears of trips by events.
    await world.atRest();
    return { caller: rider, request: { tripId } };
  }),
  example(LocationService.method.watchMap, ({ admin }) => ({
    caller: admin,
    request: { cityId: cityOf["metro"]! },
  })),

  example(
    DispatchService.method.watchOffers,
    async (world) => {
      await matching(world);
      return { caller: world.driverA, request: {} };
    },
    { leavesSearch: true },
  ),
  example(
    DispatchService.method.listOffers,
    async (world) => {
      await matching(world);
      return { caller: world.driverA, request: {} };
    },
    { leavesSearch: true },
  ),
  example(
    DispatchService.method.declineOffer,
    async (world) => {
      const { tripId } = await matching(world);
      const { offerId } = await world.rides.offer(world.driverA, tripId);
      return { caller: world.driverA, request: { offerId } };
    },
    {
      leavesSearch: true,
      effects: (world, { request }) =>
        count(
          world,
          "SELECT count(*) AS n FROM dispatch.offers WHERE offer_id = $1 AND status = 3",
          [request.offerId],
        ),
      other: async (world, { request }) => {
        const [earlier] = await world.platform.sql<{ offer_id: string }>(
          "SELECT offer_id FROM dispatch.offers WHERE driver_id = $1 AND offer_id <> $2 LIMIT 1",
          [world.driverA.userId, request.offerId],
        );
        return { offerId: earlier!.offer_id };
      },
    },
  ),
];
