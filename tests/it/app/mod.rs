//! What the tests stand on: a whole Insight on a database of its own for each test, the people who use it, and real
//! servers, started by the tests themselves and gone with them.
//!
//! A story is an `async fn(app: TestApp)`; [`on_both!`](crate::on_both) makes a test of it for each database:
//! `members::a_removed_member_is_signed_out_at_once::postgres`. Time stands still until a test moves it.

pub mod billing;
pub mod browser;
pub mod contents;
pub mod files;
pub mod page;
pub mod people;
pub mod postgres;
pub mod process;
pub mod program;
pub mod raw;
pub mod records;
pub mod rules;
pub mod smtp;
pub mod statements;
pub mod steps;
pub mod stripe;

pub mod wait;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use insight::config::Config;
use insight::credentials::keys::{Keys, Purpose};
use insight::credentials::passwords::{HashCost, Passwords};
use insight::db::{Conn, Db, Target, migrate};
use insight::schema::outbox;
use insight::{App, Clock};
use tempfile::TempDir;
use tokio::sync::watch;

pub use contents::{dump, texts};

use people::{Company, Context, Person, Role};
use smtp::Smtp;

/// Makes two tests of each story, one on SQLite and one on Postgres. A story takes a [`TestApp`], a [`Setup`] or a
/// [`Backend`].
#[macro_export]
macro_rules! on_both {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            use $crate::app::{Backend, OnBackend};

            #[actix_web::test]
            async fn sqlite() {
                super::$story(OnBackend::on(Backend::Sqlite)).await;
            }

            #[actix_web::test]
            async fn postgres() {
                super::$story(OnBackend::on(Backend::Postgres)).await;
            }
        }
    )+};
}

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// What [`on_both!`] can hand to a story.
pub trait OnBackend {
    fn on(backend: Backend) -> Self;
}

impl OnBackend for Backend {
    fn on(backend: Backend) -> Backend {
        backend
    }
}

impl OnBackend for Setup {
    fn on(backend: Backend) -> Setup {
        Setup {
            database: Database::migrated(backend),
            settings: Vec::new(),
            worker: false,
            body_deadline: None,
        }
    }
}

impl OnBackend for TestApp {
    fn on(backend: Backend) -> TestApp {
        Setup::on(backend).start()
    }
}

/// A database of one test.
pub enum Database {
    Sqlite(TempDir),
    Postgres(postgres::Database),
}

impl Database {
    /// With the tables of the newest migration and no rows.
    pub fn migrated(backend: Backend) -> Database {
        match backend {
            Backend::Sqlite => {
                let database = Database::empty(backend);
                let Target::Sqlite(path) = database.target() else {
                    unreachable!("it was made just above")
                };
                copy_of_migrated_sqlite(&path);
                database
            }
            Backend::Postgres => Database::Postgres(postgres::database(migrate_postgres)),
        }
    }

    /// Without a table.
    pub fn empty(backend: Backend) -> Database {
        match backend {
            Backend::Sqlite => Database::Sqlite(TempDir::new().expect("a temporary folder")),
            Backend::Postgres => Database::Postgres(postgres::empty_database()),
        }
    }

    /// What goes into `DATABASE_URL`.
    pub fn url(&self) -> String {
        match self {
            Database::Sqlite(dir) => format!("sqlite:{}", dir.path().join("insight.db").display()),
            Database::Postgres(database) => database.url().to_owned(),
        }
    }

    /// The same, as the library takes it.
    pub fn target(&self) -> Target {
        Target::parse(&self.url()).expect("a good URL")
    }

    /// A connection past Insight, for looking and for breaking things.
    pub fn connect(&self) -> Conn {
        match self.target() {
            Target::Sqlite(path) => {
                let mut c = SqliteConnection::establish(&path).expect("connects");
                diesel::sql_query("PRAGMA busy_timeout = 20000")
                    .execute(&mut c)
                    .expect("runs");
                Conn::Sqlite(c)
            }
            Target::Postgres(url) => Conn::Pg(PgConnection::establish(&url).expect("connects")),
        }
    }
}

fn migrate_postgres(url: &str) {
    let target = Target::parse(url).expect("a good URL");
    migrate::run(&Db::open(target, 1).expect("opens")).expect("migrates");
}

/// The migrations run once; each test gets a copy.
fn copy_of_migrated_sqlite(path: &str) {
    use std::sync::OnceLock;
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    let image = IMAGE.get_or_init(|| {
        let dir = TempDir::new().expect("a temporary folder");
        let made = dir.path().join("made.db").display().to_string();
        let whole = dir.path().join("whole.db");
        migrate::run(&Db::open(Target::Sqlite(made.clone()), 1).expect("opens")).expect("migrates");
        let mut c = SqliteConnection::establish(&made).expect("connects");
        diesel::sql_query(format!("VACUUM INTO '{}'", whole.display()))
            .execute(&mut c)
            .expect("copies");
        std::fs::read(whole).expect("reads")
    });
    std::fs::write(path, image).expect("writes");
}

