//! Downloads that do not come to their end: the audit log says so, and never fewer rows than went out.

use std::time::Duration;

use insight::permissions::Object;
use insight::records::jobs;
use reqwest::Method;

use crate::app::files::{record, records, set_export};
use crate::app::people::Person;
use crate::app::{TestApp, texts, wait};
use crate::export::{LEADS, audit, bob, download};
use crate::on_both;

on_both!(
    a_right_that_is_lost_breaks_the_download_off,
    hanging_up_is_written_down,
    a_reader_who_pauses_gets_no_more_than_the_log_says,
    a_download_whose_server_died_is_written_down,
);

/// Begins a download of more than any buffer holds, and gives it after its first piece.
async fn begin(app: &TestApp, bob: &Person) -> reqwest::Response {
    records(app, bob, Object::Lead, 9_000, &"long ".repeat(900));
    let request = bob.request(Method::POST, &format!("{LEADS}/export"));
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("csrf", &bob.form_token())
        .finish();
    let answer = request
        .header("Sec-Fetch-Site", "same-origin")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    answer
}

/// Waits for the entry of the one export, and gives its rows.
async fn broken_off(app: &TestApp) -> i64 {
    let entry = wait::until(async || {
        let query = "SELECT data AS line FROM audit_entries WHERE action = 'records.exported'";
        texts(&mut app.database().connect(), query).pop()
    });
    let entry = entry.await.expect("an entry in the audit log");
    assert!(entry.contains("\"whole\":false"), "{entry}");
    let stopped = "SELECT written FROM exports WHERE state = 'stopped'";
    let rows = app.number(stopped);
    assert!(
        entry.contains(&format!("\"rows\":{rows}")),
        "{entry}, {rows}"
    );
    rows
}

async fn a_right_that_is_lost_breaks_the_download_off(app: TestApp) {
    let bob = bob(&app).await;
    let mut answer = begin(&app, &bob).await;
    answer.chunk().await.expect("arrives").expect("a piece");
    set_export(&app, &bob, false);
    let end = loop {
        match answer.chunk().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert!(end.is_err(), "it looks like a whole file");
    let rows = broken_off(&app).await;
    assert!((1_000..9_000).contains(&rows), "{rows}");
}

async fn hanging_up_is_written_down(app: TestApp) {
    let bob = bob(&app).await;
    let mut answer = begin(&app, &bob).await;
    answer.chunk().await.expect("arrives").expect("a piece");
    drop(answer);
    let rows = broken_off(&app).await;
    assert!((1_000..9_000).contains(&rows), "{rows}");
}

async fn a_reader_who_pauses_gets_no_more_than_the_log_says(app: TestApp) {
    let bob = bob(&app).await;
    let mut answer = begin(&app, &bob).await;
    let mut got = Vec::new();
    got.extend(answer.chunk().await.expect("arrives").expect("a piece"));
    // Nobody reads on: what fits into the buffers is sent, then the lease ends.
    let noted = wait::until(async || {
        app.forward(Duration::from_secs(601));
        jobs::run_due(&app).expect("looks");
        let stopped = "SELECT count(*) FROM exports WHERE state = 'stopped'";
        (app.number(stopped) == 1).then_some(())
    });
    noted.await.expect("it is noted as broken off");
    let rows = broken_off(&app).await;
    let end = loop {
        match answer.chunk().await {
            Ok(Some(piece)) => got.extend(piece),
            end => break end,
        }
    };
    assert!(end.is_err(), "it looks like a whole file");
    let got = String::from_utf8_lossy(&got).matches("\r\n").count();
    let got = i64::try_from(got).expect("fits") - 1;
    assert!(got >= 0 && got <= rows, "{got} rows came, {rows} are noted");
    // Its end changes nothing of what was noted.
    drop(answer);
    let entries = "SELECT count(*) FROM audit_entries WHERE action = 'records.exported'";
    assert_eq!(app.number(entries), 1);
    assert_eq!(broken_off(&app).await, rows);
}

async fn a_download_whose_server_died_is_written_down(app: TestApp) {
    let bob = bob(&app).await;
    record(&app, &bob, Object::Lead, "One", "{}");
    download(&bob, "").await;
    broken_by_death(&app).await;
    let audit = audit(&app).await;
    assert!(
        audit.contains("Exported at most 7 rows of Leads as CSV from TEST (all), broken off"),
        "{audit}"
    );
}

/// As a server leaves it that was killed while it sent the eighth row.
async fn broken_by_death(app: &TestApp) {
    let done = wait::until(async || {
        (app.number("SELECT count(*) FROM exports WHERE state = 'done'") == 1).then_some(())
    });
    done.await.expect("the download is noted");
    app.sql("UPDATE exports SET state = 'in progress', finished_at = NULL, written = 7, leased_until = 1")
        .expect("breaks");
    jobs::run_due(app).expect("looks");
    jobs::run_due(app).expect("looks");
    let entries = "SELECT count(*) FROM audit_entries WHERE action = 'records.exported'";
    assert_eq!(app.number(entries), 2);
}
