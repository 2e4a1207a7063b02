//! Exports of records: what is in the file, who gets it, what the audit log says.

use std::cell::Cell;
use std::time::Duration;

use insight::background;
use insight::permissions::{Object, Rights};
use insight::records::export::job;
use insight::records::jobs;

use crate::app::files::{On, give, many, record, records, set_export, set_rights};
use crate::app::page::Page;
use crate::app::people::Person;
use crate::app::program::Installation;
use crate::app::{Backend, TestApp, wait};
use crate::on_both;

on_both!(
    the_file_holds_the_rows_and_columns_of_the_list,
    without_the_export_permission_there_is_no_export,
    a_hidden_field_is_nowhere_in_a_file,
    members_and_links_stand_by_name,
    a_file_that_is_written_in_the_background_waits_for_its_asker,
    nobody_else_gets_the_file_and_nobody_without_the_rights,
    a_right_that_is_lost_ends_the_job,
    a_field_that_is_hidden_meanwhile_ends_the_job,
    a_worker_that_dies_is_followed_by_another,
    a_long_list_asks_for_a_fresh_code,
    a_job_says_how_far_it_is,
    three_jobs_of_one_member_wait_at_a_time,
);

pub const LEADS: &str = "/test/records/leads";

/// Bob may read leads and export; the layout shows name, status and notes.
pub async fn bob(app: &TestApp) -> Person {
    app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let fields = [
        ("name", On::Required),
        ("status", On::Shown),
        ("notes", On::Shown),
    ];
    give(app, &bob, Object::Lead, Rights::READ, &fields);
    set_export(app, &bob, true);
    bob
}

pub async fn download(person: &Person, query: &str) -> Page {
    let page = person.post(&format!("{LEADS}/export{query}"), &[]).await;
    page.expect_status(200);
    page
}

/// What the audit log says, newest first.
pub async fn audit(app: &TestApp) -> String {
    let ada = app
        .member("auditor", &[crate::app::people::Role::Admin])
        .await;
    ada.open("/settings/audit-log").await.text()
}

/// Starts a job for a list and gives its page.
async fn start(person: &Person, query: &str) -> String {
    let page = person
        .post(&format!("{LEADS}/export{query}"), &[("how", "job")])
        .await;
    page.expect_status(303);
    page.header("location").to_owned()
}

async fn the_file_holds_the_rows_and_columns_of_the_list(app: TestApp) {
    let bob = bob(&app).await;
    let eve = app.member("eve", &[]).await;
    let one = record(
        &app,
        &bob,
        Object::Lead,
        "=cmd|'/c calc'!A0",
        r#"{"status":"New"}"#,
    );
    let two = record(
        &app,
        &bob,
        Object::Lead,
        "Halden, \"the\" harbour",
        r#"{"status":"Qualified","notes":"two\nlines"}"#,
    );
    record(&app, &eve, Object::Lead, "Not of Bob", "{}");
    let form = bob.open(&format!("{LEADS}/export")).await;
    form.expect("2 records")
        .expect("All Leads that you may see");
    let file = form.press("Download now").await;
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
    let name = file.header("content-disposition");
    assert_eq!(name, "attachment; filename=\"test-leads-2026-03-03.csv\"");
    assert_eq!(
        file.source(),
        format!(
            "Record number,Name,Status,Notes,Assigned to,Created by,Created (UTC),Updated (UTC)\r\n\
             {one},'=cmd|'/c calc'!A0,New,,,Bob,1970-01-01T00:00:00Z,1970-01-01T00:00:00Z\r\n\
             {two},\"Halden, \"\"the\"\" harbour\",Qualified,\"two\nlines\",,Bob,1970-01-01T00:00:00Z,1970-01-01T00:00:00Z\r\n"
        )
    );
    // The list's filter and columns, in the order in which they were chosen.
    let file = download(&bob, "?f.status=new&column=status&column=name").await;
    assert_eq!(
        file.source(),
        format!("Record number,Status,Name\r\n{one},New,'=cmd|'/c calc'!A0\r\n")
    );
    let file = download(&bob, "?q=halden&column=name").await;
    let row = format!("Record number,Name\r\n{two},\"Halden, \"\"the\"\" harbour\"\r\n");
    assert_eq!(file.source(), row);
    let audit = audit(&app).await;
    for words in [
        "Exported 2 rows of Leads as CSV from TEST (all)",
        "Exported 1 row of Leads as CSV from TEST (Status is “New”)",
        "Exported 1 row of Leads as CSV from TEST (Name begins with “halden”)",
    ] {
        assert!(audit.contains(words), "{words} is not in {audit}");
    }
}

