//! The program itself, as a process: commands, and servers that are killed.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use diesel::prelude::*;
use insight::config::Config;
use insight::credentials::keys::Keys;
use insight::credentials::passwords::{HashCost, Passwords};
use insight::db::Db;
use insight::{App, Clock};
use tempfile::TempDir;

use super::people::{Context, client};
use super::process::{self, Port, Server};
use super::{Backend, Database, wait};

const PROGRAM: &str = env!("CARGO_BIN_EXE_insight");

/// Settings, folder and database that commands and servers share. The clock is the machine's.
pub struct Installation {
    pub database: Database,
    folder: TempDir,
    settings: Vec<(&'static str, String)>,
    port: Port,
}

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Installation {
    /// With a database that has tables and no rows.
    pub fn new(backend: Backend) -> Installation {
        Installation::on(Database::migrated(backend))
    }

    /// With a database without a table.
    pub fn empty(backend: Backend) -> Installation {
        Installation::on(Database::empty(backend))
    }

    fn on(database: Database) -> Installation {
        Installation {
            database,
            folder: TempDir::new().expect("a temporary folder"),
            settings: Vec::new(),
            port: Port::reserve(),
        }
    }

    /// Sets what the environment would; it wins over what the installation sets itself.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Installation {
        self.settings.push((name, value.into()));
        self
    }

    /// `INSIGHT_DATA_DIR`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the first server listens and where links lead.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number)
    }

    fn environment(&self, port: u16) -> Vec<(&'static str, String)> {
        let own = [
            ("DATABASE_URL", self.database.url()),
            ("INSIGHT_DATA_DIR", self.folder().display().to_string()),
            ("INSIGHT_BASE_URL", self.base()),
            ("INSIGHT_LISTEN", format!("127.0.0.1:{port}")),
            ("INSIGHT_LOG", "error,insight::commands=info".to_owned()),
            ("TMPDIR", self.folder().display().to_string()),
        ];
        own.into_iter().chain(self.settings.clone()).collect()
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let ran = Command::new(PROGRAM)
            .args(arguments)
            .env_clear()
            .envs(self.environment(self.port.number))
            .output()
            .expect("the program runs");
        Ran {
            code: ran.status.code(),
            stdout: String::from_utf8_lossy(&ran.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&ran.stderr).into_owned(),
        }
    }

    /// Starts a server at the address that links lead to.
    pub fn start(&self) -> Running {
        self.launch(&[], self.port.number).ready()
    }

    /// Starts one more server of the same installation, on a port of its own.
    pub fn start_another(&self) -> Running {
        self.launch_another().ready()
    }

    /// The same without waiting for it.
    pub fn launch_another(&self) -> Running {
        let port = Port::reserve();
        let mut running = self.launch(&[], port.number);
        running.reserved = Some(port);
        running
    }

    /// Starts a command that serves, without waiting for it.
    pub fn launch(&self, arguments: &[&str], port: u16) -> Running {
        let mut command: Vec<OsString> = vec!["/usr/bin/env".into(), "-i".into()];
        let environment = self.environment(port);
        command.extend(environment.iter().map(|(n, v)| format!("{n}={v}").into()));
        command.push(PROGRAM.into());
        command.extend(arguments.iter().map(OsString::from));
        let dir = process::folder("server", None);
        let mut running = Running {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            dir,
            command,
            server: None,
            reserved: None,
        };
        running.launch();
        running
    }

    /// The port of [`Installation::start`].
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// The same application in this process, to arrange things that are not the business of a test.
    pub fn app(&self) -> Arc<App> {
        let environment = self.environment(self.port.number);
        let config = Config::read(&|name| {
            let set = environment.iter().rev().find(|(n, _)| *n == name);
            set.map(|(_, value)| value.clone())
        });
        let config = config.unwrap_or_else(|e| panic!("{e}"));
        let cost = HashCost {
            memory_kib: 8,
            iterations: 1,
            lanes: 1,
        };
        App::new(
            config.clone(),
            Db::open(self.database.target(), 2).expect("opens"),
            Keys::open_or_create(&config.keys_file).expect("keys"),
            Passwords::new(cost, 2).expect("a cost Argon2 knows"),
            Clock::System,
        )
    }

    /// For companies and people; their browsers lead to [`Installation::start`].
    pub fn context(&self) -> Context {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port.number));
        Context::new(self.app(), Arc::new(AtomicI64::new(0)), address)
    }

    /// The number that one query gives.
    pub fn number(&self, query: &str) -> i64 {
        let query = format!("SELECT CAST(({query}) AS TEXT) AS line");
        let found = super::texts(&mut self.database.connect(), &query);
        found[0].parse().expect("a number")
    }

    /// Runs one statement past Insight.
    pub fn sql(&self, statement: &str) {
        diesel::sql_query(statement)
            .execute(&mut self.database.connect())
            .unwrap_or_else(|e| panic!("{statement}: {e}"));
    }

    /// Waits until a query gives this number.
    pub async fn wait_for_number(&self, query: &str, wanted: i64) {
        let mut last = 0;
        let reached = wait::until(async || {
            last = self.number(query);
            (last == wanted).then_some(())
        });
        assert!(reached.await.is_some(), "{query}: {last}, not {wanted}");
    }

    /// What a lease and a retry wait for, a few minutes each, is over.
    pub fn let_waiting_mail_go(&self) {
        self.sql("UPDATE outbox SET available_at = 0, leased_until = NULL WHERE state = 'queued'");
    }
}

/// A server process. It is killed with its value.
pub struct Running {
    pub address: SocketAddr,
    dir: PathBuf,
    command: Vec<OsString>,
    server: Option<Server>,
    reserved: Option<Port>,
}

impl Running {
    fn launch(&mut self) {
        let command: Vec<&OsStr> = self.command.iter().map(OsString::as_os_str).collect();
        self.server = Some(Server::start(&self.dir, "KILL", None, &command));
    }

    /// Waits until it serves.
    pub fn ready(mut self) -> Running {
        self.wait_for_line("serving at");
        self
    }

    /// The next line on its output that contains this.
    pub fn wait_for_line(&mut self, words: &str) -> String {
        let server = self.server.as_mut().expect("it runs");
        loop {
            match server.line() {
                Some(line) if line.contains(words) => return line,
                Some(_) => {}
                None => panic!("it ended before \"{words}\": {}", self.log()),
            }
        }
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        process::log(&self.dir)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.end_with("KILL");
    }

    /// Sends a signal and waits for the end; gives the exit code.
    pub fn end_with(&mut self, signal: &str) -> Option<i32> {
        self.server.take().expect("it runs").end_with(signal)
    }

    /// Starts it again at the same address.
    pub fn start_again(&mut self) {
        self.launch();
        self.wait_for_line("serving at");
    }

    /// One GET of somebody without a browser: the status.
    pub async fn status_of(&self, path: &str) -> Option<u16> {
        let url = format!("http://{}{path}", self.address);
        Some(client().get(url).send().await.ok()?.status().as_u16())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        match self.server.take() {
            Some(server) => drop(server), // its watchdog removes the folder
            None => drop(std::fs::remove_dir_all(&self.dir)),
        }
    }
}
