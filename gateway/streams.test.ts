import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { fromBinary } from "@bufbuild/protobuf";
import { expect } from "chai";
import { WebSocket } from "ws";
import {
  IdentityInternalService,
  RedeemStreamTicketRequestSchema,
} from "../gen/es/ridemesh/identity/v1/identity_internal_service_pb.js";
import { TripState } from "../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripService, WatchTripRequestSchema } from "../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { wallClock, type WallClock } from "../services/runtime/clock.js";
import { Code, failedPrecondition, invalidField } from "../services/runtime/status.js";
import { waitFor } from "../services/testing/wait-for.js";
import type { BackendCall } from "./backend.test.js";
import { answerOf, startTestGateway, type TestGateway } from "./world.test.js";

const { watchTrip } = TripService.method;
const { redeemStreamTicket } = IdentityInternalService.method;
const tripId = "018f3c5e-7a4b-7cc1-8d2e-0123456789ab";
const path = `/api/trips/${tripId}/watch`;

/** Time runs so much faster, so that a heartbeat comes soon. */
const hasty: WallClock = {
  ...wallClock,
  sleep: (ms, signal) => wallClock.sleep(ms / 500, signal),
};

describe("streams of the gateway", () => {
  let gateway: TestGateway;
  let source: (request: Buffer, call: BackendCall) => AsyncIterable<Uint8Array>;
  let metadata: Record<string, unknown>;
  let request: { tripId: string; lastEventId: string };

  const message = (eventId: string, state = TripState.MATCHING) =>
    answerOf(watchTrip, { eventId, trip: { tripId, state } });
  /** Two messages, and the end. */
  const short = async function* () {
    yield message("1");
    yield message("2", TripState.ACCEPTED);
  };
  /** One message, and no end. */
  const endless = async function* (_request: Buffer, { signal }: BackendCall) {
    yield message("1");
    await once(signal, "abort");
    state = "ended";
  };
  /** Not even begun. */
  const refused: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.reject(failedPrecondition("OVER", "the trip is over")),
    }),
  };
  let state = "";

  before(async () => {
    gateway = await startTestGateway([
      [
        watchTrip,
        {
          stream: (bytes, call) => {
            metadata = call.metadata.getMap();
            request = fromBinary(WatchTripRequestSchema, bytes);
            return source(bytes, call);
          },
        },
      ],
      [
        redeemStreamTicket,
        {
          unary: (bytes) => {
            const { ticket } = fromBinary(RedeemStreamTicketRequestSchema, bytes);
            if (ticket !== "ticket-1") throw invalidField("ticket", "is spent");
            return answerOf(redeemStreamTicket, { accessToken: "rider" });
          },
        },
      ],
    ]);
  });
  after(() => gateway.stop());
  beforeEach(() => {
    state = "";
    source = short;
  });

  describe("as server-sent events", () => {
    const asRider = { authorization: "Bearer rider" };

    it("are events with ids, and an end", async () => {
      const response = await fetch(gateway.url + path, { headers: asRider });
      expect(response.status).to.equal(200);
      expect(response.headers.get("content-type")).to.equal("text/event-stream");
      expect(response.headers.get("cache-control")).to.equal("no-store");
      const events = (await response.text()).split("\n\n");
      expect(events[0]).to.equal("retry: 1000");
      expect(events[1]).to.match(/^id: 1\ndata: \{.*"state":"TRIP_STATE_MATCHING".*\}$/);
      expect(events[2]).to.match(/^id: 2\ndata: \{.*"state":"TRIP_STATE_ACCEPTED".*\}$/);
      expect(events.slice(3)).to.deep.equal(["event: end\ndata: {}", ""]);
    });

    it("go on after the last event that was seen", async () => {
      await (
        await fetch(gateway.url + path, { headers: { ...asRider, "last-event-id": "7" } })
      ).text();
      expect(request).to.include({ tripId, lastEventId: "7" });
    });

    it("take a ticket for a token, and keep it to themselves", async () => {
      await (await fetch(`${gateway.url}${path}?ticket=ticket-1`)).text();
      expect(metadata).to.include({ authorization: "Bearer rider" });
      const spent = await fetch(`${gateway.url}${path}?ticket=ticket-2`);
      expect(spent.status).to.equal(400);
      expect(await spent.text()).to.not.include("ticket-2");
    });

    it("are a problem when they are refused before they begin", async () => {
      source = () => refused;
      const response = await fetch(gateway.url + path, { headers: asRider });
      expect(response.status).to.equal(409);
      expect(response.headers.get("content-type")).to.equal("application/problem+json");
      expect(await response.json()).to.include({ reason: "OVER" });
    });

    it("end with an event that tells the error when they have begun", async () => {
      source = async function* () {
        yield message("1");
        throw failedPrecondition("OVER", "the trip is over");
      };
      const text = await (await fetch(gateway.url + path, { headers: asRider })).text();
      const last = text.trimEnd().split("\n\n").at(-1)!;
      expect(last).to.match(/^event: error\ndata: /);
      expect(JSON.parse(last.slice(last.indexOf("{")))).to.include({ reason: "OVER", status: 409 });
    });

    it("begin also when there is nothing to say yet, and show that they live", async () => {
      const own = await startTestGateway(
        [
          [
            watchTrip,
            {
              stream: async function* (_request, { signal }) {
                await once(signal, "abort");
                yield* [];
              },
            },
          ],
        ],
        { wall: hasty },
      );
      const [response] = (await once(
        get({ port: own.port, path, headers: asRider }),
        "response",
      )) as [IncomingMessage];
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("error", () => undefined);
      await waitFor("two heartbeats", () => text.split(": heartbeat\n\n").length > 2);
      expect(text).to.match(/^retry: 1000\n\n: heartbeat\n\n/);
      await own.stop();
    });

    it("end at the service when the reader leaves", async () => {
      source = endless;
      const reader = get({ port: gateway.port, path, headers: asRider });
      reader.on("error", () => undefined);
      const [response] = (await once(reader, "response")) as [IncomingMessage];
      await once(response, "data");
      response.on("error", () => undefined);
      reader.destroy();
      await waitFor("the service to hear of it", () => state === "ended");
    });

    it("wait for a slow reader", async () => {
      let sent = 0;
      source = async function* (_request, { signal }) {
        const large = answerOf(watchTrip, {
          trip: { tripId, pickup: { address: "x".repeat(100_000) } },
        });
        while (!signal.aborted) {
          sent += 1;
          yield large;
        }
      };
      const reader = get({ port: gateway.port, path, headers: asRider });
      reader.on("error", () => undefined);
      const [response] = (await once(reader, "response")) as [IncomingMessage];
      response.on("error", () => undefined);
      let last = 0;
      let still = 0;
      await waitFor("the service to pause", () => {
        still = sent === last ? still + 1 : 0;
        last = sent;
        return still > 40;
      });
      expect(sent).to.be.within(1, 500);
      // It goes on when the reader does.
      response.resume();
      await waitFor("more", () => sent > last + 100);
      reader.destroy();
    });
  });

  describe("as WebSockets", () => {
    const url = () => gateway.url.replace("http", "ws") + path;

    /** All that comes, until the end. */
    const follow = async (socket: WebSocket) => {
      const frames: string[] = [];
      socket.on("message", (data: Buffer) => frames.push(data.toString()));
      const [code, reason] = (await once(socket, "close")) as [number, Buffer];
      return { frames, code, reason: reason.toString() };
    };

    it("are a JSON message a frame, with a token from the subprotocols", async () => {
      const socket = new WebSocket(url(), ["ridemesh.v1", "bearer.rider"]);
      const { frames, code } = await follow(socket);
      expect(socket.protocol).to.equal("ridemesh.v1");
      expect(metadata).to.include({ authorization: "Bearer rider" });
      expect(
        frames.map((frame) => (JSON.parse(frame) as { eventId: string }).eventId),
      ).to.deep.equal(["1", "2"]);
      expect(code).to.equal(1000);
    });

    it("take a token from the header, or a ticket", async () => {
      await follow(new WebSocket(url(), { headers: { authorization: "Bearer driver" } }));
      expect(metadata).to.include({ authorization: "Bearer driver" });
      await follow(new WebSocket(`${url()}?ticket=ticket-1`));
      expect(metadata).to.include({ authorization: "Bearer rider" });
    });

    it("end with the problem and its code when they are refused", async () => {
      source = () => refused;
      const ended = await follow(new WebSocket(url(), ["ridemesh.v1", "bearer.rider"]));
      expect(ended.code).to.equal(4000 + Code.FAILED_PRECONDITION);
      expect(ended.reason).to.equal("OVER");
      const { error } = JSON.parse(ended.frames[0]!) as { error: object };
      expect(error).to.include({ reason: "OVER", status: 409 });
      const thief = await follow(new WebSocket(url(), ["ridemesh.v1", "bearer.thief"]));
      expect([thief.code, thief.reason]).to.deep.equal([
        4000 + Code.UNAUTHENTICATED,
        "TOKEN_INVALID",
      ]);
    });

    it("are refused where there is no stream", async () => {
      const statusOf = async (target: string) => {
        const socket = new WebSocket(gateway.url.replace("http", "ws") + target);
        socket.on("error", () => undefined);
        const [, response] = (await once(socket, "unexpected-response")) as [
          unknown,
          IncomingMessage,
        ];
        return response.statusCode;
      };
      expect(await statusOf("/api/nothing")).to.equal(404);
      expect(await statusOf(`/api/trips/${tripId}`)).to.equal(404);
    });

    it("end at the service when the client closes", async () => {
      source = endless;
      const socket = new WebSocket(url(), ["ridemesh.v1", "bearer.rider"]);
      await once(socket, "message");
      socket.close();
      await waitFor("the service to hear of it", () => state === "ended");
    });

    it("ask whether the client lives, and cut off who does not", async () => {
      const own = await startTestGateway([[watchTrip, { stream: endless }]], { wall: hasty });
      const target = `ws://127.0.0.1:${own.port}${path}`;
      const alive = new WebSocket(target, ["ridemesh.v1", "bearer.rider"]);
      const dead = new WebSocket(target, ["ridemesh.v1", "bearer.rider"], { autoPong: false });
      let pings = 0;
      alive.on("ping", () => (pings += 1));
      const [code] = (await once(dead, "close")) as [number];
      expect(code).to.equal(1006);
      await waitFor("more pings", () => pings > 3);
      expect(alive.readyState).to.equal(WebSocket.OPEN);
      const closed = once(alive, "close");
      await own.stop();
      expect((await closed)[0]).to.equal(1001);
    });
  });
});