async fn without_the_export_permission_there_is_no_export(app: TestApp) {
    let bob = bob(&app).await;
    set_export(&app, &bob, false);
    let eve = app.admin("eve").await;
    for person in [&bob, &eve] {
        for path in ["/export", "/export/1", "/export/1/file"] {
            person
                .get(&format!("{LEADS}{path}"))
                .await
                .expect_status(403);
        }
        for how in ["now", "job"] {
            let page = person
                .post(&format!("{LEADS}/export"), &[("how", how)])
                .await;
            page.expect_status(403);
        }
    }
    assert_eq!(app.number("SELECT count(*) FROM exports"), 0);
    // The permission alone is not enough: contacts are nothing Bob may read.
    set_export(&app, &bob, true);
    let contacts = "/test/records/contacts/export";
    bob.get(contacts).await.expect_status(403);
    bob.post(contacts, &[]).await.expect_status(403);
    bob.get(&format!("{LEADS}/export")).await.expect_status(200);
}

async fn a_hidden_field_is_nowhere_in_a_file(app: TestApp) {
    let bob = bob(&app).await;
    let data = r#"{"email":"canary@halden.example","company":"Canary","status":"New"}"#;
    record(&app, &bob, Object::Lead, "Seen", data);
    record(&app, &bob, Object::Lead, "Also seen", "{}");
    for query in [
        "",
        "?column=email&column=company",
        "?column=name&column=email",
        "?f.email=canary&column=name",
        "?sort=company",
    ] {
        let page = bob.open(&format!("{LEADS}/export{query}")).await;
        let file = download(&bob, query).await;
        for text in [
            page.section("What the file holds").text(),
            file.source(),
            format!("{:?}", file.headers),
        ] {
            assert!(
                !text.contains("anary") && !text.contains("E-mail"),
                "{query}: {text}"
            );
        }
        if query.starts_with("?column=email&") {
            // Like the list, which shows the name alone then.
            let header = file.source().lines().next().map(str::to_owned);
            assert_eq!(header.as_deref(), Some("Record number,Name"));
        }
        // A field that does not exist filters nothing.
        assert_eq!(file.source().lines().count(), 3, "{query}");
    }
    let path = start(&bob, "?column=email&column=name&f.company=Canary").await;
    jobs::run_due(&app).expect("runs");
    let file = bob.get(&format!("{path}/file")).await;
    assert_eq!(file.source().lines().count(), 3);
    assert!(!file.source().contains("anary"));
}

