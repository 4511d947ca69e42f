/** Sessions from their start to their end: tokens, refresh, logout, stream tickets. */
import { randomBytes } from "node:crypto";
import { UserStatus, type Session } from "../../gen/grpc/ridemesh/identity/v1/identity.js";
import {
  SuspiciousActivityDetected,
  TokenRefreshed,
  UserLoggedOut,
} from "../../gen/grpc/ridemesh/identity/v1/identity_events.js";
import type { CreateStreamTicketResponse } from "../../gen/grpc/ridemesh/identity/v1/identity_service.js";
import type { CallContext } from "../runtime/call-context.js";
import { addSeconds } from "../runtime/clock.js";
import { uuidv7 } from "../runtime/ids.js";
import { appendEvents, newEvent, type MessageType } from "../runtime/outbox.js";
import { transaction, type Db } from "../runtime/postgres.js";
import { Code, StatusError } from "../runtime/status.js";
import type { IdentityDeps } from "./deps.js";
import { hashToken } from "./refresh-token.js";
import { accessExpiry, decideRefresh, isLive, sessionSeconds, ticketSeconds } from "./session.js";
import {
  addTicket,
  lockSession,
  revokeSession,
  rotateSession,
  takeTicket,
  type Revocation,
  type StoredSession,
} from "./session-store.js";
import { audit, loadAccount, type Account, type AuditAction } from "./store.js";

/** Makes a session for an account; it begins when `stored` is inserted. */
export async function openSession(
  deps: IdentityDeps,
  account: Account,
  now: Date,
): Promise<{ stored: NewSession; session: Session }> {
  const { tenantId } = account;
  const sessionId = uuidv7(now);
  const expireTime = addSeconds(now, sessionSeconds);
  const refreshToken = deps.refreshTokens.first({ tenantId, sessionId });
  return {
    stored: {
      tenantId,
      sessionId,
      userId: account.user.userId,
      tokenHash: hashToken(refreshToken),
      createTime: now,
      expireTime,
    },
    session: await signSession(deps, account, { sessionId, expireTime }, refreshToken, now),
  };
}

/** A session that begins. */
type NewSession = Pick<
  StoredSession,
  "tenantId" | "sessionId" | "userId" | "tokenHash" | "expireTime"
> & { createTime: Date };

async function signSession(
  deps: IdentityDeps,
  account: Account,
  { sessionId, expireTime }: Pick<StoredSession, "sessionId" | "expireTime">,
  refreshToken: string,
  now: Date,
): Promise<Session> {
  const accessExpireTime = accessExpiry(expireTime, now);
  const accessToken = await deps.keyring.sign({
    ...account,
    sessionId,
    issueTime: now,
    expireTime: accessExpireTime,
  });
  return {
    accessToken,
    refreshToken,
    accessExpireTime,
    refreshExpireTime: expireTime,
    tokenType: "Bearer",
  };
}

interface Refreshed {
  kind: "refreshed";
  account: Account;
  session: StoredSession;
  /** The refresh token that follows. */
  next: string;
}

interface Reused {
  kind: "reused";
  /** Undefined when the session had ended before. */
  revocation: Revocation | undefined;
}

/** Spends a refresh token for new tokens; ends the whole session when it was spent before. */
export async function refreshSession(
  deps: IdentityDeps,
  token: string,
  ctx: CallContext,
): Promise<Session> {
  const content = deps.refreshTokens.read(token);
  if (!content) throw refreshTokenInvalid();
  const { tenantId, sessionId } = content;
  const tokenHash = hashToken(token);
  const now = deps.wall.now();
  const result = await transaction(deps.pool, async (tx): Promise<Refreshed | Reused> => {
    const session = await lockSession(tx, tenantId, sessionId);
    if (!session) throw refreshTokenInvalid();
    const decision = decideRefresh(session, tokenHash, now);
    switch (decision) {
      case "ended":
        throw refreshTokenInvalid();
      case "reused":
        return { kind: "reused", revocation: await revokeReused(deps, tx, session, ctx, now) };
      case "repeat": {
        const account = await activeAccount(deps, tx, session);
        const next = deps.refreshTokens.next(token, session.rotationSalt!);
        return { kind: "refreshed", account, session, next };
      }
      case "rotate": {
        const account = await activeAccount(deps, tx, session);
        const salt = randomBytes(16);
        const next = deps.refreshTokens.next(token, salt);
        await rotateSession(tx, session, { tokenHash: hashToken(next), salt, now });
        await record(deps, tx, session, ctx, now, "token_refreshed", TokenRefreshed, {});
        return { kind: "refreshed", account, session, next };
      }
      default:
        return decision satisfies never;
    }
  });
  deps.wakeRelay();
  if (result.kind === "refreshed") {
    return signSession(deps, result.account, result.session, result.next, now);
  }
  if (result.revocation) spread(deps, result.revocation);
  throw new StatusError(Code.UNAUTHENTICATED, {
    reason: "REFRESH_TOKEN_REUSED",
    message: "the refresh token was used before; the session has been ended, log in again",
  });
}

