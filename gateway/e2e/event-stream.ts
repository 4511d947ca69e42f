/** Server-sent events and WebSockets, as a browser reads them. */
import { WebSocket } from "ws";
import type { Bearer } from "./wire.js";
import { errorOf, open, type Problem } from "./http.js";

/** A message of a stream, as JSON. */
export interface StreamEvent {
  id: string | undefined;
  data: Record<string, unknown>;
}

export interface StreamOptions {
  as?: Bearer;
  /** Resumes the stream after this message. */
  lastEventId?: string;
  signal: AbortSignal;
}

/** Reads server-sent events until the stream ends or the signal aborts; throws what it ends with. */
export async function* readEvents(
  url: string,
  path: string,
  options: StreamOptions,
): AsyncGenerator<StreamEvent> {
  const { as, lastEventId, signal } = options;
  try {
    const response = await open(url, "GET", path, {
      as,
      signal,
      headers: {
        accept: "text/event-stream",
        ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
      },
    });
    if (response.status !== 200) throw errorOf((await response.json()) as Problem);
    for await (const block of blocks(response.body!)) {
      const event = parse(block);
      if (event.name === "end") return;
      if (event.name === "error") throw errorOf(event.data as unknown as Problem);
      if (event.data) yield { id: event.id, data: event.data };
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** The parts of the text between blank lines. */
async function* blocks(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    const parts = text.split("\n\n");
    text = parts.pop()!;
    yield* parts;
  }
}

function parse(block: string) {
  const fields = new Map(
    block
      .split("\n")
      .filter((line) => !line.startsWith(":"))
      .map((line): [string, string] => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
      }),
  );
  const data = fields.get("data");
  return {
    name: fields.get("event") ?? "message",
    id: fields.get("id"),
    data: data === undefined ? undefined : (JSON.parse(data) as Record<string, unknown>),
  };
}

/** The next message of a stream that goes on after it. */
export async function next<T>(messages: AsyncIterable<T>): Promise<T> {
  const result: IteratorResult<T, undefined> = await messages[Symbol.asyncIterator]().next();
  if (result.done) throw new Error("the stream has ended");
  return result.value;
}

/** How a WebSocket ended. */
export interface SocketEnd {
  code: number;
  reason: string;
}

/** A WebSocket that is open. */
export interface Socket {
  messages: AsyncIterable<Record<string, unknown>>;
  /** Resolves when it has been closed, by either side. */
  ended: Promise<SocketEnd>;
  protocol: string;
  close(): void;
}

/**
 * Opens a WebSocket as a browser does, which can set no headers: a token goes along as a subprotocol.
 * Rejects with the HTTP status when it is refused.
 */
export async function openSocket(
  url: string,
  path: string,
  options: { as?: Bearer } = {},
): Promise<Socket> {
  const { as } = options;
  const protocols = as ? ["ridemesh.v1", `bearer.${as.token}`] : ["ridemesh.v1"];
  const ws = new WebSocket(`${url.replace("http", "ws")}${path}`, protocols);
  const queue: Record<string, unknown>[] = [];
  let wake: (() => void) | undefined;
  let over = false;
  const tell = () => {
    wake?.();
    wake = undefined;
  };
  ws.on("message", (data: Buffer) => {
    queue.push(JSON.parse(data.toString()) as Record<string, unknown>);
    tell();
  });
  const ended = new Promise<SocketEnd>((resolve) =>
    ws.on("close", (code, reason) => {
      over = true;
      resolve({ code, reason: reason.toString() });
      tell();
    }),
  );
  await new Promise<void>((resolve, reject) => {
    ws.once("open", () => resolve());
    ws.once("error", reject);
  });
  return {
    messages: (async function* () {
      for (;;) {
        const message = queue.shift();
        if (message) yield message;
        else if (over) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    })(),
    ended,
    protocol: ws.protocol,
    close: () => ws.close(),
  };
}
