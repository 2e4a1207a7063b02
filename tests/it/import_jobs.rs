//! Imports under way: jobs that are followed by others, rights that are lost, rows that are kept for a while.

use std::cell::Cell;
use std::time::Duration;

use insight::background;
use insight::permissions::{Object, Rights};
use insight::records::import::{job, sweep};
use insight::records::jobs;

use crate::app::files::set_rights;
use crate::app::people::{Level, Role};
use crate::app::program::Installation;
use crate::app::{Backend, TestApp, wait};
use crate::import::{ALL, bob, check, import, send, sent};
use crate::on_both;

on_both!(
    a_worker_that_dies_is_followed_by_another_without_doubling_a_row,
    a_member_who_is_removed_imports_nothing_more,
    two_imports_at_once_make_all_their_rows,
    rows_are_kept_for_ninety_days,
    what_its_sender_goes_on_with_is_not_swept_away,
    an_import_without_its_rows_comes_to_an_end,
    an_import_begins_when_it_is_begun,
);

fn many(count: usize) -> String {
    let rows: String = (0..count).map(|n| format!("Row {n:06}\n")).collect();
    format!("Name\n{rows}")
}

async fn a_worker_that_dies_is_followed_by_another_without_doubling_a_row(app: TestApp) {
    let bob = bob(&app).await;
    let path = sent(&bob, &many(1_000)).await;
    check(&app, &bob, &path).await.expect("1,000 new");
    bob.post(&path, &[("step", "import")])
        .await
        .expect_redirect(&path);
    // It dies after two batches: nobody gives its lease back.
    let dying = job::claim(&app).expect("asks").expect("one waits");
    let batches = Cell::new(0);
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        dying.run(&app, &|| {
            batches.set(batches.get() + 1);
            assert!(batches.get() < 3, "dies here");
            false
        })
    }));
    assert!(died.is_err());
    assert_eq!(app.number("SELECT count(*) FROM records"), 400);
    bob.open(&path).await.expect("400 of 1,000");
    assert!(
        job::claim(&app).expect("asks").is_none(),
        "two workers have it"
    );
    app.forward(Duration::from_secs(121));
    jobs::run_due(&app).expect("goes on");
    bob.open(&path).await.expect("Successful");
    assert_eq!(app.number("SELECT count(*) FROM records"), 1_000);
    assert_eq!(
        app.number("SELECT count(DISTINCT name) FROM records"),
        1_000
    );
    let linked = "SELECT count(DISTINCT record_id) FROM import_rows WHERE state = 1";
    assert_eq!(app.number(linked), 1_000);
    let entries = "SELECT count(*) FROM audit_entries WHERE action = 'records.imported'";
    assert_eq!(app.number(entries), 1);
}

async fn a_member_who_is_removed_imports_nothing_more(app: TestApp) {
    let bob = bob(&app).await;
    let losses: [(&dyn Fn(), &str); 2] = [
        (
            &|| {
                let sql = format!(
                    "UPDATE members SET removed_at = 1 WHERE id = {}",
                    bob.member()
                );
                app.sql(&sql).expect("removes");
            },
            "The member who sent it was removed.",
        ),
        (
            &|| set_rights(&app, &bob, Object::Lead, Rights::default()),
            "The right to import these records was taken away.",
        ),
    ];
    for (round, (lose, words)) in (1..).zip(losses) {
        let path = sent(&bob, &many(1_000)).await;
        check(&app, &bob, &path).await.expect("1,000 new");
        bob.post(&path, &[("step", "import")])
            .await
            .expect_redirect(&path);
        let batches = Cell::new(0);
        let stop = || {
            batches.set(batches.get() + 1);
            if batches.get() == 3 {
                lose();
            }
            false
        };
        let taken = job::claim(&app).expect("asks").expect("one waits");
        taken.run(&app, &stop).expect("stops");
        assert_eq!(app.number("SELECT count(*) FROM records"), 400 * round);
        app.sql("UPDATE members SET removed_at = NULL")
            .expect("brings back");
        set_rights(&app, &bob, Object::Lead, ALL());
        let page = bob.open(&path).await;
        page.expect("Partly failed").expect(words).expect("400 new");
        let file = bob.get(&format!("{path}/rejected")).await;
        assert_eq!(file.source().lines().count(), 601);
        assert!(
            file.source()
                .contains(&format!("Row 000400,401,Not imported. {words}"))
        );
    }
    // Losing only Create rejects the rows and goes on.
    let path = sent(&bob, &many(3)).await;
    check(&app, &bob, &path).await.expect("3 new");
    set_rights(&app, &bob, Object::Lead, Rights::READ.and(Rights::EDIT));
    import(&app, &bob, &path)
        .await
        .expect("Failed")
        .expect("You may not create leads.");
    let auditor = app.member("auditor", &[Role::Admin]).await;
    let log = auditor.open("/settings/audit-log").await;
    log.expect("400 new, 0 updated, 600 rejected, broken off");
}

