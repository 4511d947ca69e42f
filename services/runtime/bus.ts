/**
 * The event bus port: at least once, in order per key, shared among the members of a consumer group.
 * The embedded adapter is bus-postgres.ts.
 */
import type { Runnable } from "./lifecycle.js";

/** An event on its way. */
export interface BusMessage {
  /** Unique; a repeated delivery has the same. */
  id: string;
  /** `ridemesh.trip.v1`: the package of the event's type. */
  topic: string;
  /** Events of one key arrive in the order in which they were published. */
  key: string;
  /** Full name of the payload's message: `ridemesh.trip.v1.TripAccepted`. */
  type: string;
  tenantId: string;
  payload: Uint8Array;
  /** When it happened, by the domain clock. */
  time: Date;
  /** W3C trace context of what caused it. */
  traceparent?: string | undefined;
}

export interface Subscription {
  /** The consumer group; each group gets every message once. */
  group: string;
  topics: string[];
  /** Only messages of these types are handled; the others are passed over. All, when left out. */
  types?: string[];
  /** Throws to have the message delivered again. */
  handle: (message: BusMessage) => Promise<void>;
}

export interface Bus {
  /** Publishes in the given order; resolves when the messages are safe. */
  publish(messages: BusMessage[]): Promise<void>;
  /** Starts delivery to a group; a new group starts at the oldest message that is kept. */
  subscribe(subscription: Subscription): Promise<Runnable>;
  stop(): Promise<void>;
}

/** Where a message goes that cannot be handled: the topic's own name and this. */
export const deadLetterSuffix = ".dead-letters";

/** After how many failures a message goes there. */
export const maxDeliveries = 5;
