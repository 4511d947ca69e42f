/** Two operators on one platform: neither sees anything of the other, and no driver crosses over. */
import { expect } from "chai";
import { CityService } from "../../gen/es/ridemesh/city/v1/city_service_pb.js";
import { DispatchService } from "../../gen/es/ridemesh/dispatch/v1/dispatch_service_pb.js";
import { DriverService } from "../../gen/es/ridemesh/driver/v1/driver_service_pb.js";
import { IdentityService } from "../../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import { LocationService } from "../../gen/es/ridemesh/location/v1/location_service_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripAction, TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { failure } from "../../services/testing/failure.js";
import { waitFor } from "../../services/testing/wait-for.js";
import { follow } from "./follow.js";
import { http } from "./http.js";
import type { Driver, Person } from "./people.js";
import { makeWorld, spots, type World } from "./world.js";

describe("two operators", function () {
  this.timeout(30_000);
  let world: World;
  let harborRider: Person;
  let harborDriver: Driver;

  before(async () => {
    // A place that lies in both operators' cities.
    world = await makeWorld(spots.shared);
    harborRider = world.other.rider;
    harborDriver = world.other.driver as Driver;
  });
  afterEach(() => world.clear());
  after(async () => {
    await world.people.goOffline(harborDriver);
    await world.leave();
    expect(world.platform.takeErrors()).to.deep.equal([]);
  });

  const offersOf = async (driver: Driver) =>
    (await world.people.call(DispatchService.method.listOffers, driver, {})).offers;

  it("never offer a trip to the other's driver, though he alone stands at the pickup", async () => {
    const { people, rides, places, riderA, driverA, platform } = world;
    await people.goOffline(driverA);
    await people.goOnline(harborDriver, places.pickup);
    const offers = follow((signal) =>
      world.wire.watch(DispatchService.method.watchOffers, harborDriver, {}, { signal }),
    );
    const { tripId } = await rides.request(riderA, places);
    for (let round = 1; round <= 3; round += 1) {
      await waitFor(`round ${round}`, async () => {
        const [row] = await platform.sql<{ round: number }>(
          "SELECT round FROM dispatch.searches WHERE trip_id = $1",
          [tripId],
        );
        return row?.round === round;
      });
      expect(await offersOf(harborDriver)).to.deep.equal([]);
      platform.advance(15.1);
    }
    const trip = await rides.reached(riderA, tripId, TripState.EXPIRED);
    expect(trip.expireReason).to.equal("no_drivers_nearby");
    expect(offers.seen).to.deep.equal([]);
    await offers.stop();
    expect((await failure(rides.accept(harborDriver, tripId))).reason).to.equal("NOT_FOUND");
    await people.goOnline(driverA, places.pickup);
  });

  it("serve the same street side by side, each with its own drivers and books", async () => {
    const { people, rides, places, riderA, driverA, platform } = world;
    await people.report(harborDriver, places.pickup);
    const [own, theirs] = await Promise.all([
      rides.request(riderA, places),
      rides.request(harborRider, places),
    ]);
    const [ours, others] = await Promise.all([
      rides.offer(driverA, own.tripId),
      rides.offer(harborDriver, theirs.tripId),
    ]);
    expect([ours.tripId, others.tripId]).to.deep.equal([own.tripId, theirs.tripId]);
    expect((await offersOf(driverA)).map(({ tripId }) => tripId)).to.deep.equal([own.tripId]);
    expect((await offersOf(harborDriver)).map(({ tripId }) => tripId)).to.deep.equal([
      theirs.tripId,
    ]);
    await rides.accept(harborDriver, theirs.tripId);
    expect((await rides.see(riderA, own.tripId)).state).to.equal(TripState.MATCHING);
    await rides.act(harborDriver, theirs.tripId, TripAction.ARRIVING);
    await rides.act(harborDriver, theirs.tripId, TripAction.ARRIVED);
    await rides.act(harborDriver, theirs.tripId, TripAction.START, theirs.pin);
    platform.advance(120);
    await rides.act(harborDriver, theirs.tripId, TripAction.COMPLETE);
    await rides.reached(harborRider, theirs.tripId, TripState.PAYMENT_PROCESSED);
    const books = await platform.sql<{ tenant_id: string }>(
      `SELECT DISTINCT a.tenant_id FROM payment.transfers t JOIN payment.entries e USING (transfer_id)
       JOIN payment.accounts a ON a.account_id = e.account_id WHERE t.trip_id = $1`,
      [theirs.tripId],
    );
    expect(books).to.deep.equal([{ tenant_id: "harbor" }]);
  });

  it("see nothing of each other in any list, on any map, in any stream", async () => {
    const { people, rides, places, riderA, driverA, other, platform, wire } = world;
    await people.report(driverA, places.pickup);
    const { tripId } = await rides.upTo(TripState.ACCEPTED, {
      rider: riderA,
      driver: driverA,
      places,
    });
    await world.atRest();
    const { call } = people;
    const nearby = await call(LocationService.method.findNearbyDrivers, harborRider, places.pickup);
    expect(nearby.drivers.map(({ driverId }) => driverId)).not.to.include(driverA.userId);
    const { drivers } = await call(DriverService.method.listDrivers, other.admin, {
      pageSize: 100,
    });
    const listed = drivers.map(({ driverId }) => driverId);
    expect(listed).to.include(harborDriver.userId);
    expect(listed).not.to.include(driverA.userId);
    expect(new Set(drivers.map(({ cityId }) => cityId))).to.deep.equal(new Set(["harbor"]));
    const { trips } = await call(TripService.method.listTrips, harborRider, {});
    expect(trips.map((trip) => trip.riderId)).to.deep.equal(trips.map(() => harborRider.userId));
    const ofOurs = await call(TripService.method.listRiderTrips, other.admin, {
      riderId: riderA.userId,
    });
    expect(ofOurs.trips).to.deep.equal([]);
    const { cities } = await call(CityService.method.listCities, other.admin, {});
    expect(cities.map(({ cityId }) => cityId)).to.deep.equal(["harbor"]);

    for (const one of [other.admin, other.support, other.rider, other.driver]) {
      for (const path of [`/api/trips/${tripId}`, `/api/trips/${tripId}/watch`]) {
        const answer = await http(platform.url, "GET", path, { as: one });
        expect([answer.status, answer.json["reason"]], path).to.deep.equal([404, "NOT_FOUND"]);
      }
    }
    const request = { cityId: "harbor" };
    const map = follow((signal) =>
      wire.watch(LocationService.method.watchMap, other.admin, request, { signal }),
    );
    const { drivers: shown } = await map.until("the map", () => true);
    expect(shown.map(({ driverId }) => driverId)).not.to.include(driverA.userId);
    await map.stop();
  });

  it("may have accounts with the same e-mail, that know nothing of each other", async () => {
    const { people, riderA } = world;
    const { email } = riderA;
    const { user, session } = await people.call(IdentityService.method.registerUser, undefined, {
      operator: "harbor",
      email,
      password: "another password there",
      displayName: "Anna Harbor",
      role: Role.RIDER,
    });
    expect(user!.userId).not.to.equal(riderA.userId);
    const wrong = { tenantId: "harbor", email, password: riderA.password };
    expect((await failure(people.logIn(wrong))).reason).to.equal("BAD_CREDENTIALS");
    const { token } = { token: session!.accessToken };
    const who = await http(world.platform.url, "GET", "/api/auth/validate", { as: { token } });
    expect(who.json["tenantId"]).to.equal("harbor");
  });

  it("are told apart by host where the caller names none", async () => {
    const { platform, people, riderA } = world;
    const { email, password } = riderA;
    const { user } = await people.call(IdentityService.method.login, undefined, {
      email,
      password,
    });
    expect(user!.userId).to.equal(riderA.userId);
    const cities = async (host: string) => {
      const { json } = await http(`http://${host}:${platform.port}`, "GET", "/api/cities");
      return (json["cities"] as { cityId: string }[]).map(({ cityId }) => cityId);
    };
    expect(await cities("127.0.0.1")).to.deep.equal(["new-york"]);
  });
});
