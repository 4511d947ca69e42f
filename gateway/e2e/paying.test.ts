/** What rides cost when they go another way, and what becomes of payments that do not go through. */
import { expect } from "chai";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { PaymentService } from "../../gen/es/ridemesh/payment/v1/payment_service_pb.js";
import { PaymentStatus } from "../../gen/es/ridemesh/payment/v1/payment_pb.js";
import { FareBasis } from "../../gen/es/ridemesh/pricing/v1/fare_pb.js";
import { PaymentMethodKind, TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripAction, TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { distanceMeters } from "../../services/runtime/geo.js";
import { failure } from "../../services/testing/failure.js";
import { waitFor } from "../../services/testing/wait-for.js";
import { chargesOfTrip, faultsOfLedger, movesOfTrip } from "./ledger.js";
import type { Person, Point } from "./people.js";
import { makeWorld, spots, type World } from "./world.js";

const { PAYMENT_FAILED, PAYMENT_PROCESSED, STARTED } = TripState;
const { CARD, WALLET } = PaymentMethodKind;

describe("paying", function () {
  this.timeout(20_000);
  let world: World;
  before(async () => {
    world = await makeWorld(spots.ride);
  });
  afterEach(() => world.clear());
  after(async () => {
    expect(await faultsOfLedger(world.platform)).to.deep.equal([]);
    await world.leave();
    expect(world.platform.takeErrors()).to.deep.equal([]);
  });

  /** A ride by these points, and its trip when it is paid. */
  const driveBy = async (...way: Point[]) => {
    const { rides, riderA: rider, driverA: driver, places } = world;
    const { tripId } = await rides.upTo(STARTED, { rider, driver, places });
    let at = places.pickup;
    for (const point of way) {
      await rides.drive(driver, at, point);
      at = point;
    }
    await rides.act(driver, tripId, TripAction.COMPLETE);
    const trip = await rides.reached(rider, tripId, PAYMENT_PROCESSED);
    world.platform.advance(300);
    return trip;
  };
  /** A rider with this card, and a ride on it. */
  const rideOn = async (cardToken: string, state: TripState, payment = CARD) => {
    const { people, rides, driverA: driver, places } = world;
    const rider = await people.register(Role.RIDER);
    await people.call(PaymentService.method.addCard, rider, { cardToken });
    const { tripId } = await rides.upTo(state, { rider, driver, places }, { payment });
    await rides.reached(rider, tripId, state);
    return { rider, tripId };
  };
  const pay = (rider: Person, request: object) =>
    world.people.call(PaymentService.method.payTrip, rider, request);

  it("is for the way that was driven, when it differs by more than the tolerance", async () => {
    const { pickup, dropoff } = world.places;
    const aside = { lat: (pickup.lat + dropoff.lat) / 2, lng: pickup.lng + 0.03 };
    const trip = await driveBy(aside, dropoff);
    const driven = distanceMeters(pickup, aside) + distanceMeters(aside, dropoff);
    expect(trip.finalFare!.basis).to.equal(FareBasis.METERED);
    expect(trip.distanceMeters).to.be.closeTo(driven, 0.05 * driven);
    expect(driven).to.be.above(trip.quotedFare!.distanceMeters + 500);
    const [final, quoted] = [trip.finalFare!.total!, trip.quotedFare!.total!];
    expect(final.amountMinor > quoted.amountMinor).to.equal(true);
    const moves = await movesOfTrip(world.platform, trip.tripId);
    expect(moves["driver"]! + moves["platform"]! + moves["tax"]!).to.equal(0n);
  });

  it("is a debt after a declined card, which blocks the next trip until it is paid", async () => {
    const { rides, places } = world;
    const { rider, tripId } = await rideOn("tok_declined", PAYMENT_FAILED);
    expect((await rides.see(rider, tripId)).paymentFailure).to.equal("card_declined");
    expect(await chargesOfTrip(world.platform, tripId)).to.equal(0);
    const blocked = await failure(rides.request(rider, places));
    expect([blocked.reason, blocked.metadata["trip_id"]]).to.deep.equal(["UNPAID_TRIP", tripId]);
    const again = await failure(pay(rider, { tripId }));
    expect([again.reason, again.metadata["failure"]]).to.deep.equal([
      "CARD_DECLINED",
      "card_declined",
    ]);

    const add = PaymentService.method.addCard;
    const { card } = await world.people.call(add, rider, { cardToken: "tok_mastercard" });
    const { payment } = await pay(rider, { tripId, cardId: card!.cardId });
    expect(payment!.status).to.equal(PaymentStatus.SUCCEEDED);
    await rides.reached(rider, tripId, PAYMENT_PROCESSED);
    expect(await chargesOfTrip(world.platform, tripId)).to.equal(1);
    const { tripId: next } = await waitFor("the next trip", () => rides.request(rider, places));
    await world.people.call(TripService.method.cancelTrip, rider, { tripId: next });
  });

  it("from a wallet that holds too little fails, and works once it is filled", async () => {
    const { rider, tripId } = await rideOn("tok_visa", PAYMENT_FAILED, WALLET);
    expect((await world.rides.see(rider, tripId)).paymentFailure).to.equal("insufficient_funds");
    expect((await failure(pay(rider, { tripId }))).reason).to.equal("INSUFFICIENT_FUNDS");
    const amount = { amountMinor: 10_000n, currencyCode: "USD" };
    const { call } = world.people;
    const filled = await call(PaymentService.method.topUpWallet, rider, { amount });
    expect(filled.balance!.amountMinor).to.equal(10_000n);
    const { payment } = await pay(rider, { tripId });
    const { wallet } = await call(PaymentService.method.listPaymentMethods, rider, {});
    expect(wallet.map(({ amountMinor }) => amountMinor)).to.deep.equal([
      10_000n - payment!.total!.amountMinor,
    ]);
  });

  it("by a card whose gateway does not answer in time is one charge all the same", async () => {
    const { rider, tripId } = await rideOn("tok_timeout", PAYMENT_PROCESSED);
    expect(await chargesOfTrip(world.platform, tripId)).to.equal(1);
    const charges = await world.platform.sql(
      "SELECT 1 FROM payment.sandbox_charges WHERE idempotency_key LIKE $1",
      [`trip/metro/${tripId}/%`],
    );
    expect(charges).to.have.length(1);
    expect((await failure(pay(rider, { tripId }))).reason).to.equal("ALREADY_PAID");
  });
});