/// An Insight that has not been started: settings first.
pub struct Setup {
    database: Database,
    settings: Vec<(&'static str, String)>,
    worker: bool,
    body_deadline: Option<Duration>,
}

impl Setup {
    /// Sets what the environment would.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Setup {
        self.settings.push((name, value.into()));
        self
    }

    /// Mail goes out through this server, by the real worker. Without it messages stay in the outbox, where
    /// [`TestApp::mail_to`] reads them.
    pub fn with_smtp(self, smtp: &Smtp) -> Setup {
        self.with_worker().with("INSIGHT_SMTP_URL", smtp.url())
    }

    /// Mail leaves by the real worker; as files, unless there is a server to hand it to.
    pub fn with_worker(mut self) -> Setup {
        self.worker = true;
        self
    }

    /// A body that has not arrived by then is refused.
    pub fn with_body_deadline(mut self, deadline: Duration) -> Setup {
        self.body_deadline = Some(deadline);
        self
    }

    /// Starts it.
    pub fn start(self) -> TestApp {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let dir = TempDir::new().expect("a temporary folder");
        let mut config = self.config(address, dir.path());
        if let Some(deadline) = self.body_deadline {
            config.body_deadline = deadline;
        }
        let clock = Arc::new(AtomicI64::new(MORNING));
        let app = App::new(
            config,
            Db::open(self.database.target(), 4).expect("opens"),
            Keys::ephemeral(),
            cheap_passwords(),
            Clock::Set(clock.clone()),
        );
        let server = Server::start(&app, listener, address);
        let workers = self.worker.then(|| Worker::start(&app));
        TestApp {
            context: Context::new(app, clock, address),
            server,
            others: Vec::new(),
            workers: workers.into_iter().collect(),
            database: self.database,
            halden: tokio::sync::OnceCell::new(),
            _dir: dir,
        }
    }

    fn config(&self, address: SocketAddr, dir: &Path) -> Config {
        let url = self.database.url();
        Config::read(&|name| {
            let set = self.settings.iter().rev().find(|(n, _)| *n == name);
            match (set, name) {
                (Some((_, value)), _) => Some(value.clone()),
                (None, "DATABASE_URL") => Some(url.clone()),
                (None, "INSIGHT_DATA_DIR") => Some(dir.display().to_string()),
                (None, "INSIGHT_BASE_URL") => Some(format!("http://{address}")),
                _ => None,
            }
        })
        .unwrap_or_else(|e| panic!("{e}"))
    }
}

/// Hashing that costs next to nothing.
fn cheap_passwords() -> Passwords {
    let cost = HashCost {
        memory_kib: 8,
        iterations: 1,
        lanes: 1,
    };
    Passwords::new(cost, 4).expect("a cost Argon2 knows")
}

/// Tuesday, 3 March 2026, 09:41:00 UTC.
const MORNING: i64 = 1_772_530_860_000_000;

/// Event loops of a server.
const WORKERS: usize = 2;

/// A running Insight. It stops with its value.
pub struct TestApp {
    context: Context,
    server: Server,
    others: Vec<Server>,
    workers: Vec<Worker>,
    database: Database,
    halden: tokio::sync::OnceCell<Company>,
    _dir: TempDir,
}

impl std::ops::Deref for TestApp {
    type Target = Arc<App>;
    fn deref(&self) -> &Arc<App> {
        &self.context.app
    }
}

