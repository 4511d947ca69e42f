-- Up Migration

-- How far a user's messages have come. Whoever writes to him holds the row until the end of his
-- transaction, so that the numbers rise in the order of commits.
CREATE TABLE mailboxes (
  tenant_id text NOT NULL,
  user_id uuid NOT NULL,
  last_seq bigint NOT NULL,
  last_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, user_id)
);

CREATE TABLE notifications (
  tenant_id text NOT NULL,
  user_id uuid NOT NULL,
  seq bigint NOT NULL,
  notification_id uuid NOT NULL,
  kind text NOT NULL,
  -- ridemesh.notification.v1.Notification with title and body only, encrypted.
  words bytea NOT NULL,
  trip_id text NOT NULL DEFAULT '',
  -- The event that it tells of; null when a person wrote it.
  event_id uuid,
  create_time timestamptz NOT NULL,
  read_time timestamptz,
  PRIMARY KEY (tenant_id, user_id, seq),
  CONSTRAINT notifications_id UNIQUE (tenant_id, user_id, notification_id),
  -- One event tells a user one thing.
  CONSTRAINT notifications_event UNIQUE (tenant_id, user_id, event_id)
);

-- Down Migration

DROP TABLE notifications;
DROP TABLE mailboxes;
