//! What a page costs: requests per second, p50 and p99 of the Insight users page with 10,000 members and of a page of
//! 20,000 records, beside an empty handler on the same machine in the same run, on SQLite and on Postgres.
//!
//! The load comes from a process of its own (this binary again) over 32 connections; the figures to look at are the
//! ratios, which hold when the machine's speed drifts. Arguments: `--db sqlite|postgres|both`, `--seconds N`.

#[allow(dead_code)]
#[path = "../tests/it/app"]
mod app {
    pub mod postgres;
    pub mod process;
    pub mod wait;
}

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::cookie::{Cookie, CookieJar, Key};
use diesel::prelude::*;
use insight::access::{PlatformRoles, System, Tx};
use insight::accounts::{self, Grants};
use insight::config::Config;
use insight::credentials::email::Email;
use insight::credentials::keys::{Keys, Purpose};
use insight::credentials::passwords::{HashCost, Passwords};
use insight::credentials::tokens::{Token, TokenKind};
use insight::db::types::{AccountId, ProfileId, UserId};
use insight::db::{self, Db, Target};
use insight::schema::sessions;
use insight::{App, Clock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MEMBERS: usize = 10_000;
const PIECE: usize = 500;
const CONNECTIONS: usize = 32;
const WORKERS: usize = 2;
const RECORDS: usize = 20_000;
const PAGE: &str = "/shared/insight-users";
const LIST: &str = "/commercial/records/leads";

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = args.iter().position(|a| a == name)?;
        args.get(at + 1).cloned()
    };
    if let Some(address) = value("--load") {
        let path = value("--path").unwrap_or_default();
        let cookie = value("--cookie").unwrap_or_default();
        let encoding = value("--encoding").unwrap_or_default();
        let seconds = value("--seconds").unwrap_or_default().parse()?;
        return load(&address, &path, &cookie, &encoding, seconds);
    }
    let seconds: u64 = value("--seconds").unwrap_or_else(|| "5".into()).parse()?;
    let which = value("--db").unwrap_or_else(|| "both".into());
    println!(
        "{MEMBERS} members, pages of 50, {CONNECTIONS} connections, {WORKERS} workers, {seconds} s each"
    );
    if which != "postgres" {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("insight.db");
        measure(
            "SQLite",
            Target::Sqlite(file.display().to_string()),
            seconds,
        )?;
    }
    if which != "sqlite" {
        let database = app::postgres::empty_database();
        measure(
            "Postgres",
            Target::Postgres(database.url().to_owned()),
            seconds,
        )?;
    }
    Ok(())
}

/// One database: fill it, serve it, and print a line per thing measured.
fn measure(name: &str, target: Target, seconds: u64) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let base = format!("http://{address}");
    let config = Config::read(&|setting| match setting {
        "INSIGHT_BASE_URL" => Some(base.clone()),
        "INSIGHT_LOG" => Some("error".into()),
        _ => None,
    })?;
    let db = Db::open(target, WORKERS as u32)?;
    db::migrate::run(&db)?;
    let passwords = Passwords::new(HashCost::default(), 1)?;
    let app = App::new(config, db, Keys::ephemeral(), passwords, Clock::System);
    let cookie = fill(&app)?;
    let empty = TcpListener::bind("127.0.0.1:0")?;
    let empty_address = empty.local_addr()?.to_string();
    serve(app.clone(), listener, empty);

    let bound = run(&empty_address, "/", "", seconds)?;
    bound.print(&format!("{name}: empty handler"), None);
    // As browsers ask, and as a client that cannot inflate.
    for (what, path, encoding) in [
        ("Insight users", PAGE, BROWSER),
        ("Insight users, not compressed", PAGE, PLAIN),
        ("records", LIST, BROWSER),
        ("records, not compressed", LIST, PLAIN),
    ] {
        let page = run_as(&address, path, &cookie, encoding, seconds)?;
        page.print(&format!("{name}: {what}"), Some(&bound));
    }
    let busy = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let hashing: Vec<_> = (0..50)
        .map(|_| {
            let (app, busy) = (app.clone(), busy.clone());
            std::thread::spawn(move || {
                let mut hashed = 0_u32;
                while busy.load(std::sync::atomic::Ordering::Relaxed) {
                    hashed +=
                        u32::from(app.passwords.verify(&app.keys, None, "a password").is_ok());
                }
                hashed
            })
        })
        .collect();
    let under = run(&address, PAGE, &cookie, seconds)?;
    busy.store(false, std::sync::atomic::Ordering::Relaxed);
    let hashed: u32 = hashing.into_iter().map(|h| h.join().unwrap_or(0)).sum();
    under.print(
        &format!("{name}: the same while 50 people sign in ({hashed} hashes)"),
        Some(&bound),
    );
    println!("{name}: memory of the server {} MB", resident_mb());
    Ok(())
}

