/**
 * kill -9 in the middle of rides, each of them in another state, and a start over what is left: no trip
 * is stuck, no money is lost, and what runs out does so when it is due.
 */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import { CityService } from "../../gen/es/ridemesh/city/v1/city_service_pb.js";
import { DispatchService } from "../../gen/es/ridemesh/dispatch/v1/dispatch_service_pb.js";
import { IdentityService } from "../../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { PaymentService } from "../../gen/es/ridemesh/payment/v1/payment_service_pb.js";
import { PaymentMethodKind, TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripAction, TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { VehicleClass } from "../../gen/es/ridemesh/type/v1/vehicle_class_pb.js";
import { deadLetterSuffix } from "../../services/runtime/bus.js";
import { secondsBetween } from "../../services/runtime/clock.js";
import { distanceMeters } from "../../services/runtime/geo.js";
import { failure } from "../../services/testing/failure.js";
import { waitFor } from "../../services/testing/wait-for.js";
import { auditDatabase } from "../simulator/audit.js";
import { chargesOfTrip, faultsOfLedger } from "./ledger.js";
import { startMortalPlatform, type MortalPlatform } from "./mortal-platform.js";
import { cardCharges, isPaidOnce, walletMinor, type PaidRide } from "./paid-once.js";
import type { Driver } from "./people.js";
import type { Places, Ride } from "./rides.js";
import { atRest, spots } from "./world.js";

const { ACCEPTED, STARTED, COMPLETED, EXPIRED } = TripState;
const { CASH, WALLET, CARD } = PaymentMethodKind;

/** For how long offers and rounds of a search last here: a slow machine starts again within it. */
const offerSeconds = 60;
const rounds = 3;

/** Who is to ride with whom. */
type Pair = Pick<PaidRide, "rider" | "driver" | "places" | "payment">;

describe("a platform that is killed in the middle of rides", function () {
  this.timeout(60_000);
  let platform: MortalPlatform;

  before(async () => {
    platform = await startMortalPlatform();
    const { people, admin } = platform;
    const cityId = "new-york";
    const { city } = await people.call(CityService.method.getCity, admin, { cityId });
    const dispatch = { ...city!.dispatch!, offerSeconds, roundSeconds: offerSeconds };
    const patient = { cityId, city: { ...city!, dispatch } };
    await people.call(CityService.method.updateCity, admin, patient);
  });
  after(() => platform.stop());

  const pair = async (
    places: Places,
    payment: PaymentMethodKind,
    cardToken = "tok_visa",
  ): Promise<Pair> => {
    const { people, admin } = platform;
    const [rider, driver] = await Promise.all([
      people.register(Role.RIDER),
      people.driver(admin),
    ] as const);
    const { addCard, topUpWallet } = PaymentService.method;
    if (payment !== CASH) await people.call(addCard, rider, { cardToken });
    const amount = { amountMinor: walletMinor, currencyCode: "USD" };
    if (payment === WALLET) await people.call(topUpWallet, rider, { amount });
    return { rider, driver, places, payment };
  };
  /** Their ride, up to a state. */
  const upTo = async (state: TripState, who: Pair): Promise<PaidRide> => {
    await platform.people.goOnline(who.driver, who.places.pickup);
    return { ...who, ...(await platform.rides.upTo(state, who, who)) };
  };
  /** Their ride, which the driver has an offer of. */
  const offer = async (who: Pair): Promise<PaidRide> => {
    await platform.people.goOnline(who.driver, who.places.pickup);
    const { tripId, pin } = await platform.rides.request(who.rider, who.places, who);
    await platform.rides.offer(who.driver, tripId);
    return { ...who, tripId, pin };
  };
  /** What is left of a ride that a driver has taken. */
  const finish = async ({ driver, tripId, pin }: Ride): Promise<void> => {
    const { act } = platform.rides;
    await act(driver, tripId, TripAction.ARRIVING);
    await act(driver, tripId, TripAction.ARRIVED);
    await act(driver, tripId, TripAction.START, pin);
    await act(driver, tripId, TripAction.COMPLETE);
  };
  /** What a driver's phone sends at the end, and again while it does not get the answer. */
  const complete = async ({ driver, tripId }: Ride): Promise<TripState> => {
    const request = { tripId, requestId: `end of ${tripId}` };
    const { trip } = await platform.people.call(TripService.method.completeTrip, driver, request);
    return trip!.state;
  };
  const offersOf = async (driver: Driver) =>
    (await platform.people.call(DispatchService.method.listOffers, driver, {})).offers;

  /**
   * Has the claims of the killed process on settlements (60 s) and on charges (30 s) run out already.
   * Those that last longer are of the process that runs now.
   */
  const letClaimsRunOut = async (killed: Date): Promise<void> => {
    await platform.sql(
      `UPDATE trip.settlements SET next_attempt_time = $1
       WHERE next_attempt_time BETWEEN $1 AND $1::timestamptz + interval '60 s'`,
      [killed],
    );
    await platform.sql(
      `UPDATE payment.attempts SET lease_expire_time = $1
       WHERE status = 1 AND lease_expire_time < $1::timestamptz + interval '30 s'`,
      [killed],
    );
  };

  for (const withPostgres of [false, true]) {
    describe(withPostgres ? "and its PostgreSQL too" : "while its PostgreSQL lives on", () => {
      let offered: PaidRide;
      let ignored: PaidRide;
      let lonely: Pick<Ride, "rider" | "tripId">;
      let accepted: PaidRide;
      let started: PaidRide;
      let charging: PaidRide;
      let completed: PaidRide[];
      let late: PaidRide;
      let killed: Date;

      const { pickup, dropoff } = spots.ride;
      const halfWay = { lat: (pickup.lat + dropoff.lat) / 2, lng: pickup.lng };
      const requestOf = ({ rider, places, payment }: Pair) =>
        platform.people.call(TripService.method.requestTrip, rider, {
          pickup: { point: places.pickup },
          dropoff: { point: places.dropoff },
          vehicleClass: VehicleClass.ECONOMY,
          paymentMethod: payment,
          requestId: `of ${rider.userId}`,
        });

      before("begins them, is killed, and starts again", async () => {
        const { people, rides } = platform;
        const [a, b, c, d, e, f, ...others] = await Promise.all([
          pair(spots.access, CASH),
          pair(spots.errors, CASH),
          pair(spots.races, CARD),
          pair(spots.ride, WALLET),
          pair(spots.ride, CARD),
          pair(spots.ride, CARD, "tok_timeout"),
          pair(spots.ride, CASH),
          pair(spots.ride, WALLET),
          pair(spots.ride, CARD),
        ]);
        accepted = await upTo(ACCEPTED, d);
        started = await upTo(STARTED, e);
        await rides.drive(started.driver, pickup, halfWay);
        charging = await upTo(STARTED, f);
        completed = [];
        for (const who of others) completed.push(await upTo(STARTED, who));

        const rider = await people.register(Role.RIDER);
        lonely = { rider, tripId: (await rides.request(rider, spots.lonely)).tripId };
        [offered, ignored] = await Promise.all([offer(a), offer(b)]);
        await people.goOnline(c.driver, c.places.pickup);
        // Once they wait for the slow charge, once they have just been paid.
        const ends = withPostgres ? [...completed, charging] : [charging, ...completed];
        const [{ trip }] = await Promise.all([requestOf(c), ...ends.map(complete)] as const);
        late = { ...c, tripId: trip!.tripId, pin: trip!.pin };
        await waitFor(
          "the card to be charged",
          async () => (await cardCharges(platform, charging.tripId)) > 0,
        );
        await platform.kill({ withPostgres });
        killed = new Date();
        await platform.start();
      });

      it("knows its people by their sessions and by their passwords", async () => {
        const { call, logIn } = platform.people;
        const { validateToken, refreshToken: rotate } = IdentityService.method;
        for (const person of [offered.rider, offered.driver]) {
          const { userId } = await call(validateToken, person, {});
          expect(userId).to.equal(person.userId);
          const { refreshToken } = person.session;
          const { session } = await call(rotate, undefined, { refreshToken });
          expect(session!.accessToken).not.to.equal(person.token);
          expect((await logIn(person)).userId).to.equal(person.userId);
        }
      });

      it("charges once what had reached the card gateway and not the ledger", async () => {
        expect(await cardCharges(platform, charging.tripId)).to.equal(1);
        expect(await chargesOfTrip(platform, charging.tripId)).to.equal(0);
        await letClaimsRunOut(killed);
        await isPaidOnce(platform, charging);
      });

      it("charges once what was completed, in cash, from the wallet and by card", async () => {
        for (const ride of [charging, ...completed]) {
          await isPaidOnce(platform, ride);
          expect(await complete(ride)).to.equal(COMPLETED);
          await isPaidOnce(platform, ride);
        }
      });

      it("still offers a trip, to be taken and driven by whom it was offered to", async () => {
        const { accept } = platform.rides;
        const seen = await offersOf(offered.driver);
        expect(seen.map(({ tripId }) => tripId)).to.deep.equal([offered.tripId]);
        await accept(offered.driver, offered.tripId);
        await finish(offered);
        await isPaidOnce(platform, offered);
      });

      it("finds a driver for a trip requested at the last moment, which was requested once", async () => {
        const { accept } = platform.rides;
        const { trip } = await requestOf(late);
        expect(trip!.tripId).to.equal(late.tripId);
        // Where he was in the last second before the kill is forgotten until he says it again.
        await platform.people.report(late.driver, late.places.pickup);
        await platform.rides.offer(late.driver, late.tripId);
        await accept(late.driver, late.tripId);
        await finish(late);
        await isPaidOnce(platform, late);
      });

      it("lets the driver go on who had accepted", async () => {
        await finish(accepted);
        await isPaidOnce(platform, accepted);
      });

      it("lets offers run out when they are due, and trips that nobody takes, with the reason", async () => {
        const { people, rides, clock, advance } = platform;
        const { driver, rider, tripId } = ignored;
        const [mine] = await offersOf(driver);
        await people.goOffline(driver);
        const left = () => secondsBetween(clock.now(), timestampDate(mine!.expireTime!));
        await advance(left() - 5);
        expect((await offersOf(driver)).map((one) => one.offerId)).to.deep.equal([mine!.offerId]);
        await advance(left() + 0.1);
        expect(await offersOf(driver)).to.deep.equal([]);
        expect((await failure(rides.accept(driver, tripId))).reason).to.equal("OFFER_EXPIRED");

        await waitFor("the searches to end", async () => {
          const ends = await platform.sql<{ time: Date }>(
            "SELECT round_end_time AS time FROM dispatch.searches WHERE open",
          );
          const seconds = ends.map(({ time }) => secondsBetween(clock.now(), time));
          // Each round of both has begun.
          if (seconds.every((one) => one > 0)) await advance(Math.max(0, ...seconds) + 0.1);
          return ends.length === 0;
        });
        const expired = [
          await rides.reached(rider, tripId, EXPIRED),
          await rides.reached(lonely.rider, lonely.tripId, EXPIRED),
        ];
        expect(expired.map(({ expireReason }) => expireReason)).to.deep.equal([
          "no_driver_accepted",
          "no_drivers_nearby",
        ]);
        for (const { requestTime, endTime } of expired) {
          const seconds = secondsBetween(timestampDate(requestTime!), timestampDate(endTime!));
          expect(seconds).to.be.within(rounds * offerSeconds, rounds * offerSeconds + 10);
        }
      });

      it("lets the ride go on that was under way, and measures both parts of it", async () => {
        const { rides } = platform;
        const { driver, rider, tripId } = started;
        await rides.drive(driver, halfWay, dropoff);
        await complete(started);
        await isPaidOnce(platform, started);
        const way = distanceMeters(pickup, dropoff);
        expect((await rides.see(rider, tripId)).distanceMeters).to.be.closeTo(way, 0.05 * way);
      });

      it("leaves nothing undone, nobody assigned twice, and books that balance", async () => {
        await atRest(platform);
        const stuck = await platform.sql(
          `SELECT trip_id, state FROM trip.trips WHERE state NOT IN ($1, $2)`,
          [TripState.PAYMENT_PROCESSED, EXPIRED],
        );
        expect(stuck).to.deep.equal([]);
        const lost = await platform.sql("SELECT 1 FROM payment.attempts WHERE status = 1");
        expect(lost).to.deep.equal([]);
        const dead = await platform.sql("SELECT type FROM bus.messages WHERE topic LIKE $1", [
          `%${deadLetterSuffix}`,
        ]);
        expect(dead).to.deep.equal([]);
        const { doubleAssignments, ledgerImbalanceMinor } = await auditDatabase(
          platform.databaseUrl(),
        );
        expect(doubleAssignments).to.equal(0);
        expect(ledgerImbalanceMinor).to.deep.equal({ USD: 0n });
        expect(await faultsOfLedger(platform)).to.deep.equal([]);
        expect(await platform.errors()).to.deep.equal([]);
      });
    });
  }
});
