import { expect } from "chai";
import { randomUUID } from "node:crypto";
import { PaymentStatus } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import { ChargeSucceeded } from "../../gen/grpc/ridemesh/payment/v1/payment_events.js";
import { TripState, type Trip } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import {
  TripAction,
  TripServiceService,
  type WatchTripResponse,
} from "../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import type { TestCaller } from "../testing/host.js";
import { publishEvent } from "../testing/publish.js";
import { waitFor } from "../testing/wait-for.js";
import { dollars } from "./sample.test.js";
import { startWorld, type World } from "./world.test.js";

const { REQUESTED, MATCHING, ACCEPTED, STARTED, CANCELLED, PAYMENT_PROCESSED, PAYMENT_FAILED } =
  TripState;

describe("watching a trip", () => {
  let world: World;
  let rider: TestCaller;
  let driver: TestCaller;
  const leaving: AbortController[] = [];
  before(async () => (world = await startWorld()));
  beforeEach(() => {
    rider = world.rider();
    driver = world.driver();
  });
  afterEach(() => leaving.splice(0).forEach((controller) => controller.abort()));
  after(() => world.stop());

  /** What a watcher has seen so far, and whether the stream has ended. */
  const watch = (trip: Trip, caller: TestCaller, lastEventId = "") => {
    const controller = new AbortController();
    leaving.push(controller);
    const seen: WatchTripResponse[] = [];
    const request = { tripId: trip.tripId, lastEventId };
    const { signal } = controller;
    const stream = world.host.call.stream(TripServiceService.watchTrip, caller, request, signal);
    const ended = (async () => {
      for await (const message of stream) seen.push(message);
    })();
    ended.catch(() => undefined);
    return {
      seen,
      ended,
      leave: () => controller.abort(),
      states: () => seen.map((message) => message.trip!.state),
      changes: () => seen.flatMap((message) => message.changes.map((change) => change.event)),
      until: (state: TripState) =>
        waitFor(TripState[state], () => seen.some((message) => message.trip!.state === state)),
    };
  };

  it("shows it as it is, then each change, and ends when it is paid", async () => {
    const trip = await world.request(rider);
    const watcher = watch(trip, rider);
    await watcher.until(REQUESTED);
    await world.offer(trip, [driver]);
    await world.accept(trip, driver);
    await watcher.until(ACCEPTED);
    await world.act(trip, driver, TripAction.ARRIVING);
    await world.act(trip, driver, TripAction.ARRIVED);
    await world.act(trip, driver, TripAction.START, { pin: trip.pin });
    await watcher.until(STARTED);
    await world.act(trip, driver, TripAction.COMPLETE);
    await watcher.ended;
    expect(watcher.states().at(-1)).to.equal(PAYMENT_PROCESSED);
    expect(watcher.changes()).to.deep.equal([
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
    const versions = watcher.seen.map(({ trip: shown }) => shown!.version);
    expect([...versions].sort((a, b) => Number(a - b))).to.deep.equal(versions);
    expect(watcher.seen.map(({ eventId }) => eventId)).to.deep.equal(versions.map(String));
  });

  it("shows each party its own side", async () => {
    const trip = await world.tripIn(ACCEPTED, rider, driver);
    const watchers = [rider, driver, world.admin()].map((caller) => watch(trip, caller));
    for (const watcher of watchers) await watcher.until(ACCEPTED);
    const shown = watchers.map(({ seen }) => seen[0]!.trip!);
    expect(shown.map(({ pin }) => pin)).to.deep.equal([trip.pin, "", ""]);
    expect(shown.map((one) => one.driver?.plate)).to.deep.equal(["NYC-123", undefined, "NYC-123"]);
    expect(shown.map((one) => one.rider?.firstName)).to.deep.equal([undefined, "Rita", "Rita"]);
  });

  it("goes on after the last message that the watcher has, without gaps and doubles", async () => {
    const trip = await world.request(rider);
    const first = watch(trip, rider);
    await world.offer(trip, [driver]);
    await first.until(MATCHING);
    first.leave();
    await first.ended;
    const { eventId } = first.seen.at(-1)!;
    await world.accept(trip, driver);
    await world.act(trip, driver, TripAction.ARRIVING);
    const second = watch(trip, rider, eventId);
    await second.until(TripState.DRIVER_ARRIVING);
    await world.act(trip, driver, TripAction.ARRIVED);
    await second.until(TripState.DRIVER_ARRIVED);
    const known = Number(eventId);
    const versions = second.seen.flatMap((m) => m.changes.map((change) => Number(change.version)));
    expect(versions).to.deep.equal(versions.map((_, i) => known + 1 + i));
    expect([...first.changes(), ...second.changes()]).to.deep.equal([
      "TripRequested",
      "TripMatchingStarted",
      "TripMatched",
      "TripAccepted",
      "DriverArriving",
      "DriverArrived",
    ]);
  });

  it("says nothing to who knows it all, until something changes", async () => {
    const trip = await world.request(rider);
    const watcher = watch(trip, rider, "1");
    const other = watch(trip, rider);
    await other.until(REQUESTED);
    expect(watcher.seen).to.be.empty;
    await world.cancel(trip, rider);
    await watcher.ended;
    expect(watcher.changes()).to.deep.equal(["TripCancelled"]);
  });

  it("ends at once when the trip is over", async () => {
    const trip = await world.request(rider);
    await world.cancel(trip, rider);
    const watcher = watch(trip, rider);
    await watcher.ended;
    expect(watcher.states()).to.deep.equal([CANCELLED]);
    const informed = watch(trip, rider, watcher.seen[0]!.eventId);
    await informed.ended;
    expect(informed.seen).to.be.empty;
  });

  it("stays while the fare is owed, until it is paid", async () => {
    const { charge } = world.neighbours;
    world.neighbours.charge = () => Promise.resolve({ status: PaymentStatus.FAILED });
    const trip = await world.tripIn(TripState.COMPLETED, rider, driver);
    const watcher = watch(trip, rider);
    await watcher.until(PAYMENT_FAILED);
    world.neighbours.charge = charge;
    const event = ChargeSucceeded.fromPartial({
      paymentId: randomUUID(),
      tripId: trip.tripId,
      total: dollars(14.25),
      driverShare: dollars(11),
    });
    const about = { key: trip.tripId, tenantId: "metro", time: world.clock.now() };
    await publishEvent(world.host.host.bus, ChargeSucceeded, event, about);
    await watcher.ended;
    expect(watcher.states().at(-1)).to.equal(PAYMENT_PROCESSED);
  });

  it("ends for a driver who gives the trip back, and goes on for the rider", async () => {
    const trip = await world.tripIn(ACCEPTED, rider, driver);
    const [his, hers] = [watch(trip, driver), watch(trip, rider)];
    await his.until(ACCEPTED);
    await hers.until(ACCEPTED);
    await world.act(trip, driver, TripAction.CANCEL);
    await his.ended;
    expect(his.states()).to.deep.equal([ACCEPTED]);
    await hers.until(MATCHING);
    expect(hers.changes().at(-1)).to.equal("TripDriverCancelled");
  });

  it("serves many watchers, and forgets those who leave", async () => {
    const trip = await world.request(rider);
    const watchers = Array.from({ length: 10 }, () => watch(trip, rider));
    for (const watcher of watchers) await watcher.until(REQUESTED);
    watchers.slice(0, 5).forEach((watcher) => watcher.leave());
    await world.cancel(trip, rider);
    for (const watcher of watchers.slice(5)) {
      await watcher.ended;
      expect(watcher.states()).to.deep.equal([REQUESTED, CANCELLED]);
    }
  });

  it("misses nothing of what happens while it begins", async () => {
    for (let round = 0; round < 15; round += 1) {
      const own = world.rider();
      const trip = await world.request(own);
      const watcher = watch(trip, own);
      await world.cancel(trip, own);
      await watcher.ended;
      expect(watcher.states().at(-1)).to.equal(CANCELLED);
      expect(watcher.changes()).to.deep.equal(["TripRequested", "TripCancelled"]);
    }
  });

  it("is refused to strangers, other operators, and with an id of another stream", async () => {
    const trip = await world.request(rider);
    for (const caller of [world.rider(), world.driver(), world.admin("harbor")]) {
      expect((await failure(watch(trip, caller).ended)).code).to.equal(Code.NOT_FOUND);
    }
    for (const id of ["x", "-1", "1.5", "9".repeat(19)]) {
      const error = await failure(watch(trip, rider, id).ended);
      expect(error.code).to.equal(Code.INVALID_ARGUMENT);
      expect(error.violations.map(({ field }) => field)).to.deep.equal(["last_event_id"]);
    }
  });
});
