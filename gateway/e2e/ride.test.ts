/** One ride from registration to ledger, over each of the protocols through the one port. */
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from "jose";
import { OfferStatus } from "../../gen/es/ridemesh/dispatch/v1/offer_pb.js";
import { DispatchService } from "../../gen/es/ridemesh/dispatch/v1/dispatch_service_pb.js";
import { DriverService } from "../../gen/es/ridemesh/driver/v1/driver_service_pb.js";
import { IdentityService } from "../../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import { LocationService } from "../../gen/es/ridemesh/location/v1/location_service_pb.js";
import { NotificationService } from "../../gen/es/ridemesh/notification/v1/notification_service_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { PaymentPurpose, PaymentStatus } from "../../gen/es/ridemesh/payment/v1/payment_pb.js";
import { PaymentService } from "../../gen/es/ridemesh/payment/v1/payment_service_pb.js";
import { FareBasis, FareLineKind, type Fare } from "../../gen/es/ridemesh/pricing/v1/fare_pb.js";
import { PricingService } from "../../gen/es/ridemesh/pricing/v1/pricing_service_pb.js";
import { RiderService } from "../../gen/es/ridemesh/rider/v1/rider_service_pb.js";
import { PaymentMethodKind, TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripAction, TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { secondsBetween } from "../../services/runtime/clock.js";
import { distanceMeters } from "../../services/runtime/geo.js";
import { failure } from "../../services/testing/failure.js";
import { waitFor } from "../../services/testing/wait-for.js";
import { follow } from "./follow.js";
import { grpcWire } from "./grpc-wire.js";
import { faultsOfLedger, movesOfTrip } from "./ledger.js";
import { createPeople, type Driver, type People, type Person, type Point } from "./people.js";
import { sharedPlatform, type TestPlatform } from "./platform.js";
import { restWire } from "./rest-wire.js";
import { createRides, type Rides } from "./rides.js";
import { connectWire, grpcWebWire, type Wire } from "./wire.js";
import { spots } from "./world.js";

const { CASH, WALLET, CARD } = PaymentMethodKind;

const variants: [open: (platform: TestPlatform) => Wire, payment: PaymentMethodKind][] = [
  [({ url }) => restWire(url), CARD],
  [({ url }) => restWire(url, 1), CASH],
  [({ url }) => connectWire(url, "json"), WALLET],
  [({ url }) => connectWire(url, "binary"), CASH],
  [({ url }) => grpcWebWire(url), CARD],
  [({ port }) => grpcWire(`127.0.0.1:${port}`), WALLET],
];
const titles = [
  "REST",
  "REST by its other paths",
  "Connect with JSON",
  "Connect in binary",
  "gRPC-Web",
  "gRPC",
];

describe("one ride", function () {
  this.timeout(30_000);
  let platform: TestPlatform;
  before(async () => {
    platform = await sharedPlatform();
  });
  after(async () => {
    expect(await faultsOfLedger(platform)).to.deep.equal([]);
    expect(platform.takeErrors()).to.deep.equal([]);
  });

  for (const [index, [open, payment]] of variants.entries()) {
    describe(`over ${titles[index]}, paid by ${PaymentMethodKind[payment].toLowerCase()}`, () => {
      const { pickup, dropoff } = spots.ride;
      let wire: Wire;
      let people: People;
      let rides: Rides;
      let rider: Person;
      let driver: Driver;
      let admin: Person;
      let tripId: string;
      let pin: string;
      let quoted: Fare;
      let quoteToken: string;

      before(() => {
        wire = open(platform);
        people = createPeople(platform, wire);
        rides = createRides(platform, people);
      });
      after(async () => {
        await people.goOffline(driver);
        await wire.stop();
      });

      it("begins with accounts: registered, logged in, refreshed by rotation", async () => {
        const registered = await people.register(Role.RIDER, "metro", "Rita Maria Rivera");
        rider = await people.logIn(registered);
        expect(rider.userId).to.equal(registered.userId);
        await checkToken(wire, rider);

        const refresh = IdentityService.method.refreshToken;
        const { refreshToken } = registered.session;
        const { session } = await wire.unary(refresh, undefined, { refreshToken });
        expect(session!.refreshToken).not.to.equal(refreshToken);
        const token = session!.accessToken;
        const who = await wire.unary(IdentityService.method.validateToken, { token }, {});
        expect([who.userId, who.tenantId]).to.deep.equal([rider.userId, "metro"]);

        await wire.unary(IdentityService.method.logout, { token }, {});
        const refused = await failure(
          wire.unary(IdentityService.method.validateToken, { token }, {}),
        );
        expect(refused.reason).to.equal("TOKEN_INVALID");
      });

      it("has a driver who applies, is approved, goes online and reports where he is", async () => {
        admin = await people.staff("metro", "admin");
        driver = await people.driver(admin, "Dmitri Petrovich Dolgov");
        await people.goOnline(driver, pickup);
        await reportSome(platform, wire, driver, pickup);
        const { driver: own } = await wire.unary(DriverService.method.getDriver, driver, {
          driverId: driver.userId,
        });
        expect(own!.displayName).to.equal("Dmitri Petrovich Dolgov");
      });

      it("is booked on a signed quote that holds for five minutes, without surge", async () => {
        const surge = await wire.unary(PricingService.method.getSurge, rider, pickup);
        expect([surge.multiplier, surge.dynamic]).to.deep.equal([1, false]);
        const quote = await rides.quote(rider, { pickup, dropoff });
        const left = secondsBetween(platform.clock.now(), timestampDate(quote.expireTime!));
        expect(left).to.be.within(295, 300);
        ({ quoteToken } = quote);
        quoted = quote.fare!;
        expect(quoted.surgeMultiplier).to.equal(1);
        expect(sumOfLines(quoted)).to.equal(quoted.total!.amountMinor);
        await prepareToPay(wire, rider, payment);
      });

      it("is offered to the driver on a stream, who sees the rider's first name and the pickup", async () => {
        const offers = follow((signal) =>
          wire.watch(DispatchService.method.watchOffers, driver, {}, { signal }),
        );
        const { trip } = await wire.unary(TripService.method.requestTrip, rider, {
          quoteToken,
          paymentMethod: payment,
        });
        ({ tripId, pin } = trip!);
        expect(pin).to.match(/^[0-9]{4}$/);
        expect(trip!.quotedFare!.total).to.deep.equal(quoted.total);
        const { offer } = await offers.until("the offer", (m) => m.offer?.tripId === tripId);
        expect(offer!.status).to.equal(OfferStatus.LIVE);
        expect(offer!.riderFirstName).to.equal("Rita");
        expect(offer!.pickup!.point).to.deep.include(pickup);
        // Nothing of it tells where the ride goes, or who the rider is.
        const told = JSON.stringify(offer, (_key, value: unknown) =>
          typeof value === "bigint" ? String(value) : value,
        );
        for (const secret of [String(dropoff.lat), pin, "Rivera", rider.email, rider.phone]) {
          expect(told).not.to.include(secret);
        }

        await wire.unary(TripService.method.acceptTrip, driver, { tripId });
        const { offer: taken } = await offers.until("the offer to be taken", (message) => {
          return message.offer?.status === OfferStatus.ACCEPTED;
        });
        expect(taken!.offerId).to.equal(offer!.offerId);
        await offers.stop();
      });

      it("shows each party what it may see", async () => {
        const mine = await rides.see(rider, tripId);
        expect(mine.pin).to.equal(pin);
        expect(mine.driver).to.deep.include({
          firstName: "Dmitri",
          vehicleDescription: "white Toyota Corolla",
          plate: driver.plate,
        });
        const his = await rides.see(driver, tripId);
        expect(his.pin).to.equal("");
        expect(his.dropoff!.point).to.deep.include(dropoff);
        expect(his.rider!.firstName).to.equal("Rita");
        expect(his.paymentMethod!.cardId).to.equal("");
        expect((await rides.see(admin, tripId)).pin).to.equal("");
        const secrets = [rider.email, rider.phone, "Rivera", driver.email, driver.phone, "Dolgov"];
        for (const trip of [mine, his]) {
          const text = JSON.stringify(trip, (_key, value: unknown) =>
            typeof value === "bigint" ? String(value) : value,
          );
          for (const secret of secrets) expect(text).not.to.include(secret);
        }
      });

      it("is driven with the rider watching, and started with the PIN only", async () => {
        const states = follow((signal) =>
          wire.watch(TripService.method.watchTrip, rider, { tripId }, { signal }),
        );
        const track = follow((signal) =>
          wire.watch(LocationService.method.trackTrip, rider, { tripId }, { signal }),
        );
        await rides.act(driver, tripId, TripAction.ARRIVING);
        await rides.act(driver, tripId, TripAction.ARRIVED);
        const wrong = pin === "1234" ? "4321" : "1234";
        const start = TripService.method.startTrip;
        const refused = await failure(wire.unary(start, driver, { tripId, pin: wrong }));
        expect(refused.reason).to.equal("WRONG_PIN");
        await wire.unary(start, driver, { tripId, pin });

        const corner = detour(pickup, dropoff, quoted.distanceMeters);
        await rides.drive(driver, pickup, corner);
        await rides.drive(driver, corner, dropoff);
        await track.until("the driver at the destination", ({ location }) =>
          isAt(location?.point, dropoff),
        );
        await wire.unary(TripService.method.completeTrip, driver, { tripId });
        await states.until("the payment", (m) => m.trip?.state === TripState.PAYMENT_PROCESSED);
        await states.ended();
        await track.ended();
        const events = states.seen.flatMap((m) => m.changes.map(({ event }) => event));
        expect(events).to.include.ordered.members([
          "TripRequested",
          "TripMatchingStarted",
          "TripMatched",
          "TripAccepted",
          "DriverArriving",
          "DriverArrived",
          "TripStarted",
          "TripCompleted",
          "FareCalculated",
          "PaymentProcessed",
        ]);
      });

      it("costs what was quoted, and is charged once into a ledger that balances", async () => {
        const trip = await rides.see(rider, tripId);
        const fare = trip.finalFare!;
        expect(fare.basis).to.equal(FareBasis.UPFRONT);
        expect(fare.total).to.deep.equal(quoted.total);
        expect(sumOfLines(fare)).to.equal(fare.total!.amountMinor);
        expect(trip.distanceMeters).to.be.closeTo(
          quoted.distanceMeters,
          0.1 * quoted.distanceMeters,
        );

        const getPayment = PaymentService.method.getPayment;
        const { paymentId } = trip;
        const paid = (await wire.unary(getPayment, rider, { paymentId })).payment!;
        expect(paid.status).to.equal(PaymentStatus.SUCCEEDED);
        expect(paid.purpose).to.equal(PaymentPurpose.FARE);
        const [total, share, commission, tax] = [
          fare.total!.amountMinor,
          paid.driverShare!.amountMinor,
          paid.commission!.amountMinor,
          paid.tax!.amountMinor,
        ];
        expect(tax).to.equal(passedOn(fare));
        expect(commission).to.equal(((total - tax) * 20n + 50n) / 100n);
        expect(share + commission + tax).to.equal(total);
        expect(await movesOfTrip(platform, tripId)).to.deep.equal({
          platform: commission,
          tax,
          ...(payment === CASH
            ? { cash_clearing: 0n, driver: share - total }
            : { [payment === CARD ? "gateway_clearing" : "rider_wallet"]: -total, driver: share }),
        });
        const { transactions } = await wire.unary(PaymentService.method.listTransactions, rider, {
          customerId: rider.userId,
        });
        const line = transactions.find((one) => one.tripId === tripId);
        expect(line).to.deep.include({ kind: "trip_fare" });
        expect(line!.amount!.amountMinor).to.equal(-total);
        const earnings = await waitFor("the earnings", async () => {
          const request = { driverId: driver.userId };
          const answer = await wire.unary(DriverService.method.getEarnings, driver, request);
          return answer.earnings!.tripCount === 1 && answer.earnings!;
        });
        expect(earnings.total!.amountMinor).to.equal(share);
      });

      it("ends with a receipt and messages to both", async () => {
        const { receipt } = await wire.unary(TripService.method.getReceipt, rider, { tripId });
        expect(receipt!.fare!.total).to.deep.equal(quoted.total);
        expect(receipt!.paymentMethod!.kind).to.equal(payment);
        const kindsOf = async (person: Person, last: string) =>
          waitFor(`a message ${last}`, async () => {
            const list = NotificationService.method.listNotifications;
            const { notifications } = await wire.unary(list, person, {});
            const kinds = notifications.map(({ kind }) => kind).reverse();
            return kinds.includes(last) && kinds;
          });
        expect(await kindsOf(rider, "receipt")).to.deep.equal([
          "trip_accepted",
          "driver_arriving",
          "driver_arrived",
          "trip_started",
          "trip_completed",
          "receipt",
        ]);
        expect(await kindsOf(driver, "earnings")).to.deep.equal(["trip_completed", "earnings"]);
      });

      it("is rated by both, once", async () => {
        const rating = { tripId, stars: 5, tags: ["clean_car"] };
        await wire.unary(TripService.method.rateTrip, rider, rating);
        const again = await failure(wire.unary(TripService.method.rateTrip, rider, rating));
        expect(again.reason).to.equal("ALREADY_RATED");
        const riderId = rider.userId;
        await wire.unary(TripService.method.rateRider, driver, { tripId, riderId, stars: 4 });
        await waitFor("the rider's rating", async () => {
          const request = { riderId };
          const { profile } = await wire.unary(RiderService.method.getRiderProfile, rider, request);
          return profile!.ratingCount === 1 && profile!.ratingAverage === 4;
        });
        await waitFor("the driver's rating", async () => {
          const request = { driverId: driver.userId };
          const answer = await wire.unary(DriverService.method.getDriver, driver, request);
          return answer.driver!.ratingCount === 1 && answer.driver!.ratingAverage === 5;
        });
        expect((await rides.see(rider, tripId)).givenStars).to.equal(5);
      });

      it("is in the history of both, newest first, page by page", async () => {
        platform.advance(60);
        const { tripId: second } = await rides.request(rider, { pickup, dropoff });
        await wire.unary(TripService.method.cancelTrip, rider, { tripId: second });
        const pages: string[][] = [];
        let pageToken = "";
        do {
          const request = { pageSize: 1, pageToken };
          const page = await wire.unary(TripService.method.listTrips, rider, request);
          pages.push(page.trips.map((trip) => trip.tripId));
          pageToken = page.nextPageToken;
        } while (pageToken);
        expect(pages).to.deep.equal([[second], [tripId]]);
        const request = { riderId: rider.userId };
        const { trips } = await wire.unary(TripService.method.listRiderTrips, admin, request);
        expect(trips.map((trip) => trip.tripId)).to.deep.equal([second, tripId]);
        const his = await wire.unary(TripService.method.listTrips, driver, {});
        expect(his.trips.map((trip) => [trip.tripId, trip.pin])).to.deep.equal([[tripId, ""]]);
      });
    });
  }
});

/** The token is a JWT that identity's published keys signed by RS256. */
async function checkToken(wire: Wire, person: Person): Promise<void> {
  const header = decodeProtectedHeader(person.token);
  expect(header.alg).to.equal("RS256");
  const { keys } = await wire.unary(IdentityService.method.listSigningKeys, undefined, {});
  expect(keys.map(({ kid }) => kid)).to.include(header.kid);
  const set = { keys: keys.map(({ kty, kid, use, alg, n, e }) => ({ kty, kid, use, alg, n, e })) };
  const { payload } = await jwtVerify(person.token, createLocalJWKSet(set as JSONWebKeySet));
  expect(payload.sub).to.equal(person.userId);
  expect(payload["tenant"]).to.equal("metro");
  expect(payload["roles"]).to.deep.equal(["rider"]);
}

/** Sends positions over a stream; in a batch where the protocol has no stream of clients. */
async function reportSome(
  platform: TestPlatform,
  wire: Wire,
  driver: Person,
  at: Point,
): Promise<void> {
  const driverId = driver.userId;
  const message = () => {
    platform.advance(2);
    const observeTime = timestampFromDate(platform.clock.now());
    return { driverId, points: [{ point: at, observeTime, accuracyMeters: 4 }] };
  };
  const messages = async function* () {
    for (let i = 0; i < 3; i += 1) yield message();
  };
  const sent = wire.send
    ? await wire.send(LocationService.method.streamLocations, driver, messages())
    : await wire.unary(LocationService.method.batchReportLocations, driver, {
        driverId,
        points: [...message().points, ...message().points, ...message().points],
      });
  expect([sent.result!.acceptedCount, sent.result!.dropped]).to.deep.equal([3, []]);
}

async function prepareToPay(wire: Wire, rider: Person, payment: PaymentMethodKind): Promise<void> {
  if (payment === CASH) return;
  const add = PaymentService.method.addCard;
  const { card } = await wire.unary(add, rider, { cardToken: "tok_visa" });
  expect(card).to.deep.include({ brand: "visa", lastFour: "4242", isDefault: true });
  if (payment !== WALLET) return;
  const amount = { amountMinor: 5000n, currencyCode: "USD" };
  const { balance } = await wire.unary(PaymentService.method.topUpWallet, rider, { amount });
  expect(balance!.amountMinor).to.equal(5000n);
}

/** A corner by which the way from one point to the other has the wanted length, in meters. */
function detour(from: Point, to: Point, meters: number): Point {
  const straight = distanceMeters(from, to);
  const aside = Math.sqrt(Math.max(0, (meters / 2) ** 2 - (straight / 2) ** 2));
  const lat = (from.lat + to.lat) / 2;
  const metersPerDegree = 111_195 * Math.cos((lat * Math.PI) / 180);
  return { lat, lng: from.lng + aside / metersPerDegree };
}

function isAt(point: Point | undefined, wanted: Point): boolean {
  return point !== undefined && distanceMeters(point, wanted) < 1;
}

function sumOfLines(fare: Fare): bigint {
  return fare.lines.reduce((sum, line) => sum + line.amountMinor, 0n);
}

/** Taxes and zone fees, which are neither the driver's nor the platform's. */
function passedOn(fare: Fare): bigint {
  return fare.lines
    .filter(({ kind }) => kind === FareLineKind.TAX || kind === FareLineKind.ZONE)
    .reduce((sum, line) => sum + line.amountMinor, 0n);
}
