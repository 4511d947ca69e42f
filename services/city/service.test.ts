import { expect } from "chai";
import pg from "pg";
import { City, FareMode } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { CityUpdated } from "../../gen/grpc/ridemesh/city/v1/city_events.js";
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import { CityServiceService } from "../../gen/grpc/ridemesh/city/v1/city_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { on, startConsumer } from "../runtime/consumer.js";
import { uuidv4 } from "../runtime/ids.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import { testHost, type TestCaller, type TestHost } from "../testing/host.js";
import { waitFor } from "../testing/wait-for.js";
import { startCity } from "./app.js";

const { listCities, getCity, updateCity, getClock } = CityServiceService;

const area = [
  { lat: 40, lng: -74 },
  { lat: 41, lng: -74 },
  { lat: 41, lng: -73 },
];
const city = (tenantId: string, cityId: string) =>
  City.fromPartial({
    tenantId,
    cityId,
    name: `The city of ${cityId}`,
    timeZone: "America/New_York",
    currencyCode: "USD",
    serviceArea: area,
    vehicleClasses: [VehicleClass.ECONOMY],
    dispatch: { offerSeconds: 15, roundSeconds: 15, roundRadiusMeters: [2000], maxOffers: 5 },
    fareMode: FareMode.UPFRONT,
    version: 1n,
  });
const config = {
  operators: [
    { tenantId: "metro", name: "Metro Rides", hosts: ["localhost", "metro.test"] },
    { tenantId: "harbor", name: "Harbor Cabs", hosts: ["harbor.test"] },
  ],
  cities: [city("metro", "springfield"), city("metro", "albany"), city("harbor", "springfield")],
};
const admin: TestCaller = { subject: "admin-1", roles: [Role.ADMIN] };
const harborAdmin: TestCaller = { ...admin, tenantId: "harbor" };

