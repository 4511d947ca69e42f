import { expect } from "chai";
import { randomUUID } from "node:crypto";
import { Idempotency } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { TripState, type Trip } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { TripAction, TripServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import { allServices, policyOf } from "../runtime/contract.js";
import { addSeconds } from "../runtime/clock.js";
import { Code, StatusError } from "../runtime/status.js";
import type { TestCaller } from "../testing/host.js";
import { waitFor } from "../testing/wait-for.js";
import { startWorld, type World } from "./world.test.js";

const { MATCHING, ACCEPTED, DRIVER_ARRIVED, STARTED, COMPLETED, CANCELLED, EXPIRED } = TripState;
const methods = TripServiceService;

describe("races for a trip", () => {
  let world: World;
  let rider: TestCaller;
  let driver: TestCaller;
  before(async () => (world = await startWorld()));
  after(() => world.stop());
  beforeEach(() => {
    rider = world.rider();
    driver = world.driver();
  });

  /** What each of the calls came to: "ok", or the reason that it was refused for. */
  const outcomes = async (calls: Promise<unknown>[]): Promise<string[]> => {
    const settled = await Promise.allSettled(calls);
    return settled.map((one) => {
      if (one.status === "fulfilled") return "ok";
      if (one.reason instanceof StatusError && one.reason.code !== Code.INTERNAL) {
        return one.reason.reason;
      }
      throw one.reason;
    });
  };
  const count = (all: string[]) =>
    Object.fromEntries([...new Set(all)].map((one) => [one, all.filter((o) => o === one).length]));
  const rowOf = async ({ tripId }: Trip) =>
    (await world.query("SELECT * FROM trip.trips WHERE trip_id = $1", [tripId]))[0]!;
  /** The events of a trip, whose versions follow each other without a gap. */
  const historyOf = async (trip: Trip): Promise<string[]> => {
    // In one statement: a settlement may add to both.
    const rows = await world.query(
      `SELECT e.version, e.type, t.version AS last FROM trip.trip_events e
       JOIN trip.trips t USING (tenant_id, trip_id) WHERE trip_id = $1 ORDER BY e.version`,
      [trip.tripId],
    );
    expect(rows.map((row) => Number(row["version"]))).to.deep.equal(rows.map((_, i) => i + 1));
    expect(Number(rows[0]!["last"])).to.equal(rows.length);
    return rows.map((row) => String(row["type"]).replace("ridemesh.trip.v1.", ""));
  };
  const many = <T>(n: number, make: (i: number) => T): T[] =>
    Array.from({ length: n }, (_, i) => make(i));

  it("20 drivers accept at once: one has it, the others are told that it is taken", async () => {
    for (let round = 0; round < 10; round += 1) {
      const drivers = many(20, () => world.driver());
      const trip = await world.request(world.rider());
      await world.offer(trip, drivers);
      const all = await outcomes(drivers.map((one) => world.accept(trip, one)));
      expect(count(all)).to.deep.equal({ ok: 1, TRIP_TAKEN: 19 });
      const winner = drivers[all.indexOf("ok")]!;
      expect(await rowOf(trip)).to.include({ state: ACCEPTED, driver_id: winner.subject });
      expect((await historyOf(trip)).filter((name) => name === "TripAccepted")).to.have.length(1);
    }
  });

  it("one driver accepts 10 trips at once: he has one, for the others he is busy", async () => {
    for (let round = 0; round < 10; round += 1) {
      const busy = world.driver();
      const trips = await Promise.all(many(10, () => world.request(world.rider())));
      await Promise.all(trips.map((trip) => world.offer(trip, [busy])));
      const all = await outcomes(trips.map((trip) => world.accept(trip, busy)));
      expect(count(all)).to.deep.equal({ ok: 1, DRIVER_BUSY: 9 });
      const rows = await Promise.all(trips.map(rowOf));
      expect(rows.filter((row) => row["driver_id"] === busy.subject)).to.have.length(1);
      for (const trip of trips) await historyOf(trip);
    }
  });

  it("a rider requests 10 trips at once: he has one, and is told which", async () => {
    for (let round = 0; round < 5; round += 1) {
      const eager = world.rider();
      const all = await outcomes(many(10, () => world.request(eager)));
      expect(count(all)).to.deep.equal({ ok: 1, ACTIVE_TRIP_EXISTS: 9 });
    }
  });

  it("10 riders book on one quote at once: it is used once", async () => {
    for (let round = 0; round < 5; round += 1) {
      const quoteToken = `quote:${randomUUID()}`;
      const all = await outcomes(many(10, () => world.request(world.rider(), { quoteToken })));
      expect(count(all)).to.deep.equal({ ok: 1, QUOTE_USED: 9 });
    }
  });

  it("the rider cancels while a driver accepts: what both are told is true", async () => {
    const seen: string[] = [];
    for (let round = 0; round < 25; round += 1) {
      const [r, d] = [world.rider(), world.driver()];
      const trip = await world.request(r);
      await world.offer(trip, [d]);
      const calls = [() => world.accept(trip, d), () => world.cancel(trip, r)];
      // Both ways round, so that both come first now and then.
      if (round % 2 === 1) calls.reverse();
      const all = await outcomes(calls.map((call) => call()));
      if (round % 2 === 1) all.reverse();
      const history = (await historyOf(trip)).slice(3);
      expect(await rowOf(trip)).to.include({ state: CANCELLED });
      if (all[0] === "ok") expect(history).to.deep.equal(["TripAccepted", "TripCancelled"]);
      else expect(history).to.deep.equal(["TripCancelled"]);
      expect(all[0]).to.be.oneOf(["ok", "ILLEGAL_TRANSITION"]);
      expect(all[1]).to.equal("ok");
      seen.push(all[0]!);
    }
    expect(seen).to.include("ok");
  });

  it("the search ends while a driver accepts: one of the two", async () => {
    for (let round = 0; round < 25; round += 1) {
      const [r, d] = [world.rider(), world.driver()];
      const trip = await world.request(r);
      await world.offer(trip, [d]);
      const about = { tenantId: "metro", tripId: trip.tripId, searchNumber: 1, reason: "x" };
      const calls = [() => world.accept(trip, d), () => world.dispatch.expireTrip(about)];
      if (round % 2 === 1) calls.reverse();
      const all = await outcomes(calls.map((call) => call()));
      expect(count(all)).to.deep.equal({ ok: 1, ILLEGAL_TRANSITION: 1 });
      const history = (await historyOf(trip)).slice(3);
      expect(history).to.have.length(1);
      const state = history[0] === "TripAccepted" ? ACCEPTED : EXPIRED;
      expect(await rowOf(trip)).to.include({ state });
    }
  });

  it("the rider cancels while the driver starts: one of the two", async () => {
    for (let round = 0; round < 15; round += 1) {
      const [r, d] = [world.rider(), world.driver()];
      const trip = await world.tripIn(DRIVER_ARRIVED, r, d);
      const { pin } = trip;
      const calls = [
        () => world.act(trip, d, TripAction.START, { pin }),
        () => world.cancel(trip, r),
      ];
      if (round % 2 === 1) calls.reverse();
      const all = await outcomes(calls.map((call) => call()));
      expect(count(all)).to.deep.equal({ ok: 1, ILLEGAL_TRANSITION: 1 });
      const last = (await historyOf(trip)).at(-1);
      expect(last).to.be.oneOf(["TripStarted", "TripCancelled"]);
    }
  });

  it("rider, driver and staff cancel while the driver completes: the ride is completed", async () => {
    for (let round = 0; round < 10; round += 1) {
      const [r, d] = [world.rider(), world.driver()];
      const trip = await world.tripIn(STARTED, r, d);
      const calls = [
        () => world.cancel(trip, r),
        () => world.act(trip, d, TripAction.COMPLETE),
        () => world.cancel(trip, d),
        () => world.cancel(trip, world.admin()),
      ];
      const all = await outcomes(calls.map((call) => call()));
      const refused = "ILLEGAL_TRANSITION";
      expect(all).to.deep.equal([refused, "ok", refused, refused]);
      await waitFor("the payment", async () => (await rowOf(trip))["pay_time"] !== null);
      const charges = world.neighbours.charges.filter(({ tripId }) => tripId === trip.tripId);
      expect(charges).to.have.length(1);
    }
  });

  it("the driver gives the trip back while the rider cancels: both may, and it is cancelled", async () => {
    for (let round = 0; round < 15; round += 1) {
      const [r, d] = [world.rider(), world.driver()];
      const trip = await world.tripIn(ACCEPTED, r, d);
      const calls = [() => world.cancel(trip, d), () => world.cancel(trip, r)];
      if (round % 2 === 1) calls.reverse();
      const all = await outcomes(calls.map((call) => call()));
      expect(all).to.include("ok");
      const history = await historyOf(trip);
      expect(history.at(-1)).to.equal("TripCancelled");
      expect(await rowOf(trip)).to.include({ state: CANCELLED });
    }
  });

  it("the driver reports a no-show while he starts: one of the two", async () => {
    for (let round = 0; round < 10; round += 1) {
      const [r, d] = [world.rider(), world.driver()];
      const trip = await world.tripIn(DRIVER_ARRIVED, r, d);
      world.clock.time = addSeconds(world.clock.time, 301);
      const { pin } = trip;
      const { NO_SHOW, START } = TripAction;
      const calls = [() => world.act(trip, d, NO_SHOW), () => world.act(trip, d, START, { pin })];
      if (round % 2 === 1) calls.reverse();
      const all = await outcomes(calls.map((call) => call()));
      expect(count(all)).to.deep.equal({ ok: 1, ILLEGAL_TRANSITION: 1 });
      await historyOf(trip);
    }
  });

  it("a driver accepts while he gives another trip back: at no time he has two", async () => {
    for (let round = 0; round < 10; round += 1) {
      const d = world.driver();
      const first = await world.tripIn(ACCEPTED, world.rider(), d);
      const second = await world.request(world.rider());
      await world.offer(second, [d]);
      const all = await outcomes([world.accept(second, d), world.cancel(first, d)]);
      expect(all[1]).to.equal("ok");
      expect(all[0]).to.be.oneOf(["ok", "DRIVER_BUSY"]);
      expect((await rowOf(first))["driver_id"]).to.equal(null);
      const has = (await rowOf(second))["driver_id"] === d.subject;
      expect(has).to.equal(all[0] === "ok");
    }
  });

  describe("50 requests under one key have one effect and one answer:", () => {
    type Repeated = (requestId: string) => Promise<unknown>;
    const rating = { stars: 5, tags: [], comment: "" };
    /** For each method: the state before, the call, and the event that it causes. */
    const repeated: Record<string, [TripState | undefined, string, (trip: Trip) => Repeated]> = {
      requestTrip: [
        undefined,
        "TripRequested",
        () => {
          const quoteToken = `quote:${randomUUID()}`;
          return async (requestId) => ({
            trip: await world.request(rider, { quoteToken, requestId }),
          });
        },
      ],
      acceptTrip: [
        MATCHING,
        "TripAccepted",
        ({ tripId }) =>
          (requestId) =>
            world.host.call.unary(methods.acceptTrip, driver, { tripId, requestId }),
      ],
      startTrip: [
        DRIVER_ARRIVED,
        "TripStarted",
        ({ tripId, pin }) =>
          (requestId) =>
            world.host.call.unary(methods.startTrip, driver, { tripId, pin, requestId }),
      ],
      completeTrip: [
        STARTED,
        "TripCompleted",
        ({ tripId }) =>
          (requestId) =>
            world.host.call.unary(methods.completeTrip, driver, { tripId, requestId }),
      ],
      updateTripStatus: [
        ACCEPTED,
        "DriverArriving",
        (trip) => (requestId) => world.act(trip, driver, TripAction.ARRIVING, { requestId }),
      ],
      cancelTrip: [
        ACCEPTED,
        "TripCancelled",
        (trip) => (requestId) => world.cancel(trip, rider, requestId),
      ],
      rateTrip: [
        COMPLETED,
        "TripRated",
        ({ tripId }) =>
          (requestId) =>
            world.host.call.unary(methods.rateTrip, rider, { tripId, ...rating, requestId }),
      ],
      rateRider: [
        COMPLETED,
        "TripRated",
        ({ tripId, riderId }) =>
          (requestId) => {
            const request = { tripId, riderId, ...rating, requestId };
            return world.host.call.unary(methods.rateRider, driver, request);
          },
      ],
    };

    it("every method that takes a key is here", () => {
      const service = allServices().find(
        ({ typeName }) => typeName === "ridemesh.trip.v1.TripService",
      )!;
      const keyed = service.methods.filter((m) => policyOf(m).idempotency === Idempotency.KEY);
      expect(Object.keys(repeated)).to.have.members(keyed.map((m) => m.localName));
    });

    for (const [name, [state, event, make]] of Object.entries(repeated)) {
      it(name, async () => {
        const trip = state === undefined ? undefined : await world.tripIn(state, rider, driver);
        if (trip && state === COMPLETED) {
          await waitFor("the payment", async () => (await rowOf(trip))["pay_time"] !== null);
        }
        const requestId = randomUUID();
        const call = make(trip as Trip);
        const answers = await Promise.all(many(50, () => call(requestId)));
        for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
        const tripId = trip?.tripId ?? (answers[0] as { trip: Trip }).trip.tripId;
        const eventsOf = () =>
          world.events.filter(({ key, type }) => key === tripId && type.endsWith(`.${event}`));
        await waitFor("the event", () => eventsOf().length > 0);
        expect(eventsOf()).to.have.length(1);
        const keys = await world.query(
          "SELECT 1 FROM trip.idempotency_keys WHERE request_id = $1",
          [requestId],
        );
        expect(keys).to.have.length(1);
        expect(await call(requestId)).to.deep.equal(answers[0]);
      });
    }
  });
});
