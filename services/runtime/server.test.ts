import { expect } from "chai";
import { Metadata } from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";
import pino from "pino";
import {
  LocationServiceService,
  StreamLocationsRequest,
  StreamLocationsResponse,
} from "../../gen/grpc/ridemesh/location/v1/location_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { Trip } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import {
  BeginMatchingResponse,
  TripInternalServiceService,
} from "../../gen/grpc/ridemesh/trip/v1/trip_internal_service.js";
import {
  TripServiceService,
  WatchTripResponse,
  type GetTripRequest,
} from "../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import { failure } from "../testing/failure.js";
import { testHost, type TestCaller, type TestHost } from "../testing/host.js";
import { startTinyService, tinyTrip, type TinyService } from "../testing/tiny-service.js";
import { waitFor } from "../testing/wait-for.js";
import type { CallContext } from "./call-context.js";
import { createAuthority } from "./certificates.js";
import { createChannel, createClient } from "./client.js";
import { wallClock } from "./clock.js";
import { uuidv4 } from "./ids.js";
import { silentLogger } from "./log.js";
import { serve, startServer, type StubDefinition } from "./server.js";
import { Code, failedPrecondition, fromServiceError } from "./status.js";

const { tripId, riderId, driverId } = tinyTrip;
const rider = { subject: riderId, roles: [Role.RIDER] };
const driver = { subject: driverId, roles: [Role.DRIVER] };
const admin = { subject: uuidv4(), roles: [Role.ADMIN] };
const { getTrip, listRiderTrips, startTrip, watchTrip } = TripServiceService;

