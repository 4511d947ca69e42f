import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { connect as connectTcp, type AddressInfo } from "node:net";
import { create } from "@bufbuild/protobuf";
import { expect } from "chai";
import {
  AcceptTripRequestSchema,
  GetTripRequestSchema,
  TripService,
} from "../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { freshKeyHeader } from "../services/runtime/idempotency.js";
import { anonymous } from "../services/runtime/token.js";
import { Code, type StatusError } from "../services/runtime/status.js";
import { waitFor } from "../services/testing/wait-for.js";
import { clientAddress, ensureRequestId, idsOf, type EdgeCall } from "./edge.js";
import { header, hostOf, readBody, urlOf } from "./http.js";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("a request at the edge", () => {
  let server: Server;
  let look: (request: IncomingMessage) => unknown;
  before(async () => {
    server = createServer((request, response) => {
      void (async () => {
        const seen = await Promise.resolve(look(request)).catch((error: Error) => error.message);
        response.end(JSON.stringify(seen));
      })();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(() => server.close());

  /** What the function makes of a request with these header lines. */
  const of = async <T>(
    read: (request: IncomingMessage) => T | Promise<T>,
    options: { target?: string; headers?: string[]; body?: string } = {},
  ): Promise<T> => {
    look = read;
    const socket = connectTcp((server.address() as AddressInfo).port, "127.0.0.1");
    const { target = "/", headers = [], body = "" } = options;
    const hostLine = headers.some((line) => line.startsWith("host:")) ? [] : ["host: here"];
    const framing = headers.some((line) => /^(content-length|transfer-encoding):/.test(line))
      ? []
      : [`content-length: ${body.length}`];
    const lines = [
      `POST ${target} HTTP/1.1`,
      ...hostLine,
      ...headers,
      ...framing,
      "connection: close",
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await once(socket, "close");
    const payload = text
      .slice(text.indexOf("\r\n\r\n") + 4)
      .replace(/^[0-9a-f]+\r\n|\r\n0\r\n\r\n$/g, "");
    return JSON.parse(payload) as T;
  };

  describe("has ids", () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    it("that it brought along", async () => {
      const headers = ["x-request-id: order-7.a:b_c", `traceparent: ${traceparent}`];
      expect(await of(idsOf, { headers })).to.deep.equal({
        requestId: "order-7.a:b_c",
        traceparent,
      });
    });

    it("that are made up when it brought none, each time others", async () => {
      const [one, two] = [await of(idsOf), await of(idsOf)];
      for (const ids of [one, two]) {
        expect(ids.requestId).to.match(uuid);
        expect(ids.traceparent).to.match(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      }
      expect(one.requestId).to.not.equal(two.requestId);
      expect(one.traceparent).to.not.equal(two.traceparent);
    });

    it("that stay the same, whoever asks for them", async () => {
      const same = await of((request) => idsOf(request) === idsOf(request));
      expect(same).to.equal(true);
    });

    it("that are made up when those it brought are not sound", async () => {
      for (const id of ["with space", "x".repeat(129), '"quoted"', "new\tline"]) {
        const ids = await of(idsOf, { headers: [`x-request-id: ${id}`] });
        expect(ids.requestId, id).to.match(uuid);
      }
      for (const parent of ["01-abc", traceparent.toUpperCase(), `${traceparent}-more`]) {
        const ids = await of(idsOf, { headers: [`traceparent: ${parent}`] });
        expect(ids.traceparent, parent).to.match(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
        expect(ids.traceparent).to.not.equal(parent);
      }
    });
  });

  describe("comes from an address", () => {
    const from = (trusted: number, ...headers: string[]) =>
      of((request) => clientAddress(request, trusted), { headers });

    it("that is its connection's, whatever it says, without proxies", async () => {
      expect(await from(0, "x-forwarded-for: 203.0.113.9")).to.equal("127.0.0.1");
    });

    it("that our own proxy saw, and not what the client wrote before it", async () => {
      expect(await from(1, "x-forwarded-for: 203.0.113.9")).to.equal("203.0.113.9");
      expect(await from(1, "x-forwarded-for: 10.0.0.1, 203.0.113.9")).to.equal("203.0.113.9");
      expect(await from(2, "x-forwarded-for: 6.6.6.6,203.0.113.9 , 10.0.0.1")).to.equal(
        "203.0.113.9",
      );
    });

    it("that may stand in several headers", async () => {
      const headers = ["x-forwarded-for: 6.6.6.6", "x-forwarded-for: 203.0.113.9, 10.0.0.1"];
      expect(await from(2, ...headers)).to.equal("203.0.113.9");
    });

    it("that is its connection's when a proxy has been left out", async () => {
      expect(await from(2, "x-forwarded-for: 203.0.113.9")).to.equal("127.0.0.1");
      expect(await from(1)).to.equal("127.0.0.1");
      expect(await from(1, "x-forwarded-for: , ,")).to.equal("127.0.0.1");
    });
  });

  describe("is read", () => {
    it("to its host without the port", async () => {
      expect(await of(hostOf, { headers: ["host: rides.example:8080"] })).to.equal("rides.example");
      expect(await of(hostOf, { headers: ["host: rides.example"] })).to.equal("rides.example");
      expect(await of(hostOf, { headers: ["host: [::1]:8080"] })).to.equal("[::1]");
    });

    it("to its path and query", async () => {
      const read = (request: IncomingMessage) => {
        const { path, query } = urlOf(request);
        return [path, [...query]];
      };
      expect(await of(read, { target: "/a/b?x=1&x=2&y=%2F?" })).to.deep.equal([
        "/a/b",
        [
          ["x", "1"],
          ["x", "2"],
          ["y", "/?"],
        ],
      ]);
      expect(await of(read, { target: "/a%2Fb" })).to.deep.equal(["/a%2Fb", []]);
    });

    it("to a header's value, several joined", async () => {
      const read = (request: IncomingMessage) => header(request, "x-thing");
      expect(await of(read, { headers: ["x-thing: a", "x-thing: b"] })).to.equal("a, b");
      expect(await of(read)).to.equal("");
    });

    it("to its body, up to the limit", async () => {
      const read = async (request: IncomingMessage) => (await readBody(request, 10)).toString();
      expect(await of(read, { body: "0123456789" })).to.equal("0123456789");
      expect(await of(read)).to.equal("");
      expect(await of(read, { body: "0123456789a" })).to.match(/larger than 10 bytes/);
      const chunked = ["transfer-encoding: chunked"];
      expect(
        await of(read, { headers: chunked, body: "4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n" }),
      ).to.equal("abcdef");
      const long = "8\r\nabcdefgh\r\n8\r\nabcdefgh\r\n0\r\n\r\n";
      expect(await of(read, { headers: chunked, body: long })).to.match(/larger than 10 bytes/);
      const none = "0\r\n\r\n";
      expect(await of(read, { headers: chunked, body: none })).to.equal("");
    });
  });

  it("whose caller goes away in the middle of its body is cancelled", async () => {
    let failed: Promise<unknown> | undefined;
    look = (request) => {
      failed = readBody(request, 1000).catch((error: StatusError) => error.code);
      return failed;
    };
    const socket = connectTcp((server.address() as AddressInfo).port, "127.0.0.1");
    socket.write("POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\nhalf");
    await waitFor("the request", () => failed !== undefined);
    socket.destroy();
    expect(await failed).to.equal(Code.CANCELLED);
  });

  describe("of a method that takes a key", () => {
    const accept = TripService.method.acceptTrip;

    const callOf = (): EdgeCall => ({
      requestId: "r",
      traceId: "t",
      caller: anonymous,
      address: "127.0.0.1",
      limit: undefined,
      upstream: { headers: {} },
    });

    it("gets the header's key, unless it carries one", () => {
      const message = create(AcceptTripRequestSchema, {});
      const call = callOf();
      ensureRequestId(accept, message, "key-1", call);
      expect(message.requestId).to.equal("key-1");
      ensureRequestId(accept, message, "key-2", call);
      expect(message.requestId).to.equal("key-1");
      expect(call.upstream.headers).to.deep.equal({});
    });

    it("gets one that is made up when there is no header, and says so", () => {
      const message = create(AcceptTripRequestSchema, {});
      const call = callOf();
      ensureRequestId(accept, message, "", call);
      expect(message.requestId).to.match(uuid);
      expect(call.upstream.headers).to.deep.equal({ [freshKeyHeader]: "1" });
    });

    it("is the only kind that gets one", () => {
      const message = create(GetTripRequestSchema, {});
      const call = callOf();
      ensureRequestId(TripService.method.getTrip, message, "key-1", call);
      expect(message).to.not.have.property("requestId");
      expect(call.upstream.headers).to.deep.equal({});
    });
  });
});
