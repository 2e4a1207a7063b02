//! Migrations: embedded for both databases, run under a lock, so that any number of processes may start at once.

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Conn, Db};

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Any number that no other program uses for its own advisory lock on this database.
const LOCK: i64 = 0x1251_6747;

/// Brings the database up to this binary's schema; returns how many migrations ran.
pub fn run(db: &Db) -> crate::Result<usize> {
    let mut conn = db.writer()?;
    match &mut *conn {
        Conn::Pg(c) => {
            // Waiting for another process's migration may take longer than any query is allowed to.
            c.batch_execute("SET lock_timeout = 0; SET statement_timeout = 0;")?;
            diesel::sql_query(format!("SELECT pg_advisory_lock({LOCK})")).execute(c)?;
            let ran = c
                .run_pending_migrations(POSTGRES)
                .map(|done| done.len())
                .map_err(crate::Error::migration);
            diesel::sql_query(format!("SELECT pg_advisory_unlock({LOCK})")).execute(c)?;
            c.batch_execute("SET lock_timeout = '3s'; SET statement_timeout = '5s';")?;
            ran
        }
        Conn::Sqlite(c) => {
            c.batch_execute("PRAGMA busy_timeout = 60000;")?;
            let ran = c.immediate_transaction(|c| {
                c.run_pending_migrations(SQLITE)
                    .map(|done| done.len())
                    .map_err(crate::Error::migration)
            });
            c.batch_execute("PRAGMA busy_timeout = 5000;")?;
            ran
        }
    }
}

/// True when this binary knows migrations that the database has not had.
pub fn pending(db: &Db) -> crate::Result<bool> {
    let mut conn = db.writer()?;
    match &mut *conn {
        Conn::Pg(c) => c.has_pending_migration(POSTGRES),
        Conn::Sqlite(c) => c.has_pending_migration(SQLITE),
    }
    .map_err(crate::Error::migration)
}
