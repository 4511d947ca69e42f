import { expect } from "chai";
import { randomUUID } from "node:crypto";
import pg from "pg";
import { UserRegistered } from "../../gen/grpc/ridemesh/identity/v1/identity_events.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { RiderProfile } from "../../gen/grpc/ridemesh/rider/v1/rider.js";
import { RiderInternalServiceService } from "../../gen/grpc/ridemesh/rider/v1/rider_internal_service.js";
import { RiderServiceService as Riders } from "../../gen/grpc/ridemesh/rider/v1/rider_service.js";
import { Party } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { TripRated } from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import { testHost, type TestCaller, type TestHost } from "../testing/host.js";
import { startIdentityStandIn, type IdentityStandIn } from "../testing/identity-stand-in.js";
import { publishEvent } from "../testing/publish.js";
import { waitFor } from "../testing/wait-for.js";
import { startRider } from "./app.js";

describe("rider service", () => {
  let host: TestHost;
  let identity: IdentityStandIn;
  let superuser: pg.Client;
  before(async () => {
    host = await testHost(["rider", "identity"]);
    identity = await startIdentityStandIn(host);
    host.started(await startRider(host.host));
    superuser = new pg.Client(host.superuserUrl);
    await superuser.connect();
  });
  afterEach(() => {
    identity.away = false;
  });
  after(async () => {
    await superuser.end();
    await host.stop();
  });

  /** A rider whose account identity knows. */
  const account = (displayName = "Ada Lovelace", tenantId = "metro"): TestCaller => {
    const subject = randomUUID();
    identity.know(tenantId, subject, displayName);
    return { subject, tenantId, roles: [Role.RIDER] };
  };
  const staff = (tenantId = "metro", role = Role.ADMIN): TestCaller => ({
    subject: randomUUID(),
    tenantId,
    roles: [role],
  });
  const read = async (by: TestCaller, riderId = by.subject) =>
    (await host.call.unary(Riders.getRiderProfile, by, { riderId })).profile!;
  const write = async (by: TestCaller, profile: Partial<RiderProfile>, requestId = "") => {
    const request = { riderId: by.subject, profile: RiderProfile.fromPartial(profile), requestId };
    return (await host.call.unary(Riders.updateRiderProfile, by, request)).profile!;
  };
  const rated = (
    tripId: string,
    rider: TestCaller,
    stars: number,
    { rater = Party.DRIVER, id }: { rater?: Party; id?: string } = {},
  ) =>
    publishEvent(
      host.host.bus,
      TripRated,
      { tripId, rater, riderId: rider.subject, driverId: randomUUID(), stars },
      { key: tripId, tenantId: rider.tenantId!, time: host.host.domain.now(), id },
    );
  const registered = (
    rider: TestCaller,
    { id, key = rider.subject }: { id?: string; key?: string } = {},
  ) =>
    publishEvent(
      host.host.bus,
      UserRegistered,
      { userId: rider.subject, roles: rider.roles },
      { key, tenantId: rider.tenantId!, time: host.host.domain.now(), id },
    );
  const cards = (riderIds: string[], tenantId = "metro", as = "trip") =>
    host
      .internalClient(RiderInternalServiceService, "rider", as)
      .listRiderCards({ tenantId, riderIds });
  const count = async (riderId: string): Promise<number> => {
    const sql = "SELECT count(*)::int AS n FROM rider.profiles WHERE rider_id = $1";
    return (await superuser.query<{ n: number }>(sql, [riderId])).rows[0]!.n;
  };

  const wishes: Partial<RiderProfile> = {
    displayName: "Countess Lovelace",
    language: "pt-BR",
    preferredClass: VehicleClass.COMFORT,
    savedPlaces: [
      {
        label: "home",
        place: { point: { lat: 40.7, lng: -73.9 }, address: "12 Confidential Street" },
      },
    ],
    emergencyContacts: [{ name: "Charles", phone: "+12125550123" }],
  };

  describe("a profile", () => {
    it("is made with the account's name when its owner first reads it", async () => {
      const rider = account("Grace Hopper");
      expect(await read(rider)).to.deep.equal({
        riderId: rider.subject,
        displayName: "Grace Hopper",
        language: "en",
        preferredClass: VehicleClass.UNSPECIFIED,
        savedPlaces: [],
        emergencyContacts: [],
        ratingAverage: 0,
        ratingCount: 0,
      });
    });

    it("is made once by 20 first reads at once", async () => {
      for (let round = 0; round < 3; round += 1) {
        const rider = account();
        const answers = await Promise.all(Array.from({ length: 20 }, () => read(rider)));
        for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
        expect(await count(rider.subject)).to.equal(1);
      }
    });

    it("is made when a rider registers, so that staff find it", async () => {
      const rider = account("Katherine Johnson");
      const id = randomUUID();
      await registered(rider, { id });
      await registered(rider, { id });
      const profile = await waitFor("the profile", () => read(staff(), rider.subject));
      expect(profile.displayName).to.equal("Katherine Johnson");
      expect(await count(rider.subject)).to.equal(1);
    });

    it("is not made for accounts that do not ride", async () => {
      const driver = { ...account(), roles: [Role.DRIVER] };
      const rider = account();
      const key = randomUUID();
      await registered(driver, { key });
      // Of the same key, hence after it.
      await registered(rider, { key });
      await waitFor("the rider's profile", () => read(staff(), rider.subject));
      expect(await count(driver.subject)).to.equal(0);
      expect(await failure(read(driver))).to.include({ code: Code.PERMISSION_DENIED });
    });

    it("is not found by staff before it is made, and not made by their reading", async () => {
      const rider = account();
      for (const reader of [staff(), staff("metro", Role.SUPPORT)]) {
        expect(await failure(read(reader, rider.subject))).to.include({ code: Code.NOT_FOUND });
      }
      expect(await count(rider.subject)).to.equal(0);
      await read(rider);
      const seen = await read(staff("metro", Role.SUPPORT), rider.subject);
      expect(seen.riderId).to.equal(rider.subject);
    });

    it("is found by no other rider, and by nobody of another operator", async () => {
      const rider = account();
      await read(rider);
      for (const other of [account(), staff("harbor")]) {
        expect(await failure(read(other, rider.subject))).to.include({ code: Code.NOT_FOUND });
      }
      const elsewhere = { ...rider, tenantId: "harbor" };
      expect(await failure(read(elsewhere))).to.include({ code: Code.NOT_FOUND });
      expect(await failure(write(elsewhere, wishes))).to.include({ code: Code.NOT_FOUND });
      expect((await read(rider)).displayName).to.equal("Ada Lovelace");
    });

    it("waits for identity only until it is made", async () => {
      const [known, unknown] = [account(), account()];
      await read(known);
      identity.away = true;
      expect((await read(known)).displayName).to.equal("Ada Lovelace");
      expect((await write(known, wishes)).displayName).to.equal("Countess Lovelace");
      expect(await failure(read(unknown))).to.include({ code: Code.UNAVAILABLE });
      expect(await count(unknown.subject)).to.equal(0);
    });

    it("needs an account", async () => {
      const stranger = { subject: randomUUID(), roles: [Role.RIDER] };
      expect(await failure(read(stranger))).to.include({ code: Code.NOT_FOUND });
    });
  });

  describe("an update", () => {
    it("replaces everything but id and ratings", async () => {
      const rider = account();
      const tripId = randomUUID();
      await read(rider);
      await rated(tripId, rider, 4);
      await waitFor("the rating", async () => (await read(rider)).ratingCount === 1);
      const given = { ...wishes, riderId: randomUUID(), ratingAverage: 5, ratingCount: 99 };
      const expected = { ...wishes, riderId: rider.subject, ratingAverage: 4, ratingCount: 1 };
      expect(await write(rider, given)).to.deep.equal(expected);
      expect(await read(rider)).to.deep.equal(expected);
      const emptied = await write(rider, { displayName: "Ada" });
      expect(emptied).to.deep.include({ language: "", savedPlaces: [], emergencyContacts: [] });
    });

    it("makes the profile when there is none", async () => {
      const rider = account();
      expect(await write(rider, { language: "fr" })).to.include({
        displayName: "Ada Lovelace",
        language: "fr",
      });
    });

    it("keeps the known name when none is given", async () => {
      const rider = account();
      await write(rider, { displayName: "Ada" });
      expect((await write(rider, { displayName: "  " })).displayName).to.equal("Ada");
      expect((await write(rider, {})).displayName).to.equal("Ada");
    });

    it("refuses a language that is none, and contacts that cannot be called", async () => {
      const rider = account();
      const language = await failure(write(rider, { language: "not a language" }));
      expect(language).to.include({ code: Code.INVALID_ARGUMENT });
      expect(language.violations[0]).to.include({ field: "profile.language" });
      const contact = await failure(
        write(rider, { emergencyContacts: [{ name: "Charles", phone: "555" }] }),
      );
      expect(contact.violations[0]).to.include({ field: "profile.emergency_contacts[0].phone" });
    });

    it("is encrypted at rest, and so is its stored answer", async () => {
      const rider = account();
      await write(rider, wishes, randomUUID());
      const { rows } = await superuser.query<{ text: string }>(
        `SELECT encode(profile, 'escape') AS text FROM rider.profiles WHERE rider_id = $1
         UNION ALL SELECT encode(answer, 'escape') FROM rider.idempotency_keys WHERE subject = $1::text`,
        [rider.subject],
      );
      expect(rows.length).to.equal(2);
      for (const { text } of rows) expect(text).to.not.match(/Lovelace|Confidential|2125550123/);
    });

    it("happens once for 50 requests under one key", async () => {
      const rider = account();
      const key = randomUUID();
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => write(rider, wishes, key)),
      );
      for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
      await write(rider, { displayName: "Later" });
      expect(await write(rider, wishes, key)).to.deep.equal(answers[0]);
      expect((await read(rider)).displayName).to.equal("Later");
      const reused = await failure(write(rider, {}, key));
      expect(reused).to.include({ code: Code.INVALID_ARGUMENT, reason: "REQUEST_ID_REUSED" });
    });

    it("is whole when many come at once", async () => {
      const rider = account();
      const names = Array.from({ length: 20 }, (_, i) => `Name ${i}`);
      await Promise.all(
        names.map((displayName) =>
          write(rider, { displayName, language: `en-x-${displayName.slice(5)}` }),
        ),
      );
      const { displayName, language } = await read(rider);
      expect(`en-x-${displayName.slice(5)}`).to.equal(language);
    });
  });

  describe("ratings", () => {
    it("are averaged over what drivers gave, each event once", async () => {
      const rider = account();
      // One trip's events, so that each is known to have come when a later one shows.
      const tripId = randomUUID();
      const id = randomUUID();
      await rated(tripId, rider, 2, { id });
      await rated(tripId, rider, 2, { id });
      await rated(tripId, rider, 1, { rater: Party.RIDER });
      await rated(tripId, rider, 5);
      const profile = await waitFor("the ratings", async () => {
        const found = await read(rider);
        return found.ratingAverage > 2 && found;
      });
      expect(profile).to.include({ ratingAverage: 3.5, ratingCount: 2 });
    });

    it("are kept for a rider whose profile has not been made", async () => {
      const rider = account();
      await rated(randomUUID(), rider, 3);
      await waitFor("the card's rating", async () => {
        return (await cards([rider.subject])).cards[0]!.ratingAverage === 3;
      });
      expect(await read(rider)).to.include({ ratingAverage: 3, ratingCount: 1 });
    });

    it("are of the trip's operator only", async () => {
      const rider = account();
      await read(rider);
      await rated(randomUUID(), { ...rider, tenantId: "harbor" }, 1);
      await waitFor("the rating elsewhere", async () => {
        return (await cards([rider.subject], "harbor")).cards[0]!.ratingAverage === 1;
      });
      expect((await read(rider)).ratingCount).to.equal(0);
    });
  });

  describe("cards", () => {
    it("are one for each id, with the first name from profile or account", async () => {
      const [withProfile, without, unknown] = [
        account("Ada King"),
        account("Grace Hopper"),
        account(),
      ];
      await write(withProfile, { displayName: "Augusta Ada King" });
      const stranger = randomUUID();
      const ids = [withProfile.subject, without.subject, unknown.subject, stranger];
      const { cards: found } = await cards(ids);
      expect(found).to.have.deep.members([
        { riderId: withProfile.subject, firstName: "Augusta", ratingAverage: 0 },
        { riderId: without.subject, firstName: "Grace", ratingAverage: 0 },
        { riderId: unknown.subject, firstName: "Ada", ratingAverage: 0 },
        { riderId: stranger, firstName: "", ratingAverage: 0 },
      ]);
      expect(await count(without.subject)).to.equal(0);
    });

    it("have no name while identity is away and the profile is not made", async () => {
      const [known, unknown] = [account(), account()];
      await read(known);
      identity.away = true;
      const { cards: found } = await cards([known.subject, unknown.subject]);
      expect(found.map((card) => [card.riderId, card.firstName])).to.have.deep.members([
        [known.subject, "Ada"],
        [unknown.subject, ""],
      ]);
    });

    it("show nothing of another operator's rider", async () => {
      const rider = account();
      await write(rider, wishes);
      const { cards: found } = await cards([rider.subject], "harbor");
      expect(found).to.deep.equal([{ riderId: rider.subject, firstName: "", ratingAverage: 0 }]);
    });

    it("are for the trip service only", async () => {
      const error = await failure(cards([], "metro", "stranger"));
      expect(error).to.include({ code: Code.PERMISSION_DENIED, reason: "CALLER_NOT_ALLOWED" });
      expect((await cards([])).cards).to.deep.equal([]);
    });
  });
});
