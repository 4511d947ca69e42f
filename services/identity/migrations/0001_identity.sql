-- Up Migration

CREATE TABLE users (
  tenant_id text NOT NULL,
  user_id uuid NOT NULL,
  -- Keyed hash of the e-mail: finds, and keeps unique, what is stored encrypted.
  email_index bytea NOT NULL,
  -- Personal data, encrypted.
  email bytea NOT NULL,
  phone bytea,
  display_name bytea NOT NULL,
  -- bcrypt; null while the account cannot log in.
  password_hash text,
  -- ridemesh.options.v1.Role
  roles smallint[] NOT NULL,
  -- ridemesh.identity.v1.UserStatus
  status smallint NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, user_id),
  CONSTRAINT users_email_key UNIQUE (tenant_id, email_index)
);

-- Failed logins by e-mail, whether it has an account or not: who asks cannot tell.
CREATE TABLE login_guards (
  tenant_id text NOT NULL,
  email_index bytea NOT NULL,
  failures int NOT NULL,
  last_failure_time timestamptz NOT NULL,
  locked_until timestamptz,
  PRIMARY KEY (tenant_id, email_index)
);
CREATE INDEX login_guards_by_time ON login_guards (last_failure_time);

-- A session is a family of refresh tokens, of which one is current.
CREATE TABLE sessions (
  tenant_id text NOT NULL,
  session_id text NOT NULL,
  user_id uuid NOT NULL,
  -- How often the refresh token was rotated.
  generation int NOT NULL DEFAULT 0,
  -- SHA-256 of the current refresh token.
  token_hash bytea NOT NULL,
  -- SHA-256 of the one before, what the current one was derived from it with, and when.
  previous_hash bytea,
  rotation_salt bytea,
  rotate_time timestamptz,
  create_time timestamptz NOT NULL,
  expire_time timestamptz NOT NULL,
  revoke_time timestamptz,
  PRIMARY KEY (tenant_id, session_id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users
);
CREATE INDEX sessions_by_user ON sessions (tenant_id, user_id);
CREATE INDEX sessions_by_expiry ON sessions (expire_time);

-- Sessions whose access tokens must be refused until they have all expired.
CREATE TABLE revoked_sessions (
  tenant_id text NOT NULL,
  session_id text NOT NULL,
  revoke_time timestamptz NOT NULL,
  expire_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, session_id)
);
CREATE INDEX revoked_sessions_by_time ON revoked_sessions (revoke_time);
CREATE INDEX revoked_sessions_by_expiry ON revoked_sessions (expire_time);

CREATE TABLE stream_tickets (
  tenant_id text NOT NULL,
  -- SHA-256 of the ticket. Unique by itself: a ticket is redeemed before its tenant is known.
  ticket_hash bytea PRIMARY KEY,
  session_id text NOT NULL,
  expire_time timestamptz NOT NULL
);
CREATE INDEX stream_tickets_by_expiry ON stream_tickets (expire_time);

-- The platform's, not a tenant's.
CREATE TABLE signing_keys (
  kid text PRIMARY KEY,
  -- RFC 7517
  public_jwk jsonb NOT NULL,
  -- PKCS #8, encrypted.
  private_key bytea NOT NULL,
  create_time timestamptz NOT NULL,
  expire_time timestamptz NOT NULL,
  -- Set by hand when a key has leaked; its tokens are refused within seconds.
  revoke_time timestamptz
);

-- What happened to accounts and sessions: append-only.
CREATE TABLE auth_audit (
  tenant_id text NOT NULL,
  entry_id uuid NOT NULL,
  action text NOT NULL,
  -- Whose account; null when the e-mail has none.
  user_id text,
  -- Who did it, where that is another.
  actor_id text,
  session_id text,
  email_index bytea,
  -- Personal data, encrypted.
  client_address bytea,
  request_id text NOT NULL,
  entry_time timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, entry_id)
);
CREATE INDEX auth_audit_by_user ON auth_audit (tenant_id, user_id, entry_time);
REVOKE UPDATE, DELETE ON auth_audit FROM ridemesh_identity;

-- Down Migration

DROP TABLE auth_audit;
DROP TABLE signing_keys;
DROP TABLE stream_tickets;
DROP TABLE revoked_sessions;
DROP TABLE sessions;
DROP TABLE login_guards;
DROP TABLE users;
