/**
 * Live messages from where something happens to the streams that show it. Not a queue: who is not
 * listening misses it, and a slow listener keeps only the latest of each key.
 */

/** Messages of one process by channel. */
export interface Fanout<T> {
  /** Sends to everyone who listens on the channel now. `key`: a later message replaces an unread one. */
  publish(channel: string, message: T, key?: string): void;
  /** Messages on the channel until the signal aborts. Listening begins at the call, not at the first read. */
  subscribe(channel: string, signal: AbortSignal): AsyncIterable<T>;
  /** How many listen. */
  size(): number;
}

/** At most this many unread messages a listener; older ones are dropped. */
const maxUnread = 100;

/** The embedded adapter: within one process. */
export function createFanout<T>(): Fanout<T> {
  const listeners = new Map<string, Set<Listener<T>>>();
  return {
    publish: (channel, message, key) => {
      for (const listener of listeners.get(channel) ?? []) listener.push(message, key);
    },
    subscribe: (channel, signal) => {
      const listener = createListener<T>(signal);
      const set = listeners.get(channel) ?? new Set();
      listeners.set(channel, set.add(listener));
      const leave = () => {
        set.delete(listener);
        if (set.size === 0 && listeners.get(channel) === set) listeners.delete(channel);
      };
      signal.addEventListener("abort", leave, { once: true });
      if (signal.aborted) leave();
      return listener.read(leave);
    },
    size: () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0),
  };
}

interface Listener<T> {
  push(message: T, key: string | undefined): void;
  read(leave: () => void): AsyncGenerator<T>;
}

function createListener<T>(signal: AbortSignal): Listener<T> {
  // A Map keeps the order of first insertion; a replaced message keeps its place.
  const unread = new Map<string | symbol, T>();
  let wake: (() => void) | undefined;
  signal.addEventListener("abort", () => wake?.(), { once: true });
  return {
    push: (message, key) => {
      unread.set(key ?? Symbol(), message);
      if (unread.size > maxUnread) unread.delete(unread.keys().next().value!);
      wake?.();
    },
    read: async function* (leave) {
      try {
        while (!signal.aborted) {
          const next = unread.entries().next();
          if (next.done) {
            await new Promise<void>((resolve) => (wake = resolve));
            continue;
          }
          unread.delete(next.value[0]);
          yield next.value[1];
        }
      } finally {
        leave();
      }
    },
  };
}
