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

-- Appends to one topic. One publisher at a time, so that seq order is commit order and a reader
-- never passes a message that becomes visible later.
CREATE FUNCTION publish(
  in_topic text, in_ids uuid[], in_keys text[], in_types text[], in_tenants text[],
  in_payloads bytea[], in_times timestamptz[], in_traceparents text[], in_now timestamptz
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(7263, hashtext(in_topic));
  INSERT INTO messages (topic, part, id, key, type, tenant_id, payload, event_time, traceparent, publish_time)
  SELECT in_topic, abs(hashtext(m.key) % 8), m.id, m.key, m.type, m.tenant_id, m.payload, m.event_time,
         m.traceparent, in_now
  FROM unnest(in_ids, in_keys, in_types, in_tenants, in_payloads, in_times, in_traceparents)
       WITH ORDINALITY AS m (id, key, type, tenant_id, payload, event_time, traceparent, n)
  ORDER BY m.n;
  PERFORM pg_notify('ridemesh_bus', in_topic);
END $$;

-- Makes the positions of a new group.
CREATE FUNCTION join_group(in_group text, in_topics text[])
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
  INSERT INTO positions (group_name, topic, part, position)
  SELECT in_group, topic, part, 0
  FROM unnest(in_topics) AS topic, generate_series(0, 7) AS part
  ON CONFLICT DO NOTHING;
$$;

-- Takes or renews the lease on partitions that no other living member reads.
CREATE FUNCTION lease(in_group text, in_topics text[], in_owner text, in_now timestamptz, in_seconds int)
RETURNS TABLE (topic text, part smallint, "position" bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
  UPDATE positions p SET owner = in_owner, lease_until = in_now + make_interval(secs => in_seconds)
  WHERE p.group_name = in_group AND p.topic = ANY (in_topics)
    AND (p.owner IS NULL OR p.owner = in_owner OR p.lease_until < in_now)
  RETURNING p.topic, p.part, p.position;
$$;

-- What waits on the partitions that a member holds, oldest first.
CREATE FUNCTION poll(in_group text, in_owner text, in_topics text[], in_max int)
RETURNS TABLE (seq bigint, topic text, part smallint, id uuid, key text, type text, tenant_id text,
               payload bytea, event_time timestamptz, traceparent text)
LANGUAGE sql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
  SELECT m.seq, m.topic, m.part, m.id, m.key, m.type, m.tenant_id, m.payload, m.event_time, m.traceparent
  FROM positions p
  CROSS JOIN LATERAL (
    SELECT * FROM messages
    WHERE messages.topic = p.topic AND messages.part = p.part AND messages.seq > p.position
    ORDER BY messages.seq LIMIT in_max
  ) m
  WHERE p.group_name = in_group AND p.topic = ANY (in_topics) AND p.owner = in_owner
  ORDER BY m.seq;
$$;

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

-- Gives up all leases of a member.
CREATE FUNCTION release(in_group text, in_owner text)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
  UPDATE positions SET owner = NULL, lease_until = NULL WHERE group_name = in_group AND owner = in_owner;
$$;

-- Drops what is older than the retention.
CREATE FUNCTION forget(in_before timestamptz)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
  WITH gone AS (DELETE FROM messages WHERE publish_time < in_before RETURNING 1) SELECT count(*) FROM gone;
$$;

-- The tables are reached through these functions only.
REVOKE ALL ON messages, positions FROM ridemesh_bus;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bus FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA bus TO ridemesh_bus;

-- Down Migration

DROP FUNCTION publish, join_group, lease, poll, ack, release, forget;
DROP TABLE positions;
DROP TABLE messages;
