/**
 * Errors: each its own documented reason that names the field or the state, the same over REST
 * (RFC 9457) and gRPC (google.rpc), and nothing has changed.
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { DescMethod, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { expect } from "chai";
import { CityService } from "../../gen/es/ridemesh/city/v1/city_service_pb.js";
import { DispatchService } from "../../gen/es/ridemesh/dispatch/v1/dispatch_service_pb.js";
import {
  Availability,
  DocumentType,
  OnboardingStatus,
} from "../../gen/es/ridemesh/driver/v1/driver_pb.js";
import { DriverService } from "../../gen/es/ridemesh/driver/v1/driver_service_pb.js";
import { IdentityService } from "../../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import { NotificationService } from "../../gen/es/ridemesh/notification/v1/notification_service_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { PaymentService } from "../../gen/es/ridemesh/payment/v1/payment_service_pb.js";
import { PricingService } from "../../gen/es/ridemesh/pricing/v1/pricing_service_pb.js";
import { PaymentMethodKind, TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripAction, TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { VehicleClass } from "../../gen/es/ridemesh/type/v1/vehicle_class_pb.js";
import { Code } from "../../services/runtime/status.js";
import { failure } from "../../services/testing/failure.js";
import { changedTables, digestTables } from "./digest.js";
import { grpcWire } from "./grpc-wire.js";
import { http, type Problem } from "./http.js";
import { newEmail, newVehicle, type Person } from "./people.js";
import { jsonOf, restRequestOf, routesOf } from "./rest-wire.js";
import type { Wire } from "./wire.js";
import { makeWorld, spots, type World } from "./world.js";

/** What an error says. */
interface Expected {
  code: keyof typeof Code;
  status: number;
  reason: string;
  /** "ridemesh" for what any service may say. */
  domain: string;
  /** The field that it names. */
  field?: string;
  /** What its metadata has; a value that is undefined may be anything. */
  metadata?: Record<string, string | undefined>;
}

/** A call that fails, and tables that it may write: an account of the failure. */
interface Failing {
  method: DescMethod;
  as: Person | undefined;
  request: MessageInitShape<DescMethod["input"]>;
  records?: string[];
}

const failing = <M extends DescMethod>(
  method: M,
  as: Person | undefined,
  request: MessageInitShape<M["input"]>,
  records: string[] = [],
): Failing => ({ method, as, request, records });

const invalid = (reason: string, domain: string, field: string): Expected => ({
  code: "INVALID_ARGUMENT",
  status: 400,
  reason,
  domain,
  field,
});
const refused = (
  reason: string,
  domain: string,
  metadata: Record<string, string | undefined> = {},
): Expected => ({ code: "FAILED_PRECONDITION", status: 409, reason, domain, metadata });
const taken = (reason: string, domain: string): Expected => ({
  code: "ALREADY_EXISTS",
  status: 409,
  reason,
  domain,
});
const general = "ridemesh";

