//! Time and memory of issuing 10,000 invoices, each with its PDF, on SQLite and on Postgres. Each figure has a peak of
//! its own: that of the whole process (tests, server and library; not the Postgres server) while it was measured.
//! Arguments: `--db sqlite|postgres|both`, `--invoices N`.

#[allow(dead_code, unused_macros)]
#[path = "../tests/it/app/mod.rs"]
mod app;

use std::time::Instant;

use app::{Backend, OnBackend, TestApp};
use insight::billing::invoices::{self, Draft, Line};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = args.iter().position(|a| a == name)?;
        args.get(at + 1).cloned()
    };
    let count = value("--invoices").and_then(|n| n.parse().ok());
    let count: i64 = count.unwrap_or(10_000);
    let which = value("--db").unwrap_or_else(|| "both".into());
    actix_web::rt::System::new().block_on(async move {
        for backend in [Backend::Sqlite, Backend::Postgres] {
            let name = format!("{backend:?}").to_lowercase();
            if which == "both" || which == name {
                measure(&name, TestApp::on(backend), count).await;
            }
        }
    });
}

async fn measure(name: &str, app: TestApp, count: i64) {
    let account = app.admin("ada").await.account();
    forget_peak();
    println!(
        "{name}: at rest, test and server in one process: {} MB",
        peak_mb()
    );
    let started = Instant::now();
    let mut issued = Vec::new();
    for n in 0..count {
        let line = Line {
            text: "Business".into(),
            detail: "20 seats, 3 Nov – 2 Dec 2026".into(),
            quantity: 20,
            unit_price: 1_800 + n,
            amount: 20 * (1_800 + n),
        };
        let draft = Draft::invoice(vec![line], None);
        let invoice = app.system_write(|tx| invoices::issue(tx, account, draft));
        issued.push(invoice.expect("issues").id);
    }
    let took = started.elapsed();
    println!(
        "{name}: {count} invoices issued with number, audit entry and mail: {:.1} s ({:.2} ms each), peak {} MB",
        took.as_secs_f64(),
        took.as_secs_f64() * 1_000.0 / count as f64,
        peak_mb()
    );
    forget_peak();
    let started = Instant::now();
    let mut bytes = 0;
    for id in issued {
        let pdf = invoices::attachment(&app, &format!("{account}/{id}"));
        bytes += pdf.expect("makes a PDF").len();
    }
    let took = started.elapsed();
    println!(
        "{name}: {count} PDFs read from there and made: {:.1} s ({:.2} ms each), {} KB each, peak {} MB",
        took.as_secs_f64(),
        took.as_secs_f64() * 1_000.0 / count as f64,
        bytes / 1_000 / usize::try_from(count.max(1)).unwrap_or(1),
        peak_mb()
    );
}

/// Lets the peak begin anew at what is used now.
fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux resets the peak");
}

/// Peak memory of this process since [`forget_peak`], in megabytes.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kb = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kb.unwrap_or(0) / 1_000
}
