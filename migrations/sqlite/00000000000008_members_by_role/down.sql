DROP INDEX members_by_profile;
DROP INDEX members_by_role;
