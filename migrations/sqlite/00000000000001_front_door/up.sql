-- People, sign-in, invitations, subscribers, mail and the audit log.
-- Instants are microseconds since 1970-01-01 UTC. account_id leads every key of tenant data, and composite
-- foreign keys make a link from one account into another impossible to store.

CREATE TABLE accounts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  owner_member_id BIGINT,
  created_at BIGINT NOT NULL,
  -- Active members, and those of them who have to set two-factor up: kept by triggers, so that a page of the list need
  -- not count ten thousand rows.
  member_count BIGINT NOT NULL DEFAULT 0,
  without_two_factor_count BIGINT NOT NULL DEFAULT 0,
  audit_seq BIGINT NOT NULL DEFAULT 0,
  audit_head BLOB NOT NULL,
  FOREIGN KEY (id, owner_member_id) REFERENCES members (account_id, id)
);

CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  home_account_id BIGINT NOT NULL REFERENCES accounts (id),
  password TEXT,
  totp_secret BLOB,
  totp_last_step BIGINT NOT NULL DEFAULT 0,
  totp_failures INTEGER NOT NULL DEFAULT 0,
  time_zone TEXT NOT NULL DEFAULT 'UTC',
  theme TEXT NOT NULL DEFAULT 'system',
  product_updates BOOLEAN NOT NULL DEFAULT 1,
  operator BOOLEAN NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL
);

CREATE TABLE recovery_codes (
  user_id BIGINT NOT NULL REFERENCES users (id),
  code_hash BLOB NOT NULL,
  used_at BIGINT,
  PRIMARY KEY (user_id, code_hash)
);

CREATE TABLE profiles (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  name TEXT NOT NULL,
  standard BOOLEAN NOT NULL DEFAULT 0,
  UNIQUE (account_id, id),
  UNIQUE (account_id, name)
);

CREATE TABLE roles (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  name TEXT NOT NULL,
  parent_id BIGINT,
  UNIQUE (account_id, id),
  UNIQUE (account_id, name),
  FOREIGN KEY (account_id, parent_id) REFERENCES roles (account_id, id)
);

CREATE TABLE members (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  user_id BIGINT NOT NULL REFERENCES users (id),
  viewer BOOLEAN NOT NULL,
  technician BOOLEAN NOT NULL,
  admin BOOLEAN NOT NULL,
  profile_id BIGINT,
  role_id BIGINT,
  -- Copies of what the list filters and sorts by, so that a page is one index range of one table.
  name_key TEXT NOT NULL,
  search_text TEXT NOT NULL,
  two_factor BOOLEAN NOT NULL,
  joined_at BIGINT NOT NULL,
  last_activity_at BIGINT NOT NULL,
  removed_at BIGINT,
  UNIQUE (account_id, id),
  UNIQUE (account_id, user_id),
  FOREIGN KEY (account_id, profile_id) REFERENCES profiles (account_id, id),
  FOREIGN KEY (account_id, role_id) REFERENCES roles (account_id, id)
);
CREATE INDEX members_by_name ON members (account_id, name_key, id) WHERE removed_at IS NULL;
CREATE INDEX members_by_activity ON members (account_id, last_activity_at, id) WHERE removed_at IS NULL;
CREATE INDEX members_by_joined ON members (account_id, joined_at, id) WHERE removed_at IS NULL;
CREATE INDEX members_admins ON members (account_id, id) WHERE admin AND removed_at IS NULL;
CREATE INDEX members_without_two_factor ON members (account_id, id) WHERE NOT two_factor AND removed_at IS NULL;
CREATE INDEX members_by_user ON members (user_id);

CREATE TABLE sessions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  token_hash BLOB NOT NULL UNIQUE,
  user_id BIGINT NOT NULL REFERENCES users (id),
  account_id BIGINT NOT NULL,
  -- 1: password given, code missing; 2: signed in.
  level INTEGER NOT NULL,
  created_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  code_at BIGINT NOT NULL,
  code_failures INTEGER NOT NULL DEFAULT 0,
  address TEXT NOT NULL,
  device TEXT NOT NULL,
  environment TEXT NOT NULL DEFAULT 'test',
  -- Sealed text that is shown until the person says it is saved (recovery codes, a copied link).
  revealed BLOB,
  FOREIGN KEY (account_id, user_id) REFERENCES members (account_id, user_id)
);
CREATE INDEX sessions_by_user ON sessions (user_id, account_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE devices (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id BIGINT NOT NULL REFERENCES users (id),
  token_hash BLOB NOT NULL,
  last_seen_at BIGINT NOT NULL,
  UNIQUE (user_id, token_hash)
);
CREATE INDEX devices_by_age ON devices (last_seen_at);

CREATE TABLE throttles (
  bucket BLOB PRIMARY KEY,
  failures INTEGER NOT NULL,
  last_failure_at BIGINT NOT NULL,
  blocked_until BIGINT NOT NULL
);
CREATE INDEX throttles_by_age ON throttles (last_failure_at);

CREATE TABLE invitations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  email TEXT NOT NULL,
  name TEXT NOT NULL,
  viewer BOOLEAN NOT NULL,
  technician BOOLEAN NOT NULL,
  admin BOOLEAN NOT NULL,
  profile_id BIGINT,
  role_id BIGINT,
  invited_by BIGINT,
  invited_at BIGINT NOT NULL,
  -- Of the link that is out now; a resend moves them.
  sent_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  mail_id BIGINT,
  reminders INTEGER NOT NULL DEFAULT 0,
  opened_at BIGINT,
  password_set_at BIGINT,
  joined_at BIGINT,
  revoked_at BIGINT,
  UNIQUE (account_id, id),
  FOREIGN KEY (account_id, invited_by) REFERENCES members (account_id, id),
  FOREIGN KEY (account_id, profile_id) REFERENCES profiles (account_id, id),
  FOREIGN KEY (account_id, role_id) REFERENCES roles (account_id, id)
);
CREATE UNIQUE INDEX invitations_pending_email ON invitations (account_id, email) WHERE joined_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitations_pending ON invitations (account_id, invited_at, id) WHERE joined_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitations_by_inviter ON invitations (account_id, invited_by) WHERE joined_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitations_to_remind ON invitations (reminders, sent_at) WHERE joined_at IS NULL AND revoked_at IS NULL;