describe("city", () => {
  let t: TestHost;
  before(async () => {
    t = await testHost(["city", "identity"]);
    t.started(await startCity(t.host, config));
  });
  after(() => t.stop());

  const get = async (cityId: string, caller: TestCaller = admin) =>
    (await t.call.unary(getCity, caller, { cityId, operator: "" })).city!;
  const update = async (wanted: City, caller: TestCaller = admin, requestId = uuidv4()) => {
    const request = { cityId: wanted.cityId, city: wanted, requestId };
    return (await t.call.unary(updateCity, caller, request)).city!;
  };

  describe("reading", () => {
    const list = async (
      operator: string,
      { host = "", caller }: { host?: string; caller?: TestCaller } = {},
    ) => {
      const metadata = { "x-forwarded-host": host };
      const answer = await t.call.unary(listCities, caller, { operator }, { metadata });
      return answer.cities.map((one) => `${one.tenantId}/${one.cityId}`);
    };

    it("lists the cities of the operator that is named, or else of the host, by their ids", async () => {
      const ofMetro = ["metro/albany", "metro/springfield"];
      expect(await list("metro")).to.deep.equal(ofMetro);
      expect(await list("", { host: "metro.test" })).to.deep.equal(ofMetro);
      expect(await list("harbor", { host: "metro.test" })).to.deep.equal(["harbor/springfield"]);
    });

    it("lists those of the caller's own operator to who gives a token", async () => {
      const host = "metro.test";
      const ofHarbor = ["harbor/springfield"];
      expect(await list("", { host, caller: harborAdmin })).to.deep.equal(ofHarbor);
    });

    it("refuses an operator that there is not, and a host that belongs to none", async () => {
      for (const [operator, host] of [
        ["nobody", ""],
        ["", "other.test"],
        ["", ""],
      ] as const) {
        const error = await failure(list(operator, { host }));
        expect(error).to.include({
          code: Code.INVALID_ARGUMENT,
          reason: "UNKNOWN_OPERATOR",
          domain: "ridemesh",
        });
        expect(error.violations[0]!.field).to.equal("operator");
      }
    });

    it("gives one city, which is that of the same operator when two have its name", async () => {
      expect(await get("springfield")).to.deep.include({ tenantId: "metro", version: 1n });
      expect(await get("springfield", harborAdmin)).to.deep.include({ tenantId: "harbor" });
      const error = await failure(get("albany", harborAdmin));
      expect(error).to.include({ code: Code.NOT_FOUND, reason: "NOT_FOUND" });
    });

    it("tells the time of the domain clock and its rate", async () => {
      const { clock } = await t.call.unary(getClock, undefined, {});
      expect(clock!.rate).to.equal(1);
      expect(clock!.now).to.be.an.instanceof(Date);
    });
  });

  describe("changing", () => {
    it("raises the version, and tells of it by an event", async () => {
      const events: CityUpdated[] = [];
      const consumer = await startConsumer(t.host.bus, "test", [
        on(CityUpdated, (event) => Promise.resolve(void events.push(event))),
      ]);
      const before = await get("albany");
      const after = await update({ ...before, name: "New Albany" });
      expect(after).to.deep.include({ name: "New Albany", version: before.version + 1n });
      expect(await get("albany")).to.deep.equal(after);
      const event = await waitFor("the event", () =>
        events.find((one) => one.version === after.version),
      );
      expect(event).to.deep.include({ cityId: "albany", actorId: "admin-1" });
      await consumer.stop();
    });

    it("of an older version is refused and says which one there is", async () => {
      const seen = await get("albany");
      await update({ ...seen, name: "First" });
      const error = await failure(update({ ...seen, name: "Second" }));
      expect(error).to.include({ code: Code.ABORTED, reason: "VERSION_CONFLICT" });
      expect(error.metadata["version"]).to.equal(String(seen.version + 1n));
      expect((await get("albany")).name).to.equal("First");
    });

    it("of one version at once succeeds for one of many", async () => {
      for (let round = 0; round < 3; round += 1) {
        const seen = await get("albany");
        const calls = Array.from({ length: 20 }, (_, i) =>
          update({ ...seen, name: `Name ${i}` }).then(
            () => "changed",
            (error: { reason: string }) => error.reason,
          ),
        );
        const results = await Promise.all(calls);
        expect(results.filter((one) => one === "changed")).to.have.length(1);
        expect(results.filter((one) => one === "VERSION_CONFLICT")).to.have.length(19);
        expect((await get("albany")).version).to.equal(seen.version + 1n);
      }
    });

    it("50 times at once with one request_id is one change with one answer", async () => {
      const seen = await get("albany");
      const requestId = uuidv4();
      const wanted = { ...seen, name: "Once" };
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => update(wanted, admin, requestId)),
      );
      for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
      expect((await get("albany")).version).to.equal(seen.version + 1n);
      const error = await failure(update({ ...seen, name: "Other" }, admin, requestId));
      expect(error).to.include({ code: Code.INVALID_ARGUMENT, reason: "REQUEST_ID_REUSED" });
    });

    it("is not possible for another operator's admin, and not allowed to others", async () => {
      const seen = await get("albany");
      const foreign = await failure(update(seen, harborAdmin));
      expect(foreign).to.include({ code: Code.NOT_FOUND, reason: "NOT_FOUND" });
      const rider = await failure(update(seen, { subject: "r", roles: [Role.RIDER] }));
      expect(rider).to.include({ code: Code.PERMISSION_DENIED, reason: "ROLE_NOT_ALLOWED" });
      expect(await get("albany")).to.deep.equal(seen);
    });

    it("moves no city to another operator or name", async () => {
      const seen = await get("albany");
      const request = {
        cityId: "albany",
        city: { ...seen, tenantId: "harbor", cityId: "stolen" },
        requestId: uuidv4(),
      };
      const { city: after } = await t.call.unary(updateCity, admin, request);
      expect(after).to.deep.include({ tenantId: "metro", cityId: "albany" });
    });

    it("refuses a time zone that is none, and settings out of range, by field", async () => {
      const seen = await get("albany");
      const zone = await failure(update({ ...seen, timeZone: "Mars/Olympus" }));
      expect(zone).to.include({ code: Code.INVALID_ARGUMENT, reason: "UNKNOWN_TIME_ZONE" });
      expect(zone.violations[0]!.field).to.equal("city.time_zone");
      const dispatch = { ...seen.dispatch!, offerSeconds: 1 };
      const range = await failure(update({ ...seen, dispatch }));
      expect(range).to.include({ code: Code.INVALID_ARGUMENT, reason: "INVALID_REQUEST" });
      expect(range.violations[0]!.field).to.equal("city.dispatch.offer_seconds");
      expect(await get("albany")).to.deep.equal(seen);
    });

    it("leaves a trace of every version, which the service itself cannot change", async () => {
      const seen = await get("springfield");
      await update({ ...seen, name: "Springfield upon Hudson" });
      const client = new pg.Client(t.host.database.url("city"));
      await client.connect();
      try {
        const trace = await client.query<{ version: string; actor_id: string }>(
          `SELECT version, actor_id FROM city_changes
           WHERE tenant_id = 'metro' AND city_id = 'springfield' ORDER BY version`,
        );
        expect(trace.rows).to.deep.equal([
          { version: "1", actor_id: "" },
          { version: "2", actor_id: "admin-1" },
        ]);
        for (const change of [
          "UPDATE city_changes SET actor_id = 'x'",
          "DELETE FROM city_changes",
          "TRUNCATE city_changes",
        ]) {
          const error = await client.query(change).catch((e: Error) => e);
          expect(error)
            .to.be.an("error")
            .with.property("message")
            .that.includes("permission denied");
        }
      } finally {
        await client.end();
      }
    });
  });

  describe("for other services", () => {
    const client = (as: string) => t.internalClient(CityInternalServiceService, "city", as);

    it("streams all cities of all operators, and again at each change", async () => {
      const stop = new AbortController();
      const seen: City[][] = [];
      const reading = (async () => {
        const stream = client("trip").watchCities({}, { signal: stop.signal });
        for await (const { cities } of stream) seen.push(cities);
      })().catch((error: unknown) => {
        if (!stop.signal.aborted) throw error;
      });
      await waitFor("the first message", () => seen.length === 1);
      expect(seen[0]!.map((one) => `${one.tenantId}/${one.cityId}`)).to.deep.equal([
        "harbor/springfield",
        "metro/albany",
        "metro/springfield",
      ]);
      const { version } = await update({ ...(await get("albany")), name: "Watched" });
      const last = await waitFor("the change", () =>
        seen.at(-1)!.find((one) => one.cityId === "albany" && one.version === version),
      );
      expect(last.name).to.equal("Watched");
      stop.abort();
      await reading;
    });

    it("resolves an operator by its name, which wins, or by host", async () => {
      const resolve = (operator: string, host: string) =>
        client("identity").resolveOperator({ operator, host });
      expect(await resolve("harbor", "metro.test")).to.deep.equal({
        tenantId: "harbor",
        name: "Harbor Cabs",
      });
      expect((await resolve("", "localhost")).tenantId).to.equal("metro");
      for (const [operator, host] of [
        ["nobody", "localhost"],
        ["", "other.test"],
      ] as const) {
        expect((await failure(resolve(operator, host))).reason).to.equal("UNKNOWN_OPERATOR");
      }
    });

    it("resolves operators for identity only", async () => {
      const error = await failure(client("trip").resolveOperator({ operator: "metro", host: "" }));
      expect(error).to.include({ code: Code.PERMISSION_DENIED, reason: "CALLER_NOT_ALLOWED" });
    });
  });

  describe("starting again", () => {
    it("keeps what was changed, and adds what the config has more of", async () => {
      const changed = await update({ ...(await get("albany")), name: "Kept" });
      const more = { ...config, cities: [...config.cities, city("metro", "troy")] };
      t.started(await startCity(t.host, more));
      expect(await get("albany")).to.deep.equal(changed);
      expect((await get("troy")).version).to.equal(1n);
    });
  });
});

describe("city with one operator", () => {
  it("takes every host for that operator's", async () => {
    const t = await testHost(["city", "identity"]);
    try {
      const alone = { operators: [config.operators[0]!], cities: [] };
      t.started(await startCity(t.host, alone));
      const client = t.internalClient(CityInternalServiceService, "city", "identity");
      const found = await client.resolveOperator({ operator: "", host: "any.test" });
      expect(found.tenantId).to.equal("metro");
    } finally {
      await t.stop();
    }
  });
});
