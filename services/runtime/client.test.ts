import { expect } from "chai";
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import { DriverInternalServiceService } from "../../gen/grpc/ridemesh/driver/v1/driver_internal_service.js";
import { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import { failure } from "../testing/failure.js";
import { testHost, type TestHost } from "../testing/host.js";
import { startStandIn } from "../testing/stand-in.js";
import { waitFor } from "../testing/wait-for.js";
import type { CallContext } from "./call-context.js";
import { createChannel, createClient, type Client } from "./client.js";
import { wallClock } from "./clock.js";
import { uuidv4 } from "./ids.js";
import { silentLogger } from "./log.js";
import type { Handlers } from "./server.js";
import { Code, failedPrecondition, unavailable } from "./status.js";

type Drivers = Handlers<DriverInternalServiceService>;
type Cities = Handlers<CityInternalServiceService>;
type Identity = Handlers<IdentityInternalServiceService>;

describe("a client of another service", () => {
  let host: TestHost;
  let drivers: Client<DriverInternalServiceService>;
  let cities: Client<CityInternalServiceService>;
  let identity: Client<IdentityInternalServiceService>;
  let listDriverCards: Drivers["listDriverCards"];
  let watchCities: Cities["watchCities"];
  let redeemStreamTicket: Identity["redeemStreamTicket"];
  const request = { tenantId: "metro", driverIds: [] };

  before(async () => {
    host = await testHost(["driver", "city", "identity"]);
    await startStandIn(host, "driver", DriverInternalServiceService, {
      listDriverCards: (...args) => listDriverCards(...args),
    });
    await startStandIn(host, "city", CityInternalServiceService, {
      watchCities: (...args) => watchCities(...args),
    });
    await startStandIn(host, "identity", IdentityInternalServiceService, {
      redeemStreamTicket: (...args) => redeemStreamTicket(...args),
    });
  });
  beforeEach(() => {
    drivers = host.internalClient(DriverInternalServiceService, "driver", "trip");
    cities = host.internalClient(CityInternalServiceService, "city", "trip");
    identity = host.internalClient(IdentityInternalServiceService, "identity", "gateway");
    listDriverCards = () => Promise.resolve({ cards: [] });
  });
  after(() => host.stop());

  const nowMs = () => wallClock.now().getTime();

  it("gives the answer", async () => {
    const card = { driverId: uuidv4(), firstName: "Ada", ratingAverage: 4.9 };
    const full = { ...card, vehicleDescription: "blue", plate: "X1" };
    listDriverCards = () => Promise.resolve({ cards: [full] });
    expect(await drivers.listDriverCards(request)).to.deep.equal({ cards: [full] });
  });

  it("hands the ids of the call on that it serves", async () => {
    let seen: CallContext | undefined;
    listDriverCards = (_request, ctx) => {
      seen = ctx;
      return Promise.resolve({ cards: [] });
    };
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await drivers.listDriverCards(request, { requestId: "request-3", traceparent });
    expect(seen).to.include({ requestId: "request-3", traceparent, peer: "trip" });
  });

  it("sets the method's own deadline, or an earlier one of the call that it serves", async () => {
    const deadlines: number[] = [];
    listDriverCards = (_request, ctx) => {
      deadlines.push(ctx.deadlineMs!);
      return Promise.resolve({ cards: [] });
    };
    const before = nowMs();
    await drivers.listDriverCards(request);
    await drivers.listDriverCards(request, { deadlineMs: before + 700 });
    await drivers.listDriverCards(request, { deadlineMs: before + 60_000 });
    // gRPC tells how long is left: a deadline travels without its fraction, and arrives a little late.
    const own = 2000;
    expect(deadlines[0]! - before).to.be.within(own - 5, own + 500);
    expect(deadlines[1]! - before).to.be.within(695, 1200);
    expect(deadlines[2]! - before).to.be.within(own - 5, own + 1000);
  });

  it("gives up at the deadline, without trying again", async () => {
    let calls = 0;
    listDriverCards = () => {
      calls += 1;
      return new Promise(() => undefined);
    };
    const error = await failure(drivers.listDriverCards(request, { deadlineMs: nowMs() + 50 }));
    expect(error.code).to.equal(Code.DEADLINE_EXCEEDED);
    expect(calls).to.equal(1);
  });

  it("throws what the service says, with all its details", async () => {
    listDriverCards = () => Promise.reject(failedPrecondition("SOME", "why not", { a: "b" }));
    expect(await failure(drivers.listDriverCards(request))).to.deep.include({
      code: Code.FAILED_PRECONDITION,
      reason: "SOME",
      domain: "driver.ridemesh",
      message: "why not",
      metadata: { a: "b" },
    });
  });

  it("tries a call again that may be repeated, while the service is unavailable", async () => {
    let calls = 0;
    listDriverCards = () => {
      calls += 1;
      return calls < 3 ? Promise.reject(unavailable("soon")) : Promise.resolve({ cards: [] });
    };
    await drivers.listDriverCards(request);
    expect(calls).to.equal(3);
  });

  it("tries a call never again that may not be repeated", async () => {
    let calls = 0;
    redeemStreamTicket = () => {
      calls += 1;
      return Promise.reject(unavailable("soon"));
    };
    const error = await failure(identity.redeemStreamTicket({ ticket: "t" }));
    expect([calls, error.code]).to.deep.equal([1, Code.UNAVAILABLE]);
  });

  it("ends the call when the one that it serves has ended", async () => {
    const over = new AbortController();
    let aborted = false;
    listDriverCards = async (_request, ctx) => {
      over.abort();
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
      aborted = true;
      return { cards: [] };
    };
    const error = await failure(drivers.listDriverCards(request, { signal: over.signal }));
    expect(error.code).to.equal(Code.CANCELLED);
    await waitFor("the service to be told", () => aborted);
    let called = false;
    listDriverCards = () => {
      called = true;
      return Promise.resolve({ cards: [] });
    };
    const late = await failure(drivers.listDriverCards(request, { signal: over.signal }));
    expect([late.code, called]).to.deep.equal([Code.CANCELLED, false]);
  });

  it("is unavailable soon when nobody listens, and of use again when somebody does", async () => {
    const testIdentity = host.host.identity("trip");
    let port = 1;
    const options = {
      service: "driver",
      identity: testIdentity,
      wall: wallClock,
      log: silentLogger,
      address: () => `127.0.0.1:${port}`,
    };
    const nowhere = createChannel(options);
    const client = createClient(DriverInternalServiceService, nowhere);
    expect((await failure(client.listDriverCards(request))).code).to.equal(Code.UNAVAILABLE);
    await nowhere.stop();
    port = Number(host.host.address("driver").split(":")[1]);
    const somewhere = createChannel(options);
    await createClient(DriverInternalServiceService, somewhere).listDriverCards(request);
    await somewhere.stop();
  });

  it("talks to nobody but the service that it means to", async () => {
    const address = () => host.host.address("city");
    const own = host.host.identity("trip");
    const channel = createChannel({
      service: "driver",
      address,
      identity: own,
      wall: wallClock,
      log: silentLogger,
    });
    const client = createClient(DriverInternalServiceService, channel);
    const error = await failure(client.listDriverCards(request, { deadlineMs: nowMs() + 1000 }));
    expect(error.code).to.be.oneOf([Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED]);
    await channel.stop();
  });

  describe("reads a stream", () => {
    const endless = (told: { aborted: boolean }): Cities["watchCities"] =>
      async function* (_request, ctx) {
        yield { cities: [] };
        await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
        told.aborted = true;
      };

    it("to its end", async () => {
      watchCities = async function* () {
        for (let n = 0; n < 3; n += 1) yield { cities: [] };
        await Promise.resolve();
      };
      let seen = 0;
      for await (const { cities: list } of cities.watchCities({})) seen += 1 + list.length;
      expect(seen).to.equal(3);
    });

    it("and ends it when the reader stops reading", async () => {
      const told = { aborted: false };
      watchCities = endless(told);
      for await (const _ of cities.watchCities({})) break;
      await waitFor("the service to be told", () => told.aborted);
    });

    it("until its signal aborts", async () => {
      const told = { aborted: false };
      watchCities = endless(told);
      const over = new AbortController();
      const stream = cities.watchCities({}, { signal: over.signal })[Symbol.asyncIterator]();
      await stream.next();
      over.abort();
      expect((await failure(stream.next())).code).to.equal(Code.CANCELLED);
      await waitFor("the service to be told", () => told.aborted);
    });

    it("and throws what the service says", async () => {
      watchCities = async function* () {
        yield { cities: [] };
        await Promise.resolve();
        throw failedPrecondition("OVER", "nothing more");
      };
      const stream = cities.watchCities({})[Symbol.asyncIterator]();
      await stream.next();
      expect(await failure(stream.next())).to.include({ reason: "OVER" });
    });
  });
});
