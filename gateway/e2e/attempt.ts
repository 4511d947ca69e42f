/** Calls of any kind of method, told apart only by whether they are let in. */
import {
  create,
  toJsonString,
  type DescMessage,
  type DescMethod,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type Message,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { wallClock } from "../../services/runtime/clock.js";
import { StatusError } from "../../services/runtime/status.js";
import type { Bearer, Wire, WireOptions } from "./wire.js";

/** How long a stream must stay open to count as granted, in milliseconds. */
const openMs = 400;

/** What a call came to. Of a stream that stays open without a word there is no answer. */
export type Outcome = { answer: Message | undefined; error?: undefined } | { error: StatusError };

/** Makes a call, whatever kind its method is of. Of a stream, only the beginning is awaited. */
export async function attempt(
  wire: Wire,
  method: DescMethod,
  as: Bearer,
  request: MessageInitShape<DescMessage>,
  options: WireOptions = {},
): Promise<Outcome> {
  try {
    return { answer: await begin(wire, method, as, request, options) };
  } catch (error) {
    if (error instanceof StatusError) return { error };
    throw error;
  }
}

async function begin(
  wire: Wire,
  method: DescMethod,
  as: Bearer,
  request: MessageInitShape<DescMessage>,
  options: WireOptions,
): Promise<Message | undefined> {
  switch (method.methodKind) {
    case "unary":
      return wire.unary(method as DescMethodUnary, as, request, options);
    case "client_streaming":
      return wire.send!(method as DescMethodClientStreaming, as, one(request));
    case "server_streaming": {
      const stop = new AbortController();
      const { signal } = stop;
      const stream = wire.watch(method as DescMethodServerStreaming, as, request, {
        ...options,
        signal,
      });
      const first = stream[Symbol.asyncIterator]().next();
      const open = wallClock.sleep(openMs, signal);
      try {
        const next = await Promise.race([first, open]);
        return next && !next.done ? next.value : undefined;
      } finally {
        stop.abort();
        await first.catch(() => undefined);
      }
    }
    case "bidi_streaming":
      throw new Error("two-way streams are not served");
    default:
      return method.methodKind satisfies never;
  }
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}

/** An answer as text, to look for words in. */
export function textOf(method: DescMethod, answer: Message | undefined): string {
  return answer ? toJsonString(method.output, answer) : "";
}

/** The request with some of its fields set otherwise. */
export function changed(
  method: DescMethod,
  request: MessageInitShape<DescMessage>,
  fields: Record<string, unknown>,
): Message {
  return create(method.input, { ...request, ...fields });
}
