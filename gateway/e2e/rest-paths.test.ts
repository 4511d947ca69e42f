/**
 * Every REST path that the platform promises, called as a person with curl calls it: written-out
 * paths and JSON, nothing generated.
 */
import { expect } from "chai";
import { waitFor } from "../../services/testing/wait-for.js";
import type { Answer } from "./answers.js";
import { next, openSocket } from "./event-stream.js";
import { http } from "./http.js";
import { newEmail, newPlate, tinyPng } from "./people.js";
import { sharedPlatform, staffEmail, staffPassword, type TestPlatform } from "./platform.js";
import { spots } from "./world.js";

/** Paths with what stands for ids in them. */
const promised = [
  "POST /api/auth/register",
  "POST /api/auth/login",
  "POST /api/auth/refresh",
  "POST /api/auth/logout",
  "GET /api/auth/validate",
  "POST /api/users",
  "GET /api/users/{id}",
  "GET /api/customers/{id}/profile",
  "PUT /api/customers/{id}/profile",
  "GET /api/customers/{id}/trips",
  "POST /api/customers/{id}/ratings",
  "POST /api/drivers",
  "POST /api/drivers/register",
  "GET /api/drivers/{id}",
  "PUT /api/drivers/{id}/status",
  "PUT /api/drivers/{id}/location",
  "GET /api/drivers/{id}/earnings",
  "GET /api/drivers/nearby",
  "POST /api/locations/drivers/{id}",
  "GET /api/locations/nearby",
  "GET /api/locations/drivers/{id}/history",
  "POST /api/pricing/estimate",
  "POST /api/pricing/calculate",
  "GET /api/pricing/surge",
  "POST /api/trips",
  "GET /api/trips/{id}",
  "PUT /api/trips/{id}/status",
  "PUT /api/trips/{id}/accept",
  "PUT /api/trips/{id}/start",
  "PUT /api/trips/{id}/complete",
  "DELETE /api/trips/{id}",
  "GET /api/trips/history",
  "POST /api/payments",
  "POST /api/payments/charge",
  "GET /api/payments/{id}",
  "GET /api/payments/methods",
  "GET /api/payments/transactions/{id}",
  "POST /api/notifications/send",
];

interface Someone {
  id: string;
  token: string;
  refreshToken: string;
}

