import { expect } from "chai";
import { randomUUID } from "node:crypto";
import pg from "pg";
import type { WatchNotificationsResponse } from "../../gen/grpc/ridemesh/notification/v1/notification_service.js";
import { NotificationServiceService as Notifications } from "../../gen/grpc/ridemesh/notification/v1/notification_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { Party } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import * as trips from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import type { MessageType } from "../runtime/outbox.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import { testHost, type TestCaller, type TestHost } from "../testing/host.js";
import { startIdentityStandIn, type IdentityStandIn } from "../testing/identity-stand-in.js";
import { publishEvent } from "../testing/publish.js";
import { stillClock } from "../testing/still-clock.js";
import { waitFor } from "../testing/wait-for.js";
import { startNotification } from "./app.js";

const usd = (amountMinor: bigint) => ({ amountMinor, currencyCode: "USD" });

describe("notification service", () => {
  let host: TestHost;
  let identity: IdentityStandIn;
  let superuser: pg.Client;
  const clock = stillClock("2019-03-01T12:00:00Z");
  before(async () => {
    host = await testHost(["notification", "identity"], { domain: clock });
    identity = await startIdentityStandIn(host);
    host.started(await startNotification(host.host));
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

  const person = (role = Role.RIDER, tenantId = "metro"): TestCaller => {
    const subject = randomUUID();
    identity.know(tenantId, subject, "Ada");
    return { subject, tenantId, roles: [role] };
  };
  const admin = (tenantId = "metro") => person(Role.ADMIN, tenantId);
  const page = (by: TestCaller, pageSize = 0, pageToken = "") =>
    host.call.unary(Notifications.listNotifications, by, { pageSize, pageToken });
  const list = async (by: TestCaller) => (await page(by)).notifications;
  const titles = async (by: TestCaller) => (await list(by)).map((one) => one.title);
  const send = async (to: TestCaller | string, title = "Hello", by = admin(), requestId = "") => {
    const userId = typeof to === "string" ? to : to.subject;
    const request = { userId, title, body: `About ${title}`, requestId };
    return (await host.call.unary(Notifications.sendNotification, by, request)).notification!;
  };
  const markRead = (by: TestCaller, notificationIds: string[]) =>
    host.call.unary(Notifications.markNotificationsRead, by, { notificationIds });
  const publish = <T extends { tripId: string }>(
    type: MessageType<T>,
    event: T,
    { tenantId = "metro", id }: { tenantId?: string; id?: string } = {},
  ) =>
    publishEvent(host.host.bus, type, event, { key: event.tripId, tenantId, time: clock.time, id });
  /** A ride of two people, with events to publish. */
  const ride = () => {
    const [rider, driver] = [person(), person(Role.DRIVER)];
    const ids = {
      tripId: randomUUID(),
      version: 1n,
      riderId: rider.subject,
      driverId: driver.subject,
    };
    return { rider, driver, ids };
  };
  const waitForTitle = (by: TestCaller, title: string) =>
    waitFor(`"${title}"`, async () => (await titles(by)).includes(title));

  /** Follows a person's messages from after an event; leaves with the test. */
  const watches: AbortController[] = [];
  const watch = (by: TestCaller, lastEventId = "") => {
    const leaving = new AbortController();
    watches.push(leaving);
    const seen: WatchNotificationsResponse[] = [];
    const done = (async () => {
      const request = { lastEventId };
      const stream = host.call.stream(
        Notifications.watchNotifications,
        by,
        request,
        leaving.signal,
      );
      for await (const message of stream) seen.push(message);
    })();
    return { seen, done, leave: () => leaving.abort() };
  };
  afterEach(() => {
    for (const leaving of watches.splice(0)) leaving.abort();
  });

  describe("trip events", () => {
    it("tell rider and driver of a whole ride", async () => {
      const { rider, driver, ids } = ride();
      await publish(trips.TripAccepted, { ...ids, cityId: "new-york", searchNumber: 1 });
      await publish(trips.DriverArriving, ids);
      await publish(trips.DriverArrived, ids);
      await publish(trips.TripStarted, ids);
      await publish(trips.TripCompleted, { ...ids, cityId: "new-york" });
      const payment = { total: usd(1234n), driverShare: usd(987n), paymentId: randomUUID() };
      await publish(trips.PaymentProcessed, { ...ids, ...payment });
      await waitForTitle(driver, "You earned $9.87");
      const told = await list(rider);
      expect(told.map((one) => one.kind)).to.deep.equal([
        "receipt",
        "trip_completed",
        "trip_started",
        "driver_arrived",
        "driver_arriving",
        "trip_accepted",
      ]);
      expect(told[0]).to.deep.include({
        userId: rider.subject,
        title: "Receipt: $12.34",
        body: "You paid $12.34.",
        tripId: ids.tripId,
        createTime: clock.time,
        readTime: undefined,
      });
      expect((await list(driver)).map((one) => one.kind)).to.deep.equal([
        "earnings",
        "trip_completed",
      ]);
    });

    it("tell of searches and payments that end badly", async () => {
      const { rider, driver, ids } = ride();
      const { tripId, version, riderId } = ids;
      await publish(trips.TripDriverCancelled, { ...ids, searchNumber: 2, cityId: "new-york" });
      await publish(trips.TripExpired, { tripId, version, riderId, reason: "no_drivers_nearby" });
      const cancellation = { party: Party.RIDER, fee: usd(500n), noShow: false };
      await publish(trips.TripCancelled, { ...ids, ...cancellation, cityId: "new-york" });
      await publish(trips.PaymentFailed, { ...ids, reason: "card_declined", total: usd(500n) });
      await waitForTitle(rider, "Payment failed");
      expect((await list(rider)).map((one) => one.kind)).to.deep.equal([
        "payment_failed",
        "trip_cancelled",
        "trip_expired",
        "driver_cancelled",
      ]);
      expect((await list(driver)).map((one) => one.kind)).to.deep.equal(["trip_cancelled"]);
    });

    it("tell it once, however often they are delivered", async () => {
      const { rider, driver, ids } = ride();
      const id = randomUUID();
      for (let i = 0; i < 3; i += 1) {
        await publish(trips.TripCompleted, { ...ids, cityId: "new-york" }, { id });
      }
      // Of the same trip, hence after the repetitions.
      await publish(trips.TripStarted, ids);
      await waitForTitle(rider, "Your ride has started");
      expect(await titles(rider)).to.deep.equal(["Your ride has started", "You have arrived"]);
      expect(await titles(driver)).to.deep.equal(["Ride completed"]);
    });

    it("tell only people of their operator", async () => {
      const { rider, ids } = ride();
      await publish(trips.DriverArrived, ids, { tenantId: "harbor" });
      const elsewhere = { ...rider, tenantId: "harbor" };
      await waitForTitle(elsewhere, "Your driver is here");
      expect(await list(rider)).to.deep.equal([]);
    });
  });

  it("keeps titles and bodies encrypted, in stored answers too", async () => {
    const to = person();
    await send(to, "Unmistakable", admin(), randomUUID());
    const { rows } = await superuser.query<{ text: string }>(
      `SELECT encode(words, 'escape') AS text FROM notification.notifications WHERE user_id = $1
       UNION ALL SELECT encode(answer, 'escape') FROM notification.idempotency_keys`,
      [to.subject],
    );
    expect(rows.length).to.be.at.least(2);
    for (const { text } of rows) expect(text).to.not.contain("Unmistakable");
  });

  describe("lists", () => {
    it("are paged newest first, also within one moment, and while new ones come", async () => {
      const to = person();
      for (let i = 1; i <= 7; i += 1) await send(to, `number ${i}`);
      const seen: string[] = [];
      let token = "";
      do {
        const { notifications, nextPageToken } = await page(to, 3, token);
        seen.push(...notifications.map((one) => one.title));
        if (!token) await send(to, "in between");
        token = nextPageToken;
      } while (token);
      expect(seen).to.deep.equal([7, 6, 5, 4, 3, 2, 1].map((i) => `number ${i}`));
    });

    it("have no page after the last", async () => {
      const to = person();
      await send(to);
      await send(to);
      expect((await page(to, 2)).nextPageToken).to.equal("");
      expect((await page(to, 1)).nextPageToken).to.not.equal("");
    });

    it("refuse page tokens that are not ours", async () => {
      const forged = (values: unknown) => Buffer.from(JSON.stringify(values)).toString("base64url");
      for (const token of ["nonsense", forged(["x"]), forged(["-1"]), forged(["9".repeat(19)])]) {
        const error = await failure(page(person(), 0, token));
        expect(error.violations[0]).to.include({ field: "page_token" });
      }
    });

    it("show a person his own messages only", async () => {
      const to = person();
      await send(to);
      for (const other of [person(), admin(), { ...to, tenantId: "harbor" }]) {
        expect(await list(other)).to.deep.equal([]);
      }
    });
  });

  describe("reading", () => {
    it("marks messages once, at the domain time", async () => {
      const to = person();
      const [first, second] = [await send(to), await send(to)];
      await markRead(to, [first.notificationId]);
      const start = clock.time;
      clock.time = new Date(start.getTime() + 60_000);
      await markRead(to, [first.notificationId]);
      clock.time = start;
      const times = new Map((await list(to)).map((one) => [one.notificationId, one.readTime]));
      expect(times.get(first.notificationId)).to.deep.equal(start);
      expect(times.get(second.notificationId)).to.equal(undefined);
    });

    it("does nothing to the messages of others", async () => {
      const to = person();
      const { notificationId } = await send(to);
      for (const other of [person(), admin(), { ...to, tenantId: "harbor" }]) {
        expect(await markRead(other, [notificationId, randomUUID()])).to.deep.equal({});
      }
      expect((await list(to))[0]!.readTime).to.equal(undefined);
    });
  });

  describe("sending", () => {
    it("reaches a person of the operator", async () => {
      const to = person(Role.FLEET);
      const sent = await send(to.subject.toUpperCase(), "Good news");
      expect(sent).to.deep.include({
        userId: to.subject,
        kind: "message",
        title: "Good news",
        body: "About Good news",
        tripId: "",
        createTime: clock.time,
      });
      expect(await list(to)).to.deep.equal([sent]);
    });

    it("knows nobody that identity does not, nor another operator's people", async () => {
      for (const to of [randomUUID(), person(Role.RIDER, "harbor").subject]) {
        expect(await failure(send(to))).to.include({ code: Code.NOT_FOUND });
      }
    });

    it("is for staff", async () => {
      for (const by of [person(), person(Role.DRIVER), person(Role.FLEET)]) {
        const error = await failure(send(person(), "Spam", by));
        expect(error).to.include({ code: Code.PERMISSION_DENIED });
      }
      await send(person(), "Help", person(Role.SUPPORT));
    });

    it("waits for identity, and writes nothing without it", async () => {
      const to = person();
      identity.away = true;
      expect(await failure(send(to))).to.include({ code: Code.UNAVAILABLE });
      expect(await list(to)).to.deep.equal([]);
    });

    it("happens once for 50 requests under one key", async () => {
      const [to, by, key] = [person(), admin(), randomUUID()];
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => send(to, "Once", by, key)),
      );
      for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
      expect(await titles(to)).to.deep.equal(["Once"]);
      const reused = await failure(send(to, "Twice", by, key));
      expect(reused).to.include({ code: Code.INVALID_ARGUMENT, reason: "REQUEST_ID_REUSED" });
    });
  });

  describe("streams", () => {
    it("give new messages as they come, and none of before", async () => {
      const to = person();
      await send(to, "before");
      const { seen } = watch(to);
      // The stream has no word of its beginning: what is sent until it listens may be missed.
      await waitFor("the stream", async () => {
        await send(to, "probe");
        return seen.length > 0;
      });
      await send(to, "after");
      await waitFor("the message", () => seen.at(-1)?.notification?.title === "after");
      expect(seen.map((one) => one.notification!.title)).to.not.include("before");
    });

    it("resume after the last message that the reader has", async () => {
      const to = person();
      for (let i = 1; i <= 5; i += 1) await send(to, `number ${i}`);
      const first = watch(to, "0");
      await waitFor("five messages", () => first.seen.length === 5);
      first.leave();
      await first.done;
      const { eventId } = first.seen[2]!;
      await send(to, "number 6");
      const second = watch(to, eventId);
      await waitFor("three messages", () => second.seen.length >= 3);
      await send(to, "number 7");
      await waitFor("a fourth", () => second.seen.length >= 4);
      expect(second.seen.map((one) => one.notification!.title)).to.deep.equal(
        [4, 5, 6, 7].map((i) => `number ${i}`),
      );
    });

    it("give trip events to rider and driver", async () => {
      const { rider, driver, ids } = ride();
      const streams = [watch(rider, "0"), watch(driver, "0")];
      await publish(trips.TripCompleted, { ...ids, cityId: "new-york" });
      for (const { seen } of streams) await waitFor("the message", () => seen.length === 1);
      expect(streams.map(({ seen }) => seen[0]!.notification!.title)).to.deep.equal([
        "You have arrived",
        "Ride completed",
      ]);
    });

    it("neither miss nor repeat any of many that are sent at once, in the order of the list", async () => {
      const to = person();
      const watching = [watch(to, "0"), watch(to, "0")];
      const count = 300;
      await Promise.all(Array.from({ length: count }, (_, i) => send(to, `number ${i}`)));
      for (const { seen } of watching) await waitFor("all of them", () => seen.length >= count);
      const late = watch(to, watching[0]!.seen[99]!.eventId);
      await waitFor("the rest", () => late.seen.length >= count - 100);
      const listed: string[] = [];
      let token = "";
      do {
        const answer = await page(to, 100, token);
        listed.push(...answer.notifications.map((one) => one.notificationId));
        token = answer.nextPageToken;
      } while (token);
      const inOrder = listed.toReversed();
      const idsOf = (seen: WatchNotificationsResponse[]) =>
        seen.map((one) => one.notification!.notificationId);
      for (const { seen } of watching) expect(idsOf(seen)).to.deep.equal(inOrder);
      expect(idsOf(late.seen)).to.deep.equal(inOrder.slice(100));
    });

    it("show a person his own messages only", async () => {
      const [to, other] = [person(), person()];
      const streams = [watch(other, "0"), watch({ ...to, tenantId: "harbor" }, "0")];
      await send(to);
      await send(other, "for the other");
      await waitFor("the message", () => streams[0]!.seen.length > 0);
      expect(streams[0]!.seen.map((one) => one.notification!.title)).to.deep.equal([
        "for the other",
      ]);
      expect(streams[1]!.seen).to.deep.equal([]);
    });

    it("refuse a last event id that was not given out", async () => {
      for (const lastEventId of ["x", "-1", "1.5", "9".repeat(30)]) {
        const error = await failure(watch(person(), lastEventId).done);
        expect(error).to.include({ code: Code.INVALID_ARGUMENT });
        expect(error.violations[0]).to.include({ field: "last_event_id" });
      }
    });
  });
});
