/** Making accounts: by registering, by an admin, and the first ones at start. */
import {
  UserStatus,
  type Session,
  type User,
} from "../../gen/grpc/ridemesh/identity/v1/identity.js";
import {
  UserLoggedIn,
  UserRegistered,
} from "../../gen/grpc/ridemesh/identity/v1/identity_events.js";
import type {
  CreateUserRequest,
  RegisterUserRequest,
} from "../../gen/grpc/ridemesh/identity/v1/identity_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import type { CallContext } from "../runtime/call-context.js";
import { saveAnswer } from "../runtime/idempotency.js";
import { uuidv7 } from "../runtime/ids.js";
import { appendEvents, newEvent } from "../runtime/outbox.js";
import { statement, transaction } from "../runtime/postgres.js";
import { Code, StatusError, invalidField } from "../runtime/status.js";
import type { AccountDeps, IdentityDeps } from "./deps.js";
import { insertSession } from "./session-store.js";
import { openSession } from "./sessions.js";
import { audit, emailIndex, hasAdmin, insertAccount, isEmailTaken, type Account } from "./store.js";

/** An account that is made at start. */
export interface FirstAccount {
  tenantId: string;
  email: string;
  password: string;
  displayName: string;
  roles: Role[];
}

/** Makes a rider's or driver's account and logs it in. */
export async function registerUser(
  deps: IdentityDeps,
  request: RegisterUserRequest,
  ctx: CallContext,
): Promise<{ user: User; session: Session }> {
  const { role, password } = request;
  if (role !== Role.RIDER && role !== Role.DRIVER) {
    throw invalidField("role", "must be rider or driver", "ROLE_NOT_GRANTABLE");
  }
  const tenantId = await deps.operators.tenantOf(request.operator, ctx);
  return claimEmail(deps, tenantId, request.email, ctx, async () => {
    await deps.passwords.check(password, request.email);
    const passwordHash = await deps.passwords.hash(password, ctx.signal);
    const account = newAccount(deps, { ...request, tenantId, roles: [role], passwordHash });
    const { user } = account;
    const now = deps.wall.now();
    const opened = await openSession(deps, account, now);
    const { sessionId } = opened.stored;
    const answer = ctx.answer({ user, session: opened.session });
    const about = aboutUser(deps, account, ctx);
    await transaction(deps.pool, async (tx) => {
      await saveAnswer(tx, answer);
      if (!(await insertAccount(tx, deps.secrets, account))) throw emailTaken();
      await insertSession(tx, opened.stored);
      await appendEvents(tx, [
        newEvent(UserRegistered, { userId: user.userId, roles: user.roles }, about),
        newEvent(UserLoggedIn, { userId: user.userId, sessionId }, about),
      ]);
      const entry = { action: "registered", tenantId, userId: user.userId, sessionId } as const;
      await audit(tx, deps.secrets, entry, { ...ctx, now });
    });
    deps.wakeRelay();
    return { user, session: opened.session };
  });
}

/** Makes an account of any role in the caller's tenant. */
export async function createUser(
  deps: IdentityDeps,
  request: CreateUserRequest,
  ctx: CallContext,
): Promise<{ user: User }> {
  const { tenantId, subject } = ctx.caller;
  const { password } = request;
  return claimEmail(deps, tenantId, request.email, ctx, async () => {
    if (password) await deps.passwords.check(password, request.email);
    const passwordHash = password ? await deps.passwords.hash(password, ctx.signal) : undefined;
    const account = newAccount(deps, { ...request, tenantId, passwordHash });
    const { user } = account;
    const answer = ctx.answer({ user });
    await transaction(deps.pool, async (tx) => {
      await saveAnswer(tx, answer);
      if (!(await insertAccount(tx, deps.secrets, account))) throw emailTaken();
      const event = { userId: user.userId, roles: user.roles };
      await appendEvents(tx, [newEvent(UserRegistered, event, aboutUser(deps, account, ctx))]);
      const entry = { action: "created", tenantId, userId: user.userId, actorId: subject } as const;
      await audit(tx, deps.secrets, entry, { ...ctx, now: deps.wall.now() });
    });
    deps.wakeRelay();
    return { user };
  });
}

