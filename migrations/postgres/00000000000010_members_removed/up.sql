-- Lists of records are filtered by people who left, too.
CREATE INDEX members_removed ON members (account_id, name_key, id) WHERE removed_at IS NOT NULL;
