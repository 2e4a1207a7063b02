//! Kernel: the database. One `Conn` for SQLite and Postgres, the pools behind it, transactions, migrations, and
//! everything the two databases do differently. Nothing outside this folder branches on the database.
//!
//! Contributor notes: batches and upserts are not in diesel's common subset; write them with
//! [`on_each!`](crate::on_each).
//! `T::as_returning()` is not either; return a tuple of columns instead.

mod count;
pub mod migrate;
pub(crate) mod statement;
pub mod types;

use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::r2d2::{ManageConnection, Pool, PooledConnection};
use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection};

pub(crate) use count::Counted;
pub use multi::Conn;

/// diesel's derive writes a module with `use super::*`; it gets a module of its own.
mod multi {
    use diesel::{PgConnection, SqliteConnection};

    /// A connection to whichever database `DATABASE_URL` names.
    #[derive(diesel::MultiConnection)]
    pub enum Conn {
        Pg(PgConnection),
        Sqlite(SqliteConnection),
    }
}

/// The backend of [`Conn`], for boxed queries.
pub type Backend = <Conn as diesel::Connection>::Backend;

/// Runs one expression on the concrete connection, compiled for each database: for upserts and batches only.
#[macro_export]
macro_rules! on_each {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::db::Conn::Pg($c) => $body,
            $crate::db::Conn::Sqlite($c) => $body,
        }
    };
}

/// Which database a URL names, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Path of the database file.
    Sqlite(String),
    /// libpq connection URL.
    Postgres(String),
}

impl Target {
    /// Chooses by scheme: `sqlite:PATH`, `postgres://…`, `postgresql://…`.
    pub fn parse(url: &str) -> Option<Target> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return (!path.is_empty()).then(|| Target::Sqlite(path.to_owned()));
        }
        (url.starts_with("postgres://") || url.starts_with("postgresql://"))
            .then(|| Target::Postgres(url.to_owned()))
    }

    fn connect(&self, role: Role) -> Result<Conn, ConnectError> {
        match self {
            Target::Sqlite(path) => {
                let mut c = SqliteConnection::establish(path)?;
                // busy_timeout first: the switch to WAL itself may have to wait.
                c.batch_execute(
                    "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                     PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; \
                     PRAGMA cache_size = -16000;",
                )?;
                if role == Role::Read {
                    c.batch_execute("PRAGMA query_only = ON;")?;
                }
                Ok(Conn::Sqlite(c))
            }
            Target::Postgres(url) => {
                let mut c = PgConnection::establish(url)?;
                c.batch_execute(
                    "SET statement_timeout = '5s'; SET lock_timeout = '3s'; \
                     SET idle_in_transaction_session_timeout = '30s'; SET TIME ZONE 'UTC';",
                )?;
                Ok(Conn::Pg(c))
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Read,
    Write,
}

/// Why a connection could not be opened.
#[derive(Debug)]
pub enum ConnectError {
    Connect(diesel::ConnectionError),
    Setup(diesel::result::Error),
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConnectError::Connect(e) => e.fmt(f),
            ConnectError::Setup(e) => e.fmt(f),
        }
    }
}
impl std::error::Error for ConnectError {}
impl From<diesel::ConnectionError> for ConnectError {
    fn from(e: diesel::ConnectionError) -> Self {
        ConnectError::Connect(e)
    }
}
impl From<diesel::result::Error> for ConnectError {
    fn from(e: diesel::result::Error) -> Self {
        ConnectError::Setup(e)
    }
}

/// Opens connections for r2d2. The derived `establish` would try one database after the other and lose the error.
#[derive(Debug)]
struct Manager {
    target: Target,
    role: Role,
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = ConnectError;

    fn connect(&self) -> Result<Conn, ConnectError> {
        self.target.connect(self.role)
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), ConnectError> {
        Ok(conn.batch_execute("SELECT 1")?)
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        if std::thread::panicking() {
            return true;
        }
        match conn {
            // r2d2 is told not to probe on check-out (a round trip per request); a dead socket shows here instead.
            Conn::Pg(c) => {
                use diesel::r2d2::R2D2Connection;
                R2D2Connection::is_broken(c)
            }
            Conn::Sqlite(_) => false,
        }
    }
}

/// The pools. On SQLite there is exactly one writing connection, so a writer never meets `database is locked`.
#[derive(Clone)]
pub struct Db {
    target: Target,
    read: Pool<Manager>,
    write: Pool<Manager>,
}

/// A connection on loan from a pool.
pub(crate) struct Loan(PooledConnection<Manager>);

impl std::ops::Deref for Loan {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.0
    }
}
impl std::ops::DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

impl Db {
    /// Opens the pools; `size` reading connections. Fails with the database's own sentence when it cannot connect.
    pub fn open(target: Target, size: u32) -> Result<Db, ConnectError> {
        // One connection before the pools: a wrong URL fails at once and in words, and WAL is switched on alone.
        drop(target.connect(Role::Write)?);
        // All connections are waited for: a process that ended while one was still being opened on another thread would
        // take OpenSSL away from under it, and crash. Where there is no room for all, the pool fills when there is.
        let pool = |role, size| {
            let builder = || {
                Pool::builder()
                    .max_size(size)
                    .test_on_check_out(false)
                    .connection_timeout(Duration::from_secs(5))
            };
            let manager = || Manager {
                target: target.clone(),
                role,
            };
            let full = builder().build(manager());
            full.unwrap_or_else(|_| builder().build_unchecked(manager()))
        };
        let (read, write) = match target {
            Target::Sqlite(_) => (pool(Role::Read, size), pool(Role::Write, 1)),
            Target::Postgres(_) => {
                let both = pool(Role::Write, size);
                (both.clone(), both)
            }
        };
        Ok(Db {
            target,
            read,
            write,
        })
    }