-- Every link that is mailed or printed: set-up, invitation, new password, set-up of access.
CREATE TABLE links (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  token_hash BLOB NOT NULL UNIQUE,
  account_id BIGINT REFERENCES accounts (id),
  invitation_id BIGINT,
  user_id BIGINT REFERENCES users (id),
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT,
  revoked_at BIGINT,
  failures INTEGER NOT NULL DEFAULT 0,
  -- Sealed state of a registration that is not finished: name, password hash, secret.
  pending BLOB,
  FOREIGN KEY (account_id, invitation_id) REFERENCES invitations (account_id, id)
);
CREATE INDEX links_by_invitation ON links (account_id, invitation_id) WHERE invitation_id IS NOT NULL;
CREATE INDEX links_by_user ON links (user_id, kind) WHERE user_id IS NOT NULL;

CREATE TABLE subscribers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  email TEXT NOT NULL,
  state TEXT NOT NULL,
  added_by BIGINT NOT NULL,
  added_at BIGINT NOT NULL,
  UNIQUE (account_id, id),
  UNIQUE (account_id, email),
  FOREIGN KEY (account_id, added_by) REFERENCES members (account_id, id)
);
CREATE INDEX subscribers_by_email ON subscribers (email);

CREATE TABLE announcements (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  markdown TEXT NOT NULL,
  account_id BIGINT REFERENCES accounts (id),
  written_by BIGINT REFERENCES users (id),
  created_at BIGINT NOT NULL,
  -- How far the recipients have been written to the outbox; null ends mean "all of them".
  next_subscriber BIGINT NOT NULL DEFAULT 0,
  next_user BIGINT NOT NULL DEFAULT 0,
  addressed_at BIGINT
);
CREATE INDEX announcements_unaddressed ON announcements (id) WHERE addressed_at IS NULL;

CREATE TABLE announcement_recipients (
  announcement_id BIGINT NOT NULL REFERENCES announcements (id),
  email TEXT NOT NULL,
  PRIMARY KEY (announcement_id, email)
);

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT REFERENCES accounts (id),
  kind TEXT NOT NULL,
  recipient TEXT NOT NULL,
  -- queued, sent, failed, withdrawn
  state TEXT NOT NULL,
  -- Sealed headers and bodies; wiped as soon as the message has left or has failed for good.
  sealed BLOB,
  priority INTEGER NOT NULL,
  created_at BIGINT NOT NULL,
  available_at BIGINT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  leased_until BIGINT,
  lease_token BLOB,
  finished_at BIGINT,
  answer TEXT,
  invitation_id BIGINT,
  announcement_id BIGINT REFERENCES announcements (id)
);
CREATE INDEX outbox_queue ON outbox (priority, available_at, id) WHERE state = 'queued';
CREATE INDEX outbox_failed ON outbox (id) WHERE state = 'failed';
CREATE INDEX outbox_by_invitation ON outbox (invitation_id) WHERE invitation_id IS NOT NULL;
CREATE INDEX outbox_by_announcement ON outbox (announcement_id, state) WHERE announcement_id IS NOT NULL;

CREATE TABLE audit_entries (
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  actor_id BIGINT,
  actor_name TEXT NOT NULL,
  address TEXT NOT NULL,
  action TEXT NOT NULL,
  data TEXT NOT NULL,
  kid TEXT NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (account_id, seq)
);
CREATE INDEX audit_by_action ON audit_entries (account_id, action, at, seq);
CREATE INDEX audit_by_actor ON audit_entries (account_id, actor_id, at, seq);
CREATE INDEX audit_by_time ON audit_entries (account_id, at, seq);

CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER members_counted_in AFTER INSERT ON members
BEGIN
  UPDATE accounts SET
    member_count = member_count + (NEW.removed_at IS NULL),
    without_two_factor_count = without_two_factor_count + (NEW.removed_at IS NULL AND NOT NEW.two_factor)
  WHERE id = NEW.account_id;
END;
CREATE TRIGGER members_counted_anew AFTER UPDATE OF removed_at, two_factor ON members
WHEN OLD.removed_at IS NOT NEW.removed_at OR OLD.two_factor <> NEW.two_factor
BEGIN
  UPDATE accounts SET
    member_count = member_count + (NEW.removed_at IS NULL) - (OLD.removed_at IS NULL),
    without_two_factor_count = without_two_factor_count
      + (NEW.removed_at IS NULL AND NOT NEW.two_factor) - (OLD.removed_at IS NULL AND NOT OLD.two_factor)
  WHERE id = NEW.account_id;
END;
