//! A throw-away PostgreSQL server for this test process, and a database of its own for each test.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

use super::process::{self, Port, Server, User};
use super::wait;

const NAME: &str = "insight";
const PASSWORD: &str = "only-for-tests";
const TEMPLATE: &str = "insight_template";

/// Durability off: a test's database is worth nothing after the test, and a commit then costs no disk write.
const SETTINGS: [&str; 7] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=300",
    "shared_buffers=64MB",
    "listen_addresses=127.0.0.1",
    "max_wal_senders=0",
];

/// Settings of the server in place of [`SETTINGS`], for a benchmark with more data than a test has. Before its first
/// database.
pub fn with_settings(settings: &'static [&'static str]) {
    let _ = MORE_SETTINGS.set(settings);
}

static MORE_SETTINGS: OnceLock<&'static [&'static str]> = OnceLock::new();

struct Cluster {
    port: Port,
    admin: Mutex<PgConnection>,
    _server: Server,
}

/// A database of one test; dropped with it, whoever is still connected.
pub struct Database {
    name: String,
    url: String,
}

impl Database {
    /// `postgres://…` with name and password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Cuts every connection and refuses new ones, as a server that is restarting would.
    pub fn shut(&self) {
        let name = &self.name;
        admin(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
        admin(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ));
    }

    /// Ends [`Database::shut`].
    pub fn open(&self) {
        let name = &self.name;
        admin(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A connection of its own: other tests need not wait for this one's database to go.
        let dropped = PgConnection::establish(&url("postgres")).map(|mut admin| {
            admin.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name))
        });
        if !matches!(dropped, Ok(Ok(()))) && !std::thread::panicking() {
            panic!("cannot drop database {}: {dropped:?}", self.name);
        }
    }
}

/// A new database with the tables that `migrate` makes. `migrate` gets the URL of an empty database, once per test
/// process, and leaves no connection to it open; every caller passes the same function.
pub fn database(migrate: fn(&str)) -> Database {
    static MIGRATED: OnceLock<()> = OnceLock::new();
    MIGRATED.get_or_init(|| {
        admin(&format!("DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)"));
        admin(&format!("CREATE DATABASE {TEMPLATE}"));
        migrate(&url(TEMPLATE));
    });
    create(Some(TEMPLATE))
}

/// A new database without a table, for the tests of the migrations themselves.
pub fn empty_database() -> Database {
    create(None)
}

fn create(template: Option<&str>) -> Database {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    admin(&match template {
        Some(template) => format!("CREATE DATABASE {name} TEMPLATE {template}"),
        None => format!("CREATE DATABASE {name}"),
    });
    Database {
        url: url(&name),
        name,
    }
}

/// Runs a statement as the administrator, one at a time: two copies of one template at once would refuse each other.
fn admin(statement: &str) {
    let mut last = None;
    let done = wait::until_blocking(|| {
        let mut admin = cluster()
            .admin
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match admin.batch_execute(statement) {
            Ok(()) => Some(()),
            // Whoever migrated the template has closed the connection; the server may need a moment to notice.
            Err(e) if e.to_string().contains("being accessed by other users") => {
                last = Some(e);
                None
            }
            Err(e) => panic!("{statement}: {e}"),
        }
    });
    assert!(done.is_some(), "{statement}: {last:?}");
}

fn url(database: &str) -> String {
    let port = cluster().port.number;
    format!("postgres://{NAME}:{PASSWORD}@127.0.0.1:{port}/{database}")
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(start)
}

fn start() -> Cluster {
    let bin = binaries();
    let user = other_user();
    let dir = process::folder("postgres", user);
    let data = dir.join("data");

    let password = dir.join("password");
    std::fs::write(&password, PASSWORD).expect("cannot write the password file");
    if let Some(user) = user {
        std::os::unix::fs::chown(&password, Some(user.uid), Some(user.gid))
            .expect("cannot give away the password file");
    }
    initdb(&bin, user, &dir, &data, &password);

    let port = Port::reserve();
    let postgres = bin.join("postgres");
    let more = MORE_SETTINGS.get().copied().unwrap_or_default();
    let settings = SETTINGS.iter().chain(more).map(|s| (*s).to_owned()).chain([
        format!("port={}", port.number),
        format!("unix_socket_directories={}", dir.display()),
    ]);
    let mut command = vec![postgres.into_os_string(), "-D".into(), data.into()];
    command.extend(settings.flat_map(|setting| ["-c".into(), setting.into()]));
    let command: Vec<&OsStr> = command.iter().map(|word| word.as_os_str()).collect();
    let server = Server::start(&dir, "QUIT", user, &command);

    let url = format!(
        "postgres://{NAME}:{PASSWORD}@127.0.0.1:{}/postgres",
        port.number
    );
    let admin = wait::until_blocking(|| PgConnection::establish(&url).ok());
    let admin = admin.unwrap_or_else(|| panic!("PostgreSQL did not start: {}", process::log(&dir)));
    Cluster {
        port,
        admin: Mutex::new(admin),
        _server: server,
    }
}

fn initdb(bin: &Path, user: Option<User>, dir: &Path, data: &Path, password: &Path) {
    let mut initdb = Command::new(bin.join("initdb"));
    initdb
        .args([
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--auth=scram-sha-256",
        ])
        .args(["--username", NAME, "--pwfile"])
        .arg(password)
        .arg("-D")
        .arg(data)
        .current_dir(dir);
    if let Some(user) = user {
        initdb.uid(user.uid).gid(user.gid);
    }
    let made = initdb.output().expect("cannot run initdb");
    assert!(
        made.status.success(),
        "initdb: {}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// The folder of the newest server on this machine, where Debian puts them.
fn binaries() -> PathBuf {
    let newest = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("initdb").is_file().then_some((version, bin))
        })
        .max();
    let (_, bin) = newest.unwrap_or_else(|| panic!("PostgreSQL is missing: {}", process::INSTALL));
    bin
}

/// PostgreSQL refuses to run as root: then it runs as `postgres`, or as `nobody` where there is no such user.
fn other_user() -> Option<User> {
    if std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() != 0) {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("cannot read /etc/passwd");
    ["postgres", "nobody"].into_iter().find_map(|wanted| {
        users.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, ..] = fields[..] else {
                return None;
            };
            (name == wanted).then_some(User {
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
            })
        })
    })
}
