/** What an example of an RPC is: one call that its rightful caller may make in the small world. */
import type { DescMessage, DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "../../services/runtime/status.js";
import type { Person } from "./people.js";
import type { World } from "./world.js";

/** A call that is ready to be made. */
export interface Made<I extends DescMessage = DescMessage> {
  /** Who may call; undefined for methods that are public, and for services'. */
  caller?: Person;
  request: MessageInitShape<I>;
}

/** What the same role of another operator is answered where it is not NOT_FOUND. */
export type Elsewhere =
  /** It does the same to its own operator's things. */
  | "own"
  /** The request makes no sense there. */
  | { code: Code; reason: string };

/** Some of a request's fields. */
export type Fields = Record<string, unknown>;

export interface Example<I extends DescMessage = DescMessage> {
  method: DescMethod & { input: I };
  /** Makes whatever the call needs. */
  make(world: World): Promise<Made<I>> | Made<I>;
  elsewhere?: Elsewhere;
  /** Whether sessions of their own must be used: the call ends them. */
  endsSession?: boolean;
  /** Whether it leaves a search open, which must end before anyone can see that nothing changes. */
  leavesSearch?: boolean;
  /** For methods that take a request_id: how often it has had its effect. */
  effects?(world: World, made: Made<I>): Promise<number>;
  /** For methods that take a request_id: fields that make it another request. */
  other?(world: World, made: Made<I>): Promise<Fields> | Fields;
}

/** An example of a method; typed by it. */
export function example<M extends DescMethod>(
  method: M,
  make: (world: World) => Promise<Made<M["input"]>> | Made<M["input"]>,
  more: Omit<Example<M["input"]>, "method" | "make"> = {},
): Example {
  return { method, make, ...more };
}

/** How many rows a query counts. Its only column is `n`. */
export async function count(world: World, text: string, values: unknown[]): Promise<number> {
  const [row] = await world.platform.sql<{ n: bigint | number }>(text, values);
  return Number(row?.n ?? 0);
}
