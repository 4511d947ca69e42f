/** Publishes events on the bus as another service would. */
import type { Bus } from "../runtime/bus.js";
import { uuidv4 } from "../runtime/ids.js";
import { topicOf, type MessageType } from "../runtime/outbox.js";

/** Where an event belongs. A repeated delivery is published by giving the same id again. */
export interface EventAbout {
  key: string;
  tenantId: string;
  time: Date;
  id?: string | undefined;
}

/** Publishes one event on its topic. */
export async function publishEvent<T>(
  bus: Bus,
  type: MessageType<T>,
  message: T,
  { key, tenantId, time, id = uuidv4() }: EventAbout,
): Promise<void> {
  const payload = type.encode(message).finish();
  await bus.publish([
    { id, topic: topicOf(type.$type), key, type: type.$type, tenantId, payload, time },
  ]);
}
