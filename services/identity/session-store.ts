/** All SQL of sessions, their revocations and stream tickets. */
import { statement, type Db, type Row } from "../runtime/postgres.js";
import { revocationExpiry, type Family } from "./session.js";

/** A session as it is stored. */
export interface StoredSession extends Family {
  tenantId: string;
  sessionId: string;
  userId: string;
  /** What the current refresh token was derived with; undefined for the first. */
  rotationSalt: Buffer | undefined;
}

interface SessionRow extends Row {
  tenant_id: string;
  session_id: string;
  user_id: string;
  token_hash: Buffer;
  previous_hash: Buffer | null;
  rotation_salt: Buffer | null;
  rotate_time: Date | null;
  expire_time: Date;
  revoke_time: Date | null;
}

const columns = `tenant_id, session_id, user_id, token_hash, previous_hash, rotation_salt, rotate_time,
  expire_time, revoke_time`;

const insert = statement(
  "session_insert",
  `INSERT INTO sessions (tenant_id, session_id, user_id, token_hash, create_time, expire_time)
   VALUES ($1, $2, $3, $4, $5, $6)`,
);

/** Adds a session. Times are the wall clock's. */
export async function insertSession(
  db: Db,
  session: {
    tenantId: string;
    sessionId: string;
    userId: string;
    tokenHash: Buffer;
    createTime: Date;
    expireTime: Date;
  },
): Promise<void> {
  const { tenantId, sessionId, userId, tokenHash, createTime, expireTime } = session;
  await insert(db, [tenantId, sessionId, userId, tokenHash, createTime, expireTime]);
}

const selectForUpdate = statement<SessionRow>(
  "session_lock",
  `SELECT ${columns} FROM sessions WHERE tenant_id = $1 AND session_id = $2 FOR UPDATE`,
);

/** A session, locked until the end of the transaction. */
export async function lockSession(
  tx: Db,
  tenantId: string,
  sessionId: string,
): Promise<StoredSession | undefined> {
  const [row] = await selectForUpdate(tx, [tenantId, sessionId]);
  return row && toSession(row);
}

const rotate = statement(
  "session_rotate",
  `UPDATE sessions SET generation = generation + 1, previous_hash = token_hash, token_hash = $3,
     rotation_salt = $4, rotate_time = $5
   WHERE tenant_id = $1 AND session_id = $2`,
);

/** Makes another refresh token the current one of a session that is locked. */
export async function rotateSession(
  tx: Db,
  session: { tenantId: string; sessionId: string },
  next: { tokenHash: Buffer; salt: Buffer; now: Date },
): Promise<void> {
  const { tenantId, sessionId } = session;
  await rotate(tx, [tenantId, sessionId, next.tokenHash, next.salt, next.now]);
}

const revoke = statement<Row & { user_id: string }>(
  "session_revoke",
  `UPDATE sessions SET revoke_time = $3
   WHERE tenant_id = $1 AND session_id = $2 AND revoke_time IS NULL RETURNING user_id`,
);
const insertRevoked = statement(
  "revoked_insert",
  `INSERT INTO revoked_sessions (tenant_id, session_id, revoke_time, expire_time)
   VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
);

/**
 * Ends a session, also one that is not known here but that a token of ours names. Returns whether it
 * had not ended before, and until when its access tokens must be refused.
 */
export async function revokeSession(
  tx: Db,
  tenantId: string,
  sessionId: string,
  now: Date,
): Promise<{ ended: boolean; until: Date }> {
  const rows = await revoke(tx, [tenantId, sessionId, now]);
  const until = revocationExpiry(now);
  await insertRevoked(tx, [tenantId, sessionId, now, until]);
  return { ended: rows.length > 0, until };
}

const selectRevoked = statement<Row & { session_id: string; expire_time: Date }>(
  "revoked_select",
  `SELECT session_id, expire_time FROM revoked_sessions
   WHERE revoke_time >= $1 AND expire_time > $2 ORDER BY revoke_time`,
);

/** A session whose access tokens must be refused until `until`. */
export interface Revocation {
  sessionId: string;
  until: Date;
}

/** Revocations made since a moment and still in force, of all tenants. */
export async function loadRevocations(db: Db, since: Date, now: Date): Promise<Revocation[]> {
  const rows = await selectRevoked(db, [since, now]);
  return rows.map((row) => ({ sessionId: row.session_id, until: row.expire_time }));
}

const insertTicket = statement(
  "ticket_insert",
  `INSERT INTO stream_tickets (tenant_id, ticket_hash, session_id, expire_time)
   VALUES ($1, $2, $3, $4)`,
);
const spendTicket = statement<SessionRow>(
  "ticket_spend",
  `WITH spent AS (DELETE FROM stream_tickets WHERE ticket_hash = $1 RETURNING *)
   SELECT ${columns.replaceAll(/(\w+)/g, "s.$1")} FROM spent t
   JOIN sessions s ON s.tenant_id = t.tenant_id AND s.session_id = t.session_id
   WHERE t.expire_time > $2`,
);

/** Keeps a ticket, by its hash, for a session. */
export async function addTicket(
  db: Db,
  ticket: { tenantId: string; sessionId: string; ticketHash: Buffer; expireTime: Date },
): Promise<void> {
  const { tenantId, ticketHash, sessionId, expireTime } = ticket;
  await insertTicket(db, [tenantId, ticketHash, sessionId, expireTime]);
}

/** Removes a ticket and returns its session; undefined when the ticket is unknown or too old. */
export async function takeTicket(
  tx: Db,
  ticketHash: Buffer,
  now: Date,
): Promise<StoredSession | undefined> {
  const [row] = await spendTicket(tx, [ticketHash, now]);
  return row && toSession(row);
}

const trims = [
  statement("tickets_trim", "DELETE FROM stream_tickets WHERE expire_time <= $1"),
  statement("revoked_trim", "DELETE FROM revoked_sessions WHERE expire_time <= $1"),
  statement("sessions_trim", "DELETE FROM sessions WHERE expire_time <= $1"),
];

/** Removes tickets, revocations and sessions that have run out. */
export async function trimSessions(db: Db, now: Date): Promise<void> {
  for (const trim of trims) await trim(db, [now]);
}

function toSession(row: SessionRow): StoredSession {
  return {
    tenantId: row.tenant_id,
    sessionId: row.session_id,
    userId: row.user_id,
    tokenHash: row.token_hash,
    previousHash: row.previous_hash ?? undefined,
    rotationSalt: row.rotation_salt ?? undefined,
    rotateTime: row.rotate_time ?? undefined,
    expireTime: row.expire_time,
    revokeTime: row.revoke_time ?? undefined,
  };
}