describe("REST by hand", function () {
  this.timeout(20_000);
  const { pickup, dropoff } = spots.ride;
  const called = new Set<string>();
  let platform: TestPlatform;
  let rider: Someone;
  let driver: Someone;
  let admin: Someone;
  let tripId: string;
  let pin: string;

  before(async () => {
    platform = await sharedPlatform();
  });
  after(async () => {
    await call("PUT", `/api/drivers/${driver.id}/status`, driver, {
      availability: "AVAILABILITY_OFFLINE",
    });
    expect(platform.takeErrors()).to.deep.equal([]);
  });

  /** Calls, expects the status, and gives the JSON of the answer. */
  async function call(
    verb: string,
    path: string,
    as?: Someone,
    body?: unknown,
    status = 200,
  ): Promise<Answer> {
    const answer = await http(platform.url, verb, path, {
      ...(as ? { as } : {}),
      ...(body === undefined ? {} : { body }),
    });
    expect(answer.status, `${verb} ${path}: ${answer.text}`).to.equal(status);
    const uuid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
    called.add(`${verb} ${path.replace(/\?.*/, "").replaceAll(uuid, "{id}")}`);
    return answer.json as unknown as Answer;
  }

  const someone = (answer: Answer): Someone => ({
    id: answer.user.userId,
    token: answer.session.accessToken,
    refreshToken: answer.session.refreshToken,
  });
  const register = async (role: string) => {
    const account = {
      operator: "metro",
      email: newEmail(),
      password: "correct horse battery",
      displayName: "Hanna Hand",
      role,
    };
    return {
      account,
      person: someone(await call("POST", "/api/auth/register", undefined, account, 201)),
    };
  };
  const here = (point = pickup) => ({
    point,
    observeTime: platform.clock.now().toISOString(),
    accuracyMeters: 5,
  });
  const state = async () => (await call("GET", `/api/trips/${tripId}`, rider)).state;

  it("makes accounts and sessions", async () => {
    const made = await register("ROLE_RIDER");
    const { operator, email, password } = made.account;
    const session = await call("POST", "/api/auth/login", undefined, { operator, email, password });
    expect(session.user.roles).to.deep.equal(["ROLE_RIDER"]);
    rider = someone(session);
    const { refreshToken } = made.person;
    const fresh = await call("POST", "/api/auth/refresh", undefined, { refreshToken });
    expect(fresh).to.include({ tokenType: "Bearer" });
    const other = { ...made.person, token: fresh.accessToken };
    const valid = await call("GET", "/api/auth/validate", other);
    expect(valid).to.include({ userId: rider.id, tenantId: "metro" });
    await call("POST", "/api/auth/logout", other, {}, 204);
    await call("GET", "/api/auth/validate", other, undefined, 401);

    admin = someone(
      await call("POST", "/api/auth/login", undefined, {
        operator: "metro",
        email: staffEmail("metro", "admin"),
        password: staffPassword,
      }),
    );
    const user = { email: newEmail(), displayName: "New Support", roles: ["ROLE_SUPPORT"] };
    const { userId } = await call("POST", "/api/users", admin, user, 201);
    expect(await call("GET", `/api/users/${userId}`, admin)).to.include({
      displayName: "New Support",
      status: "USER_STATUS_ACTIVE",
    });
  });

  it("keeps a rider's profile", async () => {
    const path = `/api/customers/${rider.id}/profile`;
    expect(await call("GET", path, rider)).to.include({
      displayName: "Hanna Hand",
      language: "en",
    });
    const profile = { displayName: "Hanna Handy", language: "fr" };
    expect(await call("PUT", path, rider, profile)).to.include(profile);
  });

  it("brings a driver from application to the road", async () => {
    driver = (await register("ROLE_DRIVER")).person;
    const { person } = await register("ROLE_DRIVER");
    await call("POST", "/api/drivers/register", person, { cityId: "new-york" }, 201);
    const applied = await call("POST", "/api/drivers", driver, { cityId: "new-york" }, 201);
    expect(applied.onboardingStatus).to.equal("ONBOARDING_STATUS_APPLIED");
    const vehicle = {
      plate: newPlate(),
      make: "Kia",
      model: "Niro",
      year: 2021,
      color: "green",
      vehicleClass: "VEHICLE_CLASS_ECONOMY",
      seats: 4,
    };
    await call("POST", `/api/drivers/${driver.id}/vehicles`, driver, { vehicle }, 201);
    const content = Buffer.from(tinyPng).toString("base64");
    for (const name of ["LICENCE", "INSURANCE", "REGISTRATION", "BACKGROUND_CHECK"]) {
      const type = `DOCUMENT_TYPE_${name}`;
      const document = { type, expireTime: "2080-01-01T00:00:00Z", content };
      await call("POST", `/api/drivers/${driver.id}/documents`, driver, document, 201);
    }
    const decision = { decision: "ONBOARDING_STATUS_APPROVED" };
    await call("POST", `/api/drivers/${driver.id}/review`, admin, decision);
    const online = { availability: "AVAILABILITY_ONLINE" };
    await call("PUT", `/api/drivers/${driver.id}/status`, driver, online);
    expect(await call("GET", `/api/drivers/${driver.id}`, driver)).to.include({
      availability: "AVAILABILITY_ONLINE",
    });
  });

  it("takes positions and finds drivers", async () => {
    const one = await call("PUT", `/api/drivers/${driver.id}/location`, driver, here());
    expect(one.acceptedCount).to.equal(1);
    platform.advance(2);
    const two = await call("POST", `/api/locations/drivers/${driver.id}`, driver, here());
    expect(two.acceptedCount).to.equal(1);
    const query = `lat=${pickup.lat}&lng=${pickup.lng}&radius=500`;
    for (const path of ["/api/locations/nearby", "/api/drivers/nearby"]) {
      await waitFor("the driver to be found", async () => {
        const { drivers } = await call("GET", `${path}?${query}`, rider);
        return drivers.some((found) => found.driverId === driver.id);
      });
    }
    const history = await call("GET", `/api/locations/drivers/${driver.id}/history`, driver);
    expect(history.points).to.have.length(2);
  });

  it("says what rides cost", async () => {
    const places = { pickup: { point: pickup }, dropoff: { point: dropoff } };
    const { quotes } = await call("POST", "/api/pricing/estimate", rider, places);
    expect(quotes[0]!.quoteToken).to.be.a("string");
    const fare = await call("POST", "/api/pricing/calculate", rider, {
      cityId: "new-york",
      vehicleClass: "VEHICLE_CLASS_ECONOMY",
      distanceMeters: 3000,
      durationSeconds: 600,
    });
    // 64-bit integers are text in protobuf's JSON.
    expect(fare.total.amountMinor).to.match(/^[0-9]+$/);
    const surge = await call(
      "GET",
      `/api/pricing/surge?lat=${pickup.lat}&lng=${pickup.lng}`,
      rider,
    );
    expect(surge).to.include({ multiplier: 1, dynamic: false });
  });

  it("brings a ride from request to payment", async () => {
    const places = { pickup: { point: pickup }, dropoff: { point: dropoff } };
    const { quotes } = await call("POST", "/api/pricing/estimate", rider, places);
    const { quoteToken } = quotes[0]!;
    await call("POST", "/api/payments/methods", rider, { cardToken: "tok_declined" }, 201);
    const wish = { quoteToken, paymentMethod: "PAYMENT_METHOD_KIND_CARD" };
    const trip = await call("POST", "/api/trips", rider, wish, 201);
    ({ tripId, pin } = trip);
    await waitFor("the offer", async () => {
      const { offers } = await call("GET", "/api/offers", driver);
      return offers.some((offer) => offer.tripId === tripId);
    });
    const accepted = await call("PUT", `/api/trips/${tripId}/accept`, driver, {});
    expect(accepted.state).to.equal("TRIP_STATE_ACCEPTED");
    const move = (action: string) =>
      call("PUT", `/api/trips/${tripId}/status`, driver, { action: `TRIP_ACTION_${action}` });
    await move("ARRIVING");
    await move("ARRIVED");
    await call("PUT", `/api/trips/${tripId}/start`, driver, { pin });
    const track = await waitFor("the trip to be followed", () =>
      openSocket(platform.url, `/ws/location/track/${tripId}`, { as: rider }),
    );
    const first = (await next(track.messages)) as unknown as Answer;
    expect(first.location.point).to.deep.equal(pickup);
    track.close();
    platform.advance(300);
    await call("PUT", `/api/trips/${tripId}/complete`, driver, {});
    await waitFor("the card to be declined", async () => {
      return (await state()) === "TRIP_STATE_PAYMENT_FAILED";
    });

    const debt = { tripId, paymentMethod: "PAYMENT_METHOD_KIND_CARD" };
    await call("POST", "/api/payments/charge", rider, debt, 409);
    const good = await call("POST", "/api/payments/methods", rider, { cardToken: "tok_visa" }, 201);
    const payment = await call(
      "POST",
      "/api/payments",
      rider,
      { ...debt, cardId: good.cardId },
      201,
    );
    expect(payment.status).to.equal("PAYMENT_STATUS_SUCCEEDED");
    expect(await call("GET", `/api/payments/${payment.paymentId}`, rider)).to.include({ tripId });
    const { cards } = await call("GET", "/api/payments/methods", rider);
    expect(cards).to.have.length(2);
    const { transactions } = await call("GET", `/api/payments/transactions/${rider.id}`, rider);
    expect(transactions[0]).to.include({ tripId, kind: "trip_fare" });
    await waitFor("the trip to be paid", async () => {
      return (await state()) === "TRIP_STATE_PAYMENT_PROCESSED";
    });
    await waitFor("the driver's share", async () => {
      const earnings = await call("GET", `/api/drivers/${driver.id}/earnings`, driver);
      return (
        earnings.tripCount === 1 && earnings.total.amountMinor === payment.driverShare.amountMinor
      );
    });
  });

  it("ends with ratings, history and a message", async () => {
    await call("POST", `/api/customers/${rider.id}/ratings`, driver, { tripId, stars: 5 }, 201);
    const second = await call(
      "POST",
      "/api/trips",
      rider,
      {
        pickup: { point: pickup },
        dropoff: { point: dropoff },
        vehicleClass: "VEHICLE_CLASS_ECONOMY",
      },
      201,
    );
    const gone = await call("DELETE", `/api/trips/${second.tripId}?reason=rain`, rider);
    expect([gone.state, gone.cancellation.reason]).to.deep.equal(["TRIP_STATE_CANCELLED", "rain"]);
    const { trips } = await call("GET", "/api/trips/history?pageSize=1", rider);
    expect(trips.map((trip) => trip.tripId)).to.deep.equal([second.tripId]);
    const query = "state=TRIP_STATE_PAYMENT_PROCESSED";
    const paid = await call("GET", `/api/trips/history?${query}`, rider);
    expect(paid.trips.map((trip) => trip.tripId)).to.deep.equal([tripId]);
    const all = await call("GET", `/api/customers/${rider.id}/trips`, admin);
    expect(all.trips).to.have.length(2);
    const message = { userId: rider.id, title: "Thank you", body: "Come again." };
    await call("POST", "/api/notifications/send", admin, message, 201);
  });

  it("has answered every path that is promised", () => {
    expect([...called]).to.include.members(promised);
  });
});
