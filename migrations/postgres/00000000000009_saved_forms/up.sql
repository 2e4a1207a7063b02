-- Forms that made something, so that one that is sent twice makes it once; forgotten after a day.
CREATE TABLE saved_forms (
  account_id BIGINT NOT NULL,
  member_slot INTEGER NOT NULL,
  -- The random value that the form carried.
  token BYTEA NOT NULL,
  -- SHA-256 of what was filled in.
  content BYTEA NOT NULL,
  -- Where the form led; empty only inside the transaction that saves it.
  path TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (account_id, member_slot, token),
  FOREIGN KEY (account_id, member_slot) REFERENCES members (account_id, slot)
);
CREATE INDEX saved_forms_by_age ON saved_forms (created_at);
