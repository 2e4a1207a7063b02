//! What large files of records cost the server: its peak memory and the time, for an export of a million rows both ways
//! and an import of a hundred thousand, on SQLite and on Postgres. The server is a process of its own; `VmHWM` of
//! `/proc` is what is printed. Arguments: `--db sqlite|postgres|both`, `--rows N`.

#[allow(dead_code, unused_macros)]
#[path = "../tests/it/app/mod.rs"]
mod app;

use std::time::Instant;

use app::Backend;
use app::files::many;
use app::people::Person;
use app::program::Installation;
use insight::permissions::Object;
use reqwest::Method;

const LEADS: &str = "/test/records/leads";
const IMPORTED: usize = 100_000;
const PIECE: usize = 50_000;
/// How long one answer may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1_800);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = args.iter().position(|a| a == name)?;
        args.get(at + 1).cloned()
    };
    let rows = value("--rows").and_then(|n| n.parse().ok());
    let rows: usize = rows.unwrap_or(1_000_000);
    let which = value("--db").unwrap_or_else(|| "both".into());
    actix_web::rt::System::new().block_on(async move {
        for backend in [Backend::Sqlite, Backend::Postgres] {
            let name = format!("{backend:?}").to_lowercase();
            if which == "both" || which == name {
                measure(&name, backend, rows).await;
            }
        }
    });
}

async fn measure(name: &str, backend: Backend, rows: usize) {
    let installation = Installation::new(backend);
    let context = installation.context();
    let ada = context.company("Halden Logistics").admin("ada");
    installation.sql("UPDATE members SET export = TRUE");
    for _ in 0..rows.div_ceil(PIECE) {
        let notes = "A note of some length, as people write them.";
        installation.sql(&many(&ada, Object::Lead, PIECE.min(rows), notes));
    }
    let server = installation.start();
    let peak = || peak_mb(server.address.port());
    println!("{name}: at rest {} MB", peak());

    let started = Instant::now();
    let mut answer = posted(&ada, "now").await;
    let (mut lines, mut bytes) = (0, 0);
    while let Some(piece) = answer.chunk().await.expect("the file arrives") {
        lines += piece.iter().filter(|byte| **byte == b'\n').count();
        bytes += piece.len();
    }
    println!(
        "{name}: export of {} rows, {} MB, straight to the browser: {:.1} s, peak {} MB",
        lines - 1,
        bytes / 1_000_000,
        started.elapsed().as_secs_f64(),
        peak()
    );

    let started = Instant::now();
    posted(&ada, "job").await;
    until(
        &installation,
        "SELECT count(*) FROM exports WHERE state = 'done' AND NOT direct",
    )
    .await;
    println!(
        "{name}: the same as a job: {:.1} s, peak {} MB",
        started.elapsed().as_secs_f64(),
        peak()
    );

    let started = Instant::now();
    let path = sent(&ada).await;
    println!(
        "{name}: {IMPORTED} rows received: {:.1} s, peak {} MB",
        started.elapsed().as_secs_f64(),
        peak()
    );
    for (step, state) in [("match", "checked"), ("import", "successful")] {
        let started = Instant::now();
        let fields = [("step", step), ("column-0", "name"), ("column-1", "notes")];
        ada.post(&path, &fields).await.expect_status(303);
        until(
            &installation,
            &format!("SELECT count(*) FROM imports WHERE state = '{state}'"),
        )
        .await;
        println!(
            "{name}: {IMPORTED} rows {state}: {:.1} s, peak {} MB",
            started.elapsed().as_secs_f64(),
            peak()
        );
    }
}

async fn posted(ada: &Person, how: &str) -> reqwest::Response {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("csrf", &ada.form_token())
        .append_pair("how", how)
        .finish();
    ada.request(Method::POST, &format!("{LEADS}/export"))
        .header("Sec-Fetch-Site", "same-origin")
        .timeout(PATIENCE)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .expect("an answer")
}

async fn sent(ada: &Person) -> String {
    let rows: String = (0..IMPORTED)
        .map(|n| format!("Lead {n},\"A note of some length, as people write them.\"\n"))
        .collect();
    let token = ada.form_token();
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{token}\r\n--b\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"leads.csv\"\r\n\r\nName,Notes\n{rows}\r\n--b--\r\n"
    );
    let path = format!("{LEADS}/import");
    let request = ada
        .request(Method::POST, &path)
        .header("Sec-Fetch-Site", "same-origin")
        .timeout(PATIENCE)
        .header("Content-Type", "multipart/form-data; boundary=b")
        .body(body);
    let page = ada.send(request, &path).await;
    page.expect_status(303);
    page.header("location").to_owned()
}

async fn until(installation: &Installation, query: &str) {
    while installation.number(query) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Peak resident memory of the server that listens on a port.
fn peak_mb(port: u16) -> u64 {
    let listens = format!("INSIGHT_LISTEN=127.0.0.1:{port}");
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|process| {
            let environment = std::fs::read(process.path().join("environ")).ok()?;
            let ours = environment
                .split(|b| *b == 0)
                .any(|v| v == listens.as_bytes());
            let status = std::fs::read_to_string(process.path().join("status")).ok()?;
            let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
            let kb: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
            ours.then_some(kb / 1_000)
        })
        .max()
        .unwrap_or(0)
}
