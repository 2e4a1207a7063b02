-- The people of a role and of a profile by name, for the pages that assign them, and what a deletion moves.
CREATE INDEX members_by_role ON members (account_id, role_id, name_key, id);
CREATE INDEX members_by_profile ON members (account_id, profile_id, name_key, id);