describe("errors", function () {
  this.timeout(30_000);
  let world: World;
  let grpc: Wire;
  let documented: string;

  before(async () => {
    world = await makeWorld(spots.errors);
    grpc = grpcWire(`127.0.0.1:${world.platform.port}`);
    documented = await readFile("gen/openapi/ridemesh.openapi.json", "utf8");
  });
  afterEach(() => world.clear());
  after(async () => {
    await grpc.stop();
    await world.leave();
    expect(world.platform.takeErrors()).to.deep.equal([]);
  });

  const trip = (state: TripState) =>
    world.rides.upTo(state, { rider: world.riderA, driver: world.driverA, places: world.places });
  const places = (pickup = world.places.pickup, dropoff = world.places.dropoff) => ({
    pickup: { point: pickup },
    dropoff: { point: dropoff },
    vehicleClass: VehicleClass.ECONOMY,
  });
  const card = async (cardToken: string) => {
    const rider = await world.people.register(Role.RIDER);
    const answer = await world.people.call(PaymentService.method.addCard, rider, { cardToken });
    return { rider, cardId: answer.card!.cardId };
  };

  type Case = [title: string, expected: Expected, arrange: () => Promise<Failing> | Failing];
  const groups: Record<string, Case[]> = {
    "of trips": [
      [
        "a transition that the state does not allow",
        refused("ILLEGAL_TRANSITION", "trip.ridemesh", { state: "TRIP_STATE_ACCEPTED" }),
        async () => {
          const { tripId, pin } = await trip(TripState.ACCEPTED);
          return failing(TripService.method.startTrip, world.driverA, { tripId, pin });
        },
      ],
      [
        "the same by the method of actions",
        refused("ILLEGAL_TRANSITION", "trip.ridemesh", { state: "TRIP_STATE_STARTED" }),
        async () => {
          const { tripId } = await trip(TripState.STARTED);
          const action = TripAction.ARRIVED;
          return failing(TripService.method.updateTripStatus, world.driverA, { tripId, action });
        },
      ],
      [
        "an action that is the driver's",
        invalid("INVALID_REQUEST", general, "action"),
        async () => {
          const { tripId } = await trip(TripState.ACCEPTED);
          const action = TripAction.ARRIVING;
          return failing(TripService.method.updateTripStatus, world.riderA, { tripId, action });
        },
      ],
      [
        "a wrong PIN",
        invalid("WRONG_PIN", "trip.ridemesh", "pin"),
        async () => {
          const { tripId, pin } = await trip(TripState.DRIVER_ARRIVED);
          const wrong = pin === "9999" ? "0000" : "9999";
          return failing(TripService.method.startTrip, world.driverA, { tripId, pin: wrong });
        },
      ],
      [
        "no PIN where one is needed",
        invalid("INVALID_REQUEST", general, "pin"),
        async () => {
          const { tripId } = await trip(TripState.DRIVER_ARRIVED);
          const action = TripAction.START;
          return failing(TripService.method.updateTripStatus, world.driverA, { tripId, action });
        },
      ],
      [
        "a second trip at a time",
        refused("ACTIVE_TRIP_EXISTS", "trip.ridemesh", { trip_id: undefined }),
        async () => {
          await trip(TripState.ACCEPTED);
          return failing(TripService.method.requestTrip, world.riderA, places());
        },
      ],
      [
        "a rating before the ride",
        refused("ILLEGAL_TRANSITION", "trip.ridemesh", { state: "TRIP_STATE_ACCEPTED" }),
        async () => {
          const { tripId } = await trip(TripState.ACCEPTED);
          return failing(TripService.method.rateTrip, world.riderA, { tripId, stars: 5 });
        },
      ],
      [
        "a second rating",
        refused("ALREADY_RATED", "trip.ridemesh"),
        async () => {
          const { tripId } = await trip(TripState.PAYMENT_PROCESSED);
          const request = { tripId, stars: 5 };
          await world.people.call(TripService.method.rateTrip, world.riderA, request);
          return failing(TripService.method.rateTrip, world.riderA, { ...request, stars: 1 });
        },
      ],
      [
        "a receipt of what is not paid",
        { code: "NOT_FOUND", status: 404, reason: "NOT_FOUND", domain: general },
        async () => {
          const { tripId } = await trip(TripState.ACCEPTED);
          return failing(TripService.method.getReceipt, world.riderA, { tripId });
        },
      ],
      [
        "an offer that was declined",
        refused("OFFER_NOT_LIVE", "dispatch.ridemesh", { status: "OFFER_STATUS_DECLINED" }),
        async () => {
          const { tripId } = await trip(TripState.MATCHING);
          const { offerId } = await world.rides.offer(world.driverA, tripId);
          const { call } = world.people;
          await call(DispatchService.method.declineOffer, world.driverA, { offerId });
          await call(TripService.method.cancelTrip, world.riderA, { tripId });
          return failing(DispatchService.method.declineOffer, world.driverA, { offerId });
        },
      ],
      [
        "a page token that nobody gave",
        invalid("INVALID_REQUEST", general, "page_token"),
        () => failing(TripService.method.listTrips, world.riderA, { pageToken: "x" }),
      ],
    ],
    "of prices": [
      [
        "a quote that has expired",
        { ...refused("QUOTE_EXPIRED", "pricing.ridemesh"), field: "quote_token" },
        async () => {
          const { quoteToken } = await world.rides.quote(world.riderA, world.places);
          world.platform.advance(301);
          return failing(TripService.method.requestTrip, world.riderA, { quoteToken });
        },
      ],
      [
        "a quote that was changed",
        invalid("QUOTE_INVALID", "pricing.ridemesh", "quote_token"),
        async () => {
          const { quoteToken } = await world.rides.quote(world.riderA, world.places);
          const changed = `${quoteToken.startsWith("A") ? "B" : "A"}${quoteToken.slice(1)}`;
          return failing(TripService.method.requestTrip, world.riderA, { quoteToken: changed });
        },
      ],
      [
        "a quote of somebody else",
        invalid("QUOTE_INVALID", "pricing.ridemesh", "quote_token"),
        async () => {
          const { quoteToken } = await world.rides.quote(world.riderB, world.places);
          return failing(TripService.method.requestTrip, world.riderA, { quoteToken });
        },
      ],
      [
        "a quote that has booked a trip",
        { ...refused("QUOTE_USED", "trip.ridemesh"), field: "quote_token" },
        async () => {
          const { quoteToken } = await world.rides.quote(world.riderA, world.places);
          const { call } = world.people;
          await call(TripService.method.requestTrip, world.riderA, { quoteToken });
          await world.clear();
          return failing(TripService.method.requestTrip, world.riderA, { quoteToken });
        },
      ],
      [
        "a ride from outside every service area",
        {
          ...refused("OUTSIDE_SERVICE_AREA", "pricing.ridemesh", { nearest_city: "new-york" }),
          field: "pickup",
        },
        () => {
          const request = places({ lat: 42.36, lng: -71.06 });
          return failing(PricingService.method.createQuotes, world.riderA, request);
        },
      ],
      [
        "a class that the city does not have",
        { ...refused("CLASS_NOT_SERVED", "pricing.ridemesh"), field: "vehicle_class" },
        () => {
          const request = { ...places(), vehicleClass: VehicleClass.PREMIUM };
          return failing(PricingService.method.createQuotes, world.riderA, request);
        },
      ],
      [
        "a ride to where it begins",
        invalid("BAD_ROUTE", "pricing.ridemesh", "dropoff"),
        () => {
          const request = places(world.places.pickup, world.places.pickup);
          return failing(PricingService.method.createQuotes, world.riderA, request);
        },
      ],
      [
        "coordinates that are not on the earth",
        invalid("INVALID_REQUEST", general, "pickup.point.lat"),
        () => {
          const request = places({ lat: 90.5, lng: 0 });
          return failing(PricingService.method.createQuotes, world.riderA, request);
        },
      ],
    ],
    "of accounts": [
      [
        "an e-mail that has an account",
        { ...taken("EMAIL_TAKEN", "identity.ridemesh"), field: "email" },
        () =>
          failing(IdentityService.method.registerUser, undefined, {
            operator: "metro",
            email: world.riderA.email,
            password: "a rather long password",
            displayName: "Anna Again",
            role: Role.RIDER,
          }),
      ],
      [
        "a password that is too short",
        invalid("WEAK_PASSWORD", "identity.ridemesh", "password"),
        () =>
          failing(IdentityService.method.registerUser, undefined, {
            operator: "metro",
            email: newEmail(),
            password: "short",
            displayName: "Anna Again",
            role: Role.RIDER,
          }),
      ],
      [
        "a role that cannot be had by registering",
        invalid("ROLE_NOT_GRANTABLE", "identity.ridemesh", "role"),
        () =>
          failing(IdentityService.method.registerUser, undefined, {
            operator: "metro",
            email: newEmail(),
            password: "a rather long password",
            displayName: "Anna Admin",
            role: Role.ADMIN,
          }),
      ],
      [
        "a wrong password",
        {
          code: "UNAUTHENTICATED",
          status: 401,
          reason: "BAD_CREDENTIALS",
          domain: "identity.ridemesh",
        },
        () => {
          const request = { operator: "metro", email: newEmail(), password: "a wrong password" };
          const records = ["identity.login_guards", "identity.auth_audit"];
          return failing(IdentityService.method.login, undefined, request, records);
        },
      ],
      [
        "an operator that does not exist",
        invalid("UNKNOWN_OPERATOR", general, "operator"),
        () => {
          const request = { operator: "atlantis", email: newEmail(), password: "any password" };
          return failing(IdentityService.method.login, undefined, request);
        },
      ],
      [
        "a refresh token that nobody gave",
        {
          code: "UNAUTHENTICATED",
          status: 401,
          reason: "REFRESH_TOKEN_INVALID",
          domain: "identity.ridemesh",
        },
        () => {
          const request = { refreshToken: "nobody-gave-this" };
          return failing(IdentityService.method.refreshToken, undefined, request);
        },
      ],
      [
        "a message to nobody",
        { code: "NOT_FOUND", status: 404, reason: "NOT_FOUND", domain: general },
        () => {
          const request = { userId: randomUUID(), title: "Hello", body: "Is anybody there?" };
          return failing(NotificationService.method.sendNotification, world.admin, request);
        },
      ],
      [
        "a city's settings that are out of date",
        {
          code: "ABORTED",
          status: 409,
          reason: "VERSION_CONFLICT",
          domain: "city.ridemesh",
          field: "city.version",
          metadata: { version: undefined },
        },
        async () => {
          const { call } = world.people;
          const cityId = "new-york";
          const { city } = await call(CityService.method.getCity, world.admin, { cityId });
          const stale = { ...city!, version: city!.version - 1n };
          return failing(CityService.method.updateCity, world.admin, { cityId, city: stale });
        },
      ],
      [
        "a time zone that is none",
        invalid("UNKNOWN_TIME_ZONE", "city.ridemesh", "city.time_zone"),
        async () => {
          const { call } = world.people;
          const cityId = "new-york";
          const { city } = await call(CityService.method.getCity, world.admin, { cityId });
          const wrong = { ...city!, timeZone: "America/Gotham" };
          return failing(CityService.method.updateCity, world.admin, { cityId, city: wrong });
        },
      ],
    ],
    "of drivers": [
      [
        "a city that the operator does not serve",
        invalid("UNKNOWN_CITY", "driver.ridemesh", "city_id"),
        async () => {
          const person = await world.people.register(Role.DRIVER);
          return failing(DriverService.method.registerDriver, person, { cityId: "harbor" });
        },
      ],
      [
        "a second application",
        taken("ALREADY_APPLIED", "driver.ridemesh"),
        () => failing(DriverService.method.registerDriver, world.driverA, { cityId: "new-york" }),
      ],
      [
        "a plate that another vehicle has",
        { ...taken("PLATE_TAKEN", "driver.ridemesh"), field: "vehicle.plate" },
        () => {
          const driverId = world.driverB.userId;
          const vehicle = newVehicle(world.driverA.plate);
          return failing(DriverService.method.addVehicle, world.driverB, { driverId, vehicle });
        },
      ],
      [
        "a document that is no picture",
        invalid("BAD_FILE", "driver.ridemesh", "content"),
        () =>
          failing(DriverService.method.addDocument, world.driverA, {
            driverId: world.driverA.userId,
            type: DocumentType.LICENCE,
            expireTime: { seconds: 4_000_000_000n, nanos: 0 },
            content: new TextEncoder().encode("#!/bin/sh and more"),
          }),
      ],
      [
        "an approval of someone who has shown nothing",
        refused("ILLEGAL_DECISION", "driver.ridemesh", {
          onboarding_status: "ONBOARDING_STATUS_APPLIED",
        }),
        async () => {
          const person = await world.people.register(Role.DRIVER);
          const { call } = world.people;
          await call(DriverService.method.registerDriver, person, { cityId: "new-york" });
          const request = { driverId: person.userId, decision: OnboardingStatus.APPROVED };
          return failing(DriverService.method.reviewDriver, world.admin, request);
        },
      ],
      [
        "going online unapproved",
        refused("NOT_APPROVED", "driver.ridemesh", {
          onboarding_status: "ONBOARDING_STATUS_APPLIED",
        }),
        async () => {
          const person = await world.people.register(Role.DRIVER);
          const { call } = world.people;
          await call(DriverService.method.registerDriver, person, { cityId: "new-york" });
          const request = { driverId: person.userId, availability: Availability.ONLINE };
          return failing(DriverService.method.setDriverAvailability, person, request);
        },
      ],
      [
        "going offline during a trip",
        refused("ON_TRIP", "driver.ridemesh"),
        async () => {
          await trip(TripState.ACCEPTED);
          await world.atRest();
          const driverId = world.driverA.userId;
          const request = { driverId, availability: Availability.OFFLINE };
          return failing(DriverService.method.setDriverAvailability, world.driverA, request);
        },
      ],
    ],
    "of payments": [
      [
        "a card token that is none",
        invalid("BAD_CARD_TOKEN", "payment.ridemesh", "card_token"),
        () => failing(PaymentService.method.addCard, world.riderA, { cardToken: "tok_invented" }),
      ],
      [
        "a card that is another's",
        invalid("UNKNOWN_CARD", "payment.ridemesh", "card_id"),
        () =>
          failing(PaymentService.method.topUpWallet, world.riderB, {
            amount: { amountMinor: 1000n, currencyCode: "USD" },
            cardId: world.cardId,
          }),
      ],
      [
        "a card that is declined",
        refused("CARD_DECLINED", "payment.ridemesh", { failure: "card_declined" }),
        async () => {
          const { rider } = await card("tok_declined");
          const amount = { amountMinor: 1000n, currencyCode: "USD" };
          const records = ["payment.attempts", "payment.sandbox_charges"];
          return failing(PaymentService.method.topUpWallet, rider, { amount }, records);
        },
      ],
      [
        "a currency that the operator does not use",
        invalid("BAD_CURRENCY", "payment.ridemesh", "amount.currency_code"),
        () =>
          failing(PaymentService.method.topUpWallet, world.riderA, {
            amount: { amountMinor: 1000n, currencyCode: "EUR" },
          }),
      ],
      [
        "a trip that is paid",
        refused("ALREADY_PAID", "payment.ridemesh", { payment_id: undefined }),
        async () => {
          const { tripId } = await trip(TripState.PAYMENT_PROCESSED);
          return failing(PaymentService.method.payTrip, world.riderA, { tripId });
        },
      ],
      [
        "cash after the ride",
        invalid("INVALID_REQUEST", general, "payment_method"),
        async () => {
          const { tripId } = await trip(TripState.PAYMENT_PROCESSED);
          const request = { tripId, paymentMethod: PaymentMethodKind.CASH };
          return failing(PaymentService.method.payTrip, world.riderA, request);
        },
      ],
    ],
  };

  for (const [group, cases] of Object.entries(groups)) {
    describe(group, () => {
      for (const [title, expected, arrange] of cases) {
        it(`name ${title}: ${expected.reason}`, async () => {
          const { method, as, request, records = [] } = await arrange();
          await world.atRest();
          const before = await digestTables(world.platform);

          await expectProblem(method, as, request, expected);
          const error = await failure(grpc.unary(method as DescMethodUnary, as, request));
          expect(Code[error.code]).to.equal(expected.code);
          expect([error.reason, error.domain]).to.deep.equal([expected.reason, expected.domain]);
          expectDetails(error, expected);
          expect(documented, "the documentation").to.include(expected.reason);

          await world.atRest();
          const changed = changedTables(before, await digestTables(world.platform));
          // That the request was refused is kept as the answer to its key.
          const left = changed.filter((name) => !name.endsWith(".idempotency_keys"));
          expect(left.filter((name) => !records.includes(name))).to.deep.equal([]);
        });
      }
    });
  }

  async function expectProblem(
    method: DescMethod,
    as: Person | undefined,
    request: Failing["request"],
    expected: Expected,
  ): Promise<void> {
    const [route] = routesOf(method);
    const { verb, path, body } = restRequestOf(route!, jsonOf(method.input, request));
    const answer = await http(world.platform.url, verb, path, {
      as,
      headers: { "x-request-id": "the-id-of-this-request" },
      ...(body === undefined ? {} : { body }),
    });
    const { status, reason, domain, code } = expected;
    expect([answer.status, answer.json["reason"]]).to.deep.equal([status, reason]);
    expect(answer.headers.get("content-type")).to.equal("application/problem+json");
    expect(answer.json).to.deep.include({
      type: `urn:ridemesh:problem:${reason.toLowerCase().replaceAll("_", "-")}`,
      title: reason.toLowerCase().replaceAll("_", " "),
      status,
      code,
      domain,
      instance: path.replace(/\?.*/, ""),
      request_id: "the-id-of-this-request",
    });
    const problem = answer.json as unknown as Problem;
    expect(problem.detail).not.to.equal("");
    expectDetails(problem, expected);
  }
});

function expectDetails(
  error: Pick<Problem, "violations" | "metadata">,
  { field, metadata = {} }: Expected,
): void {
  const fields = error.violations.map((violation) => violation.field);
  if (field !== undefined) expect(fields).to.deep.equal([field]);
  for (const [name, value] of Object.entries(metadata)) {
    expect(error.metadata).to.have.property(name);
    if (value !== undefined) expect(error.metadata[name]).to.equal(value);
  }
}