async fn members_and_links_stand_by_name(app: TestApp) {
    let bob = bob(&app).await;
    let eve = app.member("eve", &[]).await;
    let shown = [("name", On::Required), ("organization", On::Shown)];
    give(&app, &bob, Object::Contact, Rights::READ, &shown);
    give(&app, &bob, Object::Organization, Rights::READ, &[]);
    let seen = record(&app, &bob, Object::Organization, "Harbour", "{}");
    let unseen = record(&app, &eve, Object::Organization, "Secret", "{}");
    let link = |to: i64| format!(r#"{{"organization":"{to}"}}"#);
    let one = record(&app, &bob, Object::Contact, "A", &link(seen));
    let two = record(&app, &bob, Object::Contact, "B", &link(unseen));
    let slot = format!("SELECT slot FROM members WHERE id = {}", eve.member());
    let assign = format!(
        "UPDATE records SET assigned_slot = ({slot}), owner_slot = ({slot}) WHERE id = {one}"
    );
    app.sql(&assign).expect("assigns");
    let path = "/test/records/contacts/export?column=name&column=organization&column=assigned_to";
    let file = bob.post(path, &[]).await;
    assert_eq!(
        file.source(),
        format!(
            "Record number,Name,Organization,Organization name,Assigned to\r\n\
             {one},A,{seen},Harbour,Eve\r\n{two},B,,,\r\n"
        )
    );
}

async fn a_file_that_is_written_in_the_background_waits_for_its_asker(app: TestApp) {
    let bob = bob(&app).await;
    records(&app, &bob, Object::Lead, 2_345, "=1");
    let path = start(&bob, "?q=row").await;
    let page = bob.open(&path).await;
    page.expect("Waiting for its turn.");
    assert!(page.source().contains("data-poll="));
    bob.get(&format!("{path}/file")).await.expect_status(404);
    jobs::run_due(&app).expect("runs");
    let page = bob.open(&path).await;
    page.expect("The file is ready")
        .expect("2,345")
        .expect("Expires in 7 days");
    assert!(!page.source().contains("data-poll="));
    let file = bob.get(&format!("{path}/file")).await;
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"test-leads-2026-03-03.csv\""
    );
    assert_eq!(file.source(), download(&bob, "?q=row").await.source());
    assert_eq!(file.source().lines().count(), 2_346);
    let audit = audit(&app).await;
    assert!(
        audit.contains("Exported 2345 rows of Leads as CSV from TEST (Name begins with “row”)"),
        "{audit}"
    );
    assert!(
        audit.contains("Downloaded export 1 with 2345 rows"),
        "{audit}"
    );
    bob.open(&format!("{LEADS}/export"))
        .await
        .row("Export 1")
        .expect("Done");

    app.forward(Duration::from_secs(7 * 24 * 3600 + 1));
    bob.start_session(crate::app::people::Level::Full);
    background::keep_house(&app).expect("sweeps");
    let left = std::fs::read_dir(app.config.data_dir.join("exports")).expect("a folder");
    assert_eq!(left.count(), 0);
    bob.get(&format!("{path}/file")).await.expect_status(404);
    bob.open(&path).await.expect("is deleted");
}

async fn nobody_else_gets_the_file_and_nobody_without_the_rights(app: TestApp) {
    let bob = bob(&app).await;
    record(&app, &bob, Object::Lead, "One", "{}");
    let path = start(&bob, "").await;
    jobs::run_due(&app).expect("runs");
    let file = format!("{path}/file");
    let boss = app.admin("eve").await;
    let outsider = app.company("Other Company").admin("olga");
    for other in [&boss, &outsider] {
        set_export(&app, other, true);
        for path in [&path, &file] {
            other.get(path).await.expect_status(404);
        }
    }
    // Not under another address either.
    bob.get(&file.replace("/test/", "/commercial/"))
        .await
        .expect_status(404);
    bob.get(&file).await.expect_status(200);
    set_export(&app, &bob, false);
    for path in [&path, &file] {
        bob.get(path).await.expect_status(403);
    }
    set_export(&app, &bob, true);
    set_rights(&app, &bob, Object::Lead, Rights::default());
    for path in [&path, &file] {
        bob.get(path).await.expect_status(403);
    }
}

/// Runs the one job that waits; `meanwhile` happens before its second batch.
fn run_with(app: &TestApp, meanwhile: impl Fn()) {
    let job = job::claim(app).expect("asks").expect("one waits");
    let batches = Cell::new(0);
    let stop = || {
        batches.set(batches.get() + 1);
        if batches.get() == 2 {
            meanwhile();
        }
        false
    };
    job.run(app, &stop).expect("runs");
    assert!(batches.get() > 1, "it was over before");
}

