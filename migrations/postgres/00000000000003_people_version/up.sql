-- What the page Insight users shows has a number: it moves in the transaction of whatever changes the page, so that a
-- page that was rendered before is known to be old by reading one column, in every process.
-- Not what moves all the time: last_activity_at. A column that the page comes to show is added here.
ALTER TABLE accounts ADD COLUMN people_version BIGINT NOT NULL DEFAULT 0;

-- The counting trigger writes to the account already, so it moves the number too.
CREATE OR REPLACE FUNCTION count_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts SET
    people_version = people_version + 1,
    member_count = member_count
      + CASE WHEN NEW.removed_at IS NULL THEN 1 ELSE 0 END
      - CASE WHEN TG_OP = 'UPDATE' AND OLD.removed_at IS NULL THEN 1 ELSE 0 END,
    without_two_factor_count = without_two_factor_count
      + CASE WHEN NEW.removed_at IS NULL AND NOT NEW.two_factor THEN 1 ELSE 0 END
      - CASE WHEN TG_OP = 'UPDATE' AND OLD.removed_at IS NULL AND NOT OLD.two_factor THEN 1 ELSE 0 END
  WHERE id = NEW.account_id;
  RETURN NULL;
END $$;

CREATE FUNCTION people_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE accounts SET people_version = people_version + 1 WHERE id = OLD.account_id;
  END IF;
  IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND NEW.account_id <> OLD.account_id THEN
    UPDATE accounts SET people_version = people_version + 1 WHERE id = NEW.account_id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER members_changed AFTER DELETE OR UPDATE OF id, account_id, user_id, viewer, technician, admin, name_key,
  search_text, joined_at ON members FOR EACH ROW EXECUTE FUNCTION people_changed();
CREATE TRIGGER invitations_changed AFTER INSERT OR DELETE OR UPDATE OF id, account_id, email, name, viewer, technician,
  admin, invited_by, invited_at, sent_at, expires_at, mail_id, opened_at, password_set_at, joined_at, revoked_at
  ON invitations FOR EACH ROW EXECUTE FUNCTION people_changed();
CREATE TRIGGER subscribers_changed AFTER INSERT OR DELETE OR UPDATE OF id, account_id, email, state, added_by, added_at
  ON subscribers FOR EACH ROW EXECUTE FUNCTION people_changed();
-- Where the mail of an invitation is. Product updates, thousands of them, are not on the page.
CREATE TRIGGER invitation_mail_changed AFTER UPDATE OF id, account_id, invitation_id, state, available_at, answer ON outbox
  FOR EACH ROW WHEN (NEW.invitation_id IS NOT NULL OR OLD.invitation_id IS NOT NULL) EXECUTE FUNCTION people_changed();

CREATE FUNCTION user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Account rows are locked in one order everywhere.
  PERFORM 1 FROM accounts WHERE id IN (SELECT account_id FROM members WHERE user_id = NEW.id) ORDER BY id FOR UPDATE;
  UPDATE accounts SET people_version = people_version + 1
  WHERE id IN (SELECT account_id FROM members WHERE user_id = NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER users_changed AFTER UPDATE OF id, email, name, home_account_id ON users
  FOR EACH ROW EXECUTE FUNCTION user_changed();

CREATE FUNCTION account_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.people_version = OLD.people_version + 1;
  RETURN NEW;
END $$;
CREATE TRIGGER accounts_changed BEFORE UPDATE OF name, owner_member_id ON accounts
  FOR EACH ROW EXECUTE FUNCTION account_changed();

-- "Is the person a member elsewhere?" is asked with every request: answered by the index alone, whatever the planner
-- believes about the table.
DROP INDEX members_by_user;
CREATE INDEX members_by_user ON members (user_id, account_id, removed_at);