/// Ten thousand members and one administrator who is signed in; gives that person's cookie.
fn fill(app: &App) -> Result<String, Failure> {
    let token = Token::new(TokenKind::Session);
    let started = Instant::now();
    let (account, profile) = app.system_write(|tx| {
        let account = accounts::create(tx, "Halden Logistics")?;
        Ok((account, accounts::standard_profile(tx, account)?))
    })?;
    // In pieces: on Postgres the account's row, which counts its members, would leave ten thousand versions behind.
    for piece in 0..MEMBERS / PIECE {
        app.system_write(|tx| {
            for n in piece * PIECE..(piece + 1) * PIECE {
                let user = add(tx, account, profile, n)?;
                if n == 0 {
                    sign_in(tx, account, user, &token)?;
                }
            }
            Ok(())
        })?;
    }
    app.system_write(|tx| add_records(tx, account))?;
    println!("filled in {:.1} s", started.elapsed().as_secs_f64());
    let mut jar = CookieJar::new();
    let key = Key::derive_from(app.keys.oldest(Purpose::Cookie).as_slice());
    jar.signed_mut(&key)
        .add(Cookie::new("sid", token.expose().to_owned()));
    let signed = jar.get("sid").ok_or("no cookie")?;
    Ok(signed.encoded().to_string())
}

/// Leads of the first forty members.
fn add_records(tx: &mut Tx<System>, account: AccountId) -> insight::Result<()> {
    diesel::sql_query(format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {RECORDS}) \
         INSERT INTO records (account_id, environment, object, name, sort_name, creator_slot, owner_slot, \
           created_at, updated_at, version, data) \
         SELECT {account}, 1, 2, 'Fjord Fisk ' || i, 'fjord fisk ' || i, i % 40, i % 40, \
           1700000000000000 + i * 3600000000, 1700000000000000 + i * 3600000000, 1, \
           '{{\"company\":\"Fjord Fisk Holding\",\"email\":\"post' || i || '@fjord.example\",\"phone\":\"+47 22 ' || i || \
           '\",\"source\":\"Web\",\"status\":\"New\"}}' FROM n"
    ))
    .execute(tx.conn())?;
    Ok(())
}

/// One member, the first one an administrator.
fn add(
    tx: &mut Tx<System>,
    account: AccountId,
    profile: ProfileId,
    n: usize,
) -> insight::Result<UserId> {
    let email =
        Email::parse(&format!("person.{n:05}@halden.example")).map_err(insight::Error::internal)?;
    let name = format!("Person {n:05} of Halden");
    let user = accounts::create_user(tx, &email, &name, "none", account)?;
    let roles = PlatformRoles {
        viewer: true,
        technician: n.is_multiple_of(7),
        admin: n == 0,
    };
    let grants = Grants {
        roles,
        profile: Some(profile),
        role: None,
    };
    let member = accounts::add_member(tx, account, user, grants)?;
    let active = tx.now() - time::Duration::minutes(n as i64);
    diesel::update(insight::schema::members::table.find(member))
        .set(insight::schema::members::last_activity_at.eq(active))
        .execute(tx.conn())?;
    Ok(user)
}