async fn a_right_that_is_lost_ends_the_job(app: TestApp) {
    let bob = bob(&app).await;
    records(&app, &bob, Object::Lead, 2_500, "x");
    let losses: [&dyn Fn(); 3] = [
        &|| set_export(&app, &bob, false),
        &|| set_rights(&app, &bob, Object::Lead, Rights::default()),
        &|| {
            let sql = format!(
                "UPDATE members SET removed_at = 1 WHERE id = {}",
                bob.member()
            );
            app.sql(&sql).expect("removes");
        },
    ];
    for (number, lose) in losses.iter().enumerate() {
        let path = start(&bob, "").await;
        run_with(&app, lose);
        set_export(&app, &bob, true);
        set_rights(&app, &bob, Object::Lead, Rights::READ);
        app.sql("UPDATE members SET removed_at = NULL")
            .expect("brings back");
        let page = bob.open(&path).await;
        page.expect("Stopped")
            .expect("You lost the right to export these records");
        bob.get(&format!("{path}/file")).await.expect_status(404);
        assert_eq!(
            app.number(
                "SELECT written FROM exports WHERE state = 'stopped' ORDER BY id DESC LIMIT 1"
            ),
            1_000,
            "{number}"
        );
    }
    let left = std::fs::read_dir(app.config.data_dir.join("exports")).expect("a folder");
    assert_eq!(left.count(), 0);
    let audit = audit(&app).await;
    assert!(
        audit.contains("Exported at most 1000 rows of Leads as CSV from TEST (all), broken off"),
        "{audit}"
    );
}

async fn a_field_that_is_hidden_meanwhile_ends_the_job(app: TestApp) {
    let bob = bob(&app).await;
    records(&app, &bob, Object::Lead, 2_500, "canary");
    let hide = || {
        app.sql("DELETE FROM layout_fields WHERE field = 'notes'")
            .expect("hides");
    };
    let path = start(&bob, "").await;
    run_with(&app, hide);
    bob.open(&path)
        .await
        .expect("Fields or records that you asked by changed");
    // A filter whose field is gone would let rows in that nobody asked for.
    let path = start(&bob, "?f.status=New").await;
    app.sql("DELETE FROM layout_fields WHERE field = 'status'")
        .expect("hides");
    jobs::run_due(&app).expect("runs");
    bob.open(&path)
        .await
        .expect("Fields or records that you asked by changed");
}

async fn a_worker_that_dies_is_followed_by_another(app: TestApp) {
    let bob = bob(&app).await;
    records(&app, &bob, Object::Lead, 1_500, "x");
    let path = start(&bob, "").await;
    let dead = job::claim(&app).expect("asks").expect("one waits");
    assert!(
        job::claim(&app).expect("asks").is_none(),
        "two workers have it"
    );
    app.forward(Duration::from_secs(121));
    let second = job::claim(&app).expect("asks").expect("its lease is over");
    second.run(&app, &|| false).expect("runs");
    // The first was only slow: it has no say any more.
    dead.run(&app, &|| false).expect("runs");
    let file = bob.get(&format!("{path}/file")).await;
    assert_eq!(file.source().lines().count(), 1_501);
    let left = std::fs::read_dir(app.config.data_dir.join("exports")).expect("a folder");
    assert_eq!(left.count(), 1);
    let entries = "SELECT count(*) FROM audit_entries WHERE action = 'records.exported'";
    assert_eq!(app.number(entries), 1);
    // A process that is told to stop gives its job back at once.
    let path = start(&bob, "").await;
    let stopped = job::claim(&app).expect("asks").expect("one waits");
    stopped.run(&app, &|| true).expect("gives back");
    jobs::run_due(&app).expect("runs");
    bob.open(&path).await.expect("The file is ready");
}

async fn a_long_list_asks_for_a_fresh_code(app: TestApp) {
    let bob = bob(&app).await;
    records(&app, &bob, Object::Lead, 10_001, "x");
    let page = bob.open(&format!("{LEADS}/export")).await;
    page.expect("more than 10,000 records")
        .expect("This is a long list.");
    let path = start(&bob, "").await;
    jobs::run_due(&app).expect("runs");
    bob.get(&format!("{path}/file")).await.expect_status(200);
    app.forward(Duration::from_secs(15 * 60 + 1));
    let step_up = bob.get(&format!("{path}/file")).await;
    step_up.expect_redirect(&format!("/step-up?next={}", path.replace('/', "%2F")));
    let now = bob.post(&format!("{LEADS}/export?sort=name"), &[]).await;
    now.expect_redirect("/step-up?next=%2Ftest%2Frecords%2Fleads%2Fexport%3Fsort%3Dname");
    // A short list is an everyday thing.
    download(&bob, "?q=row+00000").await;
}

