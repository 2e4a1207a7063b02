-- Records of a removed member on their way to another one: many records take more than one transaction, and a killed
-- process goes on where it stopped.
CREATE TABLE record_transfers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  from_slot INTEGER NOT NULL,
  to_slot INTEGER NOT NULL,
  asked_by_slot INTEGER NOT NULL,
  asked_at BIGINT NOT NULL,
  finished_at BIGINT,
  FOREIGN KEY (account_id, from_slot) REFERENCES members (account_id, slot),
  FOREIGN KEY (account_id, to_slot) REFERENCES members (account_id, slot),
  FOREIGN KEY (account_id, asked_by_slot) REFERENCES members (account_id, slot)
);
CREATE INDEX record_transfers_due ON record_transfers (id) WHERE finished_at IS NULL;
CREATE INDEX record_transfers_due_to ON record_transfers (account_id, to_slot) WHERE finished_at IS NULL;
