/** The rows of notifications. */
import { Notification } from "../../gen/grpc/ridemesh/notification/v1/notification.js";
import { uuidv7 } from "../runtime/ids.js";
import { statement, type Db, type Row } from "../runtime/postgres.js";
import type { Secrets } from "../runtime/secrets.js";
import type { Draft } from "./templates.js";

/** A notification with its place among those of its user. */
export interface NotificationRecord {
  seq: bigint;
  notification: Notification;
}

interface NotificationRow extends Row {
  user_id: string;
  seq: bigint;
  notification_id: string;
  kind: string;
  words: Buffer;
  trip_id: string;
  create_time: Date;
  read_time: Date | null;
}

const columns = "user_id, seq, notification_id, kind, words, trip_id, create_time, read_time";

// The mailboxes' rows are taken in the order of their users, so that two writers never wait in a ring.
const insert = statement<NotificationRow>(
  "notifications_insert",
  `WITH told AS (
     SELECT DISTINCT ON (d.user_id) d.*
     FROM unnest($5::uuid[], $6::uuid[], $7::text[], $8::bytea[])
       AS d (user_id, notification_id, kind, words)
     WHERE NOT EXISTS (
       SELECT 1 FROM notifications n
       WHERE n.tenant_id = $1 AND n.user_id = d.user_id AND n.event_id = $3)
     ORDER BY d.user_id),
   box AS (
     INSERT INTO mailboxes AS m (tenant_id, user_id, last_seq, last_time)
     SELECT $1, user_id, 1, $4::timestamptz FROM told ORDER BY user_id
     ON CONFLICT (tenant_id, user_id) DO UPDATE
       SET last_seq = m.last_seq + 1, last_time = greatest(m.last_time, excluded.last_time)
     RETURNING m.user_id, m.last_seq, m.last_time)
   INSERT INTO notifications
     (tenant_id, user_id, seq, notification_id, kind, words, trip_id, event_id, create_time)
   SELECT $1, user_id, box.last_seq, told.notification_id, told.kind, told.words, $2, $3, box.last_time
   FROM told JOIN box USING (user_id)
   ON CONFLICT ON CONSTRAINT notifications_event DO NOTHING RETURNING ${columns}`,
);
const before = statement<NotificationRow>(
  "notifications_before",
  `SELECT ${columns} FROM notifications WHERE tenant_id = $1 AND user_id = $2 AND seq < $3
   ORDER BY seq DESC LIMIT $4`,
);
const after = statement<NotificationRow>(
  "notifications_after",
  `SELECT ${columns} FROM notifications WHERE tenant_id = $1 AND user_id = $2 AND seq > $3
   ORDER BY seq LIMIT $4`,
);
const lastSeq = statement<Row & { seq: bigint }>(
  "notifications_last_seq",
  `SELECT coalesce(max(seq), 0)::bigint AS seq FROM notifications
   WHERE tenant_id = $1 AND user_id = $2`,
);
const markRead = statement(
  "notifications_read",
  `UPDATE notifications SET read_time = $4
   WHERE tenant_id = $1 AND user_id = $2 AND notification_id = ANY ($3::uuid[])
     AND read_time IS NULL`,
);

/** A place after all others. */
export const endSeq = 9_223_372_036_854_775_807n;

/** All SQL of notifications. */
export interface NotificationStore {
  /**
   * Writes messages and gives those that are new: what an event has told a user already is not told
   * again. Until the transaction ends no other writes to these users, so that a reader who has seen
   * one message has missed none before it.
   */
  write(
    db: Db,
    about: { tenantId: string; tripId: string; eventId: string | undefined },
    drafts: Draft[],
    now: Date,
  ): Promise<Notification[]>;
  /** A user's messages before a place, newest first. */
  listBefore(db: Db, of: Mailbox, seq: bigint, limit: number): Promise<NotificationRecord[]>;
  /** A user's messages after a place, oldest first. */
  listAfter(db: Db, of: Mailbox, seq: bigint, limit: number): Promise<NotificationRecord[]>;
  /** The place of a user's newest message; 0 when there is none. */
  lastSeq(db: Db, of: Mailbox): Promise<bigint>;
  /** Marks a user's unread messages of these ids as read; other ids do nothing. */
  markRead(db: Db, of: Mailbox, notificationIds: string[], now: Date): Promise<void>;
}

/** Whose messages. */
export interface Mailbox {
  tenantId: string;
  userId: string;
}

/** The store; titles and bodies are encrypted with `secrets`. */
export function createNotificationStore(secrets: Secrets): NotificationStore {
  const toRecord = (row: NotificationRow): NotificationRecord => {
    const { title, body } = Notification.decode(secrets.decrypt(row.words));
    return {
      seq: row.seq,
      notification: {
        notificationId: row.notification_id,
        userId: row.user_id,
        kind: row.kind,
        title,
        body,
        tripId: row.trip_id,
        createTime: row.create_time,
        readTime: row.read_time ?? undefined,
      },
    };
  };

  return {
    write: async (db, { tenantId, tripId, eventId }, drafts, now) => {
      const words = drafts.map(({ title, body }) =>
        secrets.encrypt(Notification.encode(Notification.fromPartial({ title, body })).finish()),
      );
      const rows = await insert(db, [
        tenantId,
        tripId,
        eventId ?? null,
        now,
        drafts.map((draft) => draft.userId),
        drafts.map(() => uuidv7(now)),
        drafts.map((draft) => draft.kind),
        words,
      ]);
      return rows.map((row) => toRecord(row).notification);
    },
    listBefore: async (db, { tenantId, userId }, seq, limit) =>
      (await before(db, [tenantId, userId, seq, limit])).map(toRecord),
    listAfter: async (db, { tenantId, userId }, seq, limit) =>
      (await after(db, [tenantId, userId, seq, limit])).map(toRecord),
    lastSeq: async (db, { tenantId, userId }) => (await lastSeq(db, [tenantId, userId]))[0]!.seq,
    markRead: async (db, { tenantId, userId }, notificationIds, now) => {
      await markRead(db, [tenantId, userId, notificationIds, now]);
    },
  };
}
