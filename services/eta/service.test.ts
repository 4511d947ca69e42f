import { expect } from "chai";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import { EtaInternalServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_internal_service.js";
import { EtaServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { decodePolyline, distanceMeters } from "../runtime/geo.js";
import { uuidv4 } from "../runtime/ids.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import { testHost, type TestCaller, type TestHost } from "../testing/host.js";
import { startStandIn } from "../testing/stand-in.js";
import { stillClock, type StillClock } from "../testing/still-clock.js";
import { waitFor } from "../testing/wait-for.js";
import { startEta } from "./app.js";

const timesSquare = { lat: 40.758, lng: -73.9855 };
const unionSquare = { lat: 40.7359, lng: -73.9911 };
const tokyo = { lat: 35.68, lng: 139.77 };
const shibuya = { lat: 35.66, lng: 139.7 };
/** Wednesday morning and night in New York. */
const rushHour = new Date("2024-03-06T13:30:00Z");
const night = new Date("2024-03-06T09:00:00Z");

const around = ({ lat, lng }: typeof tokyo) => [
  { lat: lat - 0.2, lng: lng - 0.2 },
  { lat: lat - 0.2, lng: lng + 0.2 },
  { lat: lat + 0.2, lng: lng + 0.2 },
  { lat: lat + 0.2, lng: lng - 0.2 },
];
const cities = [
  City.fromPartial({
    tenantId: "metro",
    cityId: "new-york",
    timeZone: "America/New_York",
    serviceArea: around(timesSquare),
  }),
  City.fromPartial({
    tenantId: "metro",
    cityId: "tokyo",
    timeZone: "Asia/Tokyo",
    serviceArea: around(tokyo),
  }),
];
const rider: TestCaller = { subject: uuidv4(), roles: [Role.RIDER] };

describe("the eta service", () => {
  let host: TestHost;
  let clock: StillClock;

  before(async () => {
    clock = stillClock(rushHour.toISOString());
    host = await testHost(["eta", "city", "pricing"], { domain: clock });
    await startStandIn(host, "city", CityInternalServiceService, {
      watchCities: async function* (_request, ctx) {
        yield { cities };
        await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
      },
    });
    host.started(await startEta(host.host));
    await waitFor("the cities", async () => (await legs([[timesSquare, unionSquare]])).length);
  });
  after(() => host.stop());

  const route = (
    origin: typeof tokyo,
    destination: typeof tokyo,
    departTime?: Date,
    caller: TestCaller | undefined = rider,
  ) =>
    host.call.unary(EtaServiceService.estimateRoute, caller, { origin, destination, departTime });
  const legs = async (
    pairs: [typeof tokyo, typeof tokyo][],
    about: { cityId?: string; departTime?: Date; as?: string } = {},
  ) => {
    const { cityId = "new-york", departTime, as = "dispatch" } = about;
    const client = host.internalClient(EtaInternalServiceService, "eta", as);
    const request = { tenantId: "metro", cityId, departTime };
    const answer = await client.estimateLegs({
      ...request,
      legs: pairs.map(([origin, destination]) => ({ origin, destination })),
    });
    return answer.estimates;
  };

  it("estimates a route from what was learned, and draws the straight line", async () => {
    const { estimate, polyline } = await route(timesSquare, unionSquare);
    const straight = distanceMeters(timesSquare, unionSquare);
    expect(estimate!.source).equal("learned");
    expect(estimate!.distanceMeters).within(straight * 1.1, straight * 1.6);
    // Ten minutes in traffic, about.
    expect(estimate!.durationSeconds).within(400, 1400);
    const ends = decodePolyline(polyline);
    expect(ends).lengthOf(2);
    expect(distanceMeters(ends[1]!, unionSquare)).below(2);
  });

  it("knows the hour at the place, by the domain clock unless a departure is given", async () => {
    const atNight = await route(timesSquare, unionSquare, night);
    const now = await route(timesSquare, unionSquare);
    expect(now.estimate!.durationSeconds).above(1.3 * atNight.estimate!.durationSeconds);
    clock.time = night;
    const later = await route(timesSquare, unionSquare);
    clock.time = rushHour;
    expect(later).deep.equal(atNight);
    // 18:00 in Tokyo is 4:00 in New York; out at sea the sun tells the hour.
    const [tokyoEvening] = await legs([[tokyo, shibuya]], { cityId: "tokyo", departTime: night });
    const [newYorkNight] = await legs([[tokyo, shibuya]], { departTime: night });
    expect(tokyoEvening!.durationSeconds).above(1.3 * newYorkNight!.durationSeconds);
    expect((await route(tokyo, shibuya, night)).estimate).deep.equal(tokyoEvening);
    const east = await route({ lat: 0, lng: 135 }, { lat: 0.05, lng: 135 }, night);
    const west = await route({ lat: 0, lng: -75 }, { lat: 0.05, lng: -75 }, night);
    expect(east.estimate!.durationSeconds).above(1.3 * west.estimate!.durationSeconds);
  });

  it("estimates legs in their order, each as its route, and none as nothing", async () => {
    const pairs = Array.from({ length: 1000 }, (_, i): [typeof tokyo, typeof tokyo] => [
      { lat: timesSquare.lat + (i % 30) * 0.002, lng: timesSquare.lng },
      unionSquare,
    ]);
    const estimates = await legs(pairs);
    expect(estimates).lengthOf(1000);
    for (const i of [0, 17, 999]) {
      expect((await route(...pairs[i]!)).estimate).deep.equal(estimates[i]);
    }
    const [still] = await legs([[timesSquare, timesSquare]]);
    expect(still).deep.include({ distanceMeters: 0, durationSeconds: 0 });
  });

  it("refuses drives that are too long, and says how long", async () => {
    for (const call of [
      () => route(timesSquare, tokyo),
      () =>
        legs([
          [timesSquare, unionSquare],
          [timesSquare, tokyo],
        ]),
    ]) {
      const error = await failure(call());
      expect([error.code, error.reason]).deep.equal([Code.FAILED_PRECONDITION, "TOO_FAR"]);
      expect(error.metadata["max_distance_meters"]).equal("300000");
      expect(Number(error.metadata["distance_meters"])).closeTo(10_850_000, 50_000);
    }
  });

  it("refuses a city that is not there, services that may not ask, and the anonymous", async () => {
    const pair: [typeof tokyo, typeof tokyo] = [timesSquare, unionSquare];
    expect((await failure(legs([pair], { cityId: "atlantis" }))).code).equal(Code.NOT_FOUND);
    expect((await failure(legs([pair], { as: "trip" }))).reason).equal("CALLER_NOT_ALLOWED");
    const anonymous = host.call.unary(EtaServiceService.estimateRoute, undefined, {
      origin: timesSquare,
      destination: unionSquare,
      departTime: undefined,
    });
    expect((await failure(anonymous)).code).equal(Code.UNAUTHENTICATED);
  });

  it("estimates by distance when its model is damaged", async () => {
    const modelFile = join(host.host.dataDir, "model.json");
    await writeFile(modelFile, '{"format": 1}');
    host.started(await startEta(host.host, { modelFile }));
    // Nobody has called as pricing yet: its connection goes to the service that started last.
    const [estimate] = await waitFor("the cities", () =>
      legs([[timesSquare, unionSquare]], { as: "pricing" }),
    );
    expect(estimate!.source).equal("distance");
    const straight = distanceMeters(timesSquare, unionSquare);
    expect(estimate!.distanceMeters).closeTo(straight * 1.3, 1);
    expect(estimate!.durationSeconds).closeTo((straight * 1.3) / (22 / 3.6), 1);
  });
});