/** Ends the session whose token came twice. Undefined when it had ended before. */
async function revokeReused(
  deps: IdentityDeps,
  tx: Db,
  session: StoredSession,
  ctx: CallContext,
  now: Date,
): Promise<Revocation | undefined> {
  if (!isLive(session, now)) return undefined;
  const { tenantId, sessionId } = session;
  const { until } = await revokeSession(tx, tenantId, sessionId, now);
  const activity = { activity: "refresh_token_reused" };
  const type = SuspiciousActivityDetected;
  await record(deps, tx, session, ctx, now, "refresh_token_reused", type, activity);
  return { sessionId, until };
}

/** Ends the caller's session everywhere. Ending it twice is no error. */
export async function logOut(deps: IdentityDeps, ctx: CallContext): Promise<void> {
  const { tenantId, sessionId, subject } = ctx.caller;
  const now = deps.wall.now();
  const session = { tenantId, sessionId, userId: subject };
  const { until } = await transaction(deps.pool, async (tx) => {
    const revoked = await revokeSession(tx, tenantId, sessionId, now);
    if (revoked.ended) await record(deps, tx, session, ctx, now, "logged_out", UserLoggedOut, {});
    return revoked;
  });
  deps.wakeRelay();
  spread(deps, { sessionId, until });
}

/** Lets everyone know that a session has ended; this process's own verifier at once. */
function spread(deps: IdentityDeps, { sessionId, until }: Revocation): void {
  deps.verifier.revokeSession(sessionId, until);
  deps.trust.revoke({ sessionId, until });
}

/** Makes a ticket that opens one stream for the caller's session. */
export async function createTicket(
  deps: IdentityDeps,
  ctx: CallContext,
): Promise<CreateStreamTicketResponse> {
  const { tenantId, sessionId } = ctx.caller;
  const ticket = randomBytes(32).toString("base64url");
  const expireTime = addSeconds(deps.wall.now(), ticketSeconds);
  await addTicket(deps.pool, { tenantId, sessionId, ticketHash: hashToken(ticket), expireTime });
  return { ticket, expireTime };
}

/** Spends a ticket for an access token of its session. */
export async function redeemTicket(
  deps: IdentityDeps,
  ticket: string,
  ctx: CallContext,
): Promise<string> {
  const now = deps.wall.now();
  const found = await transaction(deps.pool, async (tx) => {
    const session = await takeTicket(tx, hashToken(ticket), now);
    if (!session || !isLive(session, now)) return undefined;
    const { tenantId, userId, sessionId } = session;
    const account = await loadAccount(tx, deps.secrets, tenantId, userId);
    if (account?.user.status !== UserStatus.ACTIVE) return undefined;
    const entry = { action: "ticket_redeemed", tenantId, userId, sessionId } as const;
    await audit(tx, deps.secrets, entry, { ...ctx, now });
    return { account, session };
  });
  if (!found) {
    throw new StatusError(Code.UNAUTHENTICATED, {
      reason: "TICKET_INVALID",
      message: "the ticket is unknown, used, or older than 30 s; ask for a new one",
    });
  }
  const { account, session } = found;
  const expireTime = accessExpiry(session.expireTime, now);
  return deps.keyring.sign({
    ...account,
    sessionId: session.sessionId,
    issueTime: now,
    expireTime,
  });
}

async function activeAccount(
  deps: IdentityDeps,
  tx: Db,
  { tenantId, userId }: StoredSession,
): Promise<Account> {
  const account = await loadAccount(tx, deps.secrets, tenantId, userId);
  if (account?.user.status !== UserStatus.ACTIVE) throw accountDeactivated();
  return account;
}

/** Writes what happened to a session: its event and its line in the audit log. */
async function record<T extends { userId: string; sessionId: string }>(
  deps: IdentityDeps,
  tx: Db,
  session: Pick<StoredSession, "tenantId" | "sessionId" | "userId">,
  ctx: CallContext,
  now: Date,
  action: AuditAction,
  type: MessageType<T>,
  content: Omit<T, "userId" | "sessionId">,
): Promise<void> {
  const { tenantId, sessionId, userId } = session;
  const time = deps.domain.now();
  const about = { key: userId, tenantId, time, traceparent: ctx.traceparent };
  await appendEvents(tx, [newEvent(type, { userId, sessionId, ...content } as T, about)]);
  await audit(tx, deps.secrets, { action, tenantId, userId, sessionId }, { ...ctx, now });
}

/** The account may not log in. Said only to who knows its password or holds its token. */
export function accountDeactivated(): StatusError {
  return new StatusError(Code.PERMISSION_DENIED, {
    reason: "ACCOUNT_DEACTIVATED",
    message: "the account was deactivated",
  });
}

function refreshTokenInvalid(): StatusError {
  return new StatusError(Code.UNAUTHENTICATED, {
    reason: "REFRESH_TOKEN_INVALID",
    message: "the refresh token is not one of a running session; log in again",
  });
}
