import { expect } from "chai";
import { randomUUID } from "node:crypto";
import { Availability, OnboardingStatus } from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import {
  DriverAvailabilityChanged,
  DriverRegistered,
  DriverReviewed,
} from "../../gen/grpc/ridemesh/driver/v1/driver_events.js";
import { DriverServiceService as Drivers } from "../../gen/grpc/ridemesh/driver/v1/driver_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import type { MessageType } from "../runtime/outbox.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import type { TestCaller } from "../testing/host.js";
import { waitFor } from "../testing/wait-for.js";
import { requiredDocuments } from "./onboarding.js";
import { corolla, startWorld, type World } from "./world.test.js";

const { APPLIED, IN_REVIEW, APPROVED, REJECTED, SUSPENDED } = OnboardingStatus;
const { ONLINE, OFFLINE } = Availability;

describe("driver service", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  const register = (caller: TestCaller, cityId = "new-york", requestId = "") =>
    world.host.call.unary(Drivers.registerDriver, caller, { cityId, requestId });
  const review = (driver: TestCaller, decision: OnboardingStatus, by = world.admin()) =>
    world.host.call.unary(Drivers.reviewDriver, by, {
      driverId: driver.subject,
      decision,
      comment: "because",
      requestId: "",
    });
  const turn = (driver: TestCaller, availability: Availability, vehicleId = "", requestId = "") =>
    world.host.call.unary(Drivers.setDriverAvailability, driver, {
      driverId: driver.subject,
      availability,
      vehicleId,
      requestId,
    });
  /** The driver's events of a type, when there are so many of them. */
  const eventsOf = <T>(type: MessageType<T>, driver: TestCaller, count: number) =>
    waitFor(`${count} events ${type.$type}`, () => {
      const mine = world.events.filter((e) => e.type === type.$type && e.key === driver.subject);
      return mine.length >= count && mine.map((e) => ({ ...e, message: type.decode(e.payload) }));
    });

  describe("applying", () => {
    it("makes a driver with the account's name, and says so", async () => {
      const caller = world.account({ name: "Grace Hopper" });
      const { driver } = await register(caller);
      expect(driver).to.deep.include({
        driverId: caller.subject,
        displayName: "Grace Hopper",
        cityId: "new-york",
        onboardingStatus: APPLIED,
        availability: OFFLINE,
        ratingAverage: 0,
        createTime: world.clock.time,
      });
      expect(await world.get(caller)).to.deep.equal(driver);
      const [event] = await eventsOf(DriverRegistered, caller, 1);
      expect(event!.message).to.deep.equal({ driverId: caller.subject, cityId: "new-york" });
      expect(event!.tenantId).to.equal("metro");
    });

    it("keeps the name encrypted", async () => {
      const caller = world.account({ name: "Unmistakable Name" });
      await register(caller, "new-york", randomUUID());
      const rows = await world.query(
        `SELECT encode(display_name, 'escape') AS text FROM driver.drivers WHERE driver_id = $1
         UNION ALL SELECT encode(answer, 'escape') FROM driver.idempotency_keys WHERE subject = $1::text`,
        [caller.subject],
      );
      expect(rows.length).to.equal(2);
      for (const row of rows) expect(row["text"]).to.not.contain("Unmistakable");
    });

    it("refuses a second application", async () => {
      const error = await failure(register(await world.applied()));
      expect(error).to.include({ code: Code.ALREADY_EXISTS, reason: "ALREADY_APPLIED" });
    });

    it("refuses cities that the operator does not serve, another operator's among them", async () => {
      for (const cityId of ["atlantis", "harbor"]) {
        const error = await failure(register(world.account(), cityId));
        expect(error).to.include({ code: Code.INVALID_ARGUMENT, reason: "UNKNOWN_CITY" });
        expect(error.violations[0]).to.include({ field: "city_id" });
      }
    });

    it("needs an account that identity knows, and changes nothing while identity is away", async () => {
      const stranger = { subject: randomUUID(), roles: [Role.DRIVER] };
      expect(await failure(register(stranger))).to.include({ code: Code.NOT_FOUND });
      const caller = world.account();
      world.identity.away = true;
      const error = await failure(register(caller)).finally(() => (world.identity.away = false));
      expect(error.code).to.equal(Code.UNAVAILABLE);
      expect(await failure(world.get(caller))).to.include({ code: Code.NOT_FOUND });
      expect((await register(caller)).driver!.driverId).to.equal(caller.subject);
    });

    it("answers 50 requests under one key alike, and applies once", async () => {
      const caller = world.account();
      const key = randomUUID();
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => register(caller, "new-york", key)),
      );
      for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
      const error = await failure(register(caller, "harbor", key));
      expect(error.reason).to.equal("REQUEST_ID_REUSED");
      const other = await failure(register(caller, "new-york", randomUUID()));
      expect(other.reason).to.equal("ALREADY_APPLIED");
    });
  });

  describe("onboarding", () => {
    it("goes to review by itself when all is there, and to approved by a reviewer", async () => {
      const driver = await world.applied();
      const admin = world.admin();
      expect((await failure(review(driver, APPROVED))).metadata).to.deep.equal({
        onboarding_status: "ONBOARDING_STATUS_APPLIED",
      });
      await world.addVehicle(driver);
      const statuses: OnboardingStatus[] = [];
      for (const type of requiredDocuments) {
        statuses.push((await world.addDocument(driver, type)).onboardingStatus);
      }
      expect(statuses).to.deep.equal([APPLIED, APPLIED, APPLIED, IN_REVIEW]);
      const { driver: approved } = await review(driver, APPROVED, admin);
      expect(approved).to.deep.include({ onboardingStatus: APPROVED, reviewComment: "" });

      const events = await eventsOf(DriverReviewed, driver, 2);
      expect(events.map((e) => e.message)).to.deep.equal([
        { driverId: driver.subject, onboardingStatus: IN_REVIEW, reviewerId: "" },
        { driverId: driver.subject, onboardingStatus: APPROVED, reviewerId: admin.subject },
      ]);
      const audit = await world.query(
        `SELECT onboarding_status, reviewer_id FROM driver.driver_reviews WHERE driver_id = $1
         ORDER BY review_number`,
        [driver.subject],
      );
      expect(audit).to.deep.equal([
        { onboarding_status: APPLIED, reviewer_id: "" },
        { onboarding_status: IN_REVIEW, reviewer_id: "" },
        { onboarding_status: APPROVED, reviewer_id: admin.subject },
      ]);
    });

    it("tells the driver why he was rejected, and takes no decision after it", async () => {
      const driver = await world.applied();
      for (const type of requiredDocuments) await world.addDocument(driver, type);
      await world.addVehicle(driver);
      await review(driver, REJECTED);
      expect(await world.get(driver)).to.deep.include({
        onboardingStatus: REJECTED,
        reviewComment: "because",
      });
      for (const decision of [APPROVED, REJECTED, SUSPENDED]) {
        const error = await failure(review(driver, decision));
        expect(error).to.include({ code: Code.FAILED_PRECONDITION, reason: "ILLEGAL_DECISION" });
      }
    });

    it("asks for a comment unless it approves", async () => {
      const driver = await world.approved();
      const request = {
        driverId: driver.subject,
        decision: SUSPENDED,
        comment: "",
        requestId: "",
      };
      const call = world.host.call.unary(Drivers.reviewDriver, world.admin(), request);
      expect(await failure(call)).to.include({ code: Code.INVALID_ARGUMENT });
    });

    it("approves nobody whose document has expired meanwhile", async () => {
      const driver = await world.applied();
      const [first, ...others] = requiredDocuments;
      const start = world.clock.time;
      await world.addDocument(driver, first, new Date(start.getTime() + 1000));
      for (const type of others) await world.addDocument(driver, type);
      expect((await world.addVehicle(driver)).onboardingStatus).to.equal(IN_REVIEW);
      world.clock.time = new Date(start.getTime() + 1000);
      const error = await failure(review(driver, APPROVED));
      world.clock.time = start;
      expect(error).to.include({ code: Code.FAILED_PRECONDITION, reason: "DOCUMENT_EXPIRED" });
      expect(error.metadata).to.deep.equal({ document_type: "DOCUMENT_TYPE_LICENCE" });
    });

    it("takes a suspended driver offline and says so, and readmits him", async () => {
      const driver = await world.approved();
      await turn(driver, ONLINE);
      const { driver: suspended } = await review(driver, SUSPENDED);
      expect(suspended).to.deep.include({ onboardingStatus: SUSPENDED, availability: OFFLINE });
      const events = await eventsOf(DriverAvailabilityChanged, driver, 2);
      expect(events.map((e) => e.message)).to.deep.equal(
        [ONLINE, OFFLINE].map((availability, i) => ({
          driverId: driver.subject,
          availability,
          cityId: "new-york",
          vehicleClass: VehicleClass.ECONOMY,
          version: BigInt(i + 1),
        })),
      );
      const error = await failure(turn(driver, ONLINE));
      expect(error).to.include({ reason: "NOT_APPROVED" });
      expect(error.metadata).to.deep.equal({ onboarding_status: "ONBOARDING_STATUS_SUSPENDED" });
      await review(driver, APPROVED);
      expect((await turn(driver, ONLINE)).driver!.availability).to.equal(ONLINE);
    });

    it("takes one of many decisions at once", async () => {
      const driver = await world.applied();
      for (const type of requiredDocuments) await world.addDocument(driver, type);
      await world.addVehicle(driver);
      const outcomes = await Promise.allSettled(
        Array.from({ length: 10 }, (_, i) => review(driver, i % 2 ? REJECTED : APPROVED)),
      );
      expect(outcomes.filter((one) => one.status === "fulfilled").length).to.equal(1);
      for (const one of outcomes) {
        if (one.status === "rejected")
          expect(one.reason).to.include({ reason: "ILLEGAL_DECISION" });
      }
    });
  });

  describe("availability", () => {
    it("says nothing when nothing changes", async () => {
      const driver = await world.approved();
      for (const wanted of [OFFLINE, ONLINE, ONLINE, OFFLINE, OFFLINE]) {
        expect((await turn(driver, wanted)).driver!.availability).to.equal(wanted);
      }
      const events = await eventsOf(DriverAvailabilityChanged, driver, 2);
      expect(events.map((e) => e.message.availability)).to.deep.equal([ONLINE, OFFLINE]);
      const [row] = await world.query(
        "SELECT availability_version FROM driver.drivers WHERE driver_id = $1",
        [driver.subject],
      );
      expect(row!["availability_version"]).to.equal("2");
    });

    it("says which class the driver's new vehicle has", async () => {
      const driver = await world.approved();
      await turn(driver, ONLINE);
      const withTwo = await world.addVehicle(driver, { vehicleClass: VehicleClass.XL });
      const larger = withTwo.vehicles.at(-1)!.vehicleId;
      await turn(driver, ONLINE, larger);
      const events = await eventsOf(DriverAvailabilityChanged, driver, 2);
      expect(events.map((e) => e.message.vehicleClass)).to.deep.equal([
        VehicleClass.ECONOMY,
        VehicleClass.XL,
      ]);
    });

    it("asks which of several vehicles, and knows only the driver's own", async () => {
      const driver = await world.approved();
      const { vehicles } = await world.addVehicle(driver);
      const unclear = await failure(turn(driver, ONLINE));
      expect(unclear).to.include({ code: Code.INVALID_ARGUMENT });
      expect(unclear.violations[0]).to.include({ field: "vehicle_id" });
      const other = await world.get(await world.approved());
      const unknown = await failure(turn(driver, ONLINE, other.vehicles[0]!.vehicleId));
      expect(unknown.code).to.equal(Code.NOT_FOUND);
      await turn(driver, ONLINE, vehicles[1]!.vehicleId);
    });

    it("is refused to a driver whose document has expired", async () => {
      const driver = await world.approved();
      const start = world.clock.time;
      world.clock.time = new Date("2030-01-01T00:00:00Z");
      const error = await failure(turn(driver, ONLINE)).finally(() => (world.clock.time = start));
      expect(error).to.include({ code: Code.FAILED_PRECONDITION, reason: "DOCUMENT_EXPIRED" });
    });

    it("is refused to an applicant", async () => {
      const driver = await world.applied();
      expect((await failure(turn(driver, ONLINE))).reason).to.equal("NOT_APPROVED");
    });

    it("numbers concurrent changes without a gap, in the order of their events", async () => {
      for (let round = 0; round < 3; round += 1) {
        const driver = await world.approved();
        const wishes = Array.from({ length: 20 }, (_, i) => (i % 2 ? OFFLINE : ONLINE));
        await Promise.all(wishes.map((wanted) => turn(driver, wanted)));
        const [row] = await world.query(
          "SELECT availability, availability_version AS version FROM driver.drivers WHERE driver_id = $1",
          [driver.subject],
        );
        const count = Number(row!["version"]);
        const events = await eventsOf(DriverAvailabilityChanged, driver, count);
        expect(events.map((e) => Number(e.message.version))).to.deep.equal(
          Array.from({ length: count }, (_, i) => i + 1),
        );
        events.forEach((e, i) => {
          expect(e.message.availability).to.equal(i % 2 ? OFFLINE : ONLINE);
        });
        expect(events.at(-1)!.message.availability).to.equal(row!["availability"]);
      }
    });

    it("changes once for 50 requests under one key", async () => {
      const driver = await world.approved();
      const key = randomUUID();
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => turn(driver, ONLINE, "", key)),
      );
      for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
    });
  });

  describe("vehicles", () => {
    it("keep their plate in capitals and encrypted", async () => {
      const driver = await world.applied();
      const { vehicles } = await world.addVehicle(driver, { plate: "xk-71 qz" });
      expect(vehicles[0]).to.deep.include({
        ...corolla,
        plate: "XK-71 QZ",
        vehicleId: vehicles[0]!.vehicleId,
      });
      const [row] = await world.query(
        "SELECT encode(plate, 'escape') AS plate FROM driver.vehicles WHERE driver_id = $1",
        [driver.subject],
      );
      expect(row!["plate"]).to.not.contain("XK-71");
    });

    it("have a plate of letters or digits", async () => {
      const driver = await world.applied();
      const error = await failure(world.addVehicle(driver, { plate: "--" }));
      expect(error.violations[0]).to.include({ field: "vehicle.plate" });
    });

    it("never share a plate within an operator, also when added at once", async () => {
      for (const plate of ["RACE 1", "RACE 2", "RACE 3"]) {
        const drivers = await Promise.all(Array.from({ length: 10 }, () => world.applied()));
        const outcomes = await Promise.allSettled(
          drivers.map((driver) => world.addVehicle(driver, { plate })),
        );
        expect(outcomes.filter((one) => one.status === "fulfilled").length).to.equal(1);
        for (const one of outcomes) {
          if (one.status === "fulfilled") continue;
          expect(one.reason).to.include({ code: Code.ALREADY_EXISTS, reason: "PLATE_TAKEN" });
        }
      }
      const elsewhere = await world.applied({ tenantId: "harbor" });
      expect((await world.addVehicle(elsewhere, { plate: "race-1" })).vehicles.length).to.equal(1);
    });

    it("are at most 20", async () => {
      const driver = await world.applied();
      for (let i = 0; i < 20; i += 1) await world.addVehicle(driver);
      const error = await failure(world.addVehicle(driver));
      expect(error).to.include({ code: Code.INVALID_ARGUMENT });
      expect((await world.get(driver)).vehicles.length).to.equal(20);
    });
  });

  describe("reading", () => {
    const list = (by: TestCaller, onboardingStatus: number, pageSize: number, pageToken = "") =>
      world.host.call.unary(Drivers.listDrivers, by, { onboardingStatus, pageSize, pageToken });

    it("pages drivers newest first, by status, within the operator", async () => {
      const tenantId = "harbor";
      const admin = world.admin(tenantId);
      const start = world.clock.time;
      const made: string[] = [];
      for (let i = 0; i < 5; i += 1) {
        world.clock.time = new Date(start.getTime() + i * 1000);
        made.push((await world.applied({ tenantId })).subject);
      }
      const approved = await world.approved({ tenantId });
      world.clock.time = start;
      const seen: string[] = [];
      let pageToken = "";
      do {
        const answer = await list(admin, 0, 2, pageToken);
        expect(answer.drivers.length).to.be.within(1, 2);
        seen.push(...answer.drivers.map((driver) => driver.driverId));
        pageToken = answer.nextPageToken;
      } while (pageToken);
      const expected = await world.query(
        `SELECT driver_id FROM driver.drivers WHERE tenant_id = 'harbor'
         ORDER BY create_time DESC, driver_id DESC`,
      );
      expect(seen).to.deep.equal(expected.map((row) => row["driver_id"]));
      expect(seen).to.include.members(made);
      const filtered = await list(admin, APPROVED, 0);
      expect(filtered.drivers.map((driver) => driver.driverId)).to.deep.equal([approved.subject]);
      expect(filtered.drivers[0]!.vehicles.length).to.equal(1);
      expect(filtered.drivers[0]!.documents.length).to.equal(4);
    });

    it("refuses page tokens that are not ours", async () => {
      const forged = (values: unknown) => Buffer.from(JSON.stringify(values)).toString("base64url");
      for (const token of ["nonsense", forged(["x", "y"]), forged(["2019-03-01T00:00:00Z", "z"])]) {
        const error = await failure(list(world.admin(), 0, 2, token));
        expect(error.violations[0]).to.include({ field: "page_token" });
      }
    });

    it("shows a driver to himself and his operator's staff, and to nobody else", async () => {
      const driver = await world.approved();
      const request = { driverId: driver.subject };
      const as = (caller: TestCaller) => world.host.call.unary(Drivers.getDriver, caller, request);
      const support = { ...world.admin(), roles: [Role.SUPPORT] };
      for (const caller of [driver, world.admin(), support]) {
        expect((await as(caller)).driver!.driverId).to.equal(driver.subject);
      }
      for (const caller of [await world.applied(), world.admin("harbor")]) {
        expect(await failure(as(caller))).to.include({ code: Code.NOT_FOUND });
      }
      const asElsewhere = { ...driver, tenantId: "harbor" };
      expect(await failure(as(asElsewhere))).to.include({ code: Code.NOT_FOUND });
    });

    it("lets nobody of another operator change a driver", async () => {
      const driver = await world.approved();
      const foreign = await failure(review(driver, SUSPENDED, world.admin("harbor")));
      expect(foreign.code).to.equal(Code.NOT_FOUND);
      const same = { ...driver, tenantId: "harbor" };
      expect(await failure(turn(same, ONLINE))).to.include({ code: Code.NOT_FOUND });
      expect(await failure(world.addVehicle(same))).to.include({ code: Code.NOT_FOUND });
      expect(await world.get(driver)).to.include({
        onboardingStatus: APPROVED,
        availability: OFFLINE,
      });
    });
  });
});
