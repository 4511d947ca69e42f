/**
 * The life of a signing key, by the wall clock: it is published, signs a little later, is succeeded
 * after 30 days, and stays published for a day more, while what it signed runs out. Pure rules.
 */
import { addSeconds } from "../runtime/clock.js";
import { accessSeconds } from "./session.js";

/** A key as far as its life goes. */
export interface KeyLife {
  kid: string;
  createTime: Date;
  expireTime: Date;
  revokeTime: Date | undefined;
}

const daySeconds = 24 * 3600;
/** A key is succeeded at this age, in seconds. */
export const rotationSeconds = 30 * daySeconds;
/** How long a succeeded key stays published, in seconds. */
export const graceSeconds = daySeconds;
/** How long a key is published before it signs, so that everyone knows it by then, in seconds. */
export const publishSeconds = 60;

/** When a key that is made now ends. */
export function keyExpiry(now: Date): Date {
  return addSeconds(now, rotationSeconds + graceSeconds);
}

/** Keys whose tokens are good now, newest first. */
export function activeKeys<K extends KeyLife>(keys: readonly K[], now: Date): K[] {
  return keys
    .filter((key) => !key.revokeTime && key.expireTime > now)
    .sort((a, b) => b.createTime.getTime() - a.createTime.getTime() || (a.kid < b.kid ? -1 : 1));
}

/**
 * The key to sign with now: the newest that has been published for long enough, or the newest of all
 * when none has. Never one that ends before what it signs.
 */
export function signerOf<K extends KeyLife>(keys: readonly K[], now: Date): K | undefined {
  const able = activeKeys(keys, now).filter(
    (key) => key.expireTime >= addSeconds(now, accessSeconds),
  );
  return able.find((key) => addSeconds(key.createTime, publishSeconds) <= now) ?? able[0];
}

/** Whether a new key is due: there is none, or the newest has reached its age. */
export function needsKey(keys: readonly KeyLife[], now: Date): boolean {
  const [newest] = activeKeys(keys, now);
  return !newest || addSeconds(newest.createTime, rotationSeconds) <= now;
}
