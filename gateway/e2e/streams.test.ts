/** Streams for browsers: server-sent events and WebSockets, by ticket and by subprotocol, resumed. */
import { expect } from "chai";
import { DispatchService } from "../../gen/es/ridemesh/dispatch/v1/dispatch_service_pb.js";
import { IdentityService } from "../../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import { NotificationService } from "../../gen/es/ridemesh/notification/v1/notification_service_pb.js";
import { TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripAction, TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { Code } from "../../services/runtime/status.js";
import { failure } from "../../services/testing/failure.js";
import { next, openSocket, readEvents, type StreamEvent } from "./event-stream.js";
import { follow, type Followed } from "./follow.js";
import { http } from "./http.js";
import type { Person } from "./people.js";
import { makeWorld, spots, type World } from "./world.js";

interface TripView {
  tripId: string;
  state: string;
}

describe("streams for browsers", function () {
  this.timeout(20_000);
  let world: World;
  let url: string;

  before(async () => {
    world = await makeWorld(spots.errors);
    ({ url } = world.platform);
  });
  afterEach(() => world.clear());
  after(async () => {
    await world.leave();
    expect(world.platform.takeErrors()).to.deep.equal([]);
  });

  const newTicket = async (person: Person): Promise<string> => {
    const answer = await world.people.call(IdentityService.method.createStreamTicket, person, {});
    return answer.ticket;
  };
  const ride = (state: TripState) =>
    world.rides.upTo(state, { rider: world.riderA, driver: world.driverA, places: world.places });
  const events = (path: string, as?: Person, lastEventId?: string): Followed<StreamEvent> =>
    follow((signal) =>
      readEvents(url, path, { as, signal, ...(lastEventId ? { lastEventId } : {}) }),
    );
  const tripOf = ({ data }: StreamEvent) => data["trip"] as TripView;

  describe("server-sent events", () => {
    it("are opened by a ticket that is good for one stream", async () => {
      const { tripId } = await ride(TripState.ACCEPTED);
      const path = `/api/trips/${tripId}/watch?ticket=${await newTicket(world.riderA)}`;
      const stream = events(path);
      const first = await stream.until("the trip", () => true);
      expect(tripOf(first)).to.include({ tripId, state: "TRIP_STATE_ACCEPTED" });
      const again = await http(url, "GET", path);
      expect([again.status, again.json["reason"]]).to.deep.equal([401, "TICKET_INVALID"]);
      await stream.stop();
    });

    it("give nobody more than his token does", async () => {
      const { tripId } = await ride(TripState.ACCEPTED);
      const path = `/api/trips/${tripId}/watch?ticket=${await newTicket(world.riderB)}`;
      expect((await http(url, "GET", path)).status).to.equal(404);
      expect((await http(url, "GET", `/api/trips/${tripId}/watch`)).status).to.equal(401);
    });

    it("go on after the last message that the reader has", async () => {
      const { tripId, pin } = await ride(TripState.ACCEPTED);
      const path = `/api/trips/${tripId}/watch`;
      const before = events(path, world.riderA);
      const { id } = await before.until("the trip", () => true);
      await before.stop();
      const { driverA } = world;
      await world.rides.act(driverA, tripId, TripAction.ARRIVING);
      await world.rides.act(driverA, tripId, TripAction.ARRIVED);
      await world.rides.act(driverA, tripId, TripAction.START, pin);

      const after = events(path, world.riderA, id);
      const missed = await after.until("what was missed", () => true);
      expect(tripOf(missed).state).to.equal("TRIP_STATE_STARTED");
      const changes = missed.data["changes"] as { event: string; version: string }[];
      expect(changes.map(({ event }) => event)).to.deep.equal([
        "DriverArriving",
        "DriverArrived",
        "TripStarted",
      ]);
      expect(Number(changes[0]!.version)).to.equal(Number(id) + 1);
      await after.stop();
    });

    it("bring every message once, over a break", async () => {
      const path = "/api/notifications/watch";
      const send = async (title: string) => {
        await world.people.call(NotificationService.method.sendNotification, world.admin, {
          userId: world.riderB.userId,
          title,
          body: "Hello.",
        });
      };
      const titleOf = ({ data }: StreamEvent) => (data["notification"] as { title: string }).title;
      const before = events(path, world.riderB);
      // The stream begins with what comes after it was opened.
      const opened = await http(url, "GET", "/api/notifications", { as: world.riderB });
      expect(opened.status).to.equal(200);
      await send("zero");
      await before.until("any message", () => true).catch(() => undefined);
      await before.stop();
      const last = before.seen.at(-1)!;
      expect(titleOf(last)).to.equal("zero");
      await send("one");
      await send("two");
      const after = events(path, world.riderB, last.id);
      await after.until("the second", (event) => titleOf(event) === "two");
      await send("three");
      await after.until("the third", (event) => titleOf(event) === "three");
      expect(after.seen.map(titleOf)).to.deep.equal(["one", "two", "three"]);
      await after.stop();
    });

    it("end when the trip has ended, and when the reader's session does", async () => {
      const { tripId } = await ride(TripState.ACCEPTED);
      const ending = events(`/api/trips/${tripId}/watch`, world.riderA);
      await ending.until("the trip", () => true);
      await world.people.call(TripService.method.cancelTrip, world.riderA, { tripId });
      await ending.ended();
      expect(tripOf(ending.seen.at(-1)!).state).to.equal("TRIP_STATE_CANCELLED");

      const session = await world.people.logIn(world.riderB);
      const watching = events("/api/notifications/watch", session);
      await world.people.call(NotificationService.method.sendNotification, world.admin, {
        userId: session.userId,
        title: "still there",
        body: "?",
      });
      await watching.until("the stream to be open", () => true);
      await world.people.call(IdentityService.method.logout, session, {});
      expect((await failure(watching.ended())).reason).to.equal("TOKEN_INVALID");
    });
  });

  describe("WebSockets", () => {
    it("take a token as a subprotocol, and bring a driver his offers, again after a break", async () => {
      const before = await openSocket(url, "/api/offers/watch", { as: world.driverA });
      expect(before.protocol).to.equal("ridemesh.v1");
      const { tripId } = await ride(TripState.MATCHING);
      const { offerId } = await world.rides.offer(world.driverA, tripId);
      const first = await next(before.messages);
      expect(first["offer"]).to.include({ offerId, tripId, status: "OFFER_STATUS_LIVE" });
      before.close();
      await before.ended;

      const after = await openSocket(url, "/api/offers/watch", { as: world.driverA });
      expect((await next(after.messages))["offer"]).to.include({ offerId });
      await world.people.call(DispatchService.method.declineOffer, world.driverA, { offerId });
      const last = await next(after.messages);
      expect(last["offer"]).to.include({ offerId, status: "OFFER_STATUS_DECLINED" });
      after.close();
    });

    it("take a ticket, show where the driver is, and close by 1000 when the ride is over", async () => {
      const { tripId } = await ride(TripState.ACCEPTED);
      await world.atRest();
      const ticket = await newTicket(world.riderA);
      const socket = await openSocket(url, `/ws/location/track/${tripId}?ticket=${ticket}`);
      const at = (message: Record<string, unknown>) =>
        (message["location"] as { point: { lat: number } }).point.lat;
      expect(at(await next(socket.messages))).to.equal(world.places.pickup.lat);
      const lat = world.places.pickup.lat + 0.001;
      world.platform.advance(20);
      await world.people.report(world.driverA, { ...world.places.pickup, lat });
      expect(at(await next(socket.messages))).to.equal(lat);
      await world.people.call(TripService.method.cancelTrip, world.riderA, { tripId });
      expect((await socket.ended).code).to.equal(1000);
      world.platform.advance(60);
    });

    it("say by their close code why they end", async () => {
      const { tripId } = await ride(TripState.ACCEPTED);
      const path = `/api/trips/${tripId}/watch`;
      const ends = async (as: Person | undefined) => {
        const socket = await openSocket(url, path, { as });
        const message = await next(socket.messages);
        const { code, reason } = await socket.ended;
        return {
          code: code - 4000,
          reason,
          status: (message["error"] as { status: number }).status,
        };
      };
      expect(await ends(undefined)).to.deep.equal({
        code: Code.UNAUTHENTICATED,
        reason: "TOKEN_MISSING",
        status: 401,
      });
      expect(await ends(world.riderB)).to.deep.equal({
        code: Code.NOT_FOUND,
        reason: "NOT_FOUND",
        status: 404,
      });
      expect(await ends(world.fleet)).to.deep.equal({
        code: Code.PERMISSION_DENIED,
        reason: "ROLE_NOT_ALLOWED",
        status: 403,
      });

      const session = await world.people.logIn(world.riderA);
      const socket = await openSocket(url, path, { as: session });
      await next(socket.messages);
      await world.people.call(IdentityService.method.logout, session, {});
      expect(await socket.ended).to.deep.equal({
        code: 4000 + Code.UNAUTHENTICATED,
        reason: "TOKEN_INVALID",
      });
    });

    it("are refused where no stream is", async () => {
      const refusal = (path: string) =>
        openSocket(url, path, { as: world.riderA }).then(
          () => "opened",
          (error: Error) => error.message,
        );
      expect(await refusal("/api/nowhere")).to.include("404");
      expect(await refusal("/api/trips/history")).to.include("404");
      expect(await refusal(`/ws/notifications/${world.riderA.userId}`)).to.include("404");
    });
  });

  it("show no more of a trip to a driver who gave it back", async () => {
    const { tripId } = await ride(TripState.ACCEPTED);
    const stream = events(`/api/trips/${tripId}/watch`, world.driverA);
    await stream.until("the trip", () => true);
    await world.people.call(TripService.method.cancelTrip, world.driverA, { tripId });
    await stream.ended();
    expect(stream.seen.map((event) => tripOf(event).state)).to.deep.equal(["TRIP_STATE_ACCEPTED"]);
  });
});
