import { expect } from "chai";
import { randomUUID } from "node:crypto";
import { Availability } from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import { DriverInternalServiceService } from "../../gen/grpc/ridemesh/driver/v1/driver_internal_service.js";
import { DriverServiceService as Drivers } from "../../gen/grpc/ridemesh/driver/v1/driver_service.js";
import { Party } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import * as trips from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import type { TestCaller } from "../testing/host.js";
import { waitFor } from "../testing/wait-for.js";
import { startWorld, type World } from "./world.test.js";

const { ONLINE, OFFLINE, BUSY } = Availability;
const riderId = randomUUID();

describe("what trips tell of drivers", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  const turn = (driver: TestCaller, availability: Availability, vehicleId = "") =>
    world.host.call.unary(Drivers.setDriverAvailability, driver, {
      driverId: driver.subject,
      availability,
      vehicleId,
      requestId: "",
    });
  const online = async (options?: { tenantId?: string }): Promise<TestCaller> => {
    const driver = await world.approved(options);
    await turn(driver, ONLINE);
    return driver;
  };
  const availabilityBecomes = (driver: TestCaller, availability: Availability) =>
    waitFor(`availability ${Availability[availability]}`, async () => {
      return (await world.get(driver)).availability === availability;
    });
  const accepted = (driver: TestCaller, tripId: string, version = 4n, id?: string) =>
    world.publish(
      trips.TripAccepted,
      { tripId, version, riderId, driverId: driver.subject, cityId: "new-york", searchNumber: 1 },
      { id, tenantId: driver.tenantId! },
    );
  const completed = (driver: TestCaller, tripId: string, version = 8n) =>
    world.publish(
      trips.TripCompleted,
      { tripId, version, riderId, driverId: driver.subject, cityId: "new-york" },
      { tenantId: driver.tenantId! },
    );
  const earned = (
    driver: TestCaller,
    about: { amountMinor: bigint; time: string; tripId?: string; id?: string; currency?: string },
  ) => {
    const money = { amountMinor: about.amountMinor, currencyCode: about.currency ?? "USD" };
    const tripId = about.tripId ?? randomUUID();
    const ids = { tripId, riderId, driverId: driver.subject, paymentId: randomUUID() };
    return world.publish(
      trips.PaymentProcessed,
      { ...ids, version: 10n, total: money, driverShare: money },
      {
        id: about.id,
        tenantId: driver.tenantId!,
        time: new Date(about.time),
      },
    );
  };
  const earnings = async (by: TestCaller, of = by, fromTime?: string, untilTime?: string) => {
    const answer = await world.host.call.unary(Drivers.getEarnings, by, {
      driverId: of.subject,
      fromTime: fromTime === undefined ? undefined : new Date(fromTime),
      untilTime: untilTime === undefined ? undefined : new Date(untilTime),
    });
    return answer.earnings!;
  };

  describe("being busy", () => {
    const endings: [string, (driver: TestCaller, tripId: string) => Promise<void>][] = [
      ["is completed", completed],
      [
        "is cancelled",
        (driver, tripId) =>
          world.publish(trips.TripCancelled, {
            tripId,
            version: 5n,
            riderId,
            driverId: driver.subject,
            party: Party.RIDER,
            fee: { amountMinor: 0n, currencyCode: "USD" },
            noShow: false,
            cityId: "new-york",
          }),
      ],
      [
        "is given back",
        (driver, tripId) =>
          world.publish(trips.TripDriverCancelled, {
            tripId,
            version: 5n,
            riderId,
            driverId: driver.subject,
            searchNumber: 2,
            cityId: "new-york",
          }),
      ],
    ];
    for (const [how, end] of endings) {
      it(`lasts from accepting a trip until it ${how}`, async () => {
        const driver = await online();
        const tripId = randomUUID();
        await accepted(driver, tripId);
        await availabilityBecomes(driver, BUSY);
        const error = await failure(turn(driver, OFFLINE));
        expect(error).to.include({ code: Code.FAILED_PRECONDITION, reason: "ON_TRIP" });
        expect((await turn(driver, ONLINE)).driver!.availability).to.equal(BUSY);
        await end(driver, tripId);
        await availabilityBecomes(driver, ONLINE);
        expect((await turn(driver, OFFLINE)).driver!.availability).to.equal(OFFLINE);
      });
    }

    it("keeps the vehicle of the trip", async () => {
      const driver = await online();
      const { vehicles } = await world.addVehicle(driver);
      const tripId = randomUUID();
      await accepted(driver, tripId);
      await availabilityBecomes(driver, BUSY);
      const error = await failure(turn(driver, ONLINE, vehicles[1]!.vehicleId));
      expect(error.reason).to.equal("ON_TRIP");
    });

    it("goes on with the next trip, in whatever order the two trips' events come", async () => {
      const driver = await online();
      const [first, second] = [randomUUID(), randomUUID()];
      await accepted(driver, first);
      await accepted(driver, second);
      await completed(driver, first);
      const rowsOf = async () =>
        world.query(
          "SELECT trip_id, active FROM driver.driver_trips WHERE driver_id = $1 ORDER BY active",
          [driver.subject],
        );
      await waitFor("both trips", async () => (await rowsOf())[0]?.["active"] === false);
      expect((await world.get(driver)).availability).to.equal(BUSY);
      await completed(driver, second);
      await availabilityBecomes(driver, ONLINE);
    });

    it("is not brought back by an event that comes again", async () => {
      const driver = await online();
      const tripId = randomUUID();
      const id = randomUUID();
      await accepted(driver, tripId, 4n, id);
      await accepted(driver, tripId, 4n, id);
      await availabilityBecomes(driver, BUSY);
      await completed(driver, tripId);
      await availabilityBecomes(driver, ONLINE);
      await accepted(driver, tripId, 4n, id);
      // The next event of the trip's key comes after the repetition.
      await earned(driver, { amountMinor: 1n, time: "2019-03-01T11:00:00Z", tripId });
      await waitFor("the event after it", async () => (await earnings(driver)).tripCount === 1);
      expect((await world.get(driver)).availability).to.equal(ONLINE);
    });

    it("is of the trip's operator only", async () => {
      const driver = await online();
      const tripId = randomUUID();
      await accepted({ ...driver, tenantId: "harbor" }, tripId);
      await waitFor("the event", async () => {
        const sql = "SELECT 1 FROM driver.driver_trips WHERE trip_id = $1";
        return (await world.query(sql, [tripId])).length === 1;
      });
      expect((await world.get(driver)).availability).to.equal(ONLINE);
    });
  });

  describe("earnings", () => {
    it("are summed by days of the city, newest first", async () => {
      const driver = await world.applied();
      // New York is five hours behind UTC: 04:59 is still the evening before.
      await earned(driver, { amountMinor: 800n, time: "2019-02-28T04:59:59.999Z" });
      await earned(driver, { amountMinor: 1000n, time: "2019-02-28T05:00:00Z" });
      await earned(driver, { amountMinor: 250n, time: "2019-03-01T04:59:00Z" });
      await earned(driver, { amountMinor: 40n, time: "2019-03-01T12:00:00Z" });
      await waitFor("four trips", async () => (await earnings(driver)).tripCount === 4);
      const usd = (amountMinor: bigint) => ({ amountMinor, currencyCode: "USD" });
      expect(await earnings(driver)).to.deep.equal({
        total: usd(2090n),
        tripCount: 4,
        days: [
          { date: "2019-03-01", total: usd(40n), tripCount: 1 },
          { date: "2019-02-28", total: usd(1250n), tripCount: 2 },
          { date: "2019-02-27", total: usd(800n), tripCount: 1 },
        ],
      });
      const part = await earnings(driver, driver, "2019-02-28T05:00:00Z", "2019-03-01T04:59:00Z");
      expect(part).to.deep.include({ total: usd(1000n), tripCount: 1 });
      expect(await earnings(world.admin(), driver)).to.deep.include({ tripCount: 4 });
    });

    it("reach back 30 days unless asked otherwise", async () => {
      const driver = await world.applied();
      await earned(driver, { amountMinor: 100n, time: "2019-01-30T11:59:00Z" });
      await earned(driver, { amountMinor: 200n, time: "2019-01-30T12:01:00Z" });
      await waitFor("the later trip", async () => (await earnings(driver)).tripCount > 0);
      const all = () => earnings(driver, driver, "2019-01-01T00:00:00Z");
      await waitFor("both trips", async () => (await all()).tripCount === 2);
      expect((await earnings(driver)).total!.amountMinor).to.equal(200n);
    });

    it("count a payment once, however often it is told", async () => {
      const driver = await world.applied();
      const about = { amountMinor: 700n, time: "2019-03-01T10:00:00Z", tripId: randomUUID() };
      const id = randomUUID();
      for (let i = 0; i < 3; i += 1) await earned(driver, { ...about, id });
      // Also under another event id: a trip is paid once.
      await earned(driver, about);
      await world.publish(trips.TripRated, {
        tripId: about.tripId,
        riderId,
        driverId: driver.subject,
        rater: Party.RIDER,
        stars: 5,
      });
      await waitFor(
        "the event after them",
        async () => (await world.get(driver)).ratingCount === 1,
      );
      expect(await earnings(driver)).to.deep.include({
        tripCount: 1,
        total: { amountMinor: 700n, currencyCode: "USD" },
      });
    });

    it("are in the currency of the driver's city, and nothing before the first trip", async () => {
      const driver = await world.applied({ tenantId: "harbor" });
      const nothing = { amountMinor: 0n, currencyCode: "JPY" };
      expect(await earnings(driver)).to.deep.equal({ total: nothing, tripCount: 0, days: [] });
      await earned(driver, { amountMinor: 900n, time: "2019-03-01T16:00:00Z", currency: "JPY" });
      const until = "2019-03-02T00:00:00Z";
      const answer = await waitFor("the trip", async () => {
        const sum = await earnings(driver, driver, undefined, until);
        return sum.tripCount === 1 && sum;
      });
      expect(answer.days[0]!.date).to.equal("2019-03-02");
    });

    it("are refused for a period that ends before it begins", async () => {
      const driver = await world.applied();
      const error = await failure(
        earnings(driver, driver, "2019-03-01T00:00:01Z", "2019-03-01T00:00:00Z"),
      );
      expect(error.violations[0]).to.include({ field: "from_time" });
    });

    it("are shown to nobody else", async () => {
      const driver = await world.applied();
      for (const caller of [await world.applied(), world.admin("harbor")]) {
        expect(await failure(earnings(caller, driver))).to.include({ code: Code.NOT_FOUND });
      }
    });
  });

  describe("ratings", () => {
    it("are averaged over what riders gave, each event once", async () => {
      const driver = await world.applied();
      // One trip's events, so that each is known to have come when a later one shows.
      const about = { tripId: randomUUID(), riderId, driverId: driver.subject };
      const rated = (stars: number, rater: Party, id?: string) =>
        world.publish(trips.TripRated, { ...about, rater, stars }, { id });
      const id = randomUUID();
      await rated(4, Party.RIDER, id);
      await rated(4, Party.RIDER, id);
      await rated(1, Party.DRIVER);
      await rated(5, Party.RIDER);
      const shown = await waitFor("the ratings", async () => {
        const found = await world.get(driver);
        return found.ratingAverage > 4 && found;
      });
      expect(shown).to.include({ ratingCount: 2, ratingAverage: 4.5 });
    });
  });

  describe("cards", () => {
    const cards = (driverIds: string[], tenantId = "metro", as = "trip") =>
      world.host
        .internalClient(DriverInternalServiceService, "driver", as)
        .listDriverCards({ tenantId, driverIds });

    it("show the first name, and the vehicle that is driven", async () => {
      const driver = await world.approved({ name: "Ada King Lovelace" });
      const { vehicles } = await world.addVehicle(driver, {
        plate: "card 1",
        color: "black",
        make: "Tesla",
        model: "Model 3",
      });
      const before = await cards([driver.subject]);
      expect(before.cards).to.deep.equal([
        {
          driverId: driver.subject,
          firstName: "Ada",
          ratingAverage: 0,
          vehicleDescription: "",
          plate: "",
        },
      ]);
      await turn(driver, ONLINE, vehicles[1]!.vehicleId);
      const after = await cards([driver.subject]);
      expect(after.cards[0]).to.include({
        vehicleDescription: "black Tesla Model 3",
        plate: "CARD 1",
      });
    });

    it("say nothing of a colour that was not given", async () => {
      const driver = await world.approved();
      const { vehicles } = await world.addVehicle(driver, { color: "" });
      await turn(driver, ONLINE, vehicles[1]!.vehicleId);
      const { cards: found } = await cards([driver.subject]);
      expect(found[0]!.vehicleDescription).to.equal("Toyota Corolla");
    });

    it("are there for known drivers of the operator only", async () => {
      const driver = await world.applied();
      expect((await cards([driver.subject, randomUUID()])).cards.length).to.equal(1);
      expect((await cards([driver.subject], "harbor")).cards).to.deep.equal([]);
      expect((await cards([])).cards).to.deep.equal([]);
    });

    it("are for the trip service only", async () => {
      const error = await failure(cards([], "metro", "stranger"));
      expect(error).to.include({ code: Code.PERMISSION_DENIED, reason: "CALLER_NOT_ALLOWED" });
    });
  });
});