async fn two_imports_at_once_make_all_their_rows(app: TestApp) {
    let bob = bob(&app).await;
    let mut paths = Vec::new();
    for _ in 0..2 {
        let path = sent(&bob, &many(600)).await;
        check(&app, &bob, &path).await.expect("600 new");
        paths.push(path);
    }
    for path in &paths {
        bob.post(path, &[("step", "import")])
            .await
            .expect_redirect(path);
    }
    let taken: Vec<job::Job> = std::iter::from_fn(|| job::claim(&app).expect("asks")).collect();
    assert_eq!(taken.len(), 2);
    let app = &app;
    std::thread::scope(|scope| {
        for job in taken {
            scope.spawn(move || {
                let app: &insight::App = &app.context().app;
                job.run(app, &|| false).expect("imports");
            });
        }
    });
    for path in paths {
        bob.open(&path).await.expect("Successful");
    }
    assert_eq!(app.number("SELECT count(*) FROM records"), 1_200);
}

async fn rows_are_kept_for_ninety_days(app: TestApp) {
    let bob = bob(&app).await;
    let path = sent(&bob, "Name,Status\nA,wrong\nB,New\n").await;
    check(&app, &bob, &path).await;
    import(&app, &bob, &path).await.expect("Partly failed");
    sent(&bob, "Name\nnever imported\n").await;
    app.forward(Duration::from_secs(91 * 24 * 3600));
    background::keep_house(&app).expect("sweeps");
    assert_eq!(app.number("SELECT count(*) FROM import_rows"), 0);
    assert_eq!(app.number("SELECT count(*) FROM imports"), 1);
    bob.start_session(Level::Full);
    bob.open(&path).await.expect("were kept for 90 days");
    bob.get(&format!("{path}/rejected"))
        .await
        .expect_status(404);
}

async fn what_its_sender_goes_on_with_is_not_swept_away(app: TestApp) {
    let bob = bob(&app).await;
    let (matching, checked) = (sent(&bob, "Name\nA\n").await, sent(&bob, "Name\nB\n").await);
    check(&app, &bob, &checked).await.expect("1 new");
    app.forward(Duration::from_secs(2 * 24 * 3600 + 1));
    bob.start_session(Level::Full);
    let over = sweep::over(&app).expect("looks");
    assert_eq!(over.len(), 2);
    // After the sweep has looked at them, and before it comes to them.
    bob.post(&checked, &[("step", "import")])
        .await
        .expect_redirect(&checked);
    bob.open(&matching).await.press("Check the rows").await;
    for import in &over {
        assert!(!import.delete(&app).expect("leaves it"));
    }
    jobs::run_due(&app).expect("runs");
    bob.open(&checked).await.expect("Successful");
    bob.open(&matching).await.expect("1 new, 0 updated");
    // Two sweeps at once: the second finds nothing to do.
    app.forward(Duration::from_secs(91 * 24 * 3600));
    let over = sweep::over(&app).expect("looks");
    assert_eq!(over.len(), 2);
    assert!(over.iter().all(|it| it.delete(&app).expect("deletes")));
    assert!(!over.iter().any(|it| it.delete(&app).expect("looks")));
    assert_eq!(app.number("SELECT count(*) FROM imports"), 1);
    assert_eq!(app.number("SELECT count(*) FROM import_rows"), 0);
}

