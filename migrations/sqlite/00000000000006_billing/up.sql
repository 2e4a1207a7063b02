-- Billing: plans, cards, invoices, payments. Amounts are whole minor units (cents) of the currency beside them; days
-- are counted from 1970-01-01 UTC.

-- Since when the account has its owner, and since when it is read-only because an invoice was not paid.
ALTER TABLE accounts ADD COLUMN owner_since BIGINT;
ALTER TABLE accounts ADD COLUMN read_only_since BIGINT;
UPDATE accounts SET owner_since = created_at WHERE owner_member_id IS NOT NULL;

-- One row per account, made with it by a trigger.
CREATE TABLE billing (
  account_id BIGINT NOT NULL PRIMARY KEY REFERENCES accounts (id),
  -- Key of a plan in the file of plans; empty for the default one.
  plan TEXT NOT NULL DEFAULT '',
  -- What the running period was sold for, whatever the file says by now.
  plan_name TEXT NOT NULL DEFAULT '',
  seats BIGINT NOT NULL DEFAULT 0,
  seat_price BIGINT NOT NULL DEFAULT 0,
  currency TEXT NOT NULL DEFAULT '',
  every TEXT NOT NULL DEFAULT 'month',
  -- Periods are counted from the first day of the first one, so that the 31st comes back after February.
  anchor_day INTEGER,
  period INTEGER NOT NULL DEFAULT 0,
  period_start INTEGER,
  -- First day of the next period: when it is invoiced.
  period_end INTEGER,
  -- What the next period is sold as, when that was changed.
  next_plan TEXT,
  next_seats BIGINT,
  -- From credit notes of paid invoices; goes into the next invoice.
  credit BIGINT NOT NULL DEFAULT 0,
  next_number BIGINT NOT NULL DEFAULT 1,
  -- Moves with every change of plan, seats or period, so that an order that was reviewed is the one that is placed.
  version BIGINT NOT NULL DEFAULT 0,
  company TEXT NOT NULL DEFAULT '',
  address TEXT NOT NULL DEFAULT '',
  country TEXT NOT NULL DEFAULT '',
  vat_number TEXT NOT NULL DEFAULT '',
  extra_text TEXT NOT NULL DEFAULT '',
  contact TEXT NOT NULL DEFAULT '',
  -- The account's number at the payment provider, and which provider that is.
  provider TEXT NOT NULL DEFAULT '',
  customer TEXT NOT NULL DEFAULT ''
);
CREATE INDEX billing_due ON billing (period_end, account_id) WHERE period_end IS NOT NULL;
INSERT INTO billing (account_id) SELECT id FROM accounts;

-- The card on file: what a person may know of it, and the provider's name for it.
CREATE TABLE cards (
  account_id BIGINT NOT NULL PRIMARY KEY REFERENCES accounts (id),
  provider TEXT NOT NULL,
  token TEXT NOT NULL,
  brand TEXT NOT NULL,
  last4 TEXT NOT NULL,
  exp_year INTEGER NOT NULL,
  exp_month INTEGER NOT NULL,
  added_at BIGINT NOT NULL
);

-- Visits to the provider's page for cards.
CREATE TABLE card_setups (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  provider TEXT NOT NULL,
  asked_by TEXT NOT NULL,
  -- The provider's name for the visit; null while it is being asked for.
  session TEXT,
  -- open, done, given up.
  state TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  -- When the provider is asked next how it went.
  look_at BIGINT,
  finished_at BIGINT,
  UNIQUE (account_id, id)
);
CREATE UNIQUE INDEX card_setups_by_session ON card_setups (provider, session);
CREATE INDEX card_setups_open ON card_setups (look_at, id) WHERE look_at IS NOT NULL;

