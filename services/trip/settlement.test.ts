import { expect } from "chai";
import { randomUUID } from "node:crypto";
import { PaymentPurpose, PaymentStatus } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import { ChargeSucceeded } from "../../gen/grpc/ridemesh/payment/v1/payment_events.js";
import { FareLineKind } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import { TripState, type Trip } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { TripAction, TripServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import { addSeconds } from "../runtime/clock.js";
import { Code, unavailable } from "../runtime/status.js";
import { childEnvironment, startChildService } from "../testing/child-service.js";
import { failure } from "../testing/failure.js";
import type { TestCaller } from "../testing/host.js";
import { publishEvent } from "../testing/publish.js";
import { waitFor } from "../testing/wait-for.js";
import { dollars, sampleTerms } from "./sample.test.js";
import { startWorld, type Neighbours, type World } from "./world.test.js";

const { ACCEPTED, STARTED, COMPLETED, CANCELLED, PAYMENT_PROCESSED, PAYMENT_FAILED } = TripState;

describe("the settlement of a trip", () => {
  let world: World;
  let usual: Pick<Neighbours, "charge" | "measure" | "price">;
  let rider: TestCaller;
  let driver: TestCaller;
  before(async () => {
    world = await startWorld();
    const { charge, measure, price } = world.neighbours;
    usual = { charge, measure, price };
  });
  beforeEach(() => {
    Object.assign(world.neighbours, usual);
    for (const list of ["charges", "fares", "routes"] as const) world.neighbours[list].length = 0;
    rider = world.rider();
    driver = world.driver();
    world.clock.time = new Date("2019-03-01T12:00:00Z");
  });
  after(() => world.stop());

  const reaches = (trip: Trip, state: TripState) =>
    waitFor(TripState[state], async () => {
      const seen = await world.get(trip, rider);
      return seen.state === state && seen;
    });
  const rowOf = async ({ tripId }: Trip) =>
    (await world.query("SELECT * FROM trip.settlements WHERE trip_id = $1", [tripId]))[0];
  const isSettled = (trip: Trip) =>
    waitFor("nothing to be left", async () => (await rowOf(trip)) === undefined);
  const hasFailed = (trip: Trip, attempts = 1) =>
    waitFor(`${attempts} failed attempts`, async () => {
      const row = await rowOf(trip);
      return row && row["last_error"] !== "" && Number(row["attempts"]) >= attempts && row;
    });
  const setAttempts = ({ tripId }: Trip, attempts: number) =>
    world.query("UPDATE trip.settlements SET attempts = $2, last_error = '' WHERE trip_id = $1", [
      tripId,
      attempts,
    ]);
  const eventsOf = ({ tripId }: Trip, type: string) =>
    world.events.filter(({ key, type: t }) => key === tripId && t.endsWith(`.${type}`));
  /** Makes what waits for another attempt due. */
  const later = () => world.wall.advance(400);
  const charged = (trip: Trip) =>
    world.neighbours.charges.filter(({ tripId }) => tripId === trip.tripId);
  const receipt = async ({ tripId }: Trip) =>
    (await world.host.call.unary(TripServiceService.getReceipt, rider, { tripId })).receipt!;

  it("prices what was driven and waited for, and charges it", async () => {
    const trip = await world.tripIn(ACCEPTED, rider, driver);
    const start = world.clock.now();
    await world.act(trip, driver, TripAction.ARRIVING);
    await world.act(trip, driver, TripAction.ARRIVED);
    world.clock.time = addSeconds(start, 240);
    await world.act(trip, driver, TripAction.START, { pin: trip.pin });
    world.clock.time = addSeconds(start, 1000);
    await world.act(trip, driver, TripAction.COMPLETE);
    const paid = await reaches(trip, PAYMENT_PROCESSED);
    expect(world.neighbours.routes).to.deep.equal([
      {
        tenantId: "metro",
        driverId: driver.subject,
        startTime: addSeconds(start, 240),
        endTime: addSeconds(start, 1000),
      },
    ]);
    expect(world.neighbours.fares[0]).to.deep.include({
      tenantId: "metro",
      distanceMeters: 3300,
      durationSeconds: 760,
      waitSeconds: 240,
      startTime: addSeconds(start, 240),
    });
    expect(charged(trip)).to.deep.equal([
      {
        tenantId: "metro",
        onBehalfOf: rider.subject,
        tripId: trip.tripId,
        driverId: driver.subject,
        purpose: PaymentPurpose.FARE,
        paymentMethod: trip.paymentMethod,
        total: dollars(14.25),
        taxMinor: 0n,
      },
    ]);
    expect(paid.distanceMeters).to.equal(3300);
    await isSettled(trip);
    expect(await receipt(trip)).to.deep.include({
      tripId: trip.tripId,
      paymentId: paid.paymentId,
      fare: paid.finalFare,
      paymentMethod: trip.paymentMethod,
    });
  });

  it("passes taxes and zone fees on as such", async () => {
    const line = (kind: FareLineKind, amount: bigint) => ({ kind, amountMinor: amount });
    const { BASE, TAX, ZONE } = FareLineKind;
    world.neighbours.price = (request) => {
      request.terms!.fare!.lines = [line(BASE, 1000n), line(TAX, 88n), line(ZONE, 275n)];
      return Promise.resolve();
    };
    const trip = await world.tripIn(COMPLETED, rider, driver);
    await reaches(trip, PAYMENT_PROCESSED);
    expect(charged(trip)[0]!.taxMinor).to.equal(363n);
  });

  it("has no receipt before it is paid", async () => {
    world.neighbours.charge = () => Promise.reject(unavailable("away"));
    const trip = await world.tripIn(COMPLETED, rider, driver);
    expect((await failure(receipt(trip))).code).to.equal(Code.NOT_FOUND);
    world.neighbours.charge = usual.charge;
    later();
    await reaches(trip, PAYMENT_PROCESSED);
    await receipt(trip);
  });

  const steps: [service: string, fail: () => void][] = [
    ["location", () => (world.neighbours.measure = () => Promise.reject(unavailable("away")))],
    ["pricing", () => (world.neighbours.price = () => Promise.reject(unavailable("away")))],
    ["payment", () => (world.neighbours.charge = () => Promise.reject(unavailable("away")))],
  ];
  for (const [service, fail] of steps) {
    it(`goes on when ${service} is back, also after a restart, and happens once`, async () => {
      fail();
      const trip = await world.tripIn(COMPLETED, rider, driver);
      await hasFailed(trip);
      expect((await world.get(trip, rider)).state).to.equal(COMPLETED);
      await world.restart();
      Object.assign(world.neighbours, usual);
      later();
      await reaches(trip, PAYMENT_PROCESSED);
      await isSettled(trip);
      await waitFor("the event", () => eventsOf(trip, "PaymentProcessed").length > 0);
      expect(eventsOf(trip, "PaymentProcessed")).to.have.length(1);
      expect(eventsOf(trip, "FareCalculated")).to.have.length(1);
    });
  }

  it("takes the quoted route when the driven one cannot be measured", async () => {
    world.neighbours.measure = () => Promise.reject(unavailable("away"));
    const trip = await world.tripIn(COMPLETED, rider, driver);
    await hasFailed(trip);
    await setAttempts(trip, 3);
    later();
    const paid = await reaches(trip, PAYMENT_PROCESSED);
    expect(world.neighbours.fares[0]!.distanceMeters).to.equal(0);
    expect(paid.distanceMeters).to.equal(sampleTerms().fare!.distanceMeters);
  });

  it("takes the quoted route when hardly a point of the driven one is known", async () => {
    const route = { distanceMeters: 17, pointCount: 1, polyline: "" };
    world.neighbours.measure = () => Promise.resolve(route);
    const trip = await world.tripIn(COMPLETED, rider, driver);
    await reaches(trip, PAYMENT_PROCESSED);
    expect(world.neighbours.fares[0]!.distanceMeters).to.equal(0);
  });

  it("waits while the payment is not decided", async () => {
    world.neighbours.charge = () => Promise.resolve({ status: PaymentStatus.PENDING });
    const trip = await world.tripIn(COMPLETED, rider, driver);
    await hasFailed(trip);
    world.neighbours.charge = usual.charge;
    later();
    await reaches(trip, PAYMENT_PROCESSED);
  });

  it("waits longer from failure to failure, and never longer than 5 minutes", async () => {
    world.neighbours.charge = () => Promise.reject(unavailable("away"));
    const trip = await world.tripIn(COMPLETED, rider, driver);
    const first = await hasFailed(trip);
    const waitOf = (row: Record<string, unknown>, seen: Date) =>
      ((row["next_attempt_time"] as Date).getTime() - seen.getTime()) / 1000;
    expect(waitOf(first, world.wall.now())).to.be.at.most(1);
    await setAttempts(trip, 40);
    later();
    const late = await hasFailed(trip, 41);
    expect(waitOf(late, world.wall.now())).to.be.within(100, 300);
    Object.assign(world.neighbours, usual);
    later();
    await reaches(trip, PAYMENT_PROCESSED);
  });

  it("ends with a debt when the payment fails, which keeps the rider from new trips until it is paid", async () => {
    const failed = { status: PaymentStatus.FAILED, failure: "card_declined" };
    world.neighbours.charge = () => Promise.resolve(failed);
    const trip = await world.tripIn(COMPLETED, rider, driver);
    const owed = await reaches(trip, PAYMENT_FAILED);
    expect(owed.paymentFailure).to.equal("card_declined");
    await isSettled(trip);
    await waitFor("the event", () => eventsOf(trip, "PaymentFailed").length === 1);

    const refused = await failure(world.request(rider));
    expect(refused).to.deep.include({
      code: Code.FAILED_PRECONDITION,
      reason: "UNPAID_TRIP",
      metadata: { trip_id: trip.tripId },
    });
    await world.request(world.rider());

    await chargeSucceeds(trip);
    const paid = await reaches(trip, PAYMENT_PROCESSED);
    expect(paid.paymentFailure).to.equal("");
    await world.request(rider);
  });

  const chargeSucceeds = async (trip: Trip, about: { id?: string; total?: number } = {}) => {
    const event = ChargeSucceeded.fromPartial({
      paymentId: randomUUID(),
      tripId: trip.tripId,
      riderId: rider.subject,
      driverId: driver.subject,
      purpose: PaymentPurpose.FARE,
      total: dollars(about.total ?? 14.25),
      driverShare: dollars(11.4),
    });
    const { tripId: key } = trip;
    const time = world.clock.now();
    await publishEvent(world.host.host.bus, ChargeSucceeded, event, {
      key,
      tenantId: "metro",
      time,
      id: about.id,
    });
  };

  it("charges a failed payment not again by itself", async () => {
    world.neighbours.charge = () => Promise.resolve({ status: PaymentStatus.FAILED });
    const trip = await world.tripIn(COMPLETED, rider, driver);
    await reaches(trip, PAYMENT_FAILED);
    await isSettled(trip);
    // As if the process had been killed before it could note that nothing is left to do.
    await world.query("INSERT INTO trip.settlements VALUES ('metro', $1, 1, '2019-01-01', '')", [
      trip.tripId,
    ]);
    await isSettled(trip);
    expect(charged(trip)).to.have.length(1);
  });

  it("is told of a payment by event and by answer, and takes it once", async () => {
    let answer: (() => void) | undefined;
    world.neighbours.charge = async () => {
      await new Promise<void>((resolve) => (answer = resolve));
      return { status: PaymentStatus.SUCCEEDED };
    };
    const trip = await world.tripIn(COMPLETED, rider, driver);
    await waitFor("the charge to be under way", () => answer !== undefined);
    const id = randomUUID();
    await chargeSucceeds(trip, { id });
    await chargeSucceeds(trip, { id });
    await reaches(trip, PAYMENT_PROCESSED);
    answer!();
    await isSettled(trip);
    await waitFor("the event", () => eventsOf(trip, "PaymentProcessed").length > 0);
    expect(eventsOf(trip, "PaymentProcessed")).to.have.length(1);
  });

  describe("of a cancellation with a fee", () => {
    const cancelLate = async () => {
      const trip = await world.tripIn(ACCEPTED, rider, driver);
      world.clock.time = addSeconds(world.clock.time, 200);
      await world.cancel(trip, rider);
      return trip;
    };

    it("charges the fee alone, and the trip stays cancelled", async () => {
      const trip = await cancelLate();
      const paid = await waitFor("the payment", async () => {
        const seen = await world.get(trip, rider);
        return seen.paymentId !== "" && seen;
      });
      expect(paid).to.include({ state: CANCELLED, paymentFailure: "" });
      expect(charged(trip)).to.have.length(1);
      expect(charged(trip)[0]).to.deep.include({
        purpose: PaymentPurpose.CANCELLATION_FEE,
        total: dollars(5),
        driverId: driver.subject,
        taxMinor: 0n,
      });
      expect(world.neighbours.routes).to.be.empty;
      const { fare } = await receipt(trip);
      expect(fare).to.deep.include({
        total: dollars(5),
        lines: [{ kind: FareLineKind.CANCELLATION, amountMinor: 500n }],
      });
    });

    it("leaves a debt when it cannot be charged", async () => {
      world.neighbours.charge = () => Promise.resolve({ status: PaymentStatus.FAILED });
      const trip = await cancelLate();
      await waitFor("the debt", async () => (await world.get(trip, rider)).paymentFailure !== "");
      const error = await failure(world.request(rider));
      expect(error).to.deep.include({ reason: "UNPAID_TRIP", metadata: { trip_id: trip.tripId } });
      await chargeSucceeds(trip, { total: 5 });
      await waitFor(
        "the payment",
        async () => (await world.get(trip, rider)).paymentFailure === "",
      );
      expect((await world.request(rider)).state).to.equal(TripState.REQUESTED);
    });

    it("does not happen when it was free", async () => {
      const trip = await world.tripIn(ACCEPTED, rider, driver);
      await world.cancel(trip, rider);
      expect(await rowOf(trip)).to.equal(undefined);
      expect(charged(trip)).to.be.empty;
    });
  });

  it("waits for nobody else's payment", async () => {
    const slow = await world.tripIn(STARTED, rider, driver);
    let answer: (() => void) | undefined;
    world.neighbours.charge = async (request) => {
      if (request.tripId === slow.tripId) await new Promise<void>((resolve) => (answer = resolve));
      return usual.charge(request);
    };
    await world.act(slow, driver, TripAction.COMPLETE);
    const letGo = await waitFor("the charge to be under way", () => answer);
    const [otherRider, otherDriver] = [world.rider(), world.driver()];
    const other = await world.tripIn(STARTED, otherRider, otherDriver);
    await world.act(other, otherDriver, TripAction.COMPLETE);
    await isSettled(other);
    expect(await rowOf(slow)).not.to.equal(undefined);
    letGo();
    await isSettled(slow);
  });

  it("does not keep the service from stopping while a neighbour does not answer", async () => {
    let asked = false;
    world.neighbours.charge = () => {
      asked = true;
      return new Promise(() => undefined);
    };
    const trip = await world.tripIn(COMPLETED, rider, driver);
    await waitFor("the charge to be under way", () => asked);
    let stopped = false;
    const restarted = world.restart().then(() => (stopped = true));
    await waitFor("the service to have stopped and started", () => stopped);
    await restarted;
    Object.assign(world.neighbours, usual);
    later();
    await reaches(trip, PAYMENT_PROCESSED);
    await isSettled(trip);
  });

  // Last, because the killed process holds its share of the events for a while.
  describe("of a process that was killed", () => {
    it("in the middle of a charge goes on elsewhere, and happens once", async () => {
      world.neighbours.charge = () => Promise.reject(unavailable("away"));
      const trip = await world.tripIn(STARTED, rider, driver);
      await world.act(trip, driver, TripAction.COMPLETE);
      await hasFailed(trip);
      await world.service.stop();
      let asked = false;
      world.neighbours.charge = () => {
        asked = true;
        return new Promise(() => undefined);
      };
      await world.query("UPDATE trip.settlements SET next_attempt_time = '2019-01-01'");
      const names = ["rider", "driver", "location", "pricing", "payment"];
      const env = await childEnvironment(world.host, "trip", names);
      const child = await startChildService(world.host, "trip", env);
      await waitFor("the charge to be under way", () => asked);
      child.signal("SIGKILL");
      expect(await child.ended).to.deep.equal({ code: null, signal: "SIGKILL" });
      Object.assign(world.neighbours, usual);
      await world.restart();
      later();
      await reaches(trip, PAYMENT_PROCESSED);
      await isSettled(trip);
      await waitFor("the event", () => eventsOf(trip, "PaymentProcessed").length > 0);
      expect(eventsOf(trip, "PaymentProcessed")).to.have.length(1);
    });
  });
});
