import { expect } from "chai";
import { TripState, type Trip } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { TripServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import { addSeconds } from "../runtime/clock.js";
import { encodePageToken } from "../runtime/page-token.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import type { TestCaller } from "../testing/host.js";
import { startWorld, type World } from "./world.test.js";

const { listTrips, listRiderTrips } = TripServiceService;
const noon = new Date("2019-03-01T12:00:00Z");

describe("the history of trips", () => {
  let world: World;
  let rider: TestCaller;
  let driver: TestCaller;
  /** The rider's trips in the order in which they were requested, five at each of five times. */
  const trips: Trip[] = [];

  before(async () => {
    world = await startWorld();
    rider = world.rider();
    driver = world.driver();
    for (let n = 0; n < 25; n += 1) {
      world.clock.time = addSeconds(noon, Math.floor(n / 5) * 60);
      const trip = await world.request(rider);
      if (n % 5 === 0) {
        await world.offer(trip, [driver]);
        await world.accept(trip, driver);
      }
      trips.push(await world.cancel(trip, rider));
    }
  });
  after(() => world.stop());

  const page = (caller: TestCaller, pageSize: number, pageToken = "", state = 0) =>
    world.host.call.unary(listTrips, caller, { pageSize, pageToken, state });
  const all = async (caller: TestCaller, pageSize: number, state = 0): Promise<Trip[]> => {
    const found: Trip[] = [];
    for (let token = ""; ;) {
      const answer = await page(caller, pageSize, token, state);
      found.push(...answer.trips);
      expect(answer.trips.length).to.be.at.most(pageSize);
      if (!answer.nextPageToken) return found;
      expect(answer.trips).to.have.length(pageSize);
      token = answer.nextPageToken;
    }
  };
  const expected = () =>
    [...trips]
      .sort((a, b) => {
        const byTime = b.requestTime!.getTime() - a.requestTime!.getTime();
        return byTime || (a.tripId < b.tripId ? 1 : -1);
      })
      .map((trip) => trip.tripId);

  for (const size of [1, 2, 3, 5, 7, 24, 25, 26, 100]) {
    it(`is newest first, without gaps and doubles, in pages of ${size}`, async () => {
      expect((await all(rider, size)).map((trip) => trip.tripId)).to.deep.equal(expected());
    });
  }

  it("has pages of 20 when no size is given", async () => {
    const { trips: found, nextPageToken } = await page(rider, 0);
    expect(found).to.have.length(20);
    expect(nextPageToken).to.not.equal("");
  });

  it("stays whole while trips are added in between", async () => {
    const first = await page(rider, 10);
    world.clock.time = addSeconds(noon, 3600);
    const added = await world.cancel(await world.request(rider), rider);
    const second = await page(rider, 100, first.nextPageToken);
    const seen = [...first.trips, ...second.trips].map((trip) => trip.tripId);
    expect(seen).to.deep.equal(expected());
    trips.push(added);
    expect((await page(rider, 1)).trips[0]!.tripId).to.equal(added.tripId);
  });

  it("shows a driver the trips that he had, and no PINs", async () => {
    const own = await all(driver, 2);
    expect(own.map((trip) => trip.requestTime!.getTime())).to.deep.equal(
      [4, 3, 2, 1, 0].map((n) => addSeconds(noon, n * 60).getTime()),
    );
    for (const trip of own) expect(trip).to.include({ pin: "", driverId: driver.subject });
  });

  it("can be asked for one state", async () => {
    const active = await world.request(rider);
    expect((await all(rider, 10, TripState.REQUESTED)).map((t) => t.tripId)).to.deep.equal([
      active.tripId,
    ]);
    expect(await all(rider, 10, TripState.CANCELLED)).to.have.length(trips.length);
    expect(await all(rider, 10, TripState.EXPIRED)).to.be.empty;
    trips.push(await world.cancel(active, rider));
  });

  it("shows nothing of other riders and operators", async () => {
    expect(await all(world.rider(), 10)).to.be.empty;
    expect(await all({ ...rider, tenantId: "harbor" }, 10)).to.be.empty;
  });

  it("of a rider is read by staff, without PINs", async () => {
    const list = (caller: TestCaller) => {
      const request = { riderId: rider.subject, pageSize: 100, pageToken: "" };
      return world.host.call.unary(listRiderTrips, caller, request);
    };
    const [own, staff] = [await list(rider), await list(world.admin())];
    expect(staff.trips.map((t) => t.tripId)).to.deep.equal(own.trips.map((t) => t.tripId));
    for (const trip of own.trips) expect(trip.pin).to.match(/^[0-9]{4}$/);
    for (const trip of staff.trips) expect(trip.pin).to.equal("");
    expect((await list(world.admin("harbor"))).trips).to.be.empty;
    expect((await failure(list(world.rider()))).code).to.equal(Code.NOT_FOUND);
  });

  const strange = [
    "nonsense",
    encodePageToken(["yesterday", "6b1f8f0e-7a0f-4c53-9d5f-0f8f6b1f8f0e"]),
    encodePageToken([noon.toISOString(), "not-an-id"]),
    encodePageToken([noon.toISOString()]),
    encodePageToken(["+275760-09-13T00:00:00.001Z", "6b1f8f0e-7a0f-4c53-9d5f-0f8f6b1f8f0e"]),
  ];
  for (const token of strange) {
    it(`refuses the page token ${token.slice(0, 12)}…, naming the field`, async () => {
      const error = await failure(page(rider, 10, token));
      expect(error).to.include({ code: Code.INVALID_ARGUMENT, reason: "INVALID_REQUEST" });
      expect(error.violations.map(({ field }) => field)).to.deep.equal(["page_token"]);
    });
  }
});
