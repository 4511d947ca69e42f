/** Logging in: the password, the lock after failures, the session. */
import {
  UserStatus,
  type Session,
  type User,
} from "../../gen/grpc/ridemesh/identity/v1/identity.js";
import {
  AccountLocked,
  UserLoggedIn,
} from "../../gen/grpc/ridemesh/identity/v1/identity_events.js";
import type { LoginRequest } from "../../gen/grpc/ridemesh/identity/v1/identity_service.js";
import type { CallContext } from "../runtime/call-context.js";
import { appendEvents, newEvent } from "../runtime/outbox.js";
import { transaction } from "../runtime/postgres.js";
import { Code, StatusError } from "../runtime/status.js";
import type { IdentityDeps } from "./deps.js";
import { insertSession } from "./session-store.js";
import { accountDeactivated, openSession } from "./sessions.js";
import {
  audit,
  clearFailures,
  emailIndex,
  loadLogin,
  recordFailure,
  type Account,
  type AuditAction,
} from "./store.js";

/** An e-mail that someone wants to log in with, and its account if it has one. */
interface Attempt {
  tenantId: string;
  index: Buffer;
  account: Account | undefined;
}

/**
 * Starts a session. What the caller is told, and how long that takes, does not depend on whether the
 * e-mail has an account.
 */
export async function logIn(
  deps: IdentityDeps,
  request: LoginRequest,
  ctx: CallContext,
): Promise<{ user: User; session: Session }> {
  const tenantId = await deps.operators.tenantOf(request.operator, ctx);
  const index = emailIndex(deps.secrets, tenantId, request.email);
  const { account, lockedUntil } = await loadLogin(deps.pool, deps.secrets, tenantId, index);
  const attempt = { tenantId, index, account };
  if (lockedUntil && lockedUntil > deps.wall.now()) return refuse(deps, attempt, lockedUntil, ctx);
  const right = await deps.passwords.verify(request.password, account?.passwordHash, ctx.signal);
  if (!account || !right) return fail(deps, attempt, ctx);
  if (account.user.status !== UserStatus.ACTIVE) throw accountDeactivated();
  return begin(deps, attempt, account, ctx);
}

async function begin(
  deps: IdentityDeps,
  attempt: Attempt,
  account: Account,
  ctx: CallContext,
): Promise<{ user: User; session: Session }> {
  const { tenantId, index } = attempt;
  const { user } = account;
  const { userId } = user;
  const now = deps.wall.now();
  const opened = await openSession(deps, account, now);
  const { sessionId } = opened.stored;
  const lockedUntil = await transaction(deps.pool, async (tx) => {
    // Guesses that failed while this one was compared may have locked it: then it is one of them.
    const locked = await clearFailures(tx, tenantId, index, now);
    if (locked) return locked;
    await insertSession(tx, opened.stored);
    const time = deps.domain.now();
    const about = { key: userId, tenantId, time, traceparent: ctx.traceparent };
    await appendEvents(tx, [newEvent(UserLoggedIn, { userId, sessionId }, about)]);
    const entry = { action: "logged_in", tenantId, userId, sessionId } as const;
    await audit(tx, deps.secrets, entry, { ...ctx, now });
    return undefined;
  });
  if (lockedUntil) return refuse(deps, attempt, lockedUntil, ctx);
  deps.wakeRelay();
  return { user, session: opened.session };
}

/** Counts the failure, which may lock. */
async function fail(deps: IdentityDeps, attempt: Attempt, ctx: CallContext): Promise<never> {
  const { tenantId, index, account } = attempt;
  const now = deps.wall.now();
  const result = await transaction(deps.pool, async (tx) => {
    const failure = await recordFailure(tx, tenantId, index, now);
    const note = (action: AuditAction) =>
      audit(
        tx,
        deps.secrets,
        { action, tenantId, emailIndex: index, userId: account?.user.userId },
        { ...ctx, now },
      );
    await note("login_failed");
    if (failure.kind !== "locked") return failure;
    await note("account_locked");
    if (account) {
      const { userId } = account.user;
      const time = deps.domain.now();
      const about = { key: userId, tenantId, time, traceparent: ctx.traceparent };
      const event = { userId, lockSeconds: failure.seconds };
      await appendEvents(tx, [newEvent(AccountLocked, event, about)]);
    }
    return failure;
  });
  if (result.kind === "already_locked") throw accountLocked(result.until, now);
  if (result.kind === "locked") deps.wakeRelay();
  throw new StatusError(Code.UNAUTHENTICATED, {
    reason: "BAD_CREDENTIALS",
    message: "e-mail or password is wrong",
  });
}

/** Says how long the lock lasts; the password was not looked at, or does not count. */
async function refuse(
  deps: IdentityDeps,
  { tenantId, index, account }: Attempt,
  lockedUntil: Date,
  ctx: CallContext,
): Promise<never> {
  const now = deps.wall.now();
  const entry = {
    action: "login_refused",
    tenantId,
    emailIndex: index,
    userId: account?.user.userId,
  } as const;
  await audit(deps.pool, deps.secrets, entry, { ...ctx, now });
  throw accountLocked(lockedUntil, now);
}

function accountLocked(until: Date, now: Date): StatusError {
  const seconds = Math.max(1, Math.ceil((until.getTime() - now.getTime()) / 1000));
  return new StatusError(Code.RESOURCE_EXHAUSTED, {
    reason: "ACCOUNT_LOCKED",
    message: `too many failed logins; try again in ${seconds} s`,
    metadata: { retry_after_seconds: String(seconds) },
    retryAfterMs: seconds * 1000,
  });
}