fn sign_in(
    tx: &mut Tx<System>,
    account: AccountId,
    user: UserId,
    token: &Token,
) -> insight::Result<()> {
    let now = tx.now();
    diesel::insert_into(sessions::table)
        .values((
            sessions::token_hash.eq(token.hash().to_vec()),
            sessions::user_id.eq(user),
            sessions::account_id.eq(account),
            sessions::level.eq(2),
            sessions::created_at.eq(now),
            sessions::last_seen_at.eq(now),
            sessions::expires_at.eq(now + time::Duration::hours(24)),
            sessions::code_at.eq(now),
            sessions::address.eq("127.0.0.1"),
            sessions::device.eq("Benchmark"),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// Both servers in a thread of their own: the product, and an actix handler that does nothing.
fn serve(app: Arc<App>, listener: TcpListener, empty: TcpListener) {
    std::thread::spawn(move || -> Result<(), std::io::Error> {
        actix_web::rt::System::new().block_on(async move {
            let (server, _) = insight::web::server::serve(app, listener, WORKERS)?;
            let nothing = actix_web::HttpServer::new(|| {
                actix_web::App::new().route("/", actix_web::web::get().to(|| async { "hello" }))
            })
            .workers(WORKERS)
            .disable_signals()
            .listen(empty)?
            .run();
            tokio::try_join!(server, nothing)?;
            Ok(())
        })
    });
}

struct Figures {
    per_second: f64,
    p50: f64,
    p99: f64,
    bytes: usize,
}

impl Figures {
    fn print(&self, what: &str, bound: Option<&Figures>) {
        let ratio = bound.map_or_else(String::new, |b| {
            format!("  ratio {:.3}", self.per_second / b.per_second)
        });
        println!(
            "{what}: {:.0} req/s  p50 {:.2} ms  p99 {:.2} ms  {} bytes{ratio}",
            self.per_second, self.p50, self.p99, self.bytes
        );
    }
}

const BROWSER: &str = "gzip, deflate, br";
const PLAIN: &str = "identity";

fn run(address: &str, path: &str, cookie: &str, seconds: u64) -> Result<Figures, Failure> {
    run_as(address, path, cookie, BROWSER, seconds)
}

/// Runs the load in a process of its own and reads its one line.
fn run_as(
    address: &str,
    path: &str,
    cookie: &str,
    encoding: &str,
    seconds: u64,
) -> Result<Figures, Failure> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--load", address, "--path", path, "--cookie", cookie])
        .args(["--encoding", encoding])
        .args(["--seconds", &seconds.to_string()])
        .output()?;
    let line = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = line
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    match numbers.as_slice() {
        [per_second, p50, p99, bytes] => Ok(Figures {
            per_second: *per_second,
            p50: *p50,
            p99: *p99,
            bytes: *bytes as usize,
        }),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

/// The load: every connection asks again as soon as it has been answered.
fn load(
    address: &str,
    path: &str,
    cookie: &str,
    encoding: &str,
    seconds: u64,
) -> Result<(), Failure> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nAccept: text/html\r\n\
         Accept-Encoding: {encoding}\r\n\r\n"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut times, mut bytes) = (Vec::new(), 0);
    runtime.block_on(async {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| tokio::spawn(client(address.to_owned(), request.clone(), until)))
            .collect();
        for client in clients {
            let (took, size) = client.await?.map_err(|e| e.to_string())?;
            times.extend(took);
            bytes = size;
        }
        Ok::<(), Failure>(())
    })?;
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() - 1) as f64 * share) as usize;
        times[index].as_secs_f64() * 1_000.0
    };
    println!(
        "{} {} {} {bytes}",
        times.len() as f64 / seconds as f64,
        at(0.50),
        at(0.99)
    );
    Ok(())
}

async fn client(
    address: String,
    request: String,
    until: Instant,
) -> Result<(Vec<Duration>, usize), String> {
    let failed = |e: std::io::Error| e.to_string();
    let mut stream = tokio::net::TcpStream::connect(&address)
        .await
        .map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let mut times = Vec::new();
    let mut buffer = Vec::with_capacity(256 * 1024);
    let mut size = 0;
    while Instant::now() < until {
        let started = Instant::now();
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        buffer.clear();
        let end = loop {
            if stream.read_buf(&mut buffer).await.map_err(failed)? == 0 {
                return Err("the server hung up".into());
            }
            if let Some(end) = whole(&buffer)? {
                break end;
            }
        };
        size = end;
        times.push(started.elapsed());
    }
    Ok((times, size))
}

/// The length of the answer once all of it has arrived. Only 200 is an answer here.
fn whole(buffer: &[u8]) -> Result<Option<usize>, String> {
    let Some(head) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&buffer[..head]);
    if !text.starts_with("HTTP/1.1 200") {
        return Err(text.into_owned());
    }
    if text
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        // What follows the last chunk; nothing is sent behind it before we ask again.
        return Ok(buffer.ends_with(b"\r\n0\r\n\r\n").then_some(buffer.len()));
    }
    let length = text
        .lines()
        .find_map(|l| {
            l.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        })
        .unwrap_or(0);
    let end = head + 4 + length;
    Ok((buffer.len() >= end).then_some(end))
}

fn resident_mb() -> u64 {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0);
    pages * 4096 / 1_000_000
}
