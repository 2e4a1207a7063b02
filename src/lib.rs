//! Insight: who gets in, what each person may see and do, and who pays.
//!
//! # The architecture on one page
//!
//! Feature folders over a small layered kernel. The way of a request:
//!
//! ```text
//! routes.rs -> access::Can (who, right, same origin, fresh code) -> one transaction -> one page
//! ```
//!
//! Everything between URL and SQL is synchronous and runs in *one* hop to a blocking thread: session, user, member,
//! rights, the page's own queries and its HTML. The async side only reads the body and writes the answer.
//!
//! * [`routes`]: every URL in one table. A handler's first parameter is a guard, else it does not compile.
//! * [`access`]: guards as types, transactions that carry the proof.
//! * [`db`]: SQLite and Postgres behind one connection type.
//! * [`web`]: requests, answers, forms, page frame, CSRF, headers, static files.
//! * [`mail`]: transactional outbox and its worker. [`audit`]: append-only hash chain.
//! * [`credentials`]: keys, passwords, TOTP, recovery codes, links, sessions, throttling.
//! * [`permissions`]: the one decision about records and fields; pure, loaded once per version of an account's rules.
//! * Features: [`sign_in`], [`accounts`], [`members`], [`invitations`], [`subscribers`], [`records`], [`billing`].
//!
//! Inside a feature: `mod.rs` has types and queries, `pages.rs` handlers and templates. A feature may call another
//! feature's `mod.rs`, never its pages; the kernel knows no feature.

/// A page is some hundred small strings and one big one: with the allocator of glibc, joining what was freed took a tenth
/// of a request. This one keeps its memory by processor, not by thread: handlers run on many threads.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Whole pages of HTML come and go as quickly as small pieces do: threads keep those up to 256 KB for the next request.
#[used]
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: &[u8; 18] = b"tcache_max:262144\0";

pub mod access;
pub mod accounts;
pub mod audit;
pub mod background;
pub mod billing;
pub mod commands;
pub mod config;
pub mod credentials;
pub mod db;
pub mod error;
pub mod invitations;
pub mod mail;
pub mod members;
pub mod operators;
pub mod permissions;
pub mod records;
pub mod routes;
pub mod schema;
pub mod sign_in;
pub mod subscribers;
pub mod users;
pub mod web;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

pub use error::{Error, Result};

use config::Config;
use credentials::keys::Keys;
use credentials::passwords::Passwords;
use db::types::Timestamp;

/// Everything a request, a worker or a command needs: no globals, so that two apps live in one process.
pub struct App {
    pub config: Config,
    pub db: db::Db,
    pub keys: Keys,
    pub passwords: Passwords,
    pub clock: Clock,
    pub mail: mail::Wake,
    pub metrics: web::metrics::Metrics,
    pub kept: access::Kept,
    pub rules: permissions::load::Cache,
    pub censuses: records::census::Kept,
    pub jobs: records::jobs::Wake,
    pub maps: records::list::density::Maps,
    pub billing: billing::jobs::Wake,
    pub payments: billing::providers::Payments,
    /// Turns of files that are arriving.
    pub uploads: tokio::sync::Semaphore,
}

impl App {
    /// Puts an application together around an open, migrated database.
    pub fn new(
        config: Config,
        db: db::Db,
        keys: Keys,
        passwords: Passwords,
        clock: Clock,
    ) -> Arc<App> {
        Arc::new(App {
            payments: billing::providers::Payments::open(&config),
            config,
            db,
            keys,
            passwords,
            clock,
            mail: mail::Wake::default(),
            metrics: web::metrics::Metrics::new(),
            kept: access::Kept::default(),
            rules: permissions::load::Cache::default(),
            censuses: records::census::Kept::default(),
            jobs: records::jobs::Wake::default(),
            maps: records::list::density::Maps::default(),
            billing: billing::jobs::Wake::default(),
            uploads: tokio::sync::Semaphore::new(web::upload::AT_ONCE),
        })
    }
}

/// Where "now" comes from.
#[derive(Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands still until it is set: microseconds since 1970 UTC.
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// The present instant, in whole microseconds.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
    pub fn now(&self) -> Timestamp {
        Timestamp(match self {
            Clock::System => {
                i64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000)
                    .unwrap_or(i64::MAX)
            }
            Clock::Set(micros) => micros.load(Ordering::SeqCst),
        })
    }

    /// Time since some instant, which goes on steadily when somebody sets the machine's clock.
    pub fn steady(&self) -> time::Duration {
        static BEGUN: OnceLock<Instant> = OnceLock::new();
        match self {
            Clock::System => {
                let elapsed = BEGUN.get_or_init(Instant::now).elapsed();
                elapsed.try_into().unwrap_or(time::Duration::MAX)
            }
            Clock::Set(micros) => time::Duration::microseconds(micros.load(Ordering::SeqCst)),
        }
    }
}
