/** How trips end without a ride: cancelled in each state, given back, nobody there, nobody found. */
import { expect } from "chai";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { PaymentService } from "../../gen/es/ridemesh/payment/v1/payment_service_pb.js";
import { FareLineKind } from "../../gen/es/ridemesh/pricing/v1/fare_pb.js";
import { Party, PaymentMethodKind, TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripAction, TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { DispatchService } from "../../gen/es/ridemesh/dispatch/v1/dispatch_service_pb.js";
import { failure } from "../../services/testing/failure.js";
import { waitFor } from "../../services/testing/wait-for.js";
import { chargesOfTrip, faultsOfLedger, movesOfTrip } from "./ledger.js";
import type { Driver, Person } from "./people.js";
import { makeWorld, spots, type World } from "./world.js";

const { MATCHING, ACCEPTED, DRIVER_ARRIVING, DRIVER_ARRIVED, STARTED } = TripState;
const { CANCELLED, COMPLETED, EXPIRED } = TripState;

describe("trips that do not come to a ride", function () {
  this.timeout(30_000);
  let world: World;
  let rider: Person;
  let driver: Driver;

  before(async () => {
    world = await makeWorld(spots.cancel);
    ({ riderA: rider, driverA: driver } = world);
  });
  afterEach(() => world.clear());
  after(async () => {
    expect(await faultsOfLedger(world.platform)).to.deep.equal([]);
    await world.leave();
    expect(world.platform.takeErrors()).to.deep.equal([]);
  });

  const upTo = (state: TripState, payment = PaymentMethodKind.CARD) =>
    world.rides.upTo(state, { rider, driver, places: world.places }, { payment });
  const cancel = async (person: Person, tripId: string, reason = "") => {
    const { trip } = await world.people.call(TripService.method.cancelTrip, person, {
      tripId,
      reason,
    });
    return trip!;
  };

  describe("cancelled by the rider", () => {
    const cases: [state: TripState, secondsAfterAcceptance: number, feeMinor: bigint][] = [
      [MATCHING, 0, 0n],
      [ACCEPTED, 0, 0n],
      [ACCEPTED, 115, 0n],
      [ACCEPTED, 121, 500n],
      [ACCEPTED, 295, 500n],
      [ACCEPTED, 301, 1000n],
      [DRIVER_ARRIVING, 60, 0n],
      [DRIVER_ARRIVING, 200, 500n],
      [DRIVER_ARRIVED, 200, 500n],
      [DRIVER_ARRIVED, 400, 1000n],
    ];
    for (const [state, seconds, feeMinor] of cases) {
      const when = state === MATCHING ? "" : `, ${seconds} s after acceptance`;
      const name = TripState[state];
      it(`in ${name}${when} costs ${Number(feeMinor) / 100}`, async () => {
        const { tripId } = await upTo(state);
        world.platform.advance(seconds);
        const trip = await cancel(rider, tripId, "changed my mind");
        expect(trip.state).to.equal(CANCELLED);
        expect(trip.cancellation).to.deep.include({
          party: Party.RIDER,
          reason: "changed my mind",
        });
        expect(trip.cancellation!.fee!.amountMinor).to.equal(feeMinor);
        if (feeMinor === 0n) {
          await world.atRest();
          expect(await chargesOfTrip(world.platform, tripId)).to.equal(0);
          return;
        }
        const paid = await waitFor("the fee to be paid", async () => {
          const seen = await world.rides.see(rider, tripId);
          return seen.paymentId !== "" && seen;
        });
        expect(paid.state).to.equal(CANCELLED);
        const commission = (feeMinor * 20n) / 100n;
        expect(await movesOfTrip(world.platform, tripId)).to.deep.equal({
          gateway_clearing: -feeMinor,
          driver: feeMinor - commission,
          platform: commission,
        });
        const getReceipt = TripService.method.getReceipt;
        const { receipt } = await world.people.call(getReceipt, rider, { tripId });
        const lines = receipt!.fare!.lines.map(({ kind, amountMinor }) => [kind, amountMinor]);
        expect(lines).to.deep.equal([[FareLineKind.CANCELLATION, feeMinor]]);
      });
    }

    for (const state of [STARTED, COMPLETED]) {
      const name = TripState[state];
      it(`is refused in ${name}, naming the state, and changes nothing`, async () => {
        const { tripId } = await upTo(state);
        if (state === COMPLETED) await world.rides.reached(rider, tripId, 8);
        const before = await world.rides.see(rider, tripId);
        const error = await failure(cancel(rider, tripId));
        expect(error.reason).to.equal("ILLEGAL_TRANSITION");
        expect(error.metadata["state"]).to.equal(`TRIP_STATE_${TripState[before.state]}`);
        expect((await world.rides.see(rider, tripId)).version).to.equal(before.version);
      });
    }

    it("leaves a debt where the fee cannot be paid, until it is paid", async () => {
      const debtor = await world.people.register(Role.RIDER, "metro", "Dolores Debt");
      const ride = { rider: debtor, driver, places: world.places };
      const { tripId } = await world.rides.upTo(ACCEPTED, ride);
      world.platform.advance(200);
      await cancel(debtor, tripId);
      await waitFor("the fee to be refused", async () => {
        const trip = await world.rides.see(debtor, tripId);
        return trip.paymentFailure === "insufficient_funds";
      });
      const refused = await failure(world.rides.request(debtor, world.places));
      expect(refused.reason).to.equal("UNPAID_TRIP");
      expect(refused.metadata["trip_id"]).to.equal(tripId);

      const { call } = world.people;
      await call(PaymentService.method.addCard, debtor, { cardToken: "tok_mastercard" });
      const paymentMethod = PaymentMethodKind.CARD;
      await call(PaymentService.method.payTrip, debtor, { tripId, paymentMethod });
      const next = await waitFor("the debt to be forgotten", () =>
        world.rides.request(debtor, world.places),
      );
      await cancel(debtor, next.tripId);
    });
  });

  it("cancelled by staff costs nothing", async () => {
    const { tripId } = await upTo(DRIVER_ARRIVED);
    world.platform.advance(600);
    const trip = await cancel(world.support, tripId, "the app was down");
    expect([trip.cancellation!.party, trip.cancellation!.fee!.amountMinor]).to.deep.equal([
      Party.STAFF,
      0n,
    ]);
  });

  it("given back by the driver is offered to others, not to him, and costs nothing", async () => {
    const { people, rides, places, driverB } = world;
    const { tripId } = await upTo(DRIVER_ARRIVING);
    world.platform.advance(400);
    await people.goOnline(driverB, places.pickup);
    await people.report(driver, places.pickup);
    const given = await cancel(driver, tripId, "flat tyre");
    expect(given.state).to.equal(MATCHING);
    expect(given.driverId).to.equal("");
    await rides.offer(driverB, tripId);
    const { offers } = await people.call(DispatchService.method.listOffers, driver, {});
    expect(offers).to.deep.equal([]);
    const refused = await failure(rides.accept(driver, tripId));
    expect(refused.reason).to.equal("NOT_FOUND");
    await rides.accept(driverB, tripId);
    const seen = await rides.see(rider, tripId);
    expect([seen.driverId, seen.driver!.firstName]).to.deep.equal([driverB.userId, "Diego"]);
    expect((await failure(rides.see(driver, tripId))).reason).to.equal("NOT_FOUND");
    await cancel(rider, tripId);
    await world.atRest();
    await people.goOffline(driverB);
    expect(await chargesOfTrip(world.platform, tripId)).to.equal(0);
  });

  it("at whose pickup nobody came costs the late fee, once the rider had his time", async () => {
    const { tripId } = await upTo(DRIVER_ARRIVED);
    world.platform.advance(100);
    const early = await failure(world.rides.act(driver, tripId, TripAction.NO_SHOW));
    expect(early.reason).to.equal("TOO_EARLY");
    const left = Number(early.metadata["allowed_in_seconds"]);
    expect(left).to.be.within(190, 200);
    world.platform.advance(left);
    const trip = await world.rides.act(driver, tripId, TripAction.NO_SHOW);
    expect(trip.state).to.equal(CANCELLED);
    expect(trip.cancellation).to.deep.include({ party: Party.DRIVER, reason: "no_show" });
    expect(trip.cancellation!.fee!.amountMinor).to.equal(1000n);
    await world.atRest();
    expect(await movesOfTrip(world.platform, tripId)).to.deep.include({ driver: 800n });
  });

  describe("for which nobody is found", () => {
    /** Lets the rounds of a search pass, one after the other. */
    const passRounds = async (tripId: string): Promise<void> => {
      for (let round = 1; round <= 3; round += 1) {
        await waitFor(`round ${round}`, async () => {
          const [row] = await world.platform.sql<{ round: number }>(
            "SELECT round FROM dispatch.searches WHERE trip_id = $1",
            [tripId],
          );
          return row?.round === round;
        });
        world.platform.advance(15.1);
      }
    };

    it("expire with the reason when no driver is near, and the rider is told", async () => {
      const { tripId } = await world.rides.request(rider, spots.lonely);
      await passRounds(tripId);
      const trip = await world.rides.reached(rider, tripId, EXPIRED);
      expect(trip.expireReason).to.equal("no_drivers_nearby");
      const again = await world.rides.request(rider, spots.lonely);
      await cancel(rider, again.tripId);
    });

    it("expire with another reason when those who were asked do not answer", async () => {
      const { tripId } = await upTo(MATCHING);
      await passRounds(tripId);
      // An offer that was made in the last round has its own time.
      const trip = await waitFor("the trip to expire", async () => {
        world.platform.advance(5);
        const seen = await world.rides.see(rider, tripId);
        return seen.state === EXPIRED && seen;
      });
      expect(trip.expireReason).to.equal("no_driver_accepted");
      const refused = await failure(world.rides.accept(driver, tripId));
      expect(refused.reason).to.equal("ILLEGAL_TRANSITION");
      expect(refused.metadata["state"]).to.equal("TRIP_STATE_EXPIRED");
    });

    it("ask within 2 km first, and within 5 km then", async () => {
      const { people, rides, driverB, places } = world;
      const { lat, lng } = places.pickup;
      await people.goOffline(driver);
      // Some 3.3 km to the south.
      await people.goOnline(driverB, { lat: lat - 0.03, lng });
      const { tripId } = await rides.request(rider, places);
      await waitFor("the first round", async () => {
        const [row] = await world.platform.sql<{ round: number }>(
          "SELECT round FROM dispatch.searches WHERE trip_id = $1 AND request IS NOT NULL",
          [tripId],
        );
        return row?.round === 1;
      });
      const asked = async () =>
        (await people.call(DispatchService.method.listOffers, driverB, {})).offers.length;
      expect(await asked()).to.equal(0);
      world.platform.advance(15.1);
      const offer = await rides.offer(driverB, tripId);
      expect(offer.pickupDistanceMeters).to.be.above(3000);
      await cancel(rider, tripId);
      await people.goOffline(driverB);
      await people.goOnline(driver, places.pickup);
    });

    it("end for a driver whose offer has run out", async () => {
      const { tripId } = await upTo(MATCHING);
      world.platform.advance(15.1);
      const refused = await failure(world.rides.accept(driver, tripId));
      expect(refused.reason).to.equal("OFFER_EXPIRED");
    });
  });
});
