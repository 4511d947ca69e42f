/** Real concurrency over the whole platform: whoever comes first wins, the others are told, once. */
import { randomUUID } from "node:crypto";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import { CityService } from "../../gen/es/ridemesh/city/v1/city_service_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { PaymentService } from "../../gen/es/ridemesh/payment/v1/payment_service_pb.js";
import { TripInternalService } from "../../gen/es/ridemesh/trip/v1/trip_internal_service_pb.js";
import { PaymentMethodKind, TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripAction, TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { addSeconds } from "../../services/runtime/clock.js";
import { StatusError } from "../../services/runtime/status.js";
import { waitFor } from "../../services/testing/wait-for.js";
import { chargesOfTrip, faultsOfLedger } from "./ledger.js";
import type { Driver, Person } from "./people.js";
import { createPeers, type Peers } from "./peers.js";
import { makeWorld, spots, type World } from "./world.js";

const driverCount = 20;
const riderCount = 10;
const { ACCEPTED, CANCELLED, DRIVER_ARRIVED, MATCHING, PAYMENT_FAILED, STARTED } = TripState;

describe("races", function () {
  this.timeout(60_000);
  let world: World;
  let peers: Peers;
  let drivers: Driver[];
  let riders: Person[];

  before(async () => {
    world = await makeWorld(spots.races);
    const { people, admin, places } = world;
    await people.goOffline(world.driverA);
    peers = await createPeers(world.platform);
    await setMaxOffers(driverCount);
    [drivers, riders] = await Promise.all([
      Promise.all(
        Array.from({ length: driverCount }, async (_, index) => {
          const driver = await people.driver(admin, `Racer ${index}`);
          await people.goOnline(driver, places.pickup);
          return driver;
        }),
      ),
      Promise.all(Array.from({ length: riderCount }, () => people.register(Role.RIDER))),
    ]);
  });
  after(async () => {
    await Promise.all(drivers.map((driver) => world.people.goOffline(driver)));
    await setMaxOffers(5);
    await peers.stop();
    await world.leave();
    expect(await faultsOfLedger(world.platform)).to.deep.equal([]);
    expect(world.platform.takeErrors()).to.deep.equal([]);
  });

  const setMaxOffers = async (maxOffers: number) => {
    const { people, admin } = world;
    const cityId = "new-york";
    const { city } = await people.call(CityService.method.getCity, admin, { cityId });
    const dispatch = { ...city!.dispatch!, maxOffers };
    await people.call(CityService.method.updateCity, admin, {
      cityId,
      city: { ...city!, dispatch },
    });
  };

  const cancel = (person: Person, tripId: string) =>
    world.people.call(TripService.method.cancelTrip, person, { tripId });
  const accept = (driver: Driver, tripId: string) =>
    world.people.call(TripService.method.acceptTrip, driver, { tripId });

  /** A trip that so many drivers hold offers of. */
  const offered = async (rider: Person, count: number): Promise<string> => {
    const { tripId } = await world.rides.request(rider, world.places);
    await waitFor(`${count} offers`, async () => {
      const [row] = await world.platform.sql<{ n: bigint }>(
        "SELECT count(*) AS n FROM dispatch.offers WHERE trip_id = $1 AND status = 1",
        [tripId],
      );
      return Number(row!.n) >= count;
    });
    return tripId;
  };
  const eventsOf = async (tripId: string, type: string): Promise<number> => {
    const [row] = await world.platform.sql<{ n: bigint }>(
      "SELECT count(*) AS n FROM trip.trip_events WHERE trip_id = $1 AND type = $2",
      [tripId, `ridemesh.trip.v1.${type}`],
    );
    return Number(row!.n);
  };
  const activeTripsOf = async (driver: Person): Promise<string[]> => {
    const rows = await world.platform.sql<{ trip_id: string }>(
      "SELECT trip_id FROM trip.trips WHERE driver_id = $1 AND state BETWEEN 3 AND 6",
      [driver.userId],
    );
    return rows.map((row) => row.trip_id);
  };

  it("20 drivers accept one trip at once: one has it, the others are told that it is taken", async () => {
    for (let round = 0; round < 20; round += 1) {
      const rider = riders[round % riderCount]!;
      const tripId = await offered(rider, driverCount);
      const outcomes = await all(drivers.map((driver) => () => accept(driver, tripId)));
      const winners = drivers.filter((_, index) => outcomes[index] === "done");
      expect(winners).to.have.length(1);
      expect(outcomes.filter((one) => one !== "done")).to.deep.equal(
        Array(driverCount - 1).fill("TRIP_TAKEN"),
      );
      const trip = await world.rides.see(rider, tripId);
      expect([trip.state, trip.driverId]).to.deep.equal([ACCEPTED, winners[0]!.userId]);
      expect(await eventsOf(tripId, "TripAccepted")).to.equal(1);
      await cancel(rider, tripId);
      await world.atRest();
    }
  });

  it("one driver accepts 10 trips at once: he has one", async () => {
    const driver = world.driverB;
    for (let round = 0; round < 10; round += 1) {
      const tripIds = await Promise.all(
        riders.map(async (rider) => {
          const { tripId } = await world.rides.request(rider, spots.lonely);
          await world.rides.reached(rider, tripId, MATCHING);
          const expireTime = timestampFromDate(addSeconds(world.platform.clock.now(), 15));
          const offer = { offerId: randomUUID(), driverId: driver.userId, expireTime };
          const wanted = { tenantId: "metro", tripId, searchNumber: 1, offers: [offer] };
          await peers.call(TripInternalService.method.offerTrip, "dispatch", wanted);
          return tripId;
        }),
      );
      const outcomes = await all(tripIds.map((tripId) => () => accept(driver, tripId)));
      expect(outcomes.filter((one) => one === "done")).to.have.length(1);
      expect(outcomes.filter((one) => one !== "done")).to.deep.equal(
        Array(riderCount - 1).fill("DRIVER_BUSY"),
      );
      const [mine] = tripIds.filter((_, index) => outcomes[index] === "done");
      expect(await activeTripsOf(driver)).to.deep.equal([mine]);
      await Promise.all(tripIds.map((tripId, index) => cancel(riders[index]!, tripId)));
    }
    await world.atRest();
  });

  it("accept against cancel: the trip is cancelled, and the driver free for the next", async () => {
    const rider = riders[0]!;
    const [driver] = drivers as [Driver];
    const counts: Record<string, number> = {};
    for (let round = 0; round < 40; round += 1) {
      const tripId = await offered(rider, 1);
      await world.rides.offer(driver, tripId);
      const race = [() => accept(driver, tripId), () => cancel(rider, tripId)];
      const [accepted, cancelled] = await all(race, round % 2 === 0);
      expect(cancelled).to.equal("done");
      expect(accepted).to.be.oneOf(["done", "ILLEGAL_TRANSITION"]);
      counts[accepted!] = (counts[accepted!] ?? 0) + 1;
      const trip = await world.rides.see(rider, tripId);
      expect([trip.state, trip.cancellation!.fee!.amountMinor]).to.deep.equal([CANCELLED, 0n]);
      expect(await activeTripsOf(driver)).to.deep.equal([]);
      await world.atRest();
    }
    // Both ways were seen; which of the two comes first is left to chance.
    expect(counts).to.have.all.keys("done", "ILLEGAL_TRANSITION");
  });

  it("start against cancel: one of the two", async () => {
    const rider = riders[1]!;
    const [driver] = drivers as [Driver];
    const ride = { rider, driver, places: world.places };
    for (let round = 0; round < 20; round += 1) {
      const { tripId, pin } = await world.rides.upTo(DRIVER_ARRIVED, ride);
      const start = () => world.people.call(TripService.method.startTrip, driver, { tripId, pin });
      const outcomes = await all([start, () => cancel(rider, tripId)], round % 2 === 0);
      expect(outcomes).to.have.members(["ILLEGAL_TRANSITION", "done"]);
      const { state } = await world.rides.see(rider, tripId);
      expect(state).to.equal(outcomes[0] === "done" ? STARTED : CANCELLED);
      if (state === STARTED) await world.rides.act(driver, tripId, TripAction.COMPLETE);
      await world.atRest();
      expect(await chargesOfTrip(world.platform, tripId)).to.equal(state === STARTED ? 1 : 0);
    }
  });

  it("complete against cancel: the ride is completed and charged once", async () => {
    const rider = riders[2]!;
    const [driver] = drivers as [Driver];
    const ride = { rider, driver, places: world.places };
    for (let round = 0; round < 20; round += 1) {
      const { tripId } = await world.rides.upTo(STARTED, ride);
      const complete = () => world.people.call(TripService.method.completeTrip, driver, { tripId });
      const race = [complete, complete, () => cancel(rider, tripId), () => cancel(driver, tripId)];
      const [first, second, byRider, byDriver] = await all(race, round % 2 === 0);
      expect([first, second]).to.have.members(["ILLEGAL_TRANSITION", "done"]);
      expect([byRider, byDriver]).to.deep.equal(["ILLEGAL_TRANSITION", "ILLEGAL_TRANSITION"]);
      await world.rides.reached(rider, tripId, TripState.PAYMENT_PROCESSED);
      await world.atRest();
      expect(await eventsOf(tripId, "TripCompleted")).to.equal(1);
      expect(await chargesOfTrip(world.platform, tripId)).to.equal(1);
    }
  });

  it("10 payments of one trip at once: one charge", async () => {
    const { people, rides, places, platform } = world;
    const [driver] = drivers as [Driver];
    for (let round = 0; round < 16; round += 1) {
      const rider = await people.register(Role.RIDER);
      const ride = { rider, driver, places };
      const { tripId } = await rides.upTo(PAYMENT_FAILED, ride, {
        payment: PaymentMethodKind.WALLET,
      });
      await people.call(PaymentService.method.addCard, rider, { cardToken: "tok_visa" });
      const paymentMethod = PaymentMethodKind.CARD;
      const pay = () =>
        people.call(PaymentService.method.payTrip, rider, { tripId, paymentMethod });
      const outcomes = await all(Array.from({ length: 10 }, () => pay));
      expect(outcomes.filter((one) => one === "done")).to.have.length(1);
      for (const refusal of outcomes.filter((one) => one !== "done")) {
        expect(refusal).to.be.oneOf(["ALREADY_PAID", "PAYMENT_IN_PROGRESS"]);
      }
      expect(await chargesOfTrip(platform, tripId)).to.equal(1);
      const [gateway] = await platform.sql<{ n: bigint }>(
        `SELECT count(*) AS n FROM payment.sandbox_charges
         WHERE idempotency_key LIKE $1 AND status = 'succeeded'`,
        [`trip/metro/${tripId}/%`],
      );
      expect(Number(gateway!.n)).to.equal(1);
      await rides.reached(rider, tripId, TripState.PAYMENT_PROCESSED);
      await world.atRest();
    }
  });
});

/** Starts all calls at once; says of each whether it was done, or why it was refused. */
async function all(calls: (() => Promise<unknown>)[], reversed = false): Promise<string[]> {
  const outcomes: string[] = [];
  const begin = async (call: () => Promise<unknown>, index: number) => {
    outcomes[index] = await call().then(
      () => "done",
      (error: unknown) => (error instanceof StatusError ? error.reason : String(error)),
    );
  };
  const started = calls.map((call, index) => () => begin(call, index));
  if (reversed) started.reverse();
  await Promise.all(started.map((start) => start()));
  return outcomes;
}
