/** The rows of notifications. */
import { Notification } from "../../gen/grpc/ridemesh/notification/v1/notification.js";
import { statement, type Db, type Row } from "../runtime/postgres.js";
import type { Secrets } from "../runtime/secrets.js";
import { idAfter } from "./ids.js";
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

/** In the order of the keys, so that two transactions that need the same locks never wait in a ring. */
const lockUsers = statement(
  "notifications_lock",
  `SELECT pg_advisory_xact_lock(7270, key)
   FROM (SELECT DISTINCT hashtext($1::text || '/' || id) AS key FROM unnest($2::text[]) AS id
         ORDER BY key) keys`,
);
const lastId = statement<Row & { notification_id: string }>(
  "notifications_last_id",
  `SELECT notification_id FROM notifications WHERE tenant_id = $1 AND user_id = $2
   ORDER BY seq DESC LIMIT 1`,
);
const insert = statement<NotificationRow>(
  "notification_insert",
  `INSERT INTO notifications
     (tenant_id, user_id, notification_id, kind, words, trip_id, event_id, create_time)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
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
   * Writes messages within the caller's transaction and gives those that are new: what an event has
   * told a user already is not told again. Until the transaction ends no other writes to these users,
   * so that a reader who has seen one message has missed none before it.
   */
  write(
    tx: Db,
    about: { tenantId: string; tripId: string; eventId: string | undefined },
    drafts: Draft[],
    now: () => Date,
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
    write: async (tx, { tenantId, tripId, eventId }, drafts, now) => {
      await lockUsers(tx, [tenantId, drafts.map((draft) => draft.userId)]);
      const written: Notification[] = [];
      for (const { userId, kind, title, body } of drafts) {
        // Each a statement of its own, so that it sees what the last holder of the lock has written.
        const [last] = await lastId(tx, [tenantId, userId]);
        // Read under the lock, so that a user's times are in the order of his messages.
        const createTime = now();
        const id = idAfter(last?.notification_id, createTime);
        const words = Notification.encode(Notification.fromPartial({ title, body })).finish();
        const [row] = await insert(tx, [
          tenantId,
          userId,
          id,
          kind,
          secrets.encrypt(words),
          tripId,
          eventId ?? null,
          createTime,
        ]);
        if (row) written.push(toRecord(row).notification);
      }
      return written;
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
