import { expect } from "chai";
import { randomUUID } from "node:crypto";
import { DispatchServiceService } from "../../gen/grpc/ridemesh/dispatch/v1/dispatch_service.js";
import { OfferStatus } from "../../gen/grpc/ridemesh/dispatch/v1/offer.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { TripRequested } from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { addSeconds } from "../runtime/clock.js";
import { Code, unavailable } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import { publishEvent } from "../testing/publish.js";
import { waitFor } from "../testing/wait-for.js";
import { cityId, startWorld, type StandInTrip, type World } from "./world.test.js";

const { LIVE, ACCEPTED, DECLINED, EXPIRED, WITHDRAWN } = OfferStatus;

describe("the dispatch service", () => {
  let world: World;
  // A round of 15 s takes a second: long enough for a machine that is busy with other tests.
  before(async () => (world = await startWorld(15)));
  beforeEach(async () => {
    world.drivers.length = 0;
    await waitFor("the searches of the test before to end", async () => {
      const open = await world.query("SELECT 1 FROM dispatch.searches WHERE open");
      return open.length === 0;
    });
    world.candidateRequests.length = 0;
    const nothing = () => Promise.resolve();
    world.before.offerTrip = nothing;
    world.before.findCandidates = nothing;
    world.before.estimateLegs = nothing;
    world.before.withdrawOffer = nothing;
  });
  after(() => world.stop());

  const expired = async (trip: StandInTrip) => {
    await waitFor("the search to end", () => trip.state === "EXPIRED");
    return trip.expireReason;
  };
  const statuses = async ({ tripId }: StandInTrip) => {
    const rows = await world.query(
      "SELECT driver_id, status FROM dispatch.offers WHERE trip_id = $1",
      [tripId],
    );
    return rows.map((row) => [row["driver_id"], row["status"]] as [string, OfferStatus]);
  };
  const radii = () => world.candidateRequests.map((request) => request.radiusMeters);

  describe("asks", () => {
    it("the 5 nearest, ranked by the time that they need", async () => {
      const distances = [100, 200, 300, 400, 500, 600, 700];
      const seconds = [50, 10, 40, 20, 30, 1, 2];
      const drivers = distances.map((meters, i) => world.driver(meters, { seconds: seconds[i]! }));
      const trip = await world.request();
      await world.offered(trip, drivers[0]!);
      const ranked = [1, 3, 4, 2, 0].map((i) => drivers[i]!.subject);
      expect(trip.offers.map(({ driverId }) => driverId)).to.deep.equal(ranked);
      await world.cancel(trip);
    });

    it("for the trip's class, in its city, of its operator", async () => {
      const trip = await world.request("harbor");
      await waitFor("drivers to be looked for", () => world.candidateRequests.length > 0);
      expect(world.candidateRequests[0]).to.deep.include({
        tenantId: "harbor",
        cityId,
        point: { lat: 40.75, lng: -73.98 },
        radiusMeters: 2000,
        vehicleClass: VehicleClass.ECONOMY,
      });
      await world.cancel(trip);
    });

    it("with all that a driver may know before he accepts", async () => {
      const driver = world.driver(700, { seconds: 90 });
      const trip = await world.request();
      const offer = await world.offered(trip, driver);
      const { offerId, createTime, expireTime, ...shown } = offer;
      expect(shown).to.deep.equal({
        tripId: trip.tripId,
        status: LIVE,
        pickup: { point: { lat: 40.75, lng: -73.98 }, address: "5 Pickup Street" },
        vehicleClass: VehicleClass.ECONOMY,
        riderFirstName: "Rita",
        riderRatingAverage: 4.7,
        pickupDistanceMeters: 910,
        pickupDurationSeconds: 90,
      });
      expect(trip.offers.map((one) => one.offerId)).to.deep.equal([offerId]);
      const lasts = expireTime!.getTime() - createTime!.getTime();
      expect(lasts / 1000).to.be.within(14, 16);
      await world.cancel(trip);
    });

    it("by distance when no times are to be had", async () => {
      world.before.estimateLegs = () => Promise.reject(unavailable("away"));
      const drivers = [300, 100, 200].map((meters) => world.driver(meters, { seconds: 1 }));
      const trip = await world.request();
      await world.offered(trip, drivers[0]!);
      const nearest = [1, 2, 0].map((i) => drivers[i]!.subject);
      expect(trip.offers.map(({ driverId }) => driverId)).to.deep.equal(nearest);
      await world.cancel(trip);
    });

    it("nobody of another operator", async () => {
      const own = world.driver(100);
      const other = world.driver(50, { tenantId: "harbor" });
      const trip = await world.request();
      await world.offered(trip, own);
      expect(await world.offersOf(other)).to.be.empty;
      await world.cancel(trip);
    });

    it("the next driver when one declines, and him not again", async () => {
      const drivers = [100, 200, 300, 400, 500, 600].map((meters) => world.driver(meters));
      const trip = await world.request();
      const { offerId } = await world.offered(trip, drivers[0]!);
      expect(await world.offersOf(drivers[5]!)).to.be.empty;
      expect(await world.decline(drivers[0]!, offerId)).to.deep.include({
        status: DECLINED,
        offerId,
      });
      await world.offered(trip, drivers[5]!);
      expect(trip.offers.map((one) => one.offerId)).not.to.include(offerId);
      expect(await expired(trip)).to.equal("no_driver_accepted");
      const own = (await statuses(trip)).filter(([driverId]) => driverId === drivers[0]!.subject);
      expect(own).to.deep.equal([[drivers[0]!.subject, DECLINED]]);
    });

    it("further out in the next round, when offers run out", async () => {
      const [near, far] = [world.driver(1500), world.driver(4500)];
      const watcher = world.watch(near);
      const trip = await world.request();
      await watcher.told(trip, LIVE);
      await watcher.told(trip, EXPIRED);
      await world.offered(trip, far);
      expect(radii()[0]).to.equal(2000);
      expect(radii()).to.include(5000);
      expect(await expired(trip)).to.equal("no_driver_accepted");
    });

    it("a driver who comes online in a round that had found nobody", async () => {
      const trip = await world.request();
      await waitFor("a first look", () => world.candidateRequests.length > 0);
      const late = world.driver(100);
      const watcher = world.watch(late);
      await world.online(late);
      await watcher.told(trip, LIVE);
      await world.accept(trip, late);
      await watcher.told(trip, ACCEPTED);
    });

    it("a driver who is free again because another trip was taken", async () => {
      const [one, two] = [world.driver(100), world.driver(200)];
      const first = await world.request();
      await world.offered(first, one);
      await world.offered(first, two);
      const second = await world.request();
      const looks = () => world.candidateRequests.length;
      const before = looks();
      await waitFor("the second search to look", () => looks() > before);
      const watcher = world.watch(two);
      one.available = false;
      await world.accept(first, one);
      await watcher.told(second, LIVE);
      await world.cancel(second);
    });

    it("again when a neighbour was away", async () => {
      let failures = 0;
      world.before.findCandidates = () =>
        (failures += 1) < 6 ? Promise.reject(unavailable("away")) : Promise.resolve();
      const driver = world.driver(100);
      const watcher = world.watch(driver);
      const trip = await world.request();
      await watcher.told(trip, LIVE);
      await world.cancel(trip);
    });
  });

  describe("ends a search", () => {
    it("after three rounds that found nobody, and says so", async () => {
      const begin = world.domain.now();
      const trip = await world.request();
      expect(await expired(trip)).to.equal("no_drivers_nearby");
      expect([...new Set(radii())]).to.deep.equal([2000, 5000]);
      expect(world.domain.now().getTime()).to.be.at.least(addSeconds(begin, 45).getTime());
    });

    it("after three rounds in which nobody accepted, and says so", async () => {
      const driver = world.driver(100);
      const watcher = world.watch(driver);
      const trip = await world.request();
      expect(await expired(trip)).to.equal("no_driver_accepted");
      await waitFor("all offers to have ended", async () =>
        (await statuses(trip)).every(([, status]) => status === EXPIRED),
      );
      expect(await statuses(trip)).to.have.length(3);
      expect(await world.offersOf(driver)).to.be.empty;
      const told = watcher.seen.map(({ offer }) => offer!.status);
      expect(told.slice(0, 2)).to.deep.equal([LIVE, EXPIRED]);
    });

    it("when a driver accepts: the others are told that their offers are gone", async () => {
      const drivers = [100, 200, 300].map((meters) => world.driver(meters));
      const watchers = drivers.map((driver) => world.watch(driver));
      const trip = await world.request();
      for (const watcher of watchers) await watcher.told(trip, LIVE);
      await world.accept(trip, drivers[1]!);
      await watchers[0]!.told(trip, WITHDRAWN);
      await watchers[1]!.told(trip, ACCEPTED);
      await watchers[2]!.told(trip, WITHDRAWN);
      for (const driver of drivers) expect(await world.offersOf(driver)).to.be.empty;
      expect(trip.state).to.equal("ACCEPTED");
    });

    it("when the trip is cancelled: all are told, and free for others", async () => {
      const driver = world.driver(100);
      const watcher = world.watch(driver);
      const trip = await world.request();
      await watcher.told(trip, LIVE);
      await world.cancel(trip);
      await watcher.told(trip, WITHDRAWN);
      const next = await world.request();
      await watcher.told(next, LIVE);
      await world.cancel(next);
    });

    it("that the trip knows nothing of", async () => {
      const tripId = randomUUID();
      const event = TripRequested.fromPartial({ tripId, version: 1n, cityId });
      await world.publish(TripRequested, event);
      await waitFor("the search to be closed", async () => {
        const [row] = await world.query("SELECT open FROM dispatch.searches WHERE trip_id = $1", [
          tripId,
        ]);
        return row?.["open"] === false;
      });
    });
  });

  it("searches anew when the driver gives the trip back, without him", async () => {
    const [first, second] = [world.driver(100), world.driver(200)];
    const trip = await world.request();
    await world.offered(trip, first);
    await world.accept(trip, first);
    await waitFor("the first search to be closed", async () => {
      const all = await statuses(trip);
      return all.every(([, status]) => status !== LIVE);
    });
    const [his, others] = [world.watch(first), world.watch(second)];
    await world.giveBack(trip, first);
    await others.told(trip, LIVE);
    expect(trip.offers.map(({ driverId }) => driverId)).to.deep.equal([second.subject]);
    await world.accept(trip, second);
    await others.told(trip, ACCEPTED);
    expect(his.seen.filter(({ offer }) => offer!.status === LIVE)).to.be.empty;
  });

  it("begins one search for a request that is told twice, and none for one that is over", async () => {
    const driver = world.driver(100);
    const trip = await world.request();
    await world.offered(trip, driver);
    await world.accept(trip, driver);
    const event = TripRequested.fromPartial({ tripId: trip.tripId, version: 1n, cityId });
    await world.publish(TripRequested, event);
    const other = await world.request();
    await world.offered(other, driver);
    const [row] = await world.query("SELECT * FROM dispatch.searches WHERE trip_id = $1", [
      trip.tripId,
    ]);
    expect(row).to.include({ open: false, search_number: 1 });
    await world.cancel(other);
  });

  describe("gives a driver one live offer", () => {
    it("however many trips look for him at once", async () => {
      const drivers = [100, 200, 300].map((meters) => world.driver(meters));
      const trips = await Promise.all(Array.from({ length: 12 }, () => world.request()));
      let most = 0;
      while (trips.some((trip) => trip.state === "MATCHING")) {
        const rows = await world.query(
          "SELECT count(*)::int AS n FROM dispatch.offers WHERE status = 1 GROUP BY driver_id",
        );
        most = Math.max(most, ...rows.map((row) => Number(row["n"])));
      }
      expect(most).to.equal(1);
      const all = await Promise.all(trips.map(statuses));
      for (const { subject } of drivers) {
        expect(all.flat().filter(([driverId]) => driverId === subject)).to.have.length.above(1);
      }
    });

    it("so that each of two trips gets its own drivers", async () => {
      const drivers = Array.from({ length: 10 }, (_, i) => world.driver(100 + i));
      const trips = await Promise.all([world.request(), world.request()]);
      await waitFor("ten offers", () => trips.every((trip) => trip.offers.length === 5));
      const asked = trips.flatMap((trip) => trip.offers.map(({ driverId }) => driverId));
      expect(asked).to.have.members(drivers.map(({ subject }) => subject));
      for (const trip of trips) await world.cancel(trip);
    });
  });

  describe("takes a refusal", () => {
    const live = async () => {
      const driver = world.driver(100);
      const trip = await world.request();
      return { driver, trip, offer: await world.offered(trip, driver) };
    };
    const notLive = async (call: Promise<unknown>, status: string) =>
      expect(await failure(call)).to.deep.include({
        code: Code.FAILED_PRECONDITION,
        reason: "OFFER_NOT_LIVE",
        metadata: { status },
      });

    it("of an offer that lives, once", async () => {
      const { driver, trip, offer } = await live();
      await world.decline(driver, offer.offerId);
      await notLive(world.decline(driver, offer.offerId), "OFFER_STATUS_DECLINED");
      await world.cancel(trip);
    });

    it("50 times under one key as one", async () => {
      const { driver, trip, offer } = await live();
      const watcher = world.watch(driver);
      const requestId = randomUUID();
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => world.decline(driver, offer.offerId, requestId)),
      );
      for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
      expect(answers[0]).to.include({ status: DECLINED });
      await world.cancel(trip);
      await watcher.leave();
    });

    it("not of one that was withdrawn", async () => {
      const { driver, trip, offer } = await live();
      await world.cancel(trip);
      await waitFor("the offer to end", async () => (await world.offersOf(driver)).length === 0);
      await notLive(world.decline(driver, offer.offerId), "OFFER_STATUS_WITHDRAWN");
    });

    it("only of the driver's own offer", async () => {
      const { driver, trip, offer } = await live();
      const others = [world.driver(9000), { ...driver, tenantId: "harbor" }];
      for (const other of others) {
        const error = await failure(world.decline(other, offer.offerId));
        expect(error.code).to.equal(Code.NOT_FOUND);
      }
      expect((await failure(world.decline(driver, randomUUID()))).code).to.equal(Code.NOT_FOUND);
      expect(await world.offersOf(driver)).to.have.length(1);
      await world.cancel(trip);
    });

    it("not while the trip cannot be told, and then again", async () => {
      const { driver, trip, offer } = await live();
      world.before.withdrawOffer = () => Promise.reject(unavailable("away"));
      const requestId = randomUUID();
      const error = await failure(world.decline(driver, offer.offerId, requestId));
      expect(error.code).to.equal(Code.UNAVAILABLE);
      world.before.withdrawOffer = () => Promise.resolve();
      const now = await world.offersOf(driver);
      if (now.some(({ offerId }) => offerId === offer.offerId)) {
        const answer = await world.decline(driver, offer.offerId, requestId);
        expect(answer.status).to.equal(DECLINED);
      }
      await world.cancel(trip);
    });
  });

  describe("streams offers", () => {
    it("that are live again when the driver comes back", async () => {
      const driver = world.driver(100);
      const first = world.watch(driver);
      const trip = await world.request();
      const { offerId } = await first.told(trip, LIVE);
      await first.leave();
      const second = world.watch(driver);
      const again = await second.told(trip, LIVE);
      expect(again.offerId).to.equal(offerId);
      expect(again.pickup!.address).to.equal("5 Pickup Street");
      expect(second.seen[0]!.eventId).to.equal(first.seen[0]!.eventId);
      await world.cancel(trip);
      await second.told(trip, WITHDRAWN);
    });

    it("to every stream of the driver, and to no other driver", async () => {
      const [driver, other] = [world.driver(100), world.driver(9000)];
      const own = [world.watch(driver), world.watch(driver)];
      const others = world.watch(other);
      const trip = await world.request();
      for (const watcher of own) await watcher.told(trip, LIVE);
      await world.cancel(trip);
      for (const watcher of own) await watcher.told(trip, WITHDRAWN);
      expect(others.seen).to.be.empty;
    });

    it("to drivers only", async () => {
      const rider = { subject: randomUUID(), roles: [Role.RIDER] };
      const error = await failure(
        world.host.call.unary(DispatchServiceService.listOffers, rider, {}),
      );
      expect(error.reason).to.equal("ROLE_NOT_ALLOWED");
    });
  });

  it("takes events of trips that it never heard of", async () => {
    const trip: StandInTrip = {
      tripId: randomUUID(),
      tenantId: "metro",
      state: "MATCHING",
      searchNumber: 1,
      offers: [],
      excludedDriverIds: [],
      expireReason: "",
    };
    await world.cancel(trip);
    const { host } = world.host;
    const event = TripRequested.fromPartial({ tripId: trip.tripId, version: 1n, cityId });
    const about = { key: trip.tripId, tenantId: "metro", time: world.domain.now() };
    await publishEvent(host.bus, TripRequested, event, about);
    const driver = world.driver(100);
    const next = await world.request();
    await world.offered(next, driver);
    await world.cancel(next);
  });
});