describe("a server", () => {
  let host: TestHost;
  let tiny: TinyService;
  let lines: Record<string, unknown>[];
  let calls: number;

  before(async () => {
    host = await testHost(["trip", "location"]);
    const write = (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>);
    tiny = await startTinyService(host, { log: pino({ level: "warn" }, { write }) });
  });
  beforeEach(() => {
    lines = [];
    calls = 0;
    for (const name of Object.keys(tiny.handlers)) delete tiny.handlers[name as "getTrip"];
    tiny.handlers.getTrip = ({ tripId: id }) => {
      calls += 1;
      return Promise.resolve({ trip: Trip.fromPartial({ tripId: id }) });
    };
  });
  after(() => host.stop());

  const read = (caller: Parameters<typeof host.call.unary>[1], id = tripId) =>
    host.call.unary(getTrip, caller, { tripId: id });

  describe("admits", () => {
    it("the rightful, and tells the handler who calls for whom", async () => {
      let seen: CallContext | undefined;
      tiny.handlers.getTrip = (_request, ctx) => {
        seen = ctx;
        return Promise.resolve({ trip: undefined });
      };
      const metadata = {
        "x-request-id": "request-1",
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "x-forwarded-host": "metro.example",
        "x-forwarded-for": "203.0.113.9",
      };
      const caller = { ...rider, sessionId: "session-1" };
      await host.call.unary(getTrip, caller, { tripId }, { metadata });
      expect(seen).to.deep.include({
        peer: "gateway",
        requestId: "request-1",
        traceparent: metadata.traceparent,
        host: "metro.example",
        clientAddress: "203.0.113.9",
        deadlineMs: undefined,
      });
      const { expireTime, ...facts } = seen!.caller;
      expect(facts).to.deep.equal({
        subject: riderId,
        tenantId: "metro",
        roles: [Role.RIDER],
        sessionId: "session-1",
        anonymous: false,
      });
      expect(expireTime.getTime()).to.be.above(wallClock.now().getTime());
    });

    it("each owner, and staff of the operator", async () => {
      for (const caller of [rider, driver, admin]) {
        expect((await read(caller)).trip!.tripId).to.equal(tripId);
      }
    });

    it("services that the method names", async () => {
      tiny.handlers.beginMatching = (_request, ctx) => {
        expect(ctx.caller.anonymous).to.equal(true);
        return Promise.resolve(BeginMatchingResponse.fromPartial({ riderId: ctx.peer }));
      };
      const client = host.internalClient(TripInternalServiceService, "trip", "dispatch");
      const answer = await client.beginMatching({ tenantId: "metro", tripId, searchNumber: 1 });
      expect(answer).to.include({ riderId: "dispatch" });
    });
  });

  describe("refuses, without asking the handler,", () => {
    afterEach(() => expect(calls).to.equal(0));

    const refused = async (
      caller: Parameters<typeof host.call.unary>[1],
      code: Code,
      reason: string,
      id = tripId,
    ) => expect(await failure(read(caller, id))).to.include({ code, reason, domain: "ridemesh" });

    it("a caller without a token", () => refused(undefined, Code.UNAUTHENTICATED, "TOKEN_MISSING"));

    it("a token that is none, was changed, or has expired", async () => {
      const token = await host.token(rider);
      const changed = `${token.slice(0, -3)}${token.endsWith("AAA") ? "BBB" : "AAA"}`;
      const expired = await host.token(rider, { lifetimeSeconds: -1 });
      for (const bad of ["nonsense", changed, expired]) {
        await refused(bad, Code.UNAUTHENTICATED, "TOKEN_INVALID");
      }
    });

    it("an authorization header of another scheme", async () => {
      const metadata = { authorization: "Basic dXNlcjpwYXNz" };
      const error = await failure(host.call.unary(getTrip, undefined, { tripId }, { metadata }));
      expect(error).to.include({ code: Code.UNAUTHENTICATED, reason: "TOKEN_INVALID" });
    });

    it("a role that the method does not name", async () => {
      const fleet = { subject: riderId, roles: [Role.FLEET] };
      await refused(fleet, Code.PERMISSION_DENIED, "ROLE_NOT_ALLOWED");
      const nobody = { subject: riderId, roles: [] };
      await refused(nobody, Code.PERMISSION_DENIED, "ROLE_NOT_ALLOWED");
    });

    it("whose it is not, as if there were nothing", async () => {
      const stranger = { subject: uuidv4(), roles: [Role.RIDER] };
      await refused(stranger, Code.NOT_FOUND, "NOT_FOUND");
      await refused(rider, Code.NOT_FOUND, "NOT_FOUND", uuidv4());
      expect((await failure(read(stranger))).message).to.equal(
        (await failure(read(rider, uuidv4()))).message,
      );
    });

    it("another operator, staff as well, as if there were nothing", async () => {
      for (const caller of [rider, driver, admin]) {
        const other = { ...caller, tenantId: "harbor" };
        await refused(other, Code.NOT_FOUND, "NOT_FOUND");
      }
    });

    it("who names another in the field that must be himself", async () => {
      tiny.handlers.listRiderTrips = () => Promise.resolve({ trips: [], nextPageToken: "" });
      const request = { riderId: uuidv4(), pageSize: 0, pageToken: "" };
      const error = await failure(host.call.unary(listRiderTrips, rider, request));
      expect(error).to.include({ code: Code.NOT_FOUND, reason: "NOT_FOUND" });
      await host.call.unary(listRiderTrips, rider, { ...request, riderId });
      await host.call.unary(listRiderTrips, admin, request);
    });

    it("a service in the place of the gateway, and the gateway in the place of a service", async () => {
      const denied = { code: Code.PERMISSION_DENIED, reason: "CALLER_NOT_ALLOWED" };
      const as = { as: "dispatch" };
      const direct = failure(host.call.unary(getTrip, rider, { tripId }, as));
      expect(await direct).to.include(denied);
      for (const name of ["gateway", "stranger", "trip"]) {
        const client = host.internalClient(TripInternalServiceService, "trip", name);
        const request = { tenantId: "metro", tripId, searchNumber: 1 };
        expect(await failure(client.beginMatching(request))).to.include(denied);
      }
    });

    it("a peer whose certificate another authority signed", async () => {
      const authority = await createAuthority({ now: wallClock.now() });
      const identity = await authority.issue({ service: "dispatch", now: wallClock.now() });
      const ours = host.host.identity("dispatch");
      const address = () => `127.0.0.1:${tiny.port}`;
      for (const own of [identity, { ...identity, ca: ours.ca }]) {
        const wall = wallClock;
        const options = { service: "trip", address, identity: own, wall, log: silentLogger };
        const channel = createChannel(options);
        const client = createClient(TripInternalServiceService, channel);
        const request = { tenantId: "metro", tripId, searchNumber: 1 };
        const deadlineMs = wallClock.now().getTime() + 1000;
        const error = await failure(client.beginMatching(request, { deadlineMs }));
        expect(error.code).to.be.oneOf([Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED]);
        await channel.stop();
      }
    });

    it("a request that breaks a rule, naming the field", async () => {
      const error = await failure(read(rider, "not-an-id"));
      expect(error).to.include({ code: Code.INVALID_ARGUMENT, reason: "INVALID_REQUEST" });
      expect(error.violations).to.have.length(1);
      expect(error.violations[0]).to.include({ field: "trip_id", rule: "string.uuid" });
    });

    it("who may not call at all before what he sends is looked at", async () => {
      await refused(undefined, Code.UNAUTHENTICATED, "TOKEN_MISSING", "not-an-id");
    });

    it("bytes that are no request", async () => {
      const requestSerialize = (_: GetTripRequest) => Buffer.of(0xff, 0xff, 0xff);
      const stub = { ...getTrip, requestSerialize };
      const error = await failure(host.call.unary(stub, rider, { tripId }));
      expect(error).to.include({
        code: Code.INVALID_ARGUMENT,
        message: "the body is not a ridemesh.trip.v1.GetTripRequest",
      });
    });

    it("a request that is too large", async () => {
      const request = { tripId: "x".repeat(5_000_000) };
      const error = await failure(host.call.unary(getTrip, rider, request));
      expect(error.code).to.equal(Code.RESOURCE_EXHAUSTED);
    });
  });

  describe("answers", () => {
    it("a refusal of the handler with its reason, in the service's own domain", async () => {
      tiny.handlers.getTrip = () =>
        Promise.reject(failedPrecondition("TRIP_TAKEN", "another has it", { state: "X" }));
      expect(await failure(read(rider))).to.deep.include({
        code: Code.FAILED_PRECONDITION,
        reason: "TRIP_TAKEN",
        domain: "trip.ridemesh",
        message: "another has it",
        metadata: { state: "X" },
      });
      expect(lines).to.be.empty;
    });

    it("anything else that is thrown with constant text, and logs it under the request id", async () => {
      const secret = "password=hunter2";
      for (const thrown of [new Error(secret), new TypeError(secret), secret]) {
        lines.length = 0;
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
        tiny.handlers.getTrip = () => Promise.reject(thrown);
        const metadata = { "x-request-id": "request-7" };
        const error = await failure(host.call.unary(getTrip, rider, { tripId }, { metadata }));
        expect(error).to.include({ code: Code.INTERNAL, reason: "INTERNAL", domain: "ridemesh" });
        expect(JSON.stringify(error)).not.to.contain("hunter2");
        expect(error.message).not.to.contain("hunter2");
        expect(lines).to.have.length(1);
        expect(lines[0]).to.include({ request_id: "request-7", method: "GetTrip" });
        expect(JSON.stringify(lines[0])).to.contain("hunter2");
      }
    });

    it("a database that is away as unavailable", async () => {
      tiny.handlers.getTrip = () =>
        Promise.reject(Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }));
      expect(await failure(read(rider))).to.include({
        code: Code.UNAVAILABLE,
        reason: "DEPENDENCY_UNAVAILABLE",
        message: "the service cannot reach its database",
      });
    });

    it("a call whose deadline passes, and tells its handler", async () => {
      let aborted = false;
      tiny.handlers.beginMatching = async (_request, ctx) => {
        expect(ctx.deadlineMs).to.be.a("number");
        await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
        aborted = true;
        throw new Error("too late");
      };
      const client = host.internalClient(TripInternalServiceService, "trip", "dispatch");
      const deadlineMs = wallClock.now().getTime() + 60;
      const request = { tenantId: "metro", tripId, searchNumber: 1 };
      const error = await failure(client.beginMatching(request, { deadlineMs }));
      expect(error.code).to.equal(Code.DEADLINE_EXCEEDED);
      await waitFor("the handler to be told", () => aborted);
    });

    it("no call of someone who has gone, and tells its handler", async () => {
      let aborted = false;
      const leaving = new AbortController();
      tiny.handlers.beginMatching = async (_request, ctx) => {
        leaving.abort();
        await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
        aborted = true;
        throw new Error("too late");
      };
      const client = host.internalClient(TripInternalServiceService, "trip", "dispatch");
      const request = { tenantId: "metro", tripId, searchNumber: 1 };
      const origin = { signal: leaving.signal };
      const error = await failure(client.beginMatching(request, origin));
      expect(error.code).to.equal(Code.CANCELLED);
      await waitFor("the handler to be told", () => aborted);
    });

    it("and counts every call by its result", async () => {
      await read(rider);
      await failure(read(undefined));
      const text = await host.host.metrics.registry.metrics();
      for (const code of ["OK", "UNAUTHENTICATED"]) {
        const line = `grpc_server_handled_total{service="trip",method="GetTrip",code="${code}"}`;
        expect(text).to.contain(line);
      }
      expect(text).to.contain(
        'grpc_server_handling_seconds_count{service="trip",method="GetTrip"}',
      );
    });
  });

  describe("streams", () => {
    const message = (n: number, padding = "") =>
      WatchTripResponse.fromPartial({ eventId: String(n), trip: { pickup: { address: padding } } });
    const watch = (caller: Parameters<typeof host.call.stream>[1], signal?: AbortSignal) =>
      host.call.stream(
        watchTrip,
        caller,
        { tripId, lastEventId: "" },
        signal ?? new AbortController().signal,
      );

    it("all that the handler gives, in order, and ends with it", async () => {
      tiny.handlers.watchTrip = async function* () {
        for (let n = 0; n < 200; n += 1) yield message(n);
        await Promise.resolve();
      };
      const seen: string[] = [];
      for await (const { eventId } of watch(rider)) seen.push(eventId);
      expect(seen).to.deep.equal(Array.from({ length: 200 }, (_, n) => String(n)));
    });

    it("as fast as the reader reads, and no faster", async () => {
      let made = 0;
      const padding = "x".repeat(100_000);
      tiny.handlers.watchTrip = async function* () {
        for (; made < 400; made += 1) {
          yield message(made, padding);
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const reader = watch(rider)[Symbol.asyncIterator]();
      await reader.next();
      let before = -1;
      await waitFor("the writer to wait", () => {
        const still = made === before;
        before = made;
        return still && made > 0;
      });
      expect(made).to.be.below(200);
      let seen = 1;
      while (!(await reader.next()).done) seen += 1;
      expect(seen).to.equal(400);
    });

    it("until the caller's token ends, and says so", async () => {
      tiny.handlers.watchTrip = async function* (_request, ctx) {
        yield message(0);
        await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
      };
      const token = await host.token(rider, { lifetimeSeconds: 2 });
      const reader = watch(token)[Symbol.asyncIterator]();
      expect((await reader.next()).value).to.include({ eventId: "0" });
      expect(await failure(reader.next())).to.include({
        code: Code.UNAUTHENTICATED,
        reason: "TOKEN_INVALID",
        message: "the token has expired",
      });
    });

    it("nothing to a session that was revoked before", async () => {
      tiny.handlers.watchTrip = async function* () {
        yield message(0);
        await Promise.resolve();
      };
      const sessionId = uuidv4();
      host.verifier.revokeSession(sessionId, new Date(wallClock.now().getTime() + 60_000));
      const reader = watch({ ...rider, sessionId })[Symbol.asyncIterator]();
      expect(await failure(reader.next())).to.include({
        code: Code.UNAUTHENTICATED,
        message: "the session has ended",
      });
    });

    it("an error of the handler after what it had given", async () => {
      tiny.handlers.watchTrip = async function* () {
        yield message(0);
        await Promise.resolve();
        throw new Error("hunter2");
      };
      const reader = watch(rider)[Symbol.asyncIterator]();
      await reader.next();
      const error = await failure(reader.next());
      expect(error).to.include({ code: Code.INTERNAL, reason: "INTERNAL" });
      expect(error.message).not.to.contain("hunter2");
    });
  });

  describe("takes a stream of requests", () => {
    const from = (sender: string, lat = 40.7) =>
      StreamLocationsRequest.fromPartial({
        driverId: sender,
        points: [{ point: { lat, lng: -74 }, accuracyMeters: 5, observeTime: new Date(0) }],
      });

    const send = async (caller: TestCaller | undefined, requests: StreamLocationsRequest[]) => {
      const metadata = new Metadata();
      if (caller) metadata.set("authorization", `Bearer ${await host.token(caller)}`);
      const identity = host.host.identity("gateway");
      const address = () => host.host.address("location");
      const channel = createChannel({
        service: "location",
        address,
        identity,
        wall: wallClock,
        log: silentLogger,
      });
      const { path, requestSerialize, responseDeserialize } =
        LocationServiceService.streamLocations;
      try {
        return await new Promise((resolve, reject) => {
          const call = channel.grpc.makeClientStreamRequest(
            path,
            requestSerialize,
            responseDeserialize,
            metadata,
            (error, response) => (error ? reject(fromServiceError(error)) : resolve(response)),
          );
          call.on("error", () => undefined);
          for (const request of requests) call.write(request);
          call.end();
        });
      } finally {
        await channel.stop();
      }
    };
    let got: string[];
    beforeEach(() => {
      got = [];
      tiny.handlers.streamLocations = async (requests) => {
        for await (const request of requests) got.push(request.driverId);
        return StreamLocationsResponse.fromPartial({});
      };
    });

    it("and answers at its end", async () => {
      await send(driver, [from(driverId), from(driverId), from(driverId)]);
      expect(got).to.deep.equal([driverId, driverId, driverId]);
    });

    it("each of which must keep the rules and be the caller's own", async () => {
      const others = [from(driverId), from(uuidv4()), from(driverId)];
      expect(await failure(send(driver, others))).to.include({ code: Code.NOT_FOUND });
      expect(got).to.deep.equal([driverId]);
      const error = await failure(send(driver, [from(driverId, 91)]));
      expect(error).to.include({ code: Code.INVALID_ARGUMENT });
      expect(error.violations.map(({ field }) => field)).to.deep.equal(["points[0].point.lat"]);
      expect(got).to.have.length(1);
    });

    it("only from those who may call", async () => {
      expect(await failure(send(undefined, []))).to.include({ reason: "TOKEN_MISSING" });
      expect(await failure(send(rider, []))).to.include({ reason: "ROLE_NOT_ALLOWED" });
      expect(got).to.be.empty;
    });
  });

  describe("is not started", () => {
    const start = (definition: StubDefinition, handlers: Record<string, unknown>) =>
      startServer({
        services: [serve(definition, handlers as never)],
        deps: {
          service: "trip",
          pool: tiny.pool,
          verifier: host.verifier,
          owners: {},
          secrets: host.host.secrets,
          wall: wallClock,
          metrics: host.host.metrics,
          log: silentLogger,
        },
        identity: host.host.identity("trip"),
        host: "127.0.0.1",
        port: 0,
      });
    const message = (promise: Promise<unknown>) =>
      promise.then(
        () => "started",
        (error: Error) => error.message,
      );

    it("with methods that the contract does not have", async () => {
      const { getTrip: stub } = TripServiceService;
      const definition = { doIt: { ...stub, path: "/ridemesh.trip.v1.TripService/DoIt" } };
      expect(await message(start(definition, { doIt: () => undefined }))).to.equal(
        "/ridemesh.trip.v1.TripService/DoIt is not in the contract",
      );
    });

    it("without a handler for each method", async () => {
      expect(await message(start(TripServiceService, {}))).to.match(/has no handler$/);
    });
  });

  it("says that it serves, by gRPC's own health protocol", async () => {
    const { path, requestSerialize, responseDeserialize } = healthService["Check"]!;
    const identity = host.host.identity("gateway");
    const address = () => host.host.address("trip");
    const channel = createChannel({
      service: "trip",
      address,
      identity,
      wall: wallClock,
      log: silentLogger,
    });
    const answer = await new Promise((resolve, reject) =>
      channel.grpc.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        { service: "" },
        (error, response) => (error ? reject(error) : resolve(response)),
      ),
    );
    await channel.stop();
    expect(answer).to.deep.include({ status: "SERVING" });
  });

  it("finishes what runs when it stops, and lets nothing new in", async () => {
    const other = await testHost(["trip", "location"]);
    const second = await startTinyService(other);
    let finish: (() => void) | undefined;
    second.handlers.getTrip = async () => {
      await new Promise<void>((resolve) => (finish = resolve));
      return { trip: Trip.fromPartial({ tripId }) };
    };
    second.handlers.watchTrip = async function* (_request, ctx) {
      yield WatchTripResponse.fromPartial({ eventId: "1" });
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    };
    const call = other.call.unary(getTrip, rider, { tripId });
    const request = { tripId, lastEventId: "" };
    const watching = other.call.stream(watchTrip, rider, request, new AbortController().signal);
    const stream = watching[Symbol.asyncIterator]();
    await stream.next();
    await waitFor("the call to run", () => finish !== undefined);
    const stopped = second.server.stop();
    await waitFor("new calls to be refused", async () => {
      const error = await failure(
        other.call.unary(startTrip, driver, { tripId, pin: "0000", requestId: "" }),
      );
      return error.code === Code.UNAVAILABLE;
    });
    finish!();
    expect((await call).trip!.tripId).to.equal(tripId);
    expect((await failure(stream.next())).code).to.be.oneOf([Code.CANCELLED, Code.UNAVAILABLE]);
    await stopped;
    await second.server.stop();
    await other.stop();
  });
});
