/** Follows a stream in the background, for a test that does something else meanwhile. */
import { waitFor } from "../../services/testing/wait-for.js";

export interface Followed<T> {
  /** What has come, oldest first. */
  seen: T[];
  /** Waits for a message like this; those that came before count. */
  until(what: string, like: (message: T) => boolean): Promise<T>;
  /** Waits until the stream ends by itself; throws what it ended with. */
  ended(): Promise<void>;
  /** Goes away. */
  stop(): Promise<void>;
}

/** Opens a stream and reads it until it ends or is stopped. */
export function follow<T>(open: (signal: AbortSignal) => AsyncIterable<T>): Followed<T> {
  const going = new AbortController();
  const seen: T[] = [];
  const outcome: { over?: boolean; error?: Error } = {};
  const reading = (async () => {
    try {
      for await (const message of open(going.signal)) seen.push(message);
    } catch (error) {
      outcome.error = error as Error;
    } finally {
      outcome.over = true;
    }
  })();
  const check = () => {
    if (outcome.error) throw outcome.error;
  };
  return {
    seen,
    until: async (what, like) => {
      const found = await waitFor(what, () => outcome.error !== undefined || seen.some(like));
      if (found && !seen.some(like)) check();
      return seen.find(like)!;
    },
    ended: async () => {
      await waitFor("the stream to end", () => outcome.over);
      check();
    },
    stop: async () => {
      going.abort();
      await reading;
    },
  };
}
