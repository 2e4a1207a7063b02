-- What the page Insight users shows has a number: it moves in the transaction of whatever changes the page, so that a
-- page that was rendered before is known to be old by reading one column, in every process.
-- Not what moves all the time: last_activity_at. A column that the page comes to show is added here.
ALTER TABLE accounts ADD COLUMN people_version BIGINT NOT NULL DEFAULT 0;

-- The counting triggers write to the account already, so they move the number too.
DROP TRIGGER members_counted_in;
DROP TRIGGER members_counted_anew;
CREATE TRIGGER members_counted_in AFTER INSERT ON members
BEGIN
  UPDATE accounts SET
    people_version = people_version + 1,
    member_count = member_count + (NEW.removed_at IS NULL),
    without_two_factor_count = without_two_factor_count + (NEW.removed_at IS NULL AND NOT NEW.two_factor)
  WHERE id = NEW.account_id;
END;
CREATE TRIGGER members_counted_anew AFTER UPDATE OF removed_at, two_factor ON members
WHEN OLD.removed_at IS NOT NEW.removed_at OR OLD.two_factor <> NEW.two_factor
BEGIN
  UPDATE accounts SET
    people_version = people_version + 1,
    member_count = member_count + (NEW.removed_at IS NULL) - (OLD.removed_at IS NULL),
    without_two_factor_count = without_two_factor_count
      + (NEW.removed_at IS NULL AND NOT NEW.two_factor) - (OLD.removed_at IS NULL AND NOT OLD.two_factor)
  WHERE id = NEW.account_id;
END;

CREATE TRIGGER members_changed AFTER UPDATE OF id, account_id, user_id, viewer, technician, admin, name_key, search_text,
  joined_at ON members
BEGIN
  UPDATE accounts SET people_version = people_version + 1 WHERE id IN (OLD.account_id, NEW.account_id);
END;
CREATE TRIGGER members_deleted AFTER DELETE ON members
BEGIN
  UPDATE accounts SET people_version = people_version + 1 WHERE id = OLD.account_id;
END;

CREATE TRIGGER invitations_made AFTER INSERT ON invitations
BEGIN
  UPDATE accounts SET people_version = people_version + 1 WHERE id = NEW.account_id;
END;
CREATE TRIGGER invitations_changed AFTER UPDATE OF id, account_id, email, name, viewer, technician, admin, invited_by,
  invited_at, sent_at, expires_at, mail_id, opened_at, password_set_at, joined_at, revoked_at ON invitations
BEGIN
  UPDATE accounts SET people_version = people_version + 1 WHERE id IN (OLD.account_id, NEW.account_id);
END;
CREATE TRIGGER invitations_deleted AFTER DELETE ON invitations
BEGIN
  UPDATE accounts SET people_version = people_version + 1 WHERE id = OLD.account_id;
END;

CREATE TRIGGER subscribers_made AFTER INSERT ON subscribers
BEGIN
  UPDATE accounts SET people_version = people_version + 1 WHERE id = NEW.account_id;
END;
CREATE TRIGGER subscribers_changed AFTER UPDATE OF id, account_id, email, state, added_by, added_at ON subscribers
BEGIN
  UPDATE accounts SET people_version = people_version + 1 WHERE id IN (OLD.account_id, NEW.account_id);
END;
CREATE TRIGGER subscribers_deleted AFTER DELETE ON subscribers
BEGIN
  UPDATE accounts SET people_version = people_version + 1 WHERE id = OLD.account_id;
END;

-- Where the mail of an invitation is. Product updates, thousands of them, are not on the page.
CREATE TRIGGER invitation_mail_changed AFTER UPDATE OF id, account_id, invitation_id, state, available_at, answer ON outbox
WHEN NEW.invitation_id IS NOT NULL OR OLD.invitation_id IS NOT NULL
BEGIN
  UPDATE accounts SET people_version = people_version + 1 WHERE id IN (OLD.account_id, NEW.account_id);
END;

CREATE TRIGGER users_changed AFTER UPDATE OF id, email, name, home_account_id ON users
BEGIN
  UPDATE accounts SET people_version = people_version + 1
  WHERE id IN (SELECT account_id FROM members WHERE user_id = NEW.id);
END;

CREATE TRIGGER accounts_changed AFTER UPDATE OF name, owner_member_id ON accounts
BEGIN
  UPDATE accounts SET people_version = people_version + 1 WHERE id = NEW.id;
END;

-- "Is the person a member elsewhere?" is asked with every request: answered by the index alone, whatever the planner
-- believes about the table.
DROP INDEX members_by_user;
CREATE INDEX members_by_user ON members (user_id, account_id, removed_at);
