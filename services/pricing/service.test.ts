import { expect } from "chai";
import { cellToLatLng, getResolution } from "h3-js";
import pg from "pg";
import { City, FareMode } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import {
  EtaInternalServiceService,
  type EstimateLegsRequest,
} from "../../gen/grpc/ridemesh/eta/v1/eta_internal_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { FareBasis, FareLineKind, type Fare } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import { PricingInternalServiceService } from "../../gen/grpc/ridemesh/pricing/v1/pricing_internal_service.js";
import { PricingServiceService } from "../../gen/grpc/ridemesh/pricing/v1/pricing_service.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { addSeconds, type DomainClock } from "../runtime/clock.js";
import { distanceMeters } from "../runtime/geo.js";
import type { Runnable } from "../runtime/lifecycle.js";
import { serve, startServer, type ServedService } from "../runtime/server.js";
import { Code, StatusError, unavailable } from "../runtime/status.js";
import { testHost, type TestCaller, type TestHost } from "../testing/host.js";
import { waitFor } from "../testing/wait-for.js";
import { startPricing } from "./app.js";
import { defaultPricingConfig } from "./config.js";

const box = (south: number, west: number, north: number, east: number) => [
  { lat: south, lng: west },
  { lat: north, lng: west },
  { lat: north, lng: east },
  { lat: south, lng: east },
];
const plainCity = (tenantId: string, cityId: string, fareMode: FareMode, west: number) =>
  City.fromPartial({
    tenantId,
    cityId,
    name: cityId,
    timeZone: "America/New_York",
    currencyCode: "USD",
    serviceArea: box(40, west, 41, west + 1),
    vehicleClasses: [VehicleClass.XL, VehicleClass.ECONOMY, VehicleClass.COMFORT],
    fareMode,
  });
const upfrontTown = plainCity("metro", "upfront-town", FareMode.UPFRONT, 10);
const meteredTown = plainCity("metro", "metered-town", FareMode.METERED, 12);
const harborTown = plainCity("harbor", "harbor", FareMode.UPFRONT, 14);

const rider: TestCaller = { subject: "8a4d9a57-6f2f-4f0e-9f0a-1b1f6f1d0001", roles: [Role.RIDER] };
const otherRider = { ...rider, subject: "8a4d9a57-6f2f-4f0e-9f0a-1b1f6f1d0002" };
const harborRider = { ...rider, tenantId: "harbor" };
const place = (lat: number, lng: number) => ({ point: { lat, lng }, address: "" });
const inTown = { pickup: place(40.5, 10.5), dropoff: place(40.53, 10.5) };

const totalOf = (fare: Fare | undefined) => Number(fare!.total!.amountMinor);
const lineOf = (fare: Fare | undefined, kind: FareLineKind) =>
  Number(fare!.lines.find((line) => line.kind === kind)?.amountMinor ?? 0n);

async function refusal(call: Promise<unknown>): Promise<StatusError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  throw new Error("the call was not refused");
}

