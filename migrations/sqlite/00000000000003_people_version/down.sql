DROP INDEX members_by_user;
CREATE INDEX members_by_user ON members (user_id);
DROP TRIGGER accounts_changed;
DROP TRIGGER users_changed;
DROP TRIGGER invitation_mail_changed;
DROP TRIGGER subscribers_deleted;
DROP TRIGGER subscribers_changed;
DROP TRIGGER subscribers_made;
DROP TRIGGER invitations_deleted;
DROP TRIGGER invitations_changed;
DROP TRIGGER invitations_made;
DROP TRIGGER members_deleted;
DROP TRIGGER members_changed;
DROP TRIGGER members_counted_in;
DROP TRIGGER members_counted_anew;
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
ALTER TABLE accounts DROP COLUMN people_version;
