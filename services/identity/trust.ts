/**
 * What makes a token trusted, as this process knows it: the published keys and the revoked sessions.
 * What other identity processes change is read from the database every second.
 */
import type { JsonWebKey } from "../../gen/grpc/ridemesh/identity/v1/identity.js";
import { addSeconds, type WallClock } from "../runtime/clock.js";
import { createFanout } from "../runtime/fanout.js";
import type { Pool } from "../runtime/postgres.js";
import type { Keyring } from "./keyring.js";
import { loadRevocations, type Revocation } from "./session-store.js";

/** A part of what is trusted. */
export interface TrustNews {
  /** Empty when they are as they were. */
  keys: JsonWebKey[];
  revoked: Revocation[];
}

export interface TrustSource {
  /** Makes a session's revocation known in this process and to those who watch it. */
  revoke(revocation: Revocation): void;
  /** Reads keys and revocations from the database, and tells the watchers what is new. */
  poll(): Promise<void>;
  /** Everything now, and then whatever is new, until the signal aborts. */
  watch(signal: AbortSignal): AsyncGenerator<TrustNews>;
}

/** How often the database is read, in milliseconds. */
export const trustPollMs = 1000;
/** Commits may come so much later than the times that they carry, clocks being apart included. */
const overlapSeconds = 120;
const channel = "trust";

/** A source that knows nothing before its first `poll`. */
export function createTrust(deps: { pool: Pool; wall: WallClock; keyring: Keyring }): TrustSource {
  const { pool, wall, keyring } = deps;
  // Watchers are only told that there is news, and take it from the log by their own position: a
  // fanout may drop messages of a slow listener, and no revocation may be lost.
  const wake = createFanout<true>();
  const log: Revocation[] = [];
  /** How many entries were dropped from the front of the log. */
  let dropped = 0;
  const known = new Set<string>();
  let kids = "";
  let keysVersion = 0;
  let polledUpTo = new Date(0);

  const add = (revocation: Revocation): boolean => {
    if (known.has(revocation.sessionId)) return false;
    known.add(revocation.sessionId);
    log.push(revocation);
    return true;
  };
  const forgetExpired = (now: Date): void => {
    const live = log.findIndex((one) => one.until > now);
    const expired = log.splice(0, live < 0 ? log.length : live);
    for (const one of expired) known.delete(one.sessionId);
    dropped += expired.length;
  };

  return {
    revoke: (revocation) => {
      if (add(revocation)) wake.publish(channel, true, channel);
    },
    poll: async () => {
      await keyring.refresh();
      const now = wall.now();
      const found = await loadRevocations(pool, addSeconds(polledUpTo, -overlapSeconds), now);
      polledUpTo = now;
      forgetExpired(now);
      const added = found.filter(add).length;
      const published = keyring
        .published()
        .map((key) => key.kid)
        .join();
      const keysChanged = published !== kids;
      if (keysChanged) {
        kids = published;
        keysVersion += 1;
      }
      if (keysChanged || added > 0) wake.publish(channel, true, channel);
    },
    watch: async function* (signal) {
      const changes = wake.subscribe(channel, signal);
      let position = dropped + log.length;
      let version = keysVersion;
      const now = wall.now();
      yield { keys: keyring.published(), revoked: log.filter((one) => one.until > now) };
      for await (const _ of changes) {
        const revoked = log.slice(Math.max(0, position - dropped));
        const keys = version === keysVersion ? [] : keyring.published();
        position = dropped + log.length;
        version = keysVersion;
        if (keys.length > 0 || revoked.length > 0) yield { keys, revoked };
      }
    },
  };
}
