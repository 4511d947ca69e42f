/** All SQL of accounts, failed logins and the audit log. Owns row ↔ Account. */
import { UserStatus, type User } from "../../gen/grpc/ridemesh/identity/v1/identity.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { addSeconds } from "../runtime/clock.js";
import { uuidv7 } from "../runtime/ids.js";
import { statement, type Db, type Row } from "../runtime/postgres.js";
import type { Secrets } from "../runtime/secrets.js";
import { failureMemorySeconds, lockSeconds } from "./lockout.js";

/** An account, as it is stored. */
export interface Account {
  tenantId: string;
  user: User;
  /** bcrypt; undefined when the account cannot log in. */
  passwordHash: string | undefined;
}

interface UserRow extends Row {
  tenant_id: string;
  user_id: string;
  email: Buffer;
  phone: Buffer | null;
  display_name: Buffer;
  password_hash: string | null;
  roles: Role[];
  status: UserStatus;
  create_time: Date;
}

const columns =
  "tenant_id, user_id, email, phone, display_name, password_hash, roles, status, create_time";
const ofUsers = columns.replaceAll(/(\w+)/g, "u.$1");

/** What an e-mail is found by: the same for every spelling of its letters' case. */
export function emailIndex(secrets: Secrets, tenantId: string, email: string): Buffer {
  return secrets.blindIndex(`email\u0000${tenantId}\u0000${email.normalize("NFC").toLowerCase()}`);
}

const insertUser = statement(
  "user_insert",
  `INSERT INTO users (${columns}, email_index) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
   ON CONFLICT ON CONSTRAINT users_email_key DO NOTHING RETURNING 1`,
);

/** Adds an account. Returns false when its e-mail has one already. */
export async function insertAccount(db: Db, secrets: Secrets, account: Account): Promise<boolean> {
  const { tenantId, user, passwordHash } = account;
  const rows = await insertUser(db, [
    tenantId,
    user.userId,
    secrets.encryptText(user.email),
    user.phone ? secrets.encryptText(user.phone) : null,
    secrets.encryptText(user.displayName),
    passwordHash ?? null,
    user.roles,
    user.status,
    user.createTime,
    emailIndex(secrets, tenantId, user.email),
  ]);
  return rows.length > 0;
}

const selectUser = statement<UserRow>(
  "user_select",
  `SELECT ${columns} FROM users WHERE tenant_id = $1 AND user_id = $2`,
);

/** One account; undefined when the tenant has none of this id. */
export async function loadAccount(
  db: Db,
  secrets: Secrets,
  tenantId: string,
  userId: string,
): Promise<Account | undefined> {
  const [row] = await selectUser(db, [tenantId, userId]);
  return row && toAccount(row, secrets);
}

const selectName = statement<Row & { user_id: string; display_name: Buffer }>(
  "user_names",
  "SELECT user_id, display_name FROM users WHERE tenant_id = $1 AND user_id = ANY ($2::uuid[])",
);

/** Display names by user id; who is unknown is left out. */
export async function loadNames(
  db: Db,
  secrets: Secrets,
  tenantId: string,
  userIds: string[],
): Promise<Record<string, string>> {
  const rows = await selectName(db, [tenantId, userIds]);
  return Object.fromEntries(
    rows.map((row) => [row.user_id, secrets.decryptText(row.display_name)]),
  );
}

const selectTaken = statement(
  "user_email_taken",
  "SELECT 1 FROM users WHERE tenant_id = $1 AND email_index = $2",
);
const selectAdmin = statement(
  "user_admin",
  `SELECT 1 FROM users WHERE tenant_id = $1 AND ${Role.ADMIN} = ANY (roles) LIMIT 1`,
);

/** Whether the e-mail has an account. */
export async function isEmailTaken(db: Db, tenantId: string, index: Buffer): Promise<boolean> {
  return (await selectTaken(db, [tenantId, index])).length > 0;
}

/** Whether the tenant has an admin. */
export async function hasAdmin(db: Db, tenantId: string): Promise<boolean> {
  return (await selectAdmin(db, [tenantId])).length > 0;
}

const selectLogin = statement<UserRow & { locked_until: Date | null }>(
  "login_select",
  `SELECT ${ofUsers}, g.locked_until FROM (SELECT $1::text AS tenant_id, $2::bytea AS email_index) k
   LEFT JOIN users u ON u.tenant_id = k.tenant_id AND u.email_index = k.email_index
   LEFT JOIN login_guards g ON g.tenant_id = k.tenant_id AND g.email_index = k.email_index`,
);

/** The account of an e-mail, if it has one, and until when logging in to it is locked. */
export async function loadLogin(
  db: Db,
  secrets: Secrets,
  tenantId: string,
  index: Buffer,
): Promise<{ account: Account | undefined; lockedUntil: Date | undefined }> {
  const [row] = await selectLogin(db, [tenantId, index]);
  return {
    account: row?.user_id ? toAccount(row, secrets) : undefined,
    lockedUntil: row?.locked_until ?? undefined,
  };
}

