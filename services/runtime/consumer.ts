/** Consuming events: handlers by type, each idempotent through the inbox. */
import type { PoolClient } from "pg";
import type { Bus, BusMessage } from "./bus.js";
import type { WallClock } from "./clock.js";
import type { Runnable } from "./lifecycle.js";
import { topicOf, type MessageType } from "./outbox.js";
import { statement, transaction, type Pool } from "./postgres.js";
import { inEventSpan } from "./tracing.js";

/** What is known of an event besides its content. */
export type EventMeta = Omit<BusMessage, "payload">;

/** What to do on one type of event. */
export interface EventHandler {
  type: string;
  handle: (payload: Uint8Array, meta: EventMeta) => Promise<void>;
}

/** A handler of one type of event. */
export function on<T>(
  type: MessageType<T>,
  handle: (event: T, meta: EventMeta) => Promise<void>,
): EventHandler {
  return { type: type.$type, handle: (payload, meta) => handle(type.decode(payload), meta) };
}

/** Delivers events of the handlers' types to them, as the group of this name. */
export async function startConsumer(
  bus: Bus,
  group: string,
  handlers: EventHandler[],
): Promise<Runnable> {
  const byType = new Map(handlers.map((handler) => [handler.type, handler]));
  return bus.subscribe({
    group,
    topics: [...new Set(handlers.map((handler) => topicOf(handler.type)))],
    types: [...byType.keys()],
    handle: async ({ payload, ...meta }) => {
      const handler = byType.get(meta.type);
      if (handler) await inEventSpan({ group, ...meta }, () => handler.handle(payload, meta));
    },
  });
}

const claim = statement(
  "inbox_claim",
  `INSERT INTO inbox (consumer, event_id, receive_time) VALUES ($1, $2, $3)
   ON CONFLICT DO NOTHING RETURNING 1`,
);

/**
 * Runs `effect` in a transaction that also records the event as consumed; does nothing when it was
 * before. So an event delivered twice has one effect.
 *
 * @returns whether the effect ran now.
 */
export async function once(
  pool: Pool,
  wall: WallClock,
  consumer: string,
  meta: EventMeta,
  effect: (tx: PoolClient) => Promise<void>,
): Promise<boolean> {
  return transaction(pool, async (tx) => {
    const claimed = await claim(tx, [consumer, meta.id, wall.now()]);
    if (claimed.length === 0) return false;
    await effect(tx);
    return true;
  });
}