async fn a_job_says_how_far_it_is(app: TestApp) {
    let bob = bob(&app).await;
    records(&app, &bob, Object::Lead, 10_001, "x");
    let at = |written: i64| {
        let sql = format!(
            "UPDATE exports SET state = 'in progress', written = {written} WHERE finished_at IS NULL"
        );
        assert_eq!(app.sql(&sql), Ok(1));
    };
    // Counting ends at 10,000.
    let path = start(&bob, "").await;
    for (written, words) in [
        (4_000, "4,000 rows written."),
        (12_400, "12,400 rows written."),
    ] {
        at(written);
        let page = bob.open(&path).await;
        page.expect(words);
        assert!(page.all("progress[value]").is_empty());
    }
    jobs::run_due(&app).expect("runs");
    let path = start(&bob, "?q=row+0000").await;
    at(40);
    let page = bob.open(&path).await;
    page.expect("40 of 99 rows written.");
    assert_eq!(page.all("progress[value='40'][max='99']").len(), 1);
    // More than were counted, because records came meanwhile.
    at(100);
    let page = bob.open(&path).await;
    page.expect("100 rows written.");
    assert!(page.all("progress[value]").is_empty());
}

async fn three_jobs_of_one_member_wait_at_a_time(app: TestApp) {
    let bob = bob(&app).await;
    let eve = app.member("eve", &[]).await;
    give(&app, &eve, Object::Lead, Rights::READ, &[]);
    set_export(&app, &eve, true);
    for _ in 0..3 {
        start(&bob, "").await;
    }
    let fourth = bob
        .post(&format!("{LEADS}/export"), &[("how", "job")])
        .await;
    fourth
        .expect_status(422)
        .expect("Three of your exports are being written.");
    assert_eq!(app.number("SELECT count(*) FROM exports"), 3);
    // Those of somebody else count for them, and a download waits for nobody.
    start(&eve, "").await;
    download(&bob, "").await;
    jobs::run_due(&app).expect("runs");
    start(&bob, "").await;
}

#[actix_web::test]
async fn killing_the_server_neither_loses_nor_doubles_a_row() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        const ROWS: usize = 60_000;
        let installation = Installation::new(backend);
        let ada = installation
            .context()
            .company("Halden Logistics")
            .admin("ada");
        installation.sql("UPDATE members SET export = TRUE");
        installation.sql(&many(&ada, Object::Lead, ROWS, "x"));
        let mut server = installation.start();
        let page = ada
            .post(&format!("{LEADS}/export"), &[("how", "job")])
            .await;
        let path = page.header("location").to_owned();
        for _ in 0..2 {
            let begun = wait::until(async || {
                let written = installation.number("SELECT written FROM exports");
                (written > 0).then_some(written)
            });
            let written = begun.await.expect("it is begun");
            assert!(written < 60_000, "it was too fast");
            server.kill();
            // What a lease waits for, two minutes, is over.
            installation.sql("UPDATE exports SET leased_until = 0, written = 0");
            server.start_again();
        }
        installation
            .wait_for_number("SELECT count(*) FROM exports WHERE state = 'done'", 1)
            .await;
        let file = ada.get(&format!("{path}/file")).await;
        let names: Vec<String> = file
            .source()
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').nth(1).map(str::to_owned))
            .collect();
        assert_eq!(names.len(), ROWS, "{backend:?}");
        assert!(
            names.is_sorted_by(|a, b| a < b),
            "{backend:?}: a row is doubled"
        );
        let entries = "SELECT count(*) FROM audit_entries WHERE action = 'records.exported'";
        assert_eq!(installation.number(entries), 1);
    }
}
