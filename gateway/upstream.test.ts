import { once } from "node:events";
import { createSecureServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import type { DescMethod } from "@bufbuild/protobuf";
import { expect } from "chai";
import { CityService } from "../gen/es/ridemesh/city/v1/city_service_pb.js";
import { IdentityService } from "../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import { LocationService } from "../gen/es/ridemesh/location/v1/location_service_pb.js";
import { TripService } from "../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { wallClock } from "../services/runtime/clock.js";
import { silentLogger } from "../services/runtime/log.js";
import { Code, StatusError, failedPrecondition, unavailable } from "../services/runtime/status.js";
import type { TlsIdentity } from "../services/runtime/tls.js";
import { waitFor } from "../services/testing/wait-for.js";
import { freePort, identityOf, startBackend, type Answers, type Backend } from "./backend.test.js";
import { createUpstream, type Upstream } from "./upstream.js";

const getClock = CityService.method.getClock;
const login = IdentityService.method.login;
const watchTrip = TripService.method.watchTrip;
const streamLocations = LocationService.method.streamLocations;
const nothing = new Uint8Array();

/** What a call is refused with. */
async function refusalOf(call: Promise<unknown>): Promise<StatusError> {
  const thrown = await call.then(
    (value) => new Error(`it was answered: ${String(value)}`),
    (error: unknown) => error,
  );
  expect(thrown).to.be.instanceOf(StatusError);
  return thrown as StatusError;
}

async function listOf(messages: AsyncIterable<Uint8Array>): Promise<string[]> {
  const list: string[] = [];
  for await (const message of messages) list.push(Buffer.from(message).toString());
  return list;
}

const later = () => new Promise((resolve) => setImmediate(resolve));

describe("gateway upstream", () => {
  const addresses = new Map<string, string>();
  const backends: Backend[] = [];
  const servers: Http2Server[] = [];
  let gateway: TlsIdentity;
  let upstream: Upstream;

  before(async () => {
    gateway = await identityOf("gateway");
  });
  beforeEach(() => {
    upstream = createUpstream({
      address: (service) => addresses.get(service)!,
      identity: gateway,
      wall: wallClock,
      log: silentLogger,
    });
  });
  afterEach(async () => {
    await upstream.stop();
    for (const backend of backends.splice(0)) backend.kill();
    for (const server of servers.splice(0)) server.close();
    addresses.clear();
  });

  /** A service that answers these methods. */
  const serve = async (...methods: [DescMethod, Answers][]): Promise<Backend> => {
    const service = methods[0]![0].parent.typeName.split(".")[1]!;
    const backend = await startBackend(await identityOf(service), methods);
    backends.push(backend);
    addresses.set(service, backend.address);
    return backend;
  };

  /** A server that speaks HTTP/2 as it likes, under the name of city. */
  const serveRaw = async (answer: (stream: ServerHttp2Stream) => void): Promise<void> => {
    const server = createSecureServer(await identityOf("city"));
    servers.push(server);
    server.on("stream", (stream) => {
      stream.on("error", () => undefined);
      answer(stream);
    });
    server.on("session", (session) => session.unref());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    addresses.set("city", `127.0.0.1:${(server.address() as AddressInfo).port}`);
  };
  const grpc = { ":status": 200, "content-type": "application/grpc+proto" };

  describe("unary calls", () => {
    it("carry the bytes of both messages, and the headers", async () => {
      let metadata: Record<string, unknown> = {};
      await serve([
        getClock,
        {
          unary: (request, call) => {
            metadata = call.metadata.getMap();
            return Buffer.concat([Buffer.from("re: "), request]);
          },
        },
      ]);
      const headers = {
        authorization: "Bearer t",
        "x-request-id": "r-1",
        traceparent: "00-a-b-01",
      };
      const answer = await upstream.unary(getClock, Buffer.from("hello"), { headers });
      expect(Buffer.from(answer).toString()).to.equal("re: hello");
      expect(metadata).to.include(headers);
    });

    it("may be empty", async () => {
      await serve([getClock, { unary: (request) => request }]);
      expect(await upstream.unary(getClock, nothing, { headers: {} })).to.have.length(0);
    });

    it("take messages of several megabytes", async () => {
      await serve([getClock, { unary: (request) => request }]);
      const large = Buffer.alloc(4 * 1024 * 1024, "0123456789abcdef");
      const answer = await upstream.unary(getClock, large, { headers: {} });
      expect(Buffer.compare(answer, large)).to.equal(0);
    });

    it("refuse an answer that is larger than the limit, once and for all", async () => {
      let calls = 0;
      await serve([
        getClock,
        {
          unary: () => {
            calls += 1;
            return Buffer.alloc(4 * 1024 * 1024 + 1);
          },
        },
      ]);
      const error = await refusalOf(upstream.unary(getClock, nothing, { headers: {} }));
      expect(error.code).to.equal(Code.INTERNAL);
      expect(calls).to.equal(1);
    });

    it("run side by side on one connection", async () => {
      const arrived: (() => void)[] = [];
      await serve([
        getClock,
        {
          unary: async (request) => {
            await new Promise<void>((resolve) => arrived.push(resolve));
            return request;
          },
        },
      ]);
      const count = 150;
      const answers = Promise.all(
        Array.from({ length: count }, (_, i) =>
          upstream.unary(getClock, Buffer.from([i]), { headers: {} }),
        ),
      );
      await waitFor("all calls to be there", () => arrived.length === count);
      for (const go of arrived.reverse()) go();
      expect((await answers).map((bytes) => bytes[0])).to.deep.equal([...Array(count).keys()]);
    });
  });

  describe("errors", () => {
    it("come with the service's details", async () => {
      await serve([
        getClock,
        {
          unary: () => {
            throw new StatusError(Code.INVALID_ARGUMENT, {
              reason: "WRONG_PIN",
              message: "nicht der PIN – schade",
              metadata: { left: "2" },
              domain: "trip.ridemesh",
              violations: [{ field: "pin", message: "is wrong", rule: "string.pattern" }],
              retryAfterMs: 1500,
            });
          },
        },
      ]);
      const error = await refusalOf(upstream.unary(getClock, nothing, { headers: {} }));
      const { code, reason, message, metadata, domain, violations, retryAfterMs } = error;
      expect({ code, reason, message, metadata, domain, violations, retryAfterMs }).to.deep.equal({
        code: Code.INVALID_ARGUMENT,
        reason: "WRONG_PIN",
        message: "nicht der PIN – schade",
        metadata: { left: "2" },
        domain: "trip.ridemesh",
        violations: [{ field: "pin", message: "is wrong", rule: "string.pattern" }],
        retryAfterMs: 1500,
      });
    });

    it("come without details as code and message", async () => {
      await serve([
        getClock,
        {
          unary: () =>
            Promise.reject(Object.assign(new Error(), { code: 9, details: "zu spät %" })),
        },
      ]);
      const error = await refusalOf(upstream.unary(getClock, nothing, { headers: {} }));
      expect([error.code, error.message]).to.deep.equal([Code.FAILED_PRECONDITION, "zu spät %"]);
    });

    it("come in headers alone, where there is no body", async () => {
      await serve([login, { unary: () => nothing }]);
      addresses.set("city", addresses.get("identity")!);
      await serveRaw((stream) => {
        stream.respond(
          { ...grpc, "grpc-status": "12", "grpc-message": "none%20such" },
          {
            endStream: true,
          },
        );
      });
      const error = await refusalOf(upstream.unary(getClock, nothing, { headers: {} }));
      expect([error.code, error.message]).to.deep.equal([Code.UNIMPLEMENTED, "none such"]);
      const { register } = { register: IdentityService.method.registerUser };
      const unknown = await refusalOf(upstream.unary(register, nothing, { headers: {} }));
      expect(unknown.code).to.equal(Code.UNIMPLEMENTED);
    });

    it("keep their code when the message is not encoded as it should be", async () => {
      await serveRaw((stream) => {
        stream.respond(
          { ...grpc, "grpc-status": "5", "grpc-message": "100%" },
          {
            endStream: true,
          },
        );
      });
      const error = await refusalOf(upstream.unary(getClock, nothing, { headers: {} }));
      expect([error.code, error.message]).to.deep.equal([Code.NOT_FOUND, "100%"]);
    });

    it("are INTERNAL when there is neither an answer nor a status", async () => {
      await serveRaw((stream) => {
        stream.respond(grpc, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        stream.end();
      });
      const error = await refusalOf(upstream.unary(getClock, nothing, { headers: {} }));
      expect(error.code).to.equal(Code.INTERNAL);
    });

    it("are UNAVAILABLE when something else than gRPC answers", async () => {
      await serveRaw((stream) => {
        stream.respond({ ":status": 502, "content-type": "text/html" });
        stream.end("<h1>Bad gateway</h1>");
      });
      const error = await refusalOf(upstream.unary(getClock, nothing, { headers: {} }));
      expect(error.code).to.equal(Code.UNAVAILABLE);
      expect(error.message).to.match(/502/);
    });

    it("are UNAVAILABLE when the answer breaks off", async () => {
      await serveRaw((stream) => {
        stream.respond(grpc);
        stream.write(Buffer.from([0, 0, 0, 0, 9, 1, 2]), () => stream.close(2));
      });
      const error = await refusalOf(upstream.unary(getClock, nothing, { headers: {} }));
      expect(error.code).to.equal(Code.UNAVAILABLE);
    });
  });

  describe("deadlines", () => {
    it("are the method's own when the caller has none, and the caller's when shorter", async () => {
      const timeouts: number[] = [];
      await serveRaw((stream) => {
        stream.close(2);
      });
      servers[0]!.removeAllListeners("stream");
      servers[0]!.on("stream", (stream: ServerHttp2Stream, headers: Record<string, string>) => {
        timeouts.push(Number(/^(\d+)m$/.exec(headers["grpc-timeout"]!)![1]));
        stream.respond(grpc, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        stream.end(Buffer.alloc(5));
      });
      await upstream.unary(getClock, nothing, { headers: {} });
      await upstream.unary(getClock, nothing, { headers: {}, timeoutMs: 700 });
      await upstream.unary(getClock, nothing, { headers: {}, timeoutMs: 60_000 });
      expect(timeouts[0]).to.be.within(1000, 2000);
      expect(timeouts[1]).to.be.within(1, 700);
      expect(timeouts[2]).to.be.within(1000, 2000);
    });

    it("end a call that the service does not finish", async () => {
      let ended = false;
      await serve([
        getClock,
        {
          unary: async (_request, { signal }) => {
            await once(signal, "abort");
            ended = true;
            return nothing;
          },
        },
      ]);
      const call = upstream.unary(getClock, nothing, { headers: {}, timeoutMs: 50 });
      expect((await refusalOf(call)).code).to.equal(Code.DEADLINE_EXCEEDED);
      await waitFor("the service to hear of it", () => ended);
    });

    it("end a call to a service that does not react at all", async () => {
      await serveRaw(() => undefined);
      const call = upstream.unary(getClock, nothing, { headers: {}, timeoutMs: 50 });
      const error = await refusalOf(call);
      expect(error.code).to.equal(Code.DEADLINE_EXCEEDED);
      expect(error.message).to.match(/in time/);
    });
  });

  describe("cancelling", () => {
    it("reaches the service, and ends the call", async () => {
      let state = "";
      await serve([
        getClock,
        {
          unary: async (_request, { signal }) => {
            state = "running";
            await once(signal, "abort");
            state = "cancelled";
            return nothing;
          },
        },
      ]);
      const controller = new AbortController();
      const call = upstream.unary(getClock, nothing, { headers: {}, signal: controller.signal });
      await waitFor("the call", () => state === "running");
      controller.abort();
      expect((await refusalOf(call)).code).to.equal(Code.CANCELLED);
      await waitFor("the service to hear of it", () => state === "cancelled");
    });

    it("before the call begins lets it not begin", async () => {
      let calls = 0;
      await serve([
        getClock,
        {
          unary: () => {
            calls += 1;
            return nothing;
          },
        },
      ]);
      const signal = AbortSignal.abort();
      const call = upstream.unary(getClock, nothing, { headers: {}, signal });
      expect((await refusalOf(call)).code).to.equal(Code.CANCELLED);
      expect(calls).to.equal(0);
    });
  });

  describe("a service that is away", () => {
    it("is UNAVAILABLE, and answers again when it is back", async () => {
      const city = await identityOf("city");
      const port = await freePort(city);
      addresses.set("city", `127.0.0.1:${port}`);
      const error = await refusalOf(upstream.unary(getClock, nothing, { headers: {} }));
      expect([error.code, error.reason]).to.deep.equal([
        Code.UNAVAILABLE,
        "DEPENDENCY_UNAVAILABLE",
      ]);
      backends.push(await startBackend(city, [[getClock, { unary: (r) => r }]], port));
      const answer = await upstream.unary(getClock, Buffer.from("back"), { headers: {} });
      expect(Buffer.from(answer).toString()).to.equal("back");
    });

    it("may restart between two calls, or be killed in the middle of one", async () => {
      const { port, stop } = await serve([getClock, { unary: () => Buffer.from("1") }]);
      await upstream.unary(getClock, nothing, { headers: {} });
      await stop();
      const city = await identityOf("city");
      let state = "";
      const second = await startBackend(
        city,
        [
          [
            getClock,
            {
              unary: async () => {
                state = "running";
                return new Promise<Uint8Array>(() => undefined);
              },
            },
          ],
        ],
        port,
      );
      const call = upstream.unary(getClock, nothing, { headers: {} });
      await waitFor("the call", () => state === "running");
      second.kill();
      const third = await startBackend(city, [[getClock, { unary: () => Buffer.from("3") }]], port);
      backends.push(third);
      // Reading changes nothing, and so the call is made again.
      expect(Buffer.from(await call).toString()).to.equal("3");
    });

    it("is not called again when the call is not to be repeated", async () => {
      let calls = 0;
      await serve([
        login,
        {
          unary: () => {
            calls += 1;
            throw unavailable("come back later");
          },
        },
      ]);
      const error = await refusalOf(upstream.unary(login, nothing, { headers: {} }));
      expect([error.code, error.message, calls]).to.deep.equal([
        Code.UNAVAILABLE,
        "come back later",
        1,
      ]);
    });

    it("is called again while it is UNAVAILABLE and nothing else", async () => {
      const errors: StatusError[] = [
        unavailable("not yet"),
        unavailable("not yet"),
        failedPrecondition("NO", "never"),
      ];
      let calls = 0;
      await serve([
        getClock,
        {
          unary: () => {
            throw errors[calls++]!;
          },
        },
      ]);
      const error = await refusalOf(upstream.unary(getClock, nothing, { headers: {} }));
      expect([error.reason, calls]).to.deep.equal(["NO", 3]);
    });

    it("is not believed when it shows another service's certificate", async () => {
      let calls = 0;
      const stranger = await startBackend(await identityOf("payment"), [
        [
          getClock,
          {
            unary: () => {
              calls += 1;
              return nothing;
            },
          },
        ],
      ]);
      backends.push(stranger);
      addresses.set("city", stranger.address);
      const error = await refusalOf(upstream.unary(getClock, nothing, { headers: {} }));
      expect([error.code, calls]).to.deep.equal([Code.UNAVAILABLE, 0]);
    });
  });

  describe("server streams", () => {
    it("bring their messages in order, and end", async () => {
      await serve([
        watchTrip,
        {
          stream: async function* (request) {
            for (let i = 0; i < 5; i += 1) {
              yield Buffer.concat([request, Buffer.from(String(i))]);
              if (i === 2) await later();
            }
          },
        },
      ]);
      const messages = upstream.serverStream(watchTrip, Buffer.from("m"), { headers: {} });
      expect(await listOf(messages)).to.deep.equal(["m0", "m1", "m2", "m3", "m4"]);
    });

    it("end with the service's error, after the messages before it", async () => {
      await serve([
        watchTrip,
        {
          stream: async function* () {
            yield Buffer.from("one");
            await later();
            throw failedPrecondition("OVER", "it is over");
          },
        },
      ]);
      const seen: string[] = [];
      const read = async () => {
        for await (const m of upstream.serverStream(watchTrip, nothing, { headers: {} })) {
          seen.push(Buffer.from(m).toString());
        }
      };
      expect((await refusalOf(read())).reason).to.equal("OVER");
      expect(seen).to.deep.equal(["one"]);
    });

    it("have no deadline, and end at the service when their reader leaves", async () => {
      let state = "";
      await serve([
        watchTrip,
        {
          stream: async function* (_request, { metadata, signal }) {
            state = String(metadata.get("grpc-timeout")[0] ?? "no deadline");
            yield Buffer.from("one");
            await once(signal, "abort");
            state = "ended";
          },
        },
      ]);
      for await (const message of upstream.serverStream(watchTrip, nothing, { headers: {} })) {
        expect(Buffer.from(message).toString()).to.equal("one");
        expect(state).to.equal("no deadline");
        break;
      }
      await waitFor("the service to hear of it", () => state === "ended");
    });

    it("end when the caller goes away", async () => {
      const controller = new AbortController();
      await serve([
        watchTrip,
        {
          stream: async function* (_request, { signal }) {
            yield Buffer.from("one");
            await once(signal, "abort");
          },
        },
      ]);
      const { signal } = controller;
      const read = async () => {
        const stream = upstream.serverStream(watchTrip, nothing, { headers: {}, signal });
        for await (const _ of stream) controller.abort();
      };
      expect((await refusalOf(read())).code).to.equal(Code.CANCELLED);
    });

    it("are UNAVAILABLE when the service dies", async () => {
      const backend = await serve([
        watchTrip,
        {
          stream: async function* () {
            yield Buffer.from("one");
            await new Promise(() => undefined);
          },
        },
      ]);
      const read = async () => {
        for await (const _ of upstream.serverStream(watchTrip, nothing, { headers: {} })) {
          backend.kill();
        }
      };
      expect((await refusalOf(read())).code).to.equal(Code.UNAVAILABLE);
    });
  });

  describe("client streams", () => {
    const collect = async (requests: AsyncIterable<Buffer>) => {
      const sizes: number[] = [];
      for await (const request of requests) sizes.push(request.length);
      return Buffer.from(JSON.stringify(sizes));
    };

    it("carry their messages in order, waiting for the service to read", async () => {
      await serve([streamLocations, { collect }]);
      const sizes = [0, 3, 300_000, 300_000, 300_000, 1];
      const source = async function* () {
        for (const size of sizes) yield new Uint8Array(size);
      };
      const answer = await upstream.clientStream(streamLocations, source(), { headers: {} });
      expect(JSON.parse(Buffer.from(answer).toString())).to.deep.equal(sizes);
    });

    it("end with the service's error while the source goes on", async () => {
      await serve([
        streamLocations,
        {
          collect: async (requests) => {
            for await (const _ of requests) throw failedPrecondition("ENOUGH", "enough");
            return nothing;
          },
        },
      ]);
      const source = async function* () {
        yield new Uint8Array(1);
        await new Promise(() => undefined);
      };
      const call = upstream.clientStream(streamLocations, source(), { headers: {} });
      expect((await refusalOf(call)).reason).to.equal("ENOUGH");
    });

    it("are cancelled when the source fails", async () => {
      let cancelled = false;
      await serve([
        streamLocations,
        {
          collect: async (requests, { signal }) => {
            signal.addEventListener("abort", () => (cancelled = true));
            return collect(requests);
          },
        },
      ]);
      const source = async function* () {
        yield new Uint8Array(1);
        await later();
        throw failedPrecondition("BROKEN", "the source is broken");
      };
      const call = upstream.clientStream(streamLocations, source(), { headers: {} });
      expect((await refusalOf(call)).reason).to.equal("BROKEN");
      await waitFor("the service to hear of it", () => cancelled);
    });
  });

  it("ends its connections when it stops, also twice", async () => {
    await serve([getClock, { unary: (request) => request }]);
    await upstream.unary(getClock, nothing, { headers: {} });
    await upstream.stop();
    await upstream.stop();
    // Nothing holds the service back from ending in good order.
    await backends[0]!.stop();
  });
});
