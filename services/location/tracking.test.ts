import { expect } from "chai";
import { Availability } from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import type { WatchMapResponse } from "../../gen/grpc/ridemesh/location/v1/location_service.js";
import { LocationServiceService } from "../../gen/grpc/ridemesh/location/v1/location_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import {
  TripCancelled,
  TripDriverCancelled,
  TripExpired,
} from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import { addSeconds } from "../runtime/clock.js";
import { uuidv4 } from "../runtime/ids.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import type { TestCaller } from "../testing/host.js";
import { waitFor } from "../testing/wait-for.js";
import { asDriver, place, rider, seen, staff, startWorld, type World } from "./world.test.js";

describe("following drivers live", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  const now = () => world.clock.now();

  /** Collects a stream's messages; `over` resolves when it ends. */
  const collect = <T>(open: (signal: AbortSignal) => AsyncIterable<T>) => {
    const aborting = new AbortController();
    const messages: T[] = [];
    const over = (async () => {
      for await (const message of open(aborting.signal)) messages.push(message);
    })();
    over.catch(() => undefined);
    return { messages, over, abort: () => aborting.abort() };
  };

  const track = (tripId: string, caller: TestCaller = rider) =>
    collect((signal) =>
      world.host.call.stream(LocationServiceService.trackTrip, caller, { tripId }, signal),
    );
  const map = (cityId: string, caller: TestCaller = staff) =>
    collect((signal) =>
      world.host.call.stream(LocationServiceService.watchMap, caller, { cityId }, signal),
    );

  /** A requested trip that its rider may follow. */
  const requested = async (): Promise<string> => {
    const tripId = await world.requested(rider.subject);
    await waitFor("the trip to be known", async () => {
      const sql = "SELECT 1 FROM location.tracked_trips WHERE trip_id = $1";
      return (await world.query(sql, [tripId])).length === 1;
    });
    return tripId;
  };

  describe("a trip's driver", () => {
    it("is shown from acceptance on: the latest point, then live, until the trip is completed", async () => {
      const driverId = await world.availableAt(place(0));
      const ride = { tripId: await requested(), riderId: rider.subject, driverId };
      const stream = track(ride.tripId);
      await world.accepted(ride);
      await waitFor("the latest point", () => stream.messages.length === 1);
      expect(stream.messages[0]!.location!.point!.lng).closeTo(place(0).lng, 1e-9);
      const next = seen(place(40), addSeconds(now(), 4), { headingDegrees: 12, speedMps: 11 });
      await world.report(driverId, [next]);
      await waitFor("the next point", () => stream.messages.length === 2);
      expect(stream.messages[1]!.location).deep.include({
        observeTime: next.observeTime,
        headingDegrees: 12,
        speedMps: 11,
      });
      const late = track(ride.tripId);
      await waitFor("the latest point, for who comes later", () => late.messages.length === 1);
      expect(late.messages[0]!.location!.observeTime).deep.equal(next.observeTime);
      await world.completed(ride);
      await Promise.all([stream.over, late.over]);
      await world.report(driverId, [seen(place(80), addSeconds(now(), 8))]);
      expect([stream.messages.length, late.messages.length]).deep.equal([2, 1]);
    });

    it("is the next one after the first gave the trip back", async () => {
      const [first, second] = [
        await world.availableAt(place(500)),
        await world.availableAt(place(900)),
      ];
      const ride = { tripId: await requested(), riderId: rider.subject, driverId: first };
      const stream = track(ride.tripId);
      await world.accepted(ride);
      await waitFor("the first driver", () => stream.messages.length === 1);
      await world.publish(
        TripDriverCancelled,
        { ...ride, version: 5n, searchNumber: 2, cityId: "new-york" },
        { key: ride.tripId },
      );
      const available = () => world.nearby(place(500), { radiusMeters: 1 });
      await waitFor("the first driver to be free", async () => (await available()).length === 1);
      await world.report(first, [seen(place(540), addSeconds(now(), 4))]);
      await world.accepted({ ...ride, driverId: second }, 8n);
      await waitFor("the second driver", () => stream.messages.length === 2);
      expect(stream.messages[1]!.location!.point!.lng).closeTo(place(900).lng, 1e-9);
      await world.report(first, [seen(place(580), addSeconds(now(), 8))]);
      await world.report(second, [seen(place(940), addSeconds(now(), 4))]);
      await waitFor("the second driver to move", () => stream.messages.length === 3);
      expect(stream.messages[2]!.location!.point!.lng).closeTo(place(940).lng, 1e-9);
      await world.completed({ ...ride, driverId: second });
      await stream.over;
    });

    it("is followed no longer when the trip is cancelled or expires", async () => {
      const end = {
        cancelled: (ride: { tripId: string; riderId: string; driverId: string }) =>
          world.publish(TripCancelled, TripCancelled.fromPartial({ ...ride, version: 9n }), {
            key: ride.tripId,
          }),
        expired: async (ride: { tripId: string; riderId: string; driverId: string }) => {
          const back = { ...ride, version: 5n, searchNumber: 2, cityId: "new-york" };
          await world.publish(TripDriverCancelled, back, { key: ride.tripId });
          const { tripId, riderId } = ride;
          const expired = { tripId, riderId, version: 7n, reason: "no_drivers_nearby" };
          await world.publish(TripExpired, expired, { key: tripId });
        },
      };
      for (const finish of Object.values(end)) {
        const driverId = await world.availableAt(place(3000));
        const ride = { tripId: await requested(), riderId: rider.subject, driverId };
        const stream = track(ride.tripId);
        await world.accepted(ride);
        await waitFor("the driver", () => stream.messages.length === 1);
        await finish(ride);
        await stream.over;
        expect((await failure(track(ride.tripId).over)).code).equal(Code.NOT_FOUND);
      }
    });

    it("is nobody else's to follow", async () => {
      const driverId = await world.availableAt(place(1500));
      const ride = { tripId: await requested(), riderId: rider.subject, driverId };
      await world.accepted(ride);
      for (const caller of [
        { ...rider, subject: uuidv4() },
        { ...rider, tenantId: "harbor" },
      ]) {
        expect((await failure(track(ride.tripId, caller).over)).code).equal(Code.NOT_FOUND);
      }
      expect((await failure(track(uuidv4()).over)).code).equal(Code.NOT_FOUND);
      for (const caller of [asDriver(driverId), staff]) {
        expect((await failure(track(ride.tripId, caller).over)).reason).equal("ROLE_NOT_ALLOWED");
      }
    });
  });

  describe("the map of a city", () => {
    /** What the map shows after the messages so far. */
    const shown = (messages: WatchMapResponse[]) => {
      const drivers = new Map<string, WatchMapResponse["drivers"][number]>();
      for (const message of messages) {
        for (const driver of message.drivers) drivers.set(driver.driverId, driver);
        for (const id of message.goneDriverIds) drivers.delete(id);
      }
      return drivers;
    };

    it("shows everyone at once, then who moved, changed, came or went", async () => {
      const boston = { cityId: "boston" };
      const mine = await world.availableAt(place(5000), boston);
      const other = await world.availableAt(place(5100), boston);
      const { messages, abort, over } = map("boston");
      await waitFor("the first message", () => messages.length > 0);
      expect([...shown(messages).keys()].sort()).deep.equal([mine, other].sort());
      expect(shown(messages).get(mine)).deep.include({
        busy: false,
        tripId: "",
        headingDegrees: 90,
      });

      await world.report(mine, [seen(place(5050), addSeconds(now(), 4), { headingDegrees: 7 })]);
      await waitFor("the move", () => shown(messages).get(mine)?.headingDegrees === 7);
      expect(messages.at(-1)!.drivers.map((driver) => driver.driverId)).deep.equal([mine]);

      const ride = { tripId: uuidv4(), riderId: rider.subject, driverId: other };
      await world.accepted(ride);
      await waitFor("the trip", () => shown(messages).get(other)?.tripId === ride.tripId);
      expect(shown(messages).get(other)!.busy).equal(true);
      await world.completed(ride);
      await waitFor("the trip's end", () => shown(messages).get(other)?.busy === false);

      await world.online(mine, { ...boston, version: 2n, availability: Availability.OFFLINE });
      await waitFor("one to be gone", () => !shown(messages).has(mine));
      const newcomer = await world.availableAt(place(5200), boston);
      await waitFor("one to come", () => shown(messages).has(newcomer));
      abort();
      await over;
    });

    it("lets drivers go who fell silent, and keeps those who are on a trip", async () => {
      const at = { cityId: "boston" };
      const [idle, busy] = [
        await world.availableAt(place(0), at),
        await world.availableAt(place(9), at),
      ];
      await world.accepted({ tripId: uuidv4(), riderId: rider.subject, driverId: busy });
      const { messages, abort } = map("boston");
      await waitFor("both", () => shown(messages).get(busy)?.busy && shown(messages).has(idle));
      const time = world.clock.time;
      try {
        world.clock.time = addSeconds(time, 600);
        await waitFor("one to be gone", () => !shown(messages).has(idle));
        expect(shown(messages).has(busy)).equal(true);
      } finally {
        world.clock.time = time;
        abort();
      }
    });

    it("is of a city of one's own tenant, for staff", async () => {
      for (const [cityId, tenantId] of [
        ["atlantis", "metro"],
        ["new-york", "harbor"],
      ] as const) {
        const caller = { ...staff, tenantId, roles: [Role.ADMIN] };
        expect((await failure(map(cityId, caller).over)).code).equal(Code.NOT_FOUND);
      }
      for (const caller of [rider, asDriver(uuidv4())]) {
        expect((await failure(map("boston", caller).over)).reason).equal("ROLE_NOT_ALLOWED");
      }
    });
  });
});
