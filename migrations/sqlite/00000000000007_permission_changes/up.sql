-- Changes of who may do what: proposed on a form, reviewed, applied. An applied one has a number and stays; a proposal that
-- nobody applies goes after a week.
CREATE TABLE permission_changes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  proposed_by BIGINT NOT NULL,
  proposed_at BIGINT NOT NULL,
  -- What was asked for, as JSON, and as a sentence.
  change TEXT NOT NULL,
  sentence TEXT NOT NULL,
  -- The page that it came from.
  back TEXT NOT NULL,
  number BIGINT,
  applied_by BIGINT,
  applied_at BIGINT,
  -- What was written, as JSON.
  difference TEXT,
  -- The number of the change that this one takes back.
  reverts BIGINT,
  UNIQUE (account_id, number),
  FOREIGN KEY (account_id, proposed_by) REFERENCES members (account_id, id),
  FOREIGN KEY (account_id, applied_by) REFERENCES members (account_id, id)
);
CREATE INDEX permission_changes_open ON permission_changes (account_id, proposed_at) WHERE applied_at IS NULL;
CREATE INDEX permission_changes_reverting ON permission_changes (account_id, reverts) WHERE reverts IS NOT NULL;
