DROP INDEX members_removed;
