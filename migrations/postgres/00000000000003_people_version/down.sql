DROP INDEX members_by_user;
CREATE INDEX members_by_user ON members (user_id);
DROP TRIGGER accounts_changed ON accounts;
DROP TRIGGER users_changed ON users;
DROP TRIGGER invitation_mail_changed ON outbox;
DROP TRIGGER subscribers_changed ON subscribers;
DROP TRIGGER invitations_changed ON invitations;
DROP TRIGGER members_changed ON members;
DROP FUNCTION account_changed;
DROP FUNCTION user_changed;
DROP FUNCTION people_changed;
CREATE OR REPLACE FUNCTION count_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts SET
    member_count = member_count
      + CASE WHEN NEW.removed_at IS NULL THEN 1 ELSE 0 END
      - CASE WHEN TG_OP = 'UPDATE' AND OLD.removed_at IS NULL THEN 1 ELSE 0 END,
    without_two_factor_count = without_two_factor_count
      + CASE WHEN NEW.removed_at IS NULL AND NOT NEW.two_factor THEN 1 ELSE 0 END
      - CASE WHEN TG_OP = 'UPDATE' AND OLD.removed_at IS NULL AND NOT OLD.two_factor THEN 1 ELSE 0 END
  WHERE id = NEW.account_id;
  RETURN NULL;
END $$;
ALTER TABLE accounts DROP COLUMN people_version;
