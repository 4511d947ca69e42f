import { expect } from "chai";
import { Availability } from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import { DriverAvailabilityChanged } from "../../gen/grpc/ridemesh/driver/v1/driver_events.js";
import { LocationInternalServiceService } from "../../gen/grpc/ridemesh/location/v1/location_internal_service.js";
import { LocationServiceService } from "../../gen/grpc/ridemesh/location/v1/location_service.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { addSeconds } from "../runtime/clock.js";
import { decodePolyline } from "../runtime/geo.js";
import { uuidv4 } from "../runtime/ids.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import { waitFor } from "../testing/wait-for.js";
import {
  asDriver,
  fateOf,
  place,
  rider,
  seen,
  staff,
  startWorld,
  type World,
} from "./world.test.js";

describe("the location service", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  const now = () => world.clock.now();
  const ago = (seconds: number) => addSeconds(now(), -seconds);
  const internal = (as = "dispatch") =>
    world.host.internalClient(LocationInternalServiceService, "location", as);
  const rowsOf = async (driverId: string) =>
    (
      await world.query(
        "SELECT observe_time FROM location.driver_points WHERE driver_id = $1 ORDER BY 1",
        [driverId],
      )
    ).map((row) => row["observe_time"] as Date);

  /** Points that the service has accepted so far. */
  const acceptedCount = async () => {
    const metrics = await world.host.host.metrics.registry.metrics();
    return Number(/location_points_total{outcome="accepted"} (\d+)/.exec(metrics)?.[1] ?? 0);
  };

  describe("taking points", () => {
    it("has a point in the database when it is acknowledged", async () => {
      const driverId = uuidv4();
      const request = { driverId, point: seen(place(0), now()) };
      const method = LocationServiceService.reportLocation;
      const answer = await world.host.call.unary(method, asDriver(driverId), request);
      expect(fateOf(answer)).deep.equal({ accepted: 1, dropped: {} });
      expect(await rowsOf(driverId)).deep.equal([now()]);
    });

    it("says and counts what it dropped, by reason", async () => {
      const driverId = uuidv4();
      const fate = await world.report(driverId, [
        seen(place(0), ago(40)),
        seen(place(10), ago(36), { accuracyMeters: 51 }),
        seen(place(20), ago(41)),
        seen(place(20), ago(40)),
        seen(place(5000), ago(32)),
        seen(place(40), ago(28)),
        seen(place(40), addSeconds(now(), 31)),
      ]);
      const dropped = { INACCURATE: 1, STALE: 2, IMPOSSIBLE: 1, FUTURE: 1 };
      expect(fate).deep.equal({ accepted: 2, dropped });
      expect(await rowsOf(driverId)).deep.equal([ago(40), ago(28)]);
      const metrics = await world.host.host.metrics.registry.metrics();
      for (const reason of ["inaccurate", "stale", "impossible", "future"]) {
        expect(metrics).match(new RegExp(`location_points_total{outcome="${reason}"} [1-9]`));
      }
    });

    it("keeps a point once that is sent many times at once", async () => {
      const driverId = uuidv4();
      const points = [seen(place(0), now())];
      const fates = await Promise.all(
        Array.from({ length: 20 }, () => world.report(driverId, points)),
      );
      expect(fates.reduce((sum, fate) => sum + fate.accepted, 0)).equal(1);
      expect(await rowsOf(driverId)).lengthOf(1);
    });

    it("keeps every acknowledged point of many drivers at once", async () => {
      const drivers = Array.from({ length: 30 }, () => uuidv4());
      const fates = await Promise.all(
        drivers.flatMap((driverId, i) =>
          Array.from({ length: 5 }, (_, k) =>
            world.report(driverId, [
              seen(place(i * 10 + k), ago(60 - k * 10)),
              seen(place(i * 10 + k + 1), ago(56 - k * 10)),
            ]),
          ),
        ),
      );
      const rows = await Promise.all(drivers.map(rowsOf));
      const accepted = fates.reduce((sum, fate) => sum + fate.accepted, 0);
      expect(accepted).at.least(drivers.length * 2);
      expect(rows.flat()).lengthOf(accepted);
    });

    it("refuses points for another driver, and points that are no points", async () => {
      const driverId = uuidv4();
      const method = LocationServiceService.reportLocation;
      const other = await failure(
        world.host.call.unary(method, asDriver(driverId), {
          driverId: uuidv4(),
          point: seen(place(0), now()),
        }),
      );
      expect(other.code).equal(Code.NOT_FOUND);
      for (const [point, field] of [
        [seen({ lat: 91, lng: 0 }, now()), "point.point.lat"],
        [seen({ lat: 0, lng: Number.NaN }, now()), "point.point.lng"],
        [seen(place(0), now(), { accuracyMeters: -1 }), "point.accuracy_meters"],
        [{ ...seen(place(0), now()), observeTime: undefined }, "point.observe_time"],
      ] as const) {
        const error = await failure(
          world.host.call.unary(method, asDriver(driverId), { driverId, point }),
        );
        expect(error.violations.map((violation) => violation.field)).deep.equal([field]);
      }
      expect(await rowsOf(driverId)).deep.equal([]);
    });

    it("makes room for the days of the points", async () => {
      const driverId = uuidv4();
      const yesterday = ago(20 * 3600);
      await world.report(driverId, [seen(place(0), yesterday), seen(place(0), now())]);
      expect(await rowsOf(driverId)).deep.equal([yesterday, now()]);
      const parts = await world.query(
        `SELECT relname FROM pg_class JOIN pg_inherits ON oid = inhrelid
         WHERE inhparent = 'location.driver_points'::regclass ORDER BY 1`,
      );
      expect(parts.map((row) => row["relname"])).includes.members([
        "driver_points_20240229",
        "driver_points_20240301",
        "driver_points_20240302",
      ]);
    });
  });

  describe("a stream of points", () => {
    it("is acknowledged by the sum of its messages, which is then in the database", async () => {
      const driverId = uuidv4();
      const stream = await world.openStream(asDriver(driverId));
      for (let i = 0; i < 50; i += 1) {
        stream.send(driverId, [
          seen(place(i * 40), ago(400 - i * 8)),
          seen(place(i * 40 + 20), ago(396 - i * 8), { accuracyMeters: i === 7 ? 99 : 5 }),
        ]);
      }
      const answer = await stream.end();
      expect(fateOf(answer)).deep.equal({ accepted: 99, dropped: { INACCURATE: 1 } });
      expect(await rowsOf(driverId)).lengthOf(99);
    });

    it("writes points within a second although the stream stays open", async () => {
      const driverId = uuidv4();
      const stream = await world.openStream(asDriver(driverId));
      stream.send(driverId, [seen(place(0), now())]);
      await waitFor("the point", async () => (await rowsOf(driverId)).length === 1);
      await stream.end();
    });

    it("ends when a message is for another driver", async () => {
      const driverId = uuidv4();
      const stream = await world.openStream(asDriver(driverId));
      stream.send(driverId, [seen(place(0), now())]);
      stream.send(uuidv4(), [seen(place(0), now())]);
      expect((await failure(stream.end())).code).equal(Code.NOT_FOUND);
      await waitFor("the first point", async () => (await rowsOf(driverId)).length === 1);
    });
  });

  describe("finding drivers", () => {
    it("finds available drivers nearest first, within the radius, of the class", async () => {
      const at = place(20_000);
      const far = await world.availableAt(place(21_500));
      const near = await world.availableAt(place(20_300));
      const xl = await world.availableAt(place(20_600), { vehicleClass: VehicleClass.XL });
      expect(await world.nearby(at)).deep.equal([near, xl, far]);
      expect(await world.nearby(at, { radiusMeters: 1000 })).deep.equal([near, xl]);
      expect(await world.nearby(at, { limit: 1 })).deep.equal([near]);
      expect(await world.nearby(at, { vehicleClass: VehicleClass.XL })).deep.equal([xl]);
      expect(await world.nearby(at, {}, staff)).lengthOf(3);
      const found = await world.host.call.unary(LocationServiceService.findNearbyDrivers, rider, {
        ...at,
        radiusMeters: 0,
        limit: 1,
        vehicleClass: 0,
      });
      expect(found.drivers[0]!.distanceMeters).closeTo(300, 1);
      expect(found.drivers[0]!.observeTime).deep.equal(now());
    });

    it("offers dispatch the drivers of one city and class", async () => {
      const at = place(-20_000);
      const mine = await world.availableAt(at);
      await world.availableAt(at, { vehicleClass: VehicleClass.XL });
      await world.availableAt(at, { cityId: "boston" });
      const request = {
        tenantId: "metro",
        cityId: "new-york",
        point: at,
        radiusMeters: 100,
        limit: 10,
        vehicleClass: VehicleClass.ECONOMY,
      };
      const { drivers } = await internal().findCandidates(request);
      expect(drivers.map((driver) => driver.driverId)).deep.equal([mine]);
      expect(drivers[0]!.distanceMeters).closeTo(0, 0.01);
      expect((await failure(internal("stranger").findCandidates(request))).reason).equal(
        "CALLER_NOT_ALLOWED",
      );
    });

    it("shows a tenant no driver of another", async () => {
      const at = place(0, 20_000);
      const theirs = await world.availableAt(at, { tenantId: "harbor", cityId: "harbor" });
      expect(await world.nearby(at)).deep.equal([]);
      expect(await world.nearby(at, {}, { ...rider, tenantId: "harbor" })).deep.equal([theirs]);
    });

    it("does not find a driver who was silent for five minutes, until he is heard of again", async () => {
      const at = place(0, -20_000);
      const driverId = await world.availableAt(at);
      const time = world.clock.time;
      try {
        world.clock.time = addSeconds(time, 299);
        expect(await world.nearby(at)).deep.equal([driverId]);
        world.clock.time = addSeconds(time, 301);
        expect(await world.nearby(at)).deep.equal([]);
        await world.report(driverId, [seen(at, now())]);
        expect(await world.nearby(at)).deep.equal([driverId]);
      } finally {
        world.clock.time = time;
      }
    });

    it("finds a driver who goes online where he was seen while offline, and not when he leaves", async () => {
      const at = place(25_000);
      const driverId = uuidv4();
      await world.report(driverId, [seen(at, now())]);
      expect(await world.nearby(at)).deep.equal([]);
      await world.online(driverId, { version: 3n });
      await waitFor("him to be found", async () => (await world.nearby(at)).length === 1);
      await world.online(driverId, { version: 2n, availability: Availability.OFFLINE });
      await world.online(driverId, { version: 4n, vehicleClass: VehicleClass.XL });
      const xl = { vehicleClass: VehicleClass.XL };
      await waitFor("his other car", async () => (await world.nearby(at, xl)).length === 1);
      await world.online(driverId, { version: 5n, availability: Availability.OFFLINE });
      await waitFor("him to be gone", async () => (await world.nearby(at)).length === 0);
    });

    it("does not offer a driver who is on a trip, and offers him again after it", async () => {
      const at = place(-25_000);
      const driverId = await world.availableAt(at);
      const tripId = await world.requested(rider.subject);
      const ride = { tripId, riderId: rider.subject, driverId };
      await world.accepted(ride);
      await waitFor("him to be busy", async () => (await world.nearby(at)).length === 0);
      await world.completed(ride);
      await waitFor("him to be free", async () => (await world.nearby(at)).length === 1);
    });

    it("is not confused by an earlier trip's events that arrive after a later trip's", async () => {
      const at = place(-30_000);
      const driverId = await world.availableAt(at);
      const riderId = rider.subject;
      const [early, late] = [uuidv4(), uuidv4()].map((tripId) => ({ tripId, riderId, driverId }));
      await world.accepted(late!, 3n, ago(10));
      await waitFor("him to be busy", async () => (await world.nearby(at)).length === 0);
      await world.accepted(early!, 3n, ago(100));
      await world.completed(early!);
      await waitFor("the early trip's end", async () => {
        const [row] = await world.query(
          "SELECT active FROM location.tracked_trips WHERE trip_id = $1",
          [early!.tripId],
        );
        return row?.["active"] === false;
      });
      expect(await world.nearby(at)).deep.equal([]);
      await world.completed(late!);
      await waitFor("him to be free", async () => (await world.nearby(at)).length === 1);
    });
  });

  describe("a driver's history", () => {
    const list = (driverId: string, caller = asDriver(driverId), query: object = {}) =>
      world.host.call.unary(LocationServiceService.listDriverHistory, caller, {
        driverId,
        fromTime: undefined,
        untilTime: undefined,
        pageSize: 0,
        pageToken: "",
        ...query,
      });

    it("is listed oldest first, in pages, to the driver and to staff", async () => {
      const driverId = uuidv4();
      const points = Array.from({ length: 25 }, (_, i) => seen(place(i * 40), ago(200 - i * 4)));
      await world.report(driverId, points);
      for (const caller of [asDriver(driverId), staff]) {
        const pages = [];
        let pageToken = "";
        do {
          const page = await list(driverId, caller, { pageSize: 10, pageToken });
          pages.push(page.points);
          pageToken = page.nextPageToken;
        } while (pageToken);
        expect(pages.map((page) => page.length)).deep.equal([10, 10, 5]);
        expect(pages.flat().map((p) => p.observeTime)).deep.equal(points.map((p) => p.observeTime));
        expect(pages.flat()[3]).deep.equal({ ...points[3]!, point: pages.flat()[3]!.point });
        expect(pages.flat()[3]!.point!.lng).closeTo(points[3]!.point!.lng, 1e-12);
      }
      const some = await list(driverId, staff, { fromTime: ago(196), untilTime: ago(188) });
      expect(some.points.map((p) => p.observeTime)).deep.equal([ago(196), ago(192), ago(188)]);
    });

    it("is not found by another driver, by staff of another tenant, or when there is no driver", async () => {
      const driverId = uuidv4();
      await world.report(driverId, [seen(place(0), now())]);
      for (const caller of [asDriver(uuidv4()), { ...staff, tenantId: "harbor" }]) {
        expect((await failure(list(driverId, caller))).code).equal(Code.NOT_FOUND);
      }
      expect((await failure(list(uuidv4(), staff))).code).equal(Code.NOT_FOUND);
      const newcomer = uuidv4();
      expect((await list(newcomer)).points).deep.equal([]);
    });

    it("refuses a reversed interval and a token that is not its own", async () => {
      const driverId = uuidv4();
      const reversed = await failure(
        list(driverId, asDriver(driverId), { fromTime: now(), untilTime: ago(1) }),
      );
      expect(reversed.violations[0]!.field).equal("from_time");
      for (const pageToken of ["nonsense", Buffer.from('["x"]').toString("base64url")]) {
        const error = await failure(list(driverId, asDriver(driverId), { pageToken }));
        expect(error.violations[0]!.field).equal("page_token");
      }
    });
  });

  describe("the measured route", () => {
    const measure = (driverId: string, startTime: Date, endTime: Date) =>
      internal("trip").measureRoute({ tenantId: "metro", driverId, startTime, endTime });

    it("is measured from the points between two moments, those of an open stream too", async () => {
      const driverId = uuidv4();
      const stream = await world.openStream(asDriver(driverId));
      for (let i = 0; i <= 60; i += 1) {
        stream.send(driverId, [seen(place(i * 50), ago(300 - i * 5))]);
      }
      const from = ago(292.5);
      const route = await waitFor("all points", async () => {
        const measured = await measure(driverId, from, now());
        return measured.pointCount === 60 && measured;
      });
      // 10 m/s for 292.5 s; it begins between two points.
      expect(route.distanceMeters).closeTo(2925, 1);
      const line = decodePolyline(route.polyline);
      expect(line).lengthOf(2);
      expect(line[0]!.lng).closeTo(place(75).lng, 2e-5);
      expect(line[1]!.lng).closeTo(place(3000).lng, 2e-5);
      await stream.end();
    });

    it("says by the count that there is none when there are no points", async () => {
      const route = await measure(uuidv4(), ago(100), now());
      expect(route).deep.equal({ distanceMeters: 0, pointCount: 0, polyline: "" });
    });

    it("refuses a reversed interval, and services other than trip", async () => {
      const reversed = await failure(measure(uuidv4(), now(), ago(1)));
      expect(reversed.violations[0]!.field).equal("end_time");
      const request = { tenantId: "metro", driverId: uuidv4(), startTime: ago(1), endTime: now() };
      const error = await failure(internal("dispatch").measureRoute(request));
      expect(error.reason).equal("CALLER_NOT_ALLOWED");
    });
  });

  describe("its rows", () => {
    it("can be appended to and read by the service, but not changed, deleted or altered", async () => {
      await world.ownQuery("SELECT count(*) FROM driver_points");
      for (const sql of [
        "DELETE FROM driver_points",
        "UPDATE driver_points SET lat = 0",
        "DELETE FROM driver_points_20240301",
        "SELECT * FROM driver_points_20240301",
        "DROP TABLE driver_points_20240301",
        "CREATE TABLE mine (id int)",
      ]) {
        const refused = await world.ownQuery(sql).then(
          () => "allowed",
          (error: { code: string }) => error.code,
        );
        expect(refused, sql).equal("42501");
      }
    });

    it("are dropped by whole days when they are too old", async () => {
      await world.ownQuery("SELECT add_points_day('2023-11-30'), add_points_day('2023-12-01')");
      const old = () =>
        world.query("SELECT to_regclass('location.driver_points_20231130') IS NULL AS gone");
      expect((await old())[0]).deep.equal({ gone: false });
      await world.ownQuery("SELECT drop_points_before('2023-12-01')");
      expect((await old())[0]).deep.equal({ gone: true });
      const [kept] = await world.query(
        "SELECT to_regclass('location.driver_points_20231201') IS NOT NULL AS kept",
      );
      expect(kept).deep.equal({ kept: true });
    });
  });

  describe("a restart", () => {
    it("finds drivers where they were, and loses no point of an open stream", async () => {
      const at = place(30_000, 30_000);
      const driverId = await world.availableAt(at);
      const busyId = await world.availableAt(at);
      const ride = { tripId: uuidv4(), riderId: rider.subject, driverId: busyId };
      await world.accepted(ride);
      await waitFor("one to be busy", async () => (await world.nearby(at)).length === 1);
      const streamer = uuidv4();
      const acceptedBefore = await acceptedCount();
      const stream = await world.openStream(asDriver(streamer));
      const times = Array.from({ length: 40 }, (_, i) => ago(200 - i * 4));
      for (const time of times) stream.send(streamer, [seen(at, time)]);
      await waitFor("the points", async () => (await acceptedCount()) === acceptedBefore + 40);
      await world.stopLocation();
      await failure(stream.end());
      expect(await rowsOf(streamer)).deep.equal(times);
      await world.startLocation();
      const found = await waitFor("the service to answer", () => world.nearby(at));
      expect(found).deep.equal([driverId]);
      // Its gate knows the last point too.
      expect(await world.report(driverId, [seen(at, now())])).deep.equal({
        accepted: 0,
        dropped: { STALE: 1 },
      });
      await world.completed(ride);
      await waitFor("both to be free", async () => (await world.nearby(at)).length === 2);
    });
  });

  it("takes an event that is delivered twice once", async () => {
    const at = place(-30_000, -30_000);
    const driverId = await world.availableAt(at);
    const id = uuidv4();
    const offline = {
      driverId,
      availability: Availability.OFFLINE,
      cityId: "new-york",
      vehicleClass: VehicleClass.ECONOMY,
      version: 2n,
    };
    await world.publish(DriverAvailabilityChanged, offline, { key: driverId, id });
    await world.publish(
      DriverAvailabilityChanged,
      { ...offline, version: 3n, availability: Availability.ONLINE },
      { key: driverId },
    );
    await world.publish(DriverAvailabilityChanged, offline, { key: driverId, id: uuidv4() });
    await waitFor("the last event", async () => {
      const [row] = await world.query(
        "SELECT availability_version::int AS v FROM location.driver_presence WHERE driver_id = $1",
        [driverId],
      );
      return row?.["v"] === 3;
    });
    await waitFor("him to be online", async () => (await world.nearby(at)).length === 1);
  });
});
