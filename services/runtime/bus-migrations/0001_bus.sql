-- Up Migration

CREATE TABLE messages (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic text NOT NULL,
  part smallint NOT NULL,
  id uuid NOT NULL,
  key text NOT NULL,
  type text NOT NULL,
  tenant_id text NOT NULL,
  payload bytea NOT NULL,
  event_time timestamptz NOT NULL,
  traceparent text,
  publish_time timestamptz NOT NULL
);
CREATE INDEX messages_by_partition ON messages (topic, part, seq);
CREATE INDEX messages_by_time ON messages (publish_time);

-- How far each group has come, and which of its members reads a partition.
CREATE TABLE positions (
  group_name text NOT NULL,
  topic text NOT NULL,
  part smallint NOT NULL,
  position bigint NOT NULL,
  owner text,
  lease_until timestamptz,
  PRIMARY KEY (group_name, topic, part)
);

-- Who reads for a group, as last heard.
CREATE TABLE members (
  group_name text NOT NULL,
  owner text NOT NULL,
  seen_until timestamptz NOT NULL,
  PRIMARY KEY (group_name, owner)
);

-- Appends to one topic. One publisher at a time, so that seq order is commit order and a reader
-- never passes a message that becomes visible later. Tells where each message has its place, and which
-- message is before it in its partition (0: none).
CREATE FUNCTION publish(
  in_topic text, in_ids uuid[], in_keys text[], in_types text[], in_tenants text[],
  in_payloads bytea[], in_times timestamptz[], in_traceparents text[], in_now timestamptz
) RETURNS TABLE (id uuid, part smallint, seq bigint, previous bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
#variable_conflict use_column
BEGIN
  PERFORM pg_advisory_xact_lock(7263, hashtext(in_topic));
  PERFORM pg_notify('ridemesh_bus', in_topic);
  RETURN QUERY
    WITH given AS (
      SELECT m.*, abs(hashtext(m.key) % 8)::smallint AS part
      FROM unnest(in_ids, in_keys, in_types, in_tenants, in_payloads, in_times, in_traceparents)
           WITH ORDINALITY AS m (id, key, type, tenant_id, payload, event_time, traceparent, n)
    ), heads AS (
      SELECT p.part, coalesce((SELECT max(m.seq) FROM messages m
                               WHERE m.topic = in_topic AND m.part = p.part), 0) AS head
      FROM (SELECT DISTINCT part FROM given) p
    ), added AS (
      INSERT INTO messages
        (topic, part, id, key, type, tenant_id, payload, event_time, traceparent, publish_time)
      SELECT in_topic, part, id, key, type, tenant_id, payload, event_time, traceparent, in_now
      FROM given ORDER BY n
      RETURNING messages.id, messages.part, messages.seq
    )
    SELECT a.id, a.part, a.seq,
           coalesce(lag(a.seq) OVER (PARTITION BY a.part ORDER BY a.seq), h.head)
    FROM added a JOIN heads h ON h.part = a.part ORDER BY a.seq;
END $$;

-- Makes the positions of a new group.
CREATE FUNCTION join_group(in_group text, in_topics text[])
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
  INSERT INTO positions (group_name, topic, part, position)
  SELECT in_group, topic, part, 0
  FROM unnest(in_topics) AS topic, generate_series(0, 7) AS part
  ON CONFLICT DO NOTHING;
$$;

-- Takes or renews the lease on a member's share of the partitions: as many as there are for each living
-- member, rounded up. What it holds beyond its share it gives up, so nothing of it may be in hand.
CREATE FUNCTION lease(in_group text, in_topics text[], in_owner text, in_now timestamptz, in_seconds int)
RETURNS TABLE (topic text, part smallint, "position" bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
#variable_conflict use_column
DECLARE
  until timestamptz := in_now + make_interval(secs => in_seconds);
  share int;
BEGIN
  -- One member at a time, so that each counts all others.
  PERFORM pg_advisory_xact_lock(7266, hashtext(in_group));
  DELETE FROM members WHERE group_name = in_group AND seen_until < in_now;
  INSERT INTO members VALUES (in_group, in_owner, until)
  ON CONFLICT (group_name, owner) DO UPDATE SET seen_until = excluded.seen_until;
  SELECT ceil(count(*)::numeric / (SELECT count(*) FROM members WHERE group_name = in_group))
  INTO share FROM positions WHERE group_name = in_group AND topic = ANY (in_topics);
  UPDATE positions p SET owner = NULL, lease_until = NULL
  FROM (SELECT topic, part FROM positions
        WHERE group_name = in_group AND topic = ANY (in_topics) AND owner = in_owner
        ORDER BY topic, part OFFSET share) AS beyond
  WHERE p.group_name = in_group AND p.topic = beyond.topic AND p.part = beyond.part;
  RETURN QUERY
  UPDATE positions p SET owner = in_owner, lease_until = until
  FROM (SELECT topic, part FROM positions
        WHERE group_name = in_group AND topic = ANY (in_topics)
          AND (owner IS NULL OR owner = in_owner OR lease_until < in_now)
        ORDER BY owner IS NOT DISTINCT FROM in_owner DESC, topic, part LIMIT share) AS own
  WHERE p.group_name = in_group AND p.topic = own.topic AND p.part = own.part
  RETURNING p.topic, p.part, p.position;
END $$;

-- Renews a member's leases as they are.
CREATE FUNCTION renew(in_group text, in_owner text, in_now timestamptz, in_seconds int)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
  UPDATE members SET seen_until = in_now + make_interval(secs => in_seconds)
  WHERE group_name = in_group AND owner = in_owner;
  UPDATE positions SET lease_until = in_now + make_interval(secs => in_seconds)
  WHERE group_name = in_group AND owner = in_owner;
$$;

-- Records what a member has handled, and gives what waits on the partitions that it holds, oldest
-- first: one call a batch.
CREATE FUNCTION poll(
  in_group text, in_owner text, in_topics text[], in_max int,
  in_ack_topics text[], in_ack_parts smallint[], in_ack_positions bigint[]
)
RETURNS TABLE (seq bigint, topic text, part smallint, id uuid, key text, type text, tenant_id text,
               payload bytea, event_time timestamptz, traceparent text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
#variable_conflict use_column
BEGIN
  IF cardinality(in_ack_topics) > 0 THEN
    PERFORM ack(in_group, in_owner, in_ack_topics, in_ack_parts, in_ack_positions);
  END IF;
  RETURN QUERY
    SELECT m.seq, m.topic, m.part, m.id, m.key, m.type, m.tenant_id, m.payload, m.event_time, m.traceparent
    FROM positions p
    CROSS JOIN LATERAL (
      SELECT * FROM messages
      WHERE messages.topic = p.topic AND messages.part = p.part AND messages.seq > p.position
      ORDER BY messages.seq LIMIT in_max
    ) m
    WHERE p.group_name = in_group AND p.topic = ANY (in_topics) AND p.owner = in_owner
    ORDER BY m.seq;
END $$;

-- Records that a member has handled a partition up to a message. False when it has lost the lease.
CREATE FUNCTION ack(in_group text, in_owner text, in_topics text[], in_parts smallint[], in_positions bigint[])
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
  WITH done AS (
    UPDATE positions p SET position = a.position
    FROM unnest(in_topics, in_parts, in_positions) AS a (topic, part, position)
    WHERE p.group_name = in_group AND p.topic = a.topic AND p.part = a.part
      AND p.owner = in_owner AND p.position < a.position
    RETURNING 1
  ) SELECT count(*) FROM done;
$$;

-- A member leaves, and gives up its leases.
CREATE FUNCTION release(in_group text, in_owner text)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
  DELETE FROM members WHERE group_name = in_group AND owner = in_owner;
  UPDATE positions SET owner = NULL, lease_until = NULL WHERE group_name = in_group AND owner = in_owner;
$$;

-- Drops what is older than the retention.
CREATE FUNCTION forget(in_before timestamptz)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
  WITH gone AS (DELETE FROM messages WHERE publish_time < in_before RETURNING 1) SELECT count(*) FROM gone;
$$;

-- The tables are reached through these functions only.
REVOKE ALL ON messages, positions, members FROM ridemesh_bus;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bus FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA bus TO ridemesh_bus;

-- Down Migration

DROP FUNCTION publish, join_group, lease, renew, poll, ack, release, forget;
DROP TABLE members;
DROP TABLE positions;
DROP TABLE messages;