// A failure during a lock does not count: guesses that were under way together end it no later.
const countFailure = statement<Row & { failures: number }>(
  "guard_count",
  `INSERT INTO login_guards AS g (tenant_id, email_index, failures, last_failure_time)
   VALUES ($1, $2, 1, $3)
   ON CONFLICT (tenant_id, email_index) DO UPDATE SET
     failures = CASE WHEN g.last_failure_time < $4 THEN 1 ELSE g.failures + 1 END,
     last_failure_time = $3
   WHERE g.locked_until IS NULL OR g.locked_until <= $3
   RETURNING failures`,
);
const lockGuard = statement(
  "guard_lock",
  "UPDATE login_guards SET locked_until = $3 WHERE tenant_id = $1 AND email_index = $2",
);
const selectLock = statement<Row & { locked_until: Date | null }>(
  "guard_select",
  "SELECT locked_until FROM login_guards WHERE tenant_id = $1 AND email_index = $2",
);
const clearGuard = statement<Row & { locked_until: Date }>(
  "guard_clear",
  `WITH cleared AS (
     DELETE FROM login_guards
     WHERE tenant_id = $1 AND email_index = $2 AND (locked_until IS NULL OR locked_until <= $3))
   SELECT locked_until FROM login_guards
   WHERE tenant_id = $1 AND email_index = $2 AND locked_until > $3`,
);

/** What a failed login led to: it was counted, it locked, or the e-mail was locked already. */
export type FailureResult =
  | { kind: "counted" }
  | { kind: "locked"; seconds: number }
  | { kind: "already_locked"; until: Date };

/** Counts a failed login; must run in a transaction. */
export async function recordFailure(
  tx: Db,
  tenantId: string,
  index: Buffer,
  now: Date,
): Promise<FailureResult> {
  const forgetBefore = addSeconds(now, -failureMemorySeconds);
  const [counted] = await countFailure(tx, [tenantId, index, now, forgetBefore]);
  if (!counted) {
    const [row] = await selectLock(tx, [tenantId, index]);
    return { kind: "already_locked", until: row?.locked_until ?? now };
  }
  const seconds = lockSeconds(counted.failures);
  if (seconds === 0) return { kind: "counted" };
  await lockGuard(tx, [tenantId, index, addSeconds(now, seconds)]);
  return { kind: "locked", seconds };
}

/** Forgets failed logins after a right one; until when it is locked instead, if it is by now. */
export async function clearFailures(
  tx: Db,
  tenantId: string,
  index: Buffer,
  now: Date,
): Promise<Date | undefined> {
  return (await clearGuard(tx, [tenantId, index, now]))[0]?.locked_until;
}

const trimGuards = statement(
  "guards_trim",
  `DELETE FROM login_guards
   WHERE last_failure_time < $1 AND (locked_until IS NULL OR locked_until <= $2)`,
);

/** Removes failures that no longer count. */
export async function trimFailures(db: Db, now: Date): Promise<void> {
  await trimGuards(db, [addSeconds(now, -failureMemorySeconds), now]);
}

/** What can happen to an account or a session. */
export type AuditAction =
  | "registered"
  | "created"
  | "logged_in"
  | "login_failed"
  | "login_refused"
  | "account_locked"
  | "token_refreshed"
  | "refresh_token_reused"
  | "logged_out"
  | "ticket_redeemed";

/** An entry of the audit log. */
export interface AuditEntry {
  action: AuditAction;
  tenantId: string;
  userId?: string | undefined;
  /** Who did it, where that is not the account itself. */
  actorId?: string;
  sessionId?: string;
  /** For an e-mail without an account. */
  emailIndex?: Buffer;
}

const insertAudit = statement(
  "audit_insert",
  `INSERT INTO auth_audit (tenant_id, entry_id, action, user_id, actor_id, session_id, email_index,
     client_address, request_id, entry_time)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
);

/** Writes an entry, within the transaction of what it tells of. `now` is wall time. */
export async function audit(
  db: Db,
  secrets: Secrets,
  entry: AuditEntry,
  call: { clientAddress: string; requestId: string; now: Date },
): Promise<void> {
  await insertAudit(db, [
    entry.tenantId,
    uuidv7(call.now),
    entry.action,
    entry.userId ?? null,
    entry.actorId ?? null,
    entry.sessionId ?? null,
    entry.emailIndex ?? null,
    call.clientAddress ? secrets.encryptText(call.clientAddress) : null,
    call.requestId,
    call.now,
  ]);
}

function toAccount(row: UserRow, secrets: Secrets): Account {
  return {
    tenantId: row.tenant_id,
    user: {
      userId: row.user_id,
      email: secrets.decryptText(row.email),
      phone: row.phone ? secrets.decryptText(row.phone) : "",
      displayName: secrets.decryptText(row.display_name),
      roles: row.roles,
      status: row.status,
      createTime: row.create_time,
    },
    passwordHash: row.password_hash ?? undefined,
  };
}