describe("the pricing service", () => {
  let test: TestHost;
  /** Friday noon in New York, until a test moves it. */
  let now = new Date("2024-03-01T17:00:00Z");
  const domain: DomainClock = { now: () => now, rate: 1, wallMsUntil: () => 0 };
  /** What the eta service answers; undefined: it is away. */
  let estimate: { distanceMeters: number; durationSeconds: number } | undefined;
  let asked: EstimateLegsRequest[] = [];

  /** A neighbour with the real contract and hand-written answers. */
  const standIn = async (name: string, services: ServedService[]): Promise<Runnable> => {
    const { host, verifier } = test;
    const { secrets, wall, metrics, log } = host;
    const server = await startServer({
      services,
      deps: {
        service: name,
        pool: undefined as never,
        verifier,
        owners: {},
        secrets,
        wall,
        metrics,
        log,
      },
      identity: host.identity(name),
      ...host.listen(name),
    });
    return test.started({ ...server, name, check: () => Promise.resolve() });
  };

  before(async () => {
    test = await testHost(["pricing", "city", "eta"], { domain });
    await standIn("city", [
      serve(CityInternalServiceService, {
        watchCities: async function* (_request, ctx) {
          yield { cities: [upfrontTown, meteredTown, harborTown] };
          await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
        },
        resolveOperator: () => Promise.reject(unavailable("not asked for here")),
      }),
    ]);
    await standIn("eta", [
      serve(EtaInternalServiceService, {
        estimateLegs: (request) => {
          asked.push(request);
          if (!estimate)
            throw new StatusError(Code.INTERNAL, { reason: "BROKEN", message: "broken" });
          return Promise.resolve({ estimates: [{ ...estimate, source: "learned" }] });
        },
      }),
    ]);
    test.started(await startPricing(test.host, { ...defaultPricingConfig, tariffTtlMs: 1 }));
    await waitFor("pricing to know the cities", () => quotes(inTown).then(() => true));
  });
  after(() => test.stop());
  beforeEach(() => {
    now = new Date("2024-03-01T17:00:00Z");
    estimate = { distanceMeters: 5000, durationSeconds: 900 };
    asked = [];
  });

  const quotes = async (
    ride: { pickup?: object; dropoff?: object; vehicleClass?: VehicleClass },
    as: TestCaller = rider,
  ) => {
    const request = { pickup: undefined, dropoff: undefined, vehicleClass: 0, ...ride };
    const answer = await test.call.unary(PricingServiceService.createQuotes, as, request as never);
    return answer.quotes;
  };
  const internal = () => test.internalClient(PricingInternalServiceService, "pricing", "trip");
  const termsOf = async (
    request: { quoteToken?: string; vehicleClass?: VehicleClass } & Partial<typeof inTown>,
    as: TestCaller = rider,
  ) => {
    const { terms } = await internal().getTripTerms({
      tenantId: as.tenantId ?? "metro",
      onBehalfOf: as.subject,
      quoteToken: "",
      pickup: undefined,
      dropoff: undefined,
      vehicleClass: VehicleClass.UNSPECIFIED,
      ...request,
    });
    return terms!;
  };
  const bookedTerms = async (ride: typeof inTown) =>
    termsOf({ ...ride, vehicleClass: VehicleClass.ECONOMY });
  const finalFare = async (
    terms: Awaited<ReturnType<typeof termsOf>>,
    measured: { distanceMeters?: number; durationSeconds?: number; waitSeconds?: number },
  ) => {
    const { fare } = await internal().priceFinalFare({
      tenantId: "metro",
      terms,
      distanceMeters: 5000,
      durationSeconds: 900,
      waitSeconds: 0,
      startTime: now,
      ...measured,
    });
    return fare!;
  };

  describe("quotes", () => {
    it("are made for each class of the city, cheapest first", async () => {
      const made = await quotes(inTown);
      expect(made.map((quote) => quote.vehicleClass)).to.deep.equal([
        VehicleClass.ECONOMY,
        VehicleClass.COMFORT,
        VehicleClass.XL,
      ]);
      // 300 + 5 km × 120 + 15 min × 30 + 100, and 8 % of it.
      expect(totalOf(made[0]!.fare)).to.equal(1566);
      expect(new Set(made.map((quote) => quote.quoteId)).size).to.equal(3);
      for (const { fare, cityId, expireTime } of made) {
        const sum = fare!.lines.reduce((total, line) => total + line.amountMinor, 0n);
        expect(sum).to.equal(fare!.total!.amountMinor);
        expect(fare).to.deep.include({ surgeMultiplier: 1, basis: FareBasis.ESTIMATE });
        expect(cityId).to.equal("upfront-town");
        expect(expireTime).to.deep.equal(addSeconds(now, 300));
      }
    });

    it("are made for one class where one is asked for", async () => {
      const made = await quotes({ ...inTown, vehicleClass: VehicleClass.XL });
      expect(made.map((quote) => quote.vehicleClass)).to.deep.equal([VehicleClass.XL]);
    });

    it("take distance and time from the eta service", async () => {
      estimate = { distanceMeters: 7777, durationSeconds: 555 };
      const [cheapest] = await quotes(inTown);
      expect(cheapest!.fare).to.deep.include({ distanceMeters: 7777, durationSeconds: 555 });
      expect(asked).to.deep.equal([
        {
          tenantId: "metro",
          cityId: "upfront-town",
          legs: [{ origin: inTown.pickup.point, destination: inTown.dropoff.point }],
          departTime: now,
        },
      ]);
    });

    it("are made from the straight line when the eta service fails, and that is counted", async () => {
      const counted = async () => {
        const { registry } = test.host.metrics;
        const metric = await registry.getSingleMetricAsString("pricing_eta_fallbacks_total");
        return Number(/^pricing_eta_fallbacks_total (\d+)$/m.exec(metric)?.[1] ?? 0);
      };
      estimate = undefined;
      const before = await counted();
      const [cheapest] = await quotes(inTown);
      // 0.03° of latitude are 3336 m; by 1.3, and at 6 m/s.
      expect(cheapest!.fare!.distanceMeters).to.be.closeTo(4336.6, 0.5);
      expect(cheapest!.fare!.durationSeconds).to.be.closeTo(4336.6 / 6, 0.5);
      expect(await counted()).to.equal(before + 1);
    });

    it("follow the hour in the city", async () => {
      // 21:59 and 22:00 in New York.
      now = new Date("2024-03-02T02:59:59Z");
      expect(lineOf((await quotes(inTown))[0]!.fare, FareLineKind.NIGHT)).to.equal(0);
      now = new Date("2024-03-02T03:00:00Z");
      expect(lineOf((await quotes(inTown))[0]!.fare, FareLineKind.NIGHT)).to.equal(100);
    });

    it("are refused outside every service area, with the nearest city", async () => {
      const error = await refusal(quotes({ ...inTown, pickup: place(45, 12.4) }));
      expect(error.code).to.equal(Code.FAILED_PRECONDITION);
      expect(error.reason).to.equal("OUTSIDE_SERVICE_AREA");
      expect(error.domain).to.equal("pricing.ridemesh");
      expect(error.metadata).to.deep.equal({ nearest_city: "metered-town" });
    });

    it("are refused in the city of another operator", async () => {
      const inHarbor = { pickup: place(40.5, 14.5), dropoff: place(40.53, 14.5) };
      expect((await quotes(inHarbor, harborRider)).length).to.equal(3);
      const error = await refusal(quotes(inHarbor));
      expect(error.reason).to.equal("OUTSIDE_SERVICE_AREA");
      expect(error.metadata).to.deep.equal({ nearest_city: "metered-town" });
    });

    it("are refused from one city to another", async () => {
      const error = await refusal(quotes({ ...inTown, dropoff: place(40.5, 12.5) }));
      expect(error.reason).to.equal("OUTSIDE_SERVICE_AREA");
      expect(error.violations.map((v) => v.field)).to.deep.equal(["dropoff"]);
    });

    it("are refused for places that are too close together", async () => {
      const error = await refusal(quotes({ ...inTown, dropoff: inTown.pickup }));
      expect(error.code).to.equal(Code.INVALID_ARGUMENT);
      expect(error.reason).to.equal("BAD_ROUTE");
    });

    it("are refused for a class that the city does not have", async () => {
      const error = await refusal(quotes({ ...inTown, vehicleClass: VehicleClass.PREMIUM }));
      expect(error.code).to.equal(Code.FAILED_PRECONDITION);
      expect(error.reason).to.equal("CLASS_NOT_SERVED");
    });

    it("are refused without a place or with a place off the earth, naming the field", async () => {
      const without = await refusal(quotes({ pickup: inTown.pickup }));
      expect(without.code).to.equal(Code.INVALID_ARGUMENT);
      expect(without.violations.map((v) => v.field)).to.deep.equal(["dropoff"]);
      const off = await refusal(quotes({ ...inTown, dropoff: place(91, 0) }));
      expect(off.violations.map((v) => v.field)).to.deep.equal(["dropoff.point.lat"]);
    });

    it("are refused to who is no rider", async () => {
      const error = await refusal(quotes(inTown, { ...rider, roles: [Role.DRIVER] }));
      expect(error.code).to.equal(Code.PERMISSION_DENIED);
    });
  });

  describe("terms of a trip", () => {
    it("are those of the quote", async () => {
      const [cheapest] = await quotes(inTown);
      estimate = { distanceMeters: 1, durationSeconds: 1 };
      const terms = await termsOf({ quoteToken: cheapest!.quoteToken });
      expect(terms).to.deep.equal({
        quoteId: cheapest!.quoteId,
        cityId: "upfront-town",
        vehicleClass: VehicleClass.ECONOMY,
        ...inTown,
        fare: cheapest!.fare,
        freeCancelSeconds: 120,
        cancelFeeMinor: 500n,
        lateCancelSeconds: 300,
        lateCancelFeeMinor: 1000n,
        noShowSeconds: 300,
      });
    });

    it("can be read again while the quote holds", async () => {
      const [cheapest] = await quotes(inTown);
      const first = await termsOf({ quoteToken: cheapest!.quoteToken });
      now = addSeconds(now, 299);
      expect(await termsOf({ quoteToken: cheapest!.quoteToken })).to.deep.equal(first);
    });

    it("are refused for a quote that has expired", async () => {
      const [cheapest] = await quotes(inTown);
      now = addSeconds(now, 300);
      const error = await refusal(termsOf({ quoteToken: cheapest!.quoteToken }));
      expect(error.code).to.equal(Code.FAILED_PRECONDITION);
      expect(error.reason).to.equal("QUOTE_EXPIRED");
      expect(error.violations.map((v) => v.field)).to.deep.equal(["quote_token"]);
    });

    it("are refused for a quote that was changed, or made for another rider or tenant", async () => {
      const [cheapest] = await quotes(inTown);
      const { quoteToken } = cheapest!;
      const attempts = [
        termsOf({ quoteToken: `${quoteToken}A` }),
        termsOf({ quoteToken: "nonsense" }),
        termsOf({ quoteToken }, otherRider),
        termsOf({ quoteToken }, harborRider),
      ];
      for (const error of await Promise.all(attempts.map(refusal))) {
        expect(error.code).to.equal(Code.INVALID_ARGUMENT);
        expect(error.reason).to.equal("QUOTE_INVALID");
        expect(error.violations.map((v) => v.field)).to.deep.equal(["quote_token"]);
      }
    });

    it("are made anew without a quote", async () => {
      const terms = await bookedTerms(inTown);
      expect(terms).to.deep.include({ quoteId: "", cityId: "upfront-town", cancelFeeMinor: 500n });
      expect(totalOf(terms.fare)).to.equal(1566);
    });

    for (const field of ["pickup", "dropoff", "vehicle_class"]) {
      it(`need ${field} without a quote`, async () => {
        const request = {
          ...(field === "pickup" ? {} : { pickup: inTown.pickup }),
          ...(field === "dropoff" ? {} : { dropoff: inTown.dropoff }),
          ...(field === "vehicle_class" ? {} : { vehicleClass: VehicleClass.ECONOMY }),
        };
        const error = await refusal(termsOf(request));
        expect(error.code).to.equal(Code.INVALID_ARGUMENT);
        expect(error.violations.map((v) => v.field)).to.deep.equal([field]);
      });
    }

    it("are told to the trip service only", async () => {
      const stranger = test.internalClient(PricingInternalServiceService, "pricing", "stranger");
      const error = await refusal(
        stranger.getTripTerms({
          tenantId: "metro",
          onBehalfOf: rider.subject,
          quoteToken: "x",
          pickup: undefined,
          dropoff: undefined,
          vehicleClass: VehicleClass.UNSPECIFIED,
        }),
      );
      expect(error.reason).to.equal("CALLER_NOT_ALLOWED");
    });
  });

  describe("the final fare", () => {
    const inMeteredTown = { pickup: place(40.5, 12.5), dropoff: place(40.53, 12.5) };

    it("is the quoted one while the route is within the tolerance", async () => {
      const terms = await bookedTerms(inTown);
      for (const meters of [4500, 5000, 5500]) {
        const fare = await finalFare(terms, { distanceMeters: meters, durationSeconds: 5000 });
        expect(fare).to.deep.equal({ ...terms.fare!, basis: FareBasis.UPFRONT });
      }
    });

    it("is metered when the route was longer or shorter than that", async () => {
      const terms = await bookedTerms(inTown);
      const long = await finalFare(terms, { distanceMeters: 5501, durationSeconds: 1200 });
      expect(long).to.deep.include({
        basis: FareBasis.METERED,
        distanceMeters: 5501,
        durationSeconds: 1200,
      });
      expect(lineOf(long, FareLineKind.DISTANCE)).to.equal(660);
      expect(lineOf(long, FareLineKind.TIME)).to.equal(600);
      const short = await finalFare(terms, { distanceMeters: 4499 });
      expect(short.basis).to.equal(FareBasis.METERED);
      expect(totalOf(short)).to.be.below(totalOf(terms.fare));
    });

    it("is the quoted one when the route could not be measured", async () => {
      const terms = await bookedTerms(inTown);
      const fare = await finalFare(terms, { distanceMeters: 0, durationSeconds: 5000 });
      expect(fare).to.deep.equal({ ...terms.fare!, basis: FareBasis.UPFRONT });
    });

    it("has the wait beyond three minutes, whether kept or metered", async () => {
      const terms = await bookedTerms(inTown);
      const kept = await finalFare(terms, { waitSeconds: 300 });
      expect(kept.basis).to.equal(FareBasis.UPFRONT);
      // 2 minutes at 30, and 8 % of that.
      expect(lineOf(kept, FareLineKind.WAIT)).to.equal(60);
      expect(totalOf(kept)).to.equal(totalOf(terms.fare) + 65);
      const metered = await finalFare(terms, { distanceMeters: 9000, waitSeconds: 300 });
      expect(lineOf(metered, FareLineKind.WAIT)).to.equal(60);
    });

    it("is always metered in a city that says so, with the surcharges of the start", async () => {
      const terms = await bookedTerms(inMeteredTown);
      now = new Date("2024-03-02T04:00:00Z");
      const fare = await finalFare(terms, {});
      expect(fare.basis).to.equal(FareBasis.METERED);
      expect(lineOf(fare, FareLineKind.NIGHT)).to.equal(100);
    });

    it("is metered on the quoted distance there when the route could not be measured", async () => {
      const terms = await bookedTerms(inMeteredTown);
      const fare = await finalFare(terms, { distanceMeters: 0, durationSeconds: 1200 });
      expect(fare).to.deep.include({ distanceMeters: 5000, durationSeconds: 1200 });
    });

    it("is not priced without agreed terms, or in an unknown city", async () => {
      const terms = await bookedTerms(inTown);
      const unpriced = await refusal(finalFare({ ...terms, fare: undefined }, {}));
      expect(unpriced.violations.map((v) => v.field)).to.deep.equal(["terms.fare"]);
      const unknown = await refusal(finalFare({ ...terms, cityId: "atlantis" }, {}));
      expect(unknown.code).to.equal(Code.NOT_FOUND);
    });
  });

  describe("a calculated fare", () => {
    const calculate = async (changes: object) => {
      const request = {
        cityId: "upfront-town",
        vehicleClass: VehicleClass.ECONOMY,
        distanceMeters: 5000,
        durationSeconds: 900,
        waitSeconds: 240,
        startTime: undefined,
        ...changes,
      };
      const driver = { ...rider, roles: [Role.DRIVER] };
      return (await test.call.unary(PricingServiceService.calculateFare, driver, request)).fare!;
    };

    it("is that of the given distance, time and wait, now", async () => {
      const fare = await calculate({});
      expect(lineOf(fare, FareLineKind.WAIT)).to.equal(30);
      expect(totalOf(fare)).to.equal(1598);
      expect(fare.basis).to.equal(FareBasis.ESTIMATE);
    });

    it("has the surcharges of the given hour", async () => {
      const startTime = new Date("2024-03-02T04:00:00Z");
      expect(lineOf(await calculate({ startTime }), FareLineKind.NIGHT)).to.equal(100);
    });

    it("is refused for an unknown city, one of another operator, and a class not served", async () => {
      expect((await refusal(calculate({ cityId: "atlantis" }))).code).to.equal(Code.NOT_FOUND);
      expect((await refusal(calculate({ cityId: "harbor" }))).code).to.equal(Code.NOT_FOUND);
      const error = await refusal(calculate({ vehicleClass: VehicleClass.PREMIUM }));
      expect(error.reason).to.equal("CLASS_NOT_SERVED");
    });
  });

  it("says that surge is 1 and does not follow demand, for a cell of resolution 8", async () => {
    const point = { lat: 40.758, lng: -73.9855 };
    const surge = await test.call.unary(PricingServiceService.getSurge, rider, point);
    expect(surge).to.deep.include({ multiplier: 1, dynamic: false });
    expect(getResolution(surge.cell)).to.equal(8);
    const [lat, lng] = cellToLatLng(surge.cell);
    // Half the width of such a cell.
    expect(distanceMeters(point, { lat, lng })).to.be.below(600);
  });

  describe("tariffs", () => {
    it("are seeded once for each class that was priced, whoever asks first", async () => {
      const inHarbor = { pickup: place(40.5, 14.5), dropoff: place(40.53, 14.5) };
      await Promise.all(Array.from({ length: 10 }, () => quotes(inHarbor, harborRider)));
      const client = new pg.Client(test.superuserUrl);
      await client.connect();
      const { rows } = await client.query<{ tenant_id: string; count: string }>(
        "SELECT tenant_id, count(*) FROM pricing.tariffs WHERE city_id = 'harbor' GROUP BY 1",
      );
      await client.end();
      expect(rows).to.deep.equal([{ tenant_id: "harbor", count: "3" }]);
    });

    it("are live soon after a new version is written, for their tenant only", async () => {
      const inHarbor = { pickup: place(40.5, 14.5), dropoff: place(40.53, 14.5) };
      const before = totalOf((await quotes(inHarbor, harborRider))[0]!.fare);
      const client = new pg.Client(test.superuserUrl);
      await client.connect();
      await client.query(
        `INSERT INTO pricing.tariffs
         SELECT tenant_id, city_id, vehicle_class, version + 1,
                settings || '{"bookingFeeMinor": 1100}', create_time
         FROM pricing.tariffs WHERE tenant_id = 'harbor' AND vehicle_class = 1`,
      );
      await client.end();
      await waitFor("the new booking fee", async () => {
        const economy = await quotes(
          { ...inHarbor, vehicleClass: VehicleClass.ECONOMY },
          harborRider,
        );
        // 1000 more, and 8 % of it.
        return totalOf(economy[0]!.fare) === before + 1080;
      });
      expect(totalOf((await quotes(inTown))[0]!.fare)).to.equal(1566);
    });

    it("cannot be changed or removed by the service's own role", async () => {
      const client = new pg.Client(test.host.database.url("pricing"));
      await client.connect();
      const refused = async (sql: string) =>
        client.query(sql).then(
          () => "done",
          (error: { code: string }) => error.code,
        );
      // 42501 insufficient_privilege
      expect(await refused("UPDATE tariffs SET version = 9")).to.equal("42501");
      expect(await refused("DELETE FROM tariffs")).to.equal("42501");
      await client.end();
    });
  });
});