// Two processes that start together make the accounts once.
const lockTenant = statement("accounts_lock", "SELECT pg_advisory_xact_lock(7282, hashtext($1))");

/**
 * Makes these accounts, but only those of tenants that have no admin. Returns those that were made;
 * one whose e-mail has an account already is left out. Throws WEAK_PASSWORD as registering does.
 */
export async function ensureAccounts(
  deps: AccountDeps,
  accounts: readonly FirstAccount[],
): Promise<FirstAccount[]> {
  const tenantIds = [...new Set(accounts.map((account) => account.tenantId))];
  const made = await Promise.all(
    tenantIds.map((tenantId) =>
      ensureTenant(
        deps,
        tenantId,
        accounts.filter((account) => account.tenantId === tenantId),
      ),
    ),
  );
  deps.wakeRelay();
  return made.flat();
}

async function ensureTenant(
  deps: AccountDeps,
  tenantId: string,
  wanted: FirstAccount[],
): Promise<FirstAccount[]> {
  if (await hasAdmin(deps.pool, tenantId)) return [];
  // Hashed before the transaction, which must not last.
  const hashed = await Promise.all(
    wanted.map(async (given) => {
      await deps.passwords.check(given.password, given.email);
      const passwordHash = await deps.passwords.hash(given.password);
      return { given, account: newAccount(deps, { ...given, phone: "", passwordHash }) };
    }),
  );
  return transaction(deps.pool, async (tx) => {
    await lockTenant(tx, [tenantId]);
    if (await hasAdmin(tx, tenantId)) return [];
    const made: FirstAccount[] = [];
    for (const { given, account } of hashed) {
      if (!(await insertAccount(tx, deps.secrets, account))) continue;
      const { userId, roles } = account.user;
      const about = { key: userId, tenantId, time: deps.domain.now() };
      await appendEvents(tx, [newEvent(UserRegistered, { userId, roles }, about)]);
      const call = { clientAddress: "", requestId: "", now: deps.wall.now() };
      await audit(tx, deps.secrets, { action: "created", tenantId, userId }, call);
      made.push(given);
    }
    return made;
  });
}

/**
 * Makes an account for an e-mail that has none. Calls for one e-mail wait for each other, so that of
 * many that come together one hashes and the others learn at once that it was first.
 */
async function claimEmail<T>(
  deps: IdentityDeps,
  tenantId: string,
  email: string,
  ctx: CallContext,
  make: () => Promise<T>,
): Promise<T> {
  const index = emailIndex(deps.secrets, tenantId, email);
  return deps.turns(index.toString("base64"), async () => {
    ctx.signal.throwIfAborted();
    if (await isEmailTaken(deps.pool, tenantId, index)) throw emailTaken();
    return make();
  });
}

function newAccount(
  deps: AccountDeps,
  given: {
    tenantId: string;
    email: string;
    phone: string;
    displayName: string;
    roles: Role[];
    passwordHash: string | undefined;
  },
): Account {
  const { tenantId, email, phone, displayName, roles, passwordHash } = given;
  const createTime = deps.domain.now();
  const userId = uuidv7(deps.wall.now());
  return {
    tenantId,
    passwordHash,
    user: { userId, email, phone, displayName, roles, status: UserStatus.ACTIVE, createTime },
  };
}

/** What events say of an account besides their content. */
function aboutUser(deps: AccountDeps, { tenantId, user }: Account, ctx: CallContext) {
  return { key: user.userId, tenantId, time: deps.domain.now(), traceparent: ctx.traceparent };
}

function emailTaken(): StatusError {
  return new StatusError(Code.ALREADY_EXISTS, {
    reason: "EMAIL_TAKEN",
    message: "email: has an account already",
    violations: [{ field: "email", message: "has an account already" }],
  });
}
