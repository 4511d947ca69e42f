import { once } from "node:events";
import { Agent, get, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { expect } from "chai";
import { createAuthority, type Certificate } from "../services/runtime/certificates.js";
import { wallClock } from "../services/runtime/clock.js";
import { waitFor } from "../services/testing/wait-for.js";
import type { HttpRequest, HttpResponse } from "./http.js";
import { openPort, type PortOptions } from "./port.js";

type OpenPort = Awaited<ReturnType<typeof openPort>>;

/** Says which version a request came in, and what its body was; /stream goes on for ever. */
async function answer(request: HttpRequest, response: HttpResponse): Promise<void> {
  if (request.url === "/stream") {
    (response as { write(text: string): void }).write("begun");
    return;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  response.end(`${request.httpVersion} ${Buffer.concat(chunks).length}`);
}

async function body(message: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function getOverHttp2(
  session: ClientHttp2Session,
  path = "/",
  payload?: Buffer,
): Promise<string> {
  const stream = session.request({ ":path": path, ":method": payload ? "POST" : "GET" });
  stream.end(payload);
  return body(stream);
}

async function getOverHttp1(port: number, agent?: Agent): Promise<string> {
  const [response] = (await once(get({ port, agent, path: "/" }), "response")) as [IncomingMessage];
  return body(response);
}

/** What the other side says until it closes the connection. */
async function untilClosed(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  if (!socket.closed) await once(socket, "close");
  return text;
}

async function tcp(port: number): Promise<Socket> {
  const socket = connectTcp(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

describe("gateway port", () => {
  let open: OpenPort | undefined;
  const start = async (options: Partial<PortOptions> = {}): Promise<OpenPort> => {
    open = await openPort({
      host: "127.0.0.1",
      port: 0,
      tls: undefined,
      handle: (request, response) => void answer(request, response),
      upgrade: (_request, socket) => socket.end(),
      wall: wallClock,
      ...options,
    });
    return open;
  };

  afterEach(async () => {
    await open?.stop();
    open = undefined;
  });

  it("answers HTTP/1.1 and HTTP/2 with prior knowledge in clear text", async () => {
    const { port } = await start();
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    expect(await getOverHttp1(port)).to.equal("1.1 0");
    expect(await getOverHttp2(session)).to.equal("2.0 0");
    session.close();
  });

  it("serves several requests on one connection of either version", async () => {
    const { port } = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    for (let i = 0; i < 3; i += 1) {
      expect(await getOverHttp1(port, agent)).to.equal("1.1 0");
      expect(await getOverHttp2(session)).to.equal("2.0 0");
    }
    const sockets = Object.values(agent.freeSockets).flat().length;
    expect(sockets, "kept connections").to.equal(1);
    agent.destroy();
    session.close();
  });

  it("takes many large bodies at once on one HTTP/2 connection", async () => {
    const { port } = await start();
    // The client, too, may hold no more than its limit: 10 MB, which Node 24 counts more strictly.
    const session = connectHttp2(`http://127.0.0.1:${port}`, { maxSessionMemory: 64 });
    const payload = Buffer.alloc(200_000, "x");
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => getOverHttp2(session, "/", payload)),
    );
    expect(new Set(answers)).to.deep.equal(new Set(["2.0 200000"]));
    session.close();
  });

  it("waits for the bytes that tell HTTP/1.1 and HTTP/2 apart", async () => {
    const { port } = await start();
    const http1 = await tcp(port);
    const http2 = await tcp(port);
    const send = async (socket: Socket, text: string) => {
      for (const letter of text) {
        await new Promise<void>((resolve) => socket.write(letter, () => resolve()));
        // Lets the other side read it by itself.
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await send(
      http1,
      "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
    expect(await untilClosed(http1)).to.match(/^HTTP\/1\.1 200 OK\r\n.*1\.1 0/s);
    const answered = once(http2, "data");
    await send(http2, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    http2.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    const [frame] = (await answered) as [Buffer];
    const settingsFrame = 4;
    expect(frame[3], "type of the first frame").to.equal(settingsFrame);
    http2.destroy();
  });

  it("refuses what is not HTTP, and ends the connection", async () => {
    const { port } = await start();
    for (const garbage of ["\u0016\u0003\u0001\u0002", "hello?\r\n\r\n", "PRInt this\r\n\r\n"]) {
      const socket = await tcp(port);
      socket.write(garbage, "latin1");
      expect(await untilClosed(socket), garbage).to.not.match(/ 200 /);
    }
    expect(await getOverHttp1(port)).to.equal("1.1 0");
  });

  it("ends a connection that says nothing, or never comes to the end of its headers", async () => {
    const { port } = await start({ requestTimeoutMs: 50 });
    const silent = await tcp(port);
    const slow = await tcp(port);
    const halfAPreface = await tcp(port);
    slow.write("GET / HTTP/1.1\r\nhost: x\r\n");
    halfAPreface.write("PR");
    expect(await untilClosed(silent)).to.equal("");
    expect(await untilClosed(slow)).to.match(/^HTTP\/1\.1 408 /);
    expect(await untilClosed(halfAPreface)).to.equal("");
  });

  it("keeps a connection whose requests are answered, however long it lives", async () => {
    const { port } = await start({ requestTimeoutMs: 50 });
    const socket = await tcp(port);
    const ask = async () => {
      socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
      await once(socket, "data");
    };
    await ask();
    // One that says nothing is ended in the meantime.
    await untilClosed(await tcp(port));
    await ask();
    expect(socket.closed).to.equal(false);
    socket.destroy();
  });

  it("refuses headers that are too large", async () => {
    const { port } = await start();
    const huge = "x".repeat(20_000);
    const [response] = (await once(get({ port, path: "/", headers: { huge } }), "response")) as [
      IncomingMessage,
    ];
    expect(response.statusCode).to.equal(431);
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const [headers] = (await once(session.request({ ":path": "/", huge }), "response")) as [
      { ":status": number },
    ];
    expect(headers[":status"]).to.equal(431);
    expect(await getOverHttp2(session)).to.equal("2.0 0");
    session.destroy();
  });

  it("hands over requests for a WebSocket", async () => {
    const { port } = await start({
      upgrade: (request, socket, head) =>
        socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n${request.url} ${head.toString()}`),
    });
    const socket = await tcp(port);
    socket.write(
      "GET /live HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhead",
    );
    expect(await untilClosed(socket)).to.match(/^HTTP\/1\.1 101 .*\/live head$/s);
  });

  it("rejects with the system's error when the port is taken", async () => {
    const { port } = await start();
    const error = await openPort({
      host: "127.0.0.1",
      port,
      tls: undefined,
      handle: () => undefined,
      upgrade: () => undefined,
      wall: wallClock,
    }).then(
      () => undefined,
      (thrown: NodeJS.ErrnoException) => thrown.code,
    );
    expect(error).to.equal("EADDRINUSE");
  });

  describe("when it stops", () => {
    it("ends idle connections of both versions", async () => {
      const { port } = await start();
      const idle = await tcp(port);
      idle.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
      await once(idle, "data");
      const session = connectHttp2(`http://127.0.0.1:${port}`);
      await getOverHttp2(session);
      const ended = Promise.all([once(idle, "close"), once(session, "close")]);
      idle.on("error", () => undefined);
      session.on("error", () => undefined);
      await open!.stop();
      await ended;
      const refused = await tcp(port).catch((error: NodeJS.ErrnoException) => error.code);
      expect(refused).to.equal("ECONNREFUSED");
    });

    it("lets a request that runs come to its answer", async () => {
      let finish: (() => void) | undefined;
      const { port, stop } = await start({
        handle: (_request, response) => (finish = () => response.end("in the end")),
      });
      const asked = getOverHttp1(port);
      await waitFor("the request", () => finish);
      const stopped = stop();
      finish!();
      expect(await asked).to.equal("in the end");
      await stopped;
    });

    it("cuts streams that have no end", async () => {
      const { port, stop } = await start();
      const [http1] = (await once(get({ port, path: "/stream" }), "response")) as [IncomingMessage];
      const session = connectHttp2(`http://127.0.0.1:${port}`);
      session.on("error", () => undefined);
      const stream = session.request({ ":path": "/stream" });
      stream.on("error", () => undefined);
      await Promise.all([once(http1, "data"), once(stream, "data")]);
      const aborted = once(http1, "error").then(([error]) => (error as Error).message);
      const cut = once(stream, "close");
      await stop();
      expect(await aborted).to.equal("aborted");
      await cut;
    });

    it("may be told twice", async () => {
      const { stop } = await start();
      await Promise.all([stop(), stop()]);
      await stop();
    });
  });

  describe("with a certificate", () => {
    let tls: Certificate;
    before(async () => {
      const authority = await createAuthority({ now: wallClock.now() });
      tls = await authority.issue({ service: "gateway", now: wallClock.now() });
    });

    it("speaks the version that the client asks for by ALPN", async () => {
      const { port } = await start({ tls });
      const session = connectHttp2(`https://localhost:${port}`, { ca: tls.ca });
      expect(await getOverHttp2(session)).to.equal("2.0 0");
      session.close();
      const request = httpsRequest({ port, ca: tls.ca, path: "/", method: "POST" });
      request.end("four");
      const [response] = (await once(request, "response")) as [IncomingMessage];
      expect(await body(response)).to.equal("1.1 4");
    });

    it("takes a client without ALPN for one of HTTP/1.1", async () => {
      const { port } = await start({ tls });
      const socket = connectTls({ port, ca: tls.ca, host: "localhost" });
      await once(socket, "secureConnect");
      socket.write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
      expect(await untilClosed(socket)).to.match(/^HTTP\/1\.1 200 OK\r\n.*1\.1 0/s);
    });

    it("hands over requests for a WebSocket", async () => {
      const { port } = await start({
        tls,
        upgrade: (_request, socket) =>
          socket.end(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
          ),
      });
      const request = httpsRequest({
        port,
        ca: tls.ca,
        path: "/live",
        headers: { connection: "upgrade", upgrade: "websocket" },
      });
      request.end();
      const [response] = (await once(request, "upgrade")) as [IncomingMessage];
      expect(response.statusCode).to.equal(101);
    });

    it("ends a connection in clear text, and serves others on", async () => {
      const { port } = await start({ tls });
      const clear = httpRequest({ port, path: "/" });
      clear.end();
      const failed = await once(clear, "response").then(
        () => undefined,
        (error: NodeJS.ErrnoException) => error.code,
      );
      expect(failed).to.equal("ECONNRESET");
      const session = connectHttp2(`https://localhost:${port}`, { ca: tls.ca });
      expect(await getOverHttp2(session)).to.equal("2.0 0");
      session.close();
    });

    it("ends a connection whose headers never end", async () => {
      const { port } = await start({ tls, requestTimeoutMs: 50 });
      const socket = connectTls({ port, ca: tls.ca, host: "localhost" });
      await once(socket, "secureConnect");
      socket.write("GET / HTTP/1.1\r\nhost: x\r\n");
      expect(await untilClosed(socket)).to.match(/^HTTP\/1\.1 408 /);
    });
  });
});