/// Runs the one job that waits, and stops it when it takes more batches than it can need.
fn run(app: &TestApp) {
    let batches = Cell::new(0);
    let stop = || {
        batches.set(batches.get() + 1);
        batches.get() > 20
    };
    let taken = job::claim(app).expect("asks").expect("one waits");
    taken.run(app, &stop).expect("runs");
    assert!(batches.get() <= 20, "it has no end");
}

async fn an_import_without_its_rows_comes_to_an_end(app: TestApp) {
    let bob = bob(&app).await;
    let path = sent(&bob, &many(1_000)).await;
    check(&app, &bob, &path).await.expect("1,000 new");
    bob.post(&path, &[("step", "import")])
        .await
        .expect_redirect(&path);
    app.sql("DELETE FROM import_rows WHERE number > 300")
        .expect("loses them");
    run(&app);
    let why = "Rows of the file are missing. Send it again.";
    let page = bob.open(&path).await;
    page.expect("Partly failed").expect(why).expect("300 new");
    let path = sent(&bob, &many(3)).await;
    app.sql("DELETE FROM import_rows WHERE import_id = 2")
        .expect("loses them");
    bob.open(&path).await.press("Check the rows").await;
    run(&app);
    let page = bob.open(&path).await;
    page.expect("The check was stopped.").expect(why);
}

async fn an_import_begins_when_it_is_begun(app: TestApp) {
    let bob = bob(&app).await;
    let path = sent(&bob, "Name\nA\n").await;
    check(&app, &bob, &path).await.expect("1 new");
    app.forward(Duration::from_secs(600));
    import(&app, &bob, &path).await.expect("Successful");
    let waited = "SELECT started_at - created_at FROM imports";
    assert_eq!(app.number(waited), 600_000_000);
}

#[actix_web::test]
async fn killing_the_server_neither_loses_nor_doubles_a_row() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        const ROWS: usize = 5_000;
        let installation = Installation::new(backend);
        let ada = installation
            .context()
            .company("Halden Logistics")
            .admin("ada");
        let mut server = installation.start();
        let page = send(&ada, many(ROWS).as_bytes()).await;
        let path = page.header("location").to_owned();
        let page = ada.open(&path).await.press("Check the rows").await;
        page.expect_status(200);
        installation
            .wait_for_number("SELECT count(*) FROM imports WHERE state = 'checked'", 1)
            .await;
        ada.post(&path, &[("step", "import")])
            .await
            .expect_redirect(&path);
        for round in 1..=2 {
            let begun = wait::until(async || {
                let done = installation.number("SELECT done FROM imports");
                (done >= 1_000 * round).then_some(done)
            });
            let done = begun.await.expect("it goes on");
            assert!(done < 5_000, "it was too fast");
            server.kill();
            let (done, made) = (
                installation.number("SELECT done FROM imports"),
                installation.number("SELECT count(*) FROM records"),
            );
            assert_eq!(
                done, made,
                "{backend:?}: what is said to be done is done, and nothing else"
            );
            // What a lease waits for, two minutes, is over.
            installation.sql("UPDATE imports SET leased_until = 0");
            server.start_again();
        }
        installation
            .wait_for_number("SELECT count(*) FROM imports WHERE state = 'successful'", 1)
            .await;
        for query in ["count(*)", "count(DISTINCT name)"] {
            let query = format!("SELECT {query} FROM records");
            assert_eq!(installation.number(&query), 5_000, "{backend:?}");
        }
    }
}
