-- Files of records: exports that were asked for, imports with their rows as they were sent.
-- environment, object: as in records. A row that a worker works on carries its lease.

CREATE TABLE exports (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  environment SMALLINT NOT NULL,
  object SMALLINT NOT NULL,
  member_slot INTEGER NOT NULL,
  -- Where it was asked from, for the audit log.
  address TEXT NOT NULL,
  -- The list's query string, and what it means in words.
  query TEXT NOT NULL,
  filter TEXT NOT NULL,
  -- True for one that goes straight to the browser and leaves no file.
  direct BOOLEAN NOT NULL,
  -- queued, in progress, done, stopped.
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  -- Rows there were when it was asked for, as far as they are counted, and rows written so far.
  expected BIGINT NOT NULL,
  written BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  -- Name in the folder for exports, once there is a whole file.
  file TEXT,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  finished_at BIGINT,
  leased_until BIGINT,
  lease_token BLOB,
  UNIQUE (account_id, id),
  FOREIGN KEY (account_id, member_slot) REFERENCES members (account_id, slot)
);
CREATE INDEX exports_by_member ON exports (account_id, member_slot, id);
CREATE INDEX exports_open ON exports (id) WHERE finished_at IS NULL;

CREATE TABLE imports (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  environment SMALLINT NOT NULL,
  object SMALLINT NOT NULL,
  -- Who sent it, and acts in it.
  member_slot INTEGER NOT NULL,
  address TEXT NOT NULL,
  -- csv, api.
  source TEXT NOT NULL,
  -- Name of the file, and the sender's own name for it.
  name TEXT NOT NULL,
  external_id TEXT NOT NULL,
  -- received, matching, checking, checked; queued, in progress, successful, partly failed, failed.
  state TEXT NOT NULL,
  -- Why it stopped, in a sentence.
  reason TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  -- JSON lists of texts: the heads of the columns, and what each one goes into.
  heads TEXT NOT NULL,
  matched TEXT NOT NULL,
  -- Rows as sent; rows that the present pass is through with, and what came of them.
  total BIGINT NOT NULL,
  done BIGINT NOT NULL,
  created_rows BIGINT NOT NULL,
  updated_rows BIGINT NOT NULL,
  rejected_rows BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  finished_at BIGINT,
  -- Set when the rows as sent were deleted.
  emptied_at BIGINT,
  leased_until BIGINT,
  lease_token BLOB,
  UNIQUE (account_id, id),
  FOREIGN KEY (account_id, member_slot) REFERENCES members (account_id, slot)
);
CREATE INDEX imports_by_environment ON imports (account_id, environment, id);
CREATE INDEX imports_open ON imports (id) WHERE finished_at IS NULL;

CREATE TABLE import_rows (
  account_id BIGINT NOT NULL,
  import_id BIGINT NOT NULL,
  -- From 1, without the heads.
  number BIGINT NOT NULL,
  -- A JSON list of texts.
  cells TEXT NOT NULL,
  -- 0 waiting, 1 accepted, 2 rejected.
  state SMALLINT NOT NULL,
  reason TEXT NOT NULL,
  record_id BIGINT,
  PRIMARY KEY (account_id, import_id, number),
  FOREIGN KEY (account_id, import_id) REFERENCES imports (account_id, id) ON DELETE CASCADE
);
CREATE INDEX import_rows_rejected ON import_rows (account_id, import_id, number) WHERE state = 2;
