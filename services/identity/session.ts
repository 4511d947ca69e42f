/**
 * A session is a family of refresh tokens: one is current, the ones before are spent. Pure rules.
 * All times are the wall clock's.
 */
import { addSeconds } from "../runtime/clock.js";

/** An access token lives this long, in seconds. */
export const accessSeconds = 15 * 60;
/** A session ends after this long whatever happens, in seconds. */
export const sessionSeconds = 30 * 24 * 3600;
/** For this long the last rotation may be asked for again, in seconds. */
export const retrySeconds = 10;
/** A stream ticket lives this long, in seconds. */
export const ticketSeconds = 30;
/** Clocks of two processes may be apart by this much, in seconds. */
const skewSeconds = 60;

/** What deciding about a refresh needs to know of a session. */
export interface Family {
  tokenHash: Buffer;
  previousHash: Buffer | undefined;
  rotateTime: Date | undefined;
  expireTime: Date;
  revokeTime: Date | undefined;
}

/**
 * What a refresh token, which we did issue for this session, is worth:
 * - `rotate`: it is the current one.
 * - `repeat`: it is the one before, spent a moment ago; its owner may not have had the answer.
 * - `reused`: it was spent; two have it, so one of them stole it.
 * - `ended`: the session is over.
 */
export type RefreshDecision = "rotate" | "repeat" | "reused" | "ended";

/** Decides about a refresh token by its hash. */
export function decideRefresh(family: Family, tokenHash: Buffer, now: Date): RefreshDecision {
  const { tokenHash: current, previousHash, rotateTime } = family;
  if (current.equals(tokenHash)) return isLive(family, now) ? "rotate" : "ended";
  const isLast = previousHash?.equals(tokenHash) ?? false;
  if (!isLast || !rotateTime || now > addSeconds(rotateTime, retrySeconds)) return "reused";
  return isLive(family, now) ? "repeat" : "ended";
}

/** Whether a session goes on. */
export function isLive(
  session: { expireTime: Date; revokeTime: Date | undefined },
  now: Date,
): boolean {
  return session.revokeTime === undefined && session.expireTime > now;
}

/** When an access token that is signed now ends: never after its session. */
export function accessExpiry(sessionExpireTime: Date, now: Date): Date {
  const end = Math.min(addSeconds(now, accessSeconds).getTime(), sessionExpireTime.getTime());
  // Tokens count in whole seconds.
  return new Date(Math.floor(end / 1000) * 1000);
}

/** Until when access tokens of a session that is revoked now must be refused. */
export function revocationExpiry(now: Date): Date {
  return addSeconds(now, accessSeconds + skewSeconds);
}
