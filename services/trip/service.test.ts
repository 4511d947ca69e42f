import { expect } from "chai";
import { randomUUID } from "node:crypto";
import {
  Party,
  PaymentMethodKind,
  TripState,
  type Trip,
} from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { TripAction, TripServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import { TripCancelled, TripRequested } from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { addSeconds } from "../runtime/clock.js";
import { Code, failedPrecondition, unavailable } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import type { TestCaller } from "../testing/host.js";
import { waitFor } from "../testing/wait-for.js";
import { dollars } from "./sample.test.js";
import { startWorld, type World } from "./world.test.js";

const { REQUESTED, MATCHING, ACCEPTED, DRIVER_ARRIVED, STARTED, COMPLETED, CANCELLED } = TripState;
const { rateRider, rateTrip, startTrip, completeTrip } = TripServiceService;

describe("the trip service", () => {
  let world: World;
  before(async () => (world = await startWorld()));
  after(() => world.stop());

  let rider: TestCaller;
  let driver: TestCaller;
  beforeEach(() => {
    rider = world.rider();
    driver = world.driver();
    world.clock.time = new Date("2019-03-01T12:00:00Z");
  });

  const namesOf = (trip: Trip) =>
    world.events
      .filter((event) => event.key === trip.tripId)
      .map((event) => event.type.replace("ridemesh.trip.v1.", ""));
  const eventNames = async (trip: Trip, last: string) => {
    await waitFor(`the event ${last}`, () => namesOf(trip).includes(last));
    return namesOf(trip);
  };
  const rows = (trip: Trip, table: string) =>
    world.query(`SELECT * FROM trip.${table} WHERE trip_id = $1`, [trip.tripId]);
  const refused = async (
    call: Promise<unknown>,
    reason: string,
    code = Code.FAILED_PRECONDITION,
  ) => {
    const error = await failure(call);
    expect(error).to.include({ reason, code });
    return error;
  };

  describe("books a trip", () => {
    it("on a quote, with a PIN of four digits for the rider", async () => {
      const trip = await world.request(rider, { quoteToken: `quote:${randomUUID()}` });
      expect(trip).to.deep.include({
        state: REQUESTED,
        version: 1n,
        riderId: rider.subject,
        driverId: "",
        cityId: "new-york",
        vehicleClass: VehicleClass.ECONOMY,
        requestTime: world.clock.now(),
        quotedFare: { ...trip.quotedFare, total: dollars(12.5) },
        paymentMethod: { kind: PaymentMethodKind.CASH, cardId: "" },
      });
      expect(trip.pin).to.match(/^[0-9]{4}$/);
      expect(await world.get(trip, rider)).to.deep.equal(trip);
    });

    it("without a quote on the terms of the moment, for the rider and operator of the token", async () => {
      const [pickup, dropoff] = [40.7, 40.8].map((lat) => ({
        point: { lat, lng: -74 },
        address: "",
      }));
      const vehicleClass = VehicleClass.XL;
      const cardId = randomUUID();
      const paymentMethod = PaymentMethodKind.CARD;
      const about = { quoteToken: "", pickup, dropoff, vehicleClass, paymentMethod, cardId };
      const trip = await world.request(rider, about);
      expect(world.neighbours.terms.at(-1)).to.deep.equal({
        tenantId: "metro",
        onBehalfOf: rider.subject,
        quoteToken: "",
        pickup,
        dropoff,
        vehicleClass,
      });
      expect(trip.paymentMethod).to.deep.equal({ kind: paymentMethod, cardId });
      expect(trip.pickup).to.deep.equal(pickup);
    });

    it("and says so in an event of ids, cells and money only", async () => {
      const trip = await world.request(rider);
      await eventNames(trip, "TripRequested");
      const [event] = world.events.filter(({ key }) => key === trip.tripId);
      expect(event).to.deep.include({ tenantId: "metro", time: world.clock.now() });
      const { pickupCell, dropoffCell, ...facts } = TripRequested.decode(event!.payload);
      expect(facts).to.deep.equal({
        tripId: trip.tripId,
        version: 1n,
        riderId: rider.subject,
        cityId: "new-york",
        vehicleClass: VehicleClass.ECONOMY,
        quotedTotal: dollars(12.5),
        paymentMethod: PaymentMethodKind.CASH,
      });
      for (const cell of [pickupCell, dropoffCell]) expect(cell).to.match(/^88[0-9a-f]{13}$/);
      expect(pickupCell).not.to.equal(dropoffCell);
    });

    it("once on one quote", async () => {
      const quoteToken = `quote:${randomUUID()}`;
      await world.request(rider, { quoteToken });
      await refused(world.request(world.rider(), { quoteToken }), "QUOTE_USED");
      const other = world.rider("harbor");
      expect((await world.request(other, { quoteToken })).state).to.equal(REQUESTED);
    });

    it("once at a time for a rider, and names the one that he has", async () => {
      const trip = await world.request(rider);
      const error = await refused(world.request(rider), "ACTIVE_TRIP_EXISTS");
      expect(error.metadata).to.deep.equal({ trip_id: trip.tripId });
      await world.cancel(trip, rider);
      await world.request(rider);
    });

    it("not when its terms cannot be had, and leaves nothing behind", async () => {
      const before = await world.query("SELECT trip_id FROM trip.trips");
      world.neighbours.refuseTerms = failedPrecondition("QUOTE_EXPIRED", "the quote has expired");
      await refused(world.request(rider), "QUOTE_EXPIRED");
      world.neighbours.refuseTerms = unavailable("pricing is away");
      const requestId = randomUUID();
      const away = world.request(rider, { requestId });
      await refused(away, "DEPENDENCY_UNAVAILABLE", Code.UNAVAILABLE);
      expect(await world.query("SELECT trip_id FROM trip.trips")).to.deep.equal(before);
      world.neighbours.refuseTerms = undefined;
      expect((await world.request(rider, { requestId })).state).to.equal(REQUESTED);
    });

    it("not without saying from where to where, or on which quote", async () => {
      const error = await refused(
        world.request(rider, { quoteToken: "" }),
        "INVALID_REQUEST",
        Code.INVALID_ARGUMENT,
      );
      expect(error.message).to.equal("give quote_token, or pickup, dropoff and vehicle_class");
    });
  });

  it("takes a trip from the request to the payment, each step with its time", async () => {
    const start = world.clock.now();
    const pass = (seconds: number) => (world.clock.time = addSeconds(start, seconds));
    const trip = await world.request(rider);
    pass(2);
    await world.offer(trip, [driver]);
    pass(5);
    await world.accept(trip, driver);
    pass(7);
    await world.act(trip, driver, TripAction.ARRIVING);
    pass(200);
    await world.act(trip, driver, TripAction.ARRIVED);
    pass(260);
    const { tripId, pin } = trip;
    await world.host.call.unary(startTrip, driver, { tripId, pin, requestId: "" });
    pass(860);
    await world.host.call.unary(completeTrip, driver, { tripId, requestId: "" });
    const paid = await waitFor("the payment", async () => {
      const seen = await world.get(trip, rider);
      return seen.state === TripState.PAYMENT_PROCESSED && seen;
    });
    const at = (seconds: number) => addSeconds(start, seconds);
    expect(paid).to.deep.include({
      requestTime: start,
      acceptTime: at(5),
      arriveTime: at(200),
      startTime: at(260),
      completeTime: at(860),
      driverId: driver.subject,
      distanceMeters: 3300,
      version: 10n,
    });
    expect(paid.finalFare!.total).to.deep.equal(dollars(14.25));
    expect(await eventNames(trip, "PaymentProcessed")).to.deep.equal([
      "TripRequested",
      "TripMatchingStarted",
      "TripMatched",
      "TripAccepted",
      "DriverArriving",
      "DriverArrived",
      "TripStarted",
      "TripCompleted",
      "FareCalculated",
      "PaymentProcessed",
    ]);
    const recorded = await rows(trip, "trip_events");
    const versions = recorded.map((row) => Number(row["version"])).sort((a, b) => a - b);
    expect(versions).to.deep.equal(versions.map((_, i) => i + 1));
    const own = world.events.filter(({ key }) => key === tripId);
    expect(own).to.have.length(recorded.length);
  });

  it("keeps names, places and PINs out of its history and its events", async () => {
    const trip = await world.tripIn(COMPLETED, rider, driver);
    await eventNames(trip, "PaymentProcessed");
    const payloads = [
      ...(await rows(trip, "trip_events")).map((row) => row["payload"] as Buffer),
      ...world.events.filter(({ key }) => key === trip.tripId).map((e) => Buffer.from(e.payload)),
    ];
    expect(payloads).to.have.length.above(15);
    for (const payload of payloads) {
      for (const secret of ["Rita", "Dan", "Street", "Avenue", "NYC-123"]) {
        expect(payload.includes(secret), secret).to.equal(false);
      }
    }
  });

  describe("refuses", () => {
    it("what the state does not allow, naming it, and changes nothing", async () => {
      const trip = await world.tripIn(ACCEPTED, rider, driver);
      const before = await world.get(trip, rider);
      const { ARRIVED, START, COMPLETE, NO_SHOW } = TripAction;
      for (const action of [ARRIVED, START, COMPLETE, NO_SHOW]) {
        const step = world.act(trip, driver, action, { pin: trip.pin });
        const { metadata, message } = await refused(step, "ILLEGAL_TRANSITION");
        expect(metadata).to.deep.equal({ state: "TRIP_STATE_ACCEPTED" });
        expect(message).to.contain("TRIP_STATE_ACCEPTED");
      }
      expect(await world.get(trip, rider)).to.deep.equal(before);
    });

    it("a wrong PIN, naming the field", async () => {
      const trip = await world.tripIn(DRIVER_ARRIVED, rider, driver);
      const pin = trip.pin === "0000" ? "0001" : "0000";
      const { tripId } = trip;
      const invalid = Code.INVALID_ARGUMENT;
      const calls = [
        () => world.host.call.unary(startTrip, driver, { tripId, pin, requestId: "" }),
        () => world.act(trip, driver, TripAction.START, { pin }),
      ];
      for (const call of calls) {
        const { violations } = await refused(call(), "WRONG_PIN", invalid);
        expect(violations.map(({ field }) => field)).to.deep.equal(["pin"]);
      }
      const none = world.act(trip, driver, TripAction.START);
      const { violations } = await refused(none, "INVALID_REQUEST", invalid);
      expect(violations.map(({ field }) => field)).to.deep.equal(["pin"]);
    });

    it("a driver's steps to the rider", async () => {
      const trip = await world.tripIn(ACCEPTED, rider, driver);
      const { pin } = trip;
      for (const action of [TripAction.ARRIVING, TripAction.ARRIVED, TripAction.COMPLETE]) {
        const call = world.act(trip, rider, action, { pin });
        const error = await refused(call, "INVALID_REQUEST", Code.INVALID_ARGUMENT);
        expect(error.violations.map(({ field }) => field)).to.deep.equal(["action"]);
      }
    });

    it("an offer that is over, of another driver, or none", async () => {
      const trip = await world.request(rider);
      await world.offer(trip, [driver]);
      await refused(world.accept(trip, world.driver()), "NOT_FOUND", Code.NOT_FOUND);
      world.clock.time = addSeconds(world.clock.time, 15);
      await refused(world.accept(trip, driver), "OFFER_EXPIRED");
    });

    it("a trip that another driver took, and one that was cancelled", async () => {
      const [other, late] = [world.driver(), world.driver()];
      const trip = await world.request(rider);
      await world.offer(trip, [driver, other, late]);
      await world.accept(trip, driver);
      await refused(world.accept(trip, other), "TRIP_TAKEN");
      await world.cancel(trip, rider);
      const error = await refused(world.accept(trip, late), "ILLEGAL_TRANSITION");
      expect(error.metadata).to.deep.equal({ state: "TRIP_STATE_CANCELLED" });
    });

    it("a driver who is on another trip", async () => {
      await world.tripIn(ACCEPTED, rider, driver);
      const second = await world.request(world.rider());
      await world.offer(second, [driver]);
      await refused(world.accept(second, driver), "DRIVER_BUSY");
    });

    it("a no-show that comes too early, and says when it does not", async () => {
      const trip = await world.tripIn(DRIVER_ARRIVED, rider, driver);
      world.clock.time = addSeconds(world.clock.time, 100);
      const error = await refused(world.act(trip, driver, TripAction.NO_SHOW), "TOO_EARLY");
      expect(error.metadata).to.deep.equal({ allowed_in_seconds: "200" });
      world.clock.time = addSeconds(world.clock.time, 200);
      const ended = await world.act(trip, driver, TripAction.NO_SHOW);
      expect(ended.cancellation).to.deep.equal({
        party: Party.DRIVER,
        reason: "no_show",
        fee: dollars(10),
      });
    });

    it("dispatch what belongs to an earlier search", async () => {
      const trip = await world.tripIn(ACCEPTED, rider, driver);
      await world.act(trip, driver, TripAction.CANCEL);
      const { tripId } = trip;
      const about = { tenantId: "metro", tripId, searchNumber: 1 };
      await refused(world.dispatch.beginMatching(about), "SEARCH_OVER");
      await refused(world.dispatch.expireTrip({ ...about, reason: "x" }), "SEARCH_OVER");
      await refused(world.offer(trip, [world.driver()], 1), "SEARCH_OVER");
    });
  });

  describe("lets a driver give a trip back", () => {
    it("and others take it, while he sees no more of it", async () => {
      const other = world.driver();
      const trip = await world.tripIn(ACCEPTED, rider, driver);
      const given = await world.act(trip, driver, TripAction.CANCEL, { reason: "flat tyre" });
      expect(given).to.include({ state: MATCHING, driverId: "", pin: "" });
      await refused(world.get(trip, driver), "NOT_FOUND", Code.NOT_FOUND);
      await refused(world.accept(trip, driver), "NOT_FOUND", Code.NOT_FOUND);
      const about = { tenantId: "metro", tripId: trip.tripId, searchNumber: 2 };
      const { excludedDriverIds } = await world.dispatch.beginMatching(about);
      expect(excludedDriverIds).to.deep.equal([driver.subject]);
      await world.offer(trip, [other], 2);
      expect((await world.accept(trip, other)).driverId).to.equal(other.subject);
      expect(await eventNames(trip, "TripAccepted")).to.include("TripDriverCancelled");
    });

    it("and take another one himself", async () => {
      const trip = await world.tripIn(DRIVER_ARRIVED, rider, driver);
      await world.cancel(trip, driver);
      await world.tripIn(ACCEPTED, world.rider(), driver);
    });
  });

  describe("lets a trip be cancelled", () => {
    const fees: [seconds: number, dollars: number][] = [
      [119, 0],
      [120, 5],
      [300, 10],
    ];
    for (const [seconds, fee] of fees) {
      it(`by the rider for ${fee} dollars ${seconds} s after acceptance`, async () => {
        const trip = await world.tripIn(ACCEPTED, rider, driver);
        world.clock.time = addSeconds(world.clock.time, seconds);
        const cancelled = await world.cancel(trip, rider);
        expect(cancelled).to.deep.include({
          state: CANCELLED,
          cancellation: { party: Party.RIDER, reason: "why", fee: dollars(fee) },
        });
        await eventNames(trip, "TripCancelled");
        const event = world.events.find(
          ({ key, type }) => key === trip.tripId && type === TripCancelled.$type,
        );
        expect(TripCancelled.decode(event!.payload)).to.deep.include({ fee: dollars(fee) });
      });
    }

    it("by staff of the operator, for free", async () => {
      const trip = await world.tripIn(ACCEPTED, rider, driver);
      world.clock.time = addSeconds(world.clock.time, 1000);
      const { cancellation } = await world.cancel(trip, world.admin());
      expect(cancellation).to.deep.include({ party: Party.STAFF, fee: dollars(0) });
      await refused(world.cancel(trip, world.admin("harbor")), "NOT_FOUND", Code.NOT_FOUND);
    });

    it("until the ride begins", async () => {
      const trip = await world.tripIn(STARTED, rider, driver);
      for (const caller of [rider, driver]) {
        await refused(world.cancel(trip, caller), "ILLEGAL_TRANSITION");
      }
    });
  });

  describe("keeps ratings", () => {
    const rate = (trip: Trip, caller: TestCaller, stars: number, comment = "") => {
      const request = { tripId: trip.tripId, stars, tags: ["clean"], comment, requestId: "" };
      return world.host.call.unary(rateTrip, caller, request);
    };

    it("of both parties, each its own, and shows a party what it gave", async () => {
      const trip = await world.tripIn(COMPLETED, rider, driver);
      await rate(trip, rider, 5);
      await rate(trip, driver, 3);
      expect((await world.get(trip, rider)).givenStars).to.equal(5);
      expect((await world.get(trip, driver)).givenStars).to.equal(3);
      expect(await eventNames(trip, "TripRated")).to.include("TripRated");
    });

    it("once", async () => {
      const trip = await world.tripIn(COMPLETED, rider, driver);
      await rate(trip, rider, 5);
      await refused(rate(trip, rider, 1), "ALREADY_RATED");
      expect((await world.get(trip, rider)).givenStars).to.equal(5);
    });

    it("of rides only that were driven", async () => {
      const trip = await world.tripIn(ACCEPTED, rider, driver);
      await refused(rate(trip, rider, 5), "ILLEGAL_TRANSITION");
      await world.cancel(trip, rider);
      await refused(rate(trip, rider, 5), "ILLEGAL_TRANSITION");
    });

    it("with comments that can be read only with the key", async () => {
      const trip = await world.tripIn(COMPLETED, rider, driver);
      await rate(trip, rider, 5, "my number is 555");
      const [row] = await rows(trip, "ratings");
      const comment = row!["comment"] as Buffer;
      expect(comment.includes("555")).to.equal(false);
      expect(world.host.host.secrets.decryptText(comment)).to.equal("my number is 555");
    });

    it("of the rider whose trip it was", async () => {
      const trip = await world.tripIn(COMPLETED, rider, driver);
      const rateAs = (riderId: string) => {
        const about = { riderId, tripId: trip.tripId, stars: 4, tags: [], comment: "" };
        return world.host.call.unary(rateRider, driver, { ...about, requestId: "" });
      };
      await refused(rateAs(randomUUID()), "NOT_FOUND", Code.NOT_FOUND);
      await rateAs(rider.subject);
      await refused(rateAs(rider.subject), "ALREADY_RATED");
    });
  });
});