CREATE TABLE invoices (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  -- Never changes once written (a trigger sees to it): number to content.
  number BIGINT NOT NULL,
  -- invoice, credit note.
  kind TEXT NOT NULL,
  corrects_id BIGINT,
  issued_day INTEGER NOT NULL,
  issued_at BIGINT NOT NULL,
  -- First day of the period that it renews; null for other invoices.
  renews_day INTEGER,
  currency TEXT NOT NULL,
  net BIGINT NOT NULL,
  tax BIGINT NOT NULL,
  total BIGINT NOT NULL,
  -- What is left to pay after credit.
  due BIGINT NOT NULL,
  -- Everything that stands on it, as JSON; the PDF is made from this alone.
  content TEXT NOT NULL,
  -- open, overdue, paid, credited; a credit note is issued.
  state TEXT NOT NULL,
  -- Payments that failed, why the last one did, and when the next is tried.
  attempts INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  failed_at BIGINT,
  attempt_at BIGINT,
  paid_at BIGINT,
  UNIQUE (account_id, id),
  UNIQUE (account_id, number),
  FOREIGN KEY (account_id, corrects_id) REFERENCES invoices (account_id, id)
);
CREATE UNIQUE INDEX invoices_of_period ON invoices (account_id, renews_day) WHERE renews_day IS NOT NULL;
CREATE INDEX invoices_to_pay ON invoices (attempt_at, id) WHERE attempt_at IS NOT NULL;
CREATE INDEX invoices_overdue ON invoices (account_id) WHERE state = 'overdue';

-- One attempt to be paid: written before the provider is called, with everything the call says, so that it can be
-- repeated word by word after a crash; the result is written after it.
CREATE TABLE payments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  invoice_id BIGINT NOT NULL,
  -- The idempotency key.
  key TEXT NOT NULL UNIQUE,
  provider TEXT NOT NULL,
  customer TEXT NOT NULL,
  token TEXT NOT NULL,
  -- "Visa ending in 4242".
  card TEXT NOT NULL,
  amount BIGINT NOT NULL,
  currency TEXT NOT NULL,
  -- Somebody is there to confirm it.
  present BOOLEAN NOT NULL,
  -- started, waiting (for the person's confirmation), succeeded, failed.
  state TEXT NOT NULL,
  -- The provider's name for it, and its page for the confirmation.
  reference TEXT,
  url TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  -- Until then one process works on it; afterwards the provider is asked again.
  leased_until BIGINT NOT NULL,
  finished_at BIGINT,
  UNIQUE (account_id, id),
  FOREIGN KEY (account_id, invoice_id) REFERENCES invoices (account_id, id)
);
CREATE UNIQUE INDEX payments_under_way ON payments (account_id, invoice_id) WHERE finished_at IS NULL;
CREATE INDEX payments_unfinished ON payments (leased_until, id) WHERE finished_at IS NULL;
CREATE INDEX payments_by_reference ON payments (provider, reference);

-- Events that the provider has sent, so that one that comes twice counts once.
CREATE TABLE provider_events (
  provider TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  received_at BIGINT NOT NULL,
  PRIMARY KEY (provider, id)
);
CREATE INDEX provider_events_by_age ON provider_events (received_at);

-- The books of the sandbox, which plays the payment provider.
CREATE TABLE sandbox_cards (
  session TEXT NOT NULL PRIMARY KEY,
  token TEXT NOT NULL,
  brand TEXT NOT NULL,
  last4 TEXT NOT NULL,
  exp_year INTEGER NOT NULL,
  exp_month INTEGER NOT NULL
);
CREATE TABLE sandbox_charges (
  key TEXT NOT NULL PRIMARY KEY,
  token TEXT NOT NULL,
  amount BIGINT NOT NULL,
  currency TEXT NOT NULL,
  -- succeeded, failed, waiting.
  state TEXT NOT NULL,
  reason TEXT NOT NULL
);

CREATE TRIGGER accounts_get_billing AFTER INSERT ON accounts
BEGIN
  INSERT INTO billing (account_id) VALUES (NEW.id);
END;

CREATE TRIGGER invoices_never_change BEFORE UPDATE OF id, account_id, number, kind, corrects_id, issued_day, issued_at, renews_day,
  currency, net, tax, total, due, content ON invoices
BEGIN
  SELECT RAISE(ABORT, 'an issued invoice never changes');
END;
CREATE TRIGGER invoices_stay BEFORE DELETE ON invoices
BEGIN
  SELECT RAISE(ABORT, 'an issued invoice never changes');
END;

-- The page Insight users says how many seats are used.
CREATE TRIGGER seats_changed AFTER UPDATE OF plan, seats, next_plan, next_seats ON billing
BEGIN
  UPDATE accounts SET people_version = people_version + 1 WHERE id = NEW.account_id;
END;
