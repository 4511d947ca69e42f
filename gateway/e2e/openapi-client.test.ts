/** A client that was generated from the OpenAPI document, and knows nothing else, takes a whole ride. */
import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { OpenAPIClientAxios, type Document, type OpenAPIClient } from "openapi-client-axios";
import { waitFor } from "../../services/testing/wait-for.js";
import type { Answer } from "./answers.js";
import { newEmail, newPlate, tinyPng } from "./people.js";
import { sharedPlatform, staffEmail, staffPassword, type TestPlatform } from "./platform.js";
import { spots } from "./world.js";

type Parameters = Record<string, string | number>;

describe("a client generated from the OpenAPI document", function () {
  this.timeout(20_000);
  let platform: TestPlatform;
  let document: Document;

  before(async () => {
    platform = await sharedPlatform();
    document = JSON.parse(await readFile("gen/openapi/ridemesh.openapi.json", "utf8")) as Document;
  });
  after(() => expect(platform.takeErrors()).to.deep.equal([]));

  /** The client of one person; of nobody without a token. Calls an operation by its id. */
  const clientOf = async (token?: string) => {
    const api = new OpenAPIClientAxios({
      definition: document,
      axiosConfigDefaults: {
        baseURL: platform.url,
        headers: token ? { authorization: `Bearer ${token}` } : {},
      },
    });
    const client: OpenAPIClient = await api.init();
    return async (
      operation: string,
      parameters: Parameters = {},
      body?: unknown,
    ): Promise<Answer> => {
      const answer = await client[operation]!(parameters, body);
      const declared = api.getOperation(operation)?.responses ?? {};
      expect(Object.keys(declared), operation).to.include(String(answer.status));
      return answer.data as Answer;
    };
  };

  it("is served by the gateway too", async () => {
    const served = await fetch(`${platform.url}/openapi.json`);
    expect(served.status).to.equal(200);
    expect(((await served.json()) as Document).info).to.deep.equal(document.info);
  });

  it("takes the whole ride", async () => {
    const { pickup, dropoff } = spots.openApi;
    const anyone = await clientOf();
    const register = async (role: string, displayName: string) => {
      const account = { operator: "metro", email: newEmail(), password: "open api client" };
      const made = await anyone(
        "IdentityService_RegisterUser",
        {},
        { ...account, displayName, role },
      );
      return { id: made.user.userId, call: await clientOf(made.session.accessToken) };
    };
    const admin = await clientOf(
      (
        await anyone(
          "IdentityService_Login",
          {},
          { operator: "metro", email: staffEmail("metro", "admin"), password: staffPassword },
        )
      ).session.accessToken,
    );

    const driver = await register("ROLE_DRIVER", "Otto Open");
    const driverId = driver.id;
    await driver.call("DriverService_RegisterDriver", {}, { cityId: "new-york" });
    const vehicle = {
      plate: newPlate(),
      make: "Ford",
      model: "Focus",
      year: 2019,
      vehicleClass: "VEHICLE_CLASS_ECONOMY",
      seats: 4,
    };
    await driver.call("DriverService_AddVehicle", { driverId }, { vehicle });
    const content = Buffer.from(tinyPng).toString("base64");
    for (const name of ["LICENCE", "INSURANCE", "REGISTRATION", "BACKGROUND_CHECK"]) {
      const type = `DOCUMENT_TYPE_${name}`;
      const file = { type, expireTime: "2080-01-01T00:00:00Z", content };
      await driver.call("DriverService_AddDocument", { driverId }, file);
    }
    const decision = { decision: "ONBOARDING_STATUS_APPROVED" };
    await admin("DriverService_ReviewDriver", { driverId }, decision);
    const online = { availability: "AVAILABILITY_ONLINE" };
    await driver.call("DriverService_SetDriverAvailability", { driverId }, online);
    const report = async (point: object) => {
      const observeTime = platform.clock.now().toISOString();
      const body = { point, observeTime, accuracyMeters: 5 };
      const result = await driver.call("LocationService_ReportLocation", { driverId }, body);
      expect(result.acceptedCount).to.equal(1);
    };
    await report(pickup);

    const rider = await register("ROLE_RIDER", "Olga Open");
    await rider.call("PaymentService_AddCard", {}, { cardToken: "tok_visa" });
    const places = { pickup: { point: pickup }, dropoff: { point: dropoff } };
    const { quotes } = await rider.call("PricingService_CreateQuotes", {}, places);
    const wish = {
      quoteToken: quotes[0]!.quoteToken,
      paymentMethod: "PAYMENT_METHOD_KIND_CARD",
    };
    const { tripId, pin } = await rider.call("TripService_RequestTrip", {}, wish);
    await waitFor("the offer", async () => {
      const { offers } = await driver.call("DispatchService_ListOffers");
      return offers.some((offer) => offer.tripId === tripId);
    });
    await driver.call("TripService_AcceptTrip", { tripId }, {});
    const act = (action: string) =>
      driver.call("TripService_UpdateTripStatus", { tripId }, { action: `TRIP_ACTION_${action}` });
    await act("ARRIVING");
    await act("ARRIVED");
    await driver.call("TripService_StartTrip", { tripId }, { pin });
    platform.advance(240);
    await report(dropoff);
    await driver.call("TripService_CompleteTrip", { tripId }, {});
    const paid = await waitFor("the payment", async () => {
      const trip = await rider.call("TripService_GetTrip", { tripId });
      return trip.state === "TRIP_STATE_PAYMENT_PROCESSED" && trip;
    });
    const receipt = await rider.call("TripService_GetReceipt", { tripId });
    expect(receipt.fare.total).to.deep.equal(paid.finalFare.total);
    await rider.call("TripService_RateTrip", { tripId }, { stars: 5 });
    const riderId = rider.id;
    await driver.call("TripService_RateRider", { riderId }, { tripId, stars: 5 });
    const { trips } = await rider.call("TripService_ListTrips", { pageSize: 5 });
    expect(trips.map((trip) => trip.tripId)).to.deep.equal([tripId]);
    const offline = { availability: "AVAILABILITY_OFFLINE" };
    await driver.call("DriverService_SetDriverAvailability", { driverId }, offline);
  });
});