    /// What the pools are connected to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// A connection for reading; waits at most five seconds.
    pub(crate) fn reader(&self) -> Result<Loan, crate::Error> {
        self.read.get().map(Loan).map_err(crate::Error::busy)
    }

    /// A connection for writing; waits at most five seconds.
    pub(crate) fn writer(&self) -> Result<Loan, crate::Error> {
        self.write.get().map(Loan).map_err(crate::Error::busy)
    }

    /// (connections, idle ones) of the reading and the writing pool, for `/metrics`.
    pub fn state(&self) -> [(&'static str, u32, u32); 2] {
        let (r, w) = (self.read.state(), self.write.state());
        [
            ("read", r.connections, r.idle_connections),
            ("write", w.connections, w.idle_connections),
        ]
    }

    /// One trivial query, for `/health/ready`.
    pub fn ping(&self) -> Result<(), crate::Error> {
        self.reader()?.batch_execute("SELECT 1")?;
        Ok(())
    }
}

/// Runs `f` in one reading transaction: everything it sees is one snapshot.
pub(crate) fn read_tx<T>(
    conn: &mut Conn,
    f: impl FnOnce(&mut Conn) -> crate::Result<T>,
) -> crate::Result<T> {
    match conn {
        Conn::Pg(c) => AnsiTransactionManager::begin_transaction_sql(
            c,
            "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        )?,
        Conn::Sqlite(c) => <AnsiTransactionManager as TransactionManager<_>>::begin_transaction(c)?,
    }
    finish(conn, f)
}

/// Runs `f` in one writing transaction: `Ok` commits, `Err` rolls back. On SQLite it takes the write lock at once
/// (`BEGIN IMMEDIATE`): a transaction that reads first and writes later could fail however long it waits.
pub(crate) fn write_tx<T>(
    conn: &mut Conn,
    f: impl FnOnce(&mut Conn) -> crate::Result<T>,
) -> crate::Result<T> {
    match conn {
        Conn::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE")?,
        Conn::Pg(c) => <AnsiTransactionManager as TransactionManager<_>>::begin_transaction(c)?,
    }
    finish(conn, f)
}

fn finish<T>(conn: &mut Conn, f: impl FnOnce(&mut Conn) -> crate::Result<T>) -> crate::Result<T> {
    type Manager = <Conn as Connection>::TransactionManager;
    match f(conn) {
        Ok(value) => {
            Manager::commit_transaction(conn)?;
            Ok(value)
        }
        Err(e) => {
            // The first error is the one to report; r2d2 drops a connection that could not roll back.
            if let Err(rollback) = Manager::rollback_transaction(conn) {
                tracing::error!(error = %rollback, "a transaction could not be rolled back");
            }
            Err(e)
        }
    }
}

/// Locks the row of an account until the transaction ends, so that two changes of the same account's people cannot
/// both count the administrators first. On SQLite the writing transaction is the lock.
pub(crate) fn lock_account(conn: &mut Conn, account: types::AccountId) -> crate::Result<()> {
    if let Conn::Pg(c) = conn {
        diesel::sql_query("SELECT id FROM accounts WHERE id = $1 FOR UPDATE")
            .bind::<diesel::sql_types::BigInt, _>(account.0)
            .execute(c)?;
    }
    Ok(())
}

/// Makes first starts pass one after the other until the transaction ends: there is no row yet that both could lock.
pub(crate) fn lock_first_start(conn: &mut Conn) -> crate::Result<()> {
    if let Conn::Pg(c) = conn {
        diesel::sql_query(format!("SELECT pg_advisory_xact_lock({FIRST_START_LOCK})"))
            .execute(c)?;
    }
    Ok(())
}

/// Any number that is not [`migrate`]'s.
const FIRST_START_LOCK: i64 = 0x1251_6748;

/// `FOR UPDATE SKIP LOCKED` where the database has it; elsewhere the writing transaction already excludes others.
pub(crate) fn skip_locked(conn: &Conn) -> &'static str {
    match conn {
        Conn::Pg(_) => " FOR UPDATE SKIP LOCKED",
        Conn::Sqlite(_) => "",
    }
}

/// True when the error says that a unique index already holds the value ("taken", asked of the index itself).
pub fn is_taken(error: &diesel::result::Error) -> bool {
    matches!(
        error,
        diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _)
    )
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn the_scheme_chooses_the_database() {
        assert_eq!(
            Target::parse("sqlite:var/insight.db"),
            Some(Target::Sqlite("var/insight.db".into()))
        );
        assert!(matches!(
            Target::parse("postgres://h/d"),
            Some(Target::Postgres(_))
        ));
        assert_eq!(Target::parse("mysql://h/d"), None);
        assert_eq!(Target::parse("sqlite:"), None);
    }
}