impl TestApp {
    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The same as the start of a link.
    pub fn base(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The database under it.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// For sessions without a browser.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Lets time pass.
    pub fn forward(&self, by: Duration) {
        self.context.forward(by);
    }

    /// A visitor with a browser that has never been here.
    pub fn visitor(&self) -> Person {
        self.context.visitor()
    }

    /// A company without people.
    pub fn company(&self, name: &str) -> Company {
        self.context.company(name)
    }

    /// Halden Logistics, the company of the stories that need only one.
    pub async fn halden(&self) -> &Company {
        self.halden
            .get_or_init(|| async { self.company("Halden Logistics") })
            .await
    }

    /// An administrator of Halden Logistics, signed in; the first one is the account owner.
    pub async fn admin(&self, name: &str) -> Person {
        self.halden().await.admin(name)
    }

    /// A member of Halden Logistics with these platform roles, signed in.
    pub async fn member(&self, name: &str, roles: &[Role]) -> Person {
        self.halden().await.member(name, roles)
    }

    /// Serves the same installation on a second address, as a second process would: it shares database, keys and
    /// settings, and nothing in memory but the clock.
    pub fn serve_again(&mut self) -> SocketAddr {
        self.serve(&self.another())
    }

    /// Serves an application of this installation on an address of its own.
    pub fn serve(&mut self, app: &Arc<App>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        self.others.push(Server::start(app, listener, address));
        address
    }

    /// The same installation in a new process: nothing in memory is shared but the clock.
    pub fn another(&self) -> Arc<App> {
        self.another_with(|_| {})
    }

    /// The same with other settings.
    pub fn another_with(&self, change: impl FnOnce(&mut Config)) -> Arc<App> {
        let mut config = self.config.clone();
        change(&mut config);
        App::new(
            config,
            Db::open(self.database.target(), 4).expect("opens"),
            self.keys.clone(),
            cheap_passwords(),
            self.clock.clone(),
        )
    }

    /// Starts one more worker, as a second process would have.
    pub fn work_again(&mut self) {
        self.workers.push(Worker::start(&self.context.app));
    }

    /// Stops the server, finishing what is under way, and waits for its end.
    pub async fn stop(&self) {
        self.server.handle.stop(true).await;
    }

    /// Everything written to this address that has not been sent, oldest first.
    pub fn mail_to(&self, address: impl AsRef<str>) -> Vec<Letter> {
        let address = address.as_ref();
        self.mail()
            .into_iter()
            .filter(|letter| letter.to == address)
            .collect()
    }

    /// The newest message to this address.
    pub fn last_mail_to(&self, address: impl AsRef<str>) -> Letter {
        let address = address.as_ref();
        self.mail_to(address)
            .pop()
            .unwrap_or_else(|| panic!("nothing was written to {address}"))
    }

    /// Everything that waits in the outbox, oldest first.
    pub fn mail(&self) -> Vec<Letter> {
        let rows: Vec<(String, String, Option<Vec<u8>>)> = self
            .system_read(|tx| {
                Ok(outbox::table
                    .order(outbox::id)
                    .filter(outbox::state.eq("queued"))
                    .select((outbox::kind, outbox::recipient, outbox::sealed))
                    .load(tx.conn())?)
            })
            .expect("reads the outbox");
        rows.into_iter()
            .map(|(kind, to, sealed)| {
                let sealed = sealed.expect("a queued message has its content");
                let plain = self.keys.open(Purpose::Mail, to.as_bytes(), &sealed);
                let content: insight::mail::Content =
                    serde_json::from_slice(&plain.expect("opens")).expect("is JSON");
                Letter {
                    kind,
                    to,
                    subject: content.subject,
                    text: content.text,
                    html: content.html,
                    unsubscribe: content.unsubscribe,
                    attachment: content.attachment,
                }
            })
            .collect()
    }

    /// Runs one statement past Insight; gives the number of rows it changed.
    pub fn sql(&self, statement: &str) -> QueryResult<usize> {
        diesel::sql_query(statement).execute(&mut self.database.connect())
    }

    /// The number that one query gives.
    pub fn number(&self, query: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            n: i64,
        }
        let row: Row = diesel::sql_query(format!("SELECT ({query}) AS n"))
            .get_result(&mut self.database.connect())
            .unwrap_or_else(|e| panic!("{query}: {e}"));
        row.n
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        for worker in self.workers.drain(..) {
            worker.stop();
        }
    }
}

/// A message in the outbox.
#[derive(Clone, Debug)]
pub struct Letter {
    pub kind: String,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub unsubscribe: Option<String>,
    pub attachment: Option<insight::mail::Attachment>,
}

impl Letter {
    /// The path of the first link that contains this, such as `/register/`; it must stand in both parts.
    pub fn link(&self, containing: &str) -> String {
        let link = self
            .text
            .split_whitespace()
            .map(|word| word.trim_matches(['<', '>', '(', ')', ',']))
            .find(|word| word.starts_with("http") && word.contains(containing))
            .unwrap_or_else(|| panic!("no link with {containing} in:\n{}", self.text));
        assert!(
            self.html.contains(link),
            "{link} is missing in:\n{}",
            self.html
        );
        let url = url::Url::parse(link).expect("a link is a URL");
        match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        }
    }
}

/// A server on a thread of its own. It stops with its value.
struct Server {
    address: SocketAddr,
    handle: ServerHandle,
}

impl Server {
    fn start(app: &Arc<App>, listener: TcpListener, address: SocketAddr) -> Server {
        let (send, receive) = std::sync::mpsc::channel();
        let app = app.clone();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let (server, handle) =
                    insight::web::server::serve(app, listener, WORKERS).expect("serves");
                send.send(handle).expect("the test waits for it");
                server.await
            })
        });
        Server {
            address,
            handle: receive.recv().expect("the server starts"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The command is sent at once; nobody needs to see the end.
        drop(self.handle.stop(false));
    }
}

/// The mail worker on a thread of its own.
struct Worker {
    stop: watch::Sender<bool>,
    thread: std::thread::JoinHandle<()>,
}

impl Worker {
    fn start(app: &Arc<App>) -> Worker {
        let (stop, stopped) = watch::channel(false);
        let app = app.clone();
        let thread = std::thread::spawn(move || {
            let run = insight::background::run(app, stopped);
            actix_web::rt::System::new()
                .block_on(run)
                .expect("the worker runs");
        });
        Worker { stop, thread }
    }

    fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.thread.join();
    }
}
