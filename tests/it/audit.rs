//! The audit log can be added to and nothing else, and whoever gets around that is found out.

use insight::audit::{self, Broken, Event};
use insight::db::types::AccountId;

use crate::app::{Backend, OnBackend, TestApp};
use crate::on_both;

on_both!(
    entries_cannot_be_changed_or_removed,
    tampering_is_found,
    entries_of_parallel_changes_form_one_chain,
);

fn write(app: &TestApp, account: AccountId, subscriber: &str) {
    let event = Event::SubscriberAdded {
        email: subscriber.to_owned(),
    };
    let written = app.system_write(|tx| audit::record(tx, account, &event));
    written.expect("writes an entry");
}

fn verify(app: &TestApp, account: AccountId) -> Result<i64, Broken> {
    audit::verify(app, account).expect("reads the log")
}

async fn entries_cannot_be_changed_or_removed(app: TestApp) {
    let account = app.company("Halden Logistics").id;
    write(&app, account, "news@halden.example");
    for statement in [
        "UPDATE audit_entries SET actor_name = 'Somebody else'",
        "UPDATE audit_entries SET seq = seq + 10",
        "DELETE FROM audit_entries",
        "DELETE FROM audit_entries WHERE seq = 2",
    ] {
        let refused = app.sql(statement).map_err(|e| e.to_string());
        assert_eq!(
            refused,
            Err("the audit log is append-only".into()),
            "{statement}"
        );
    }
    if matches!(app.database().target(), insight::db::Target::Postgres(_)) {
        assert!(app.sql("TRUNCATE audit_entries").is_err());
        assert!(app.sql("TRUNCATE accounts CASCADE").is_err());
    }
    assert_eq!(verify(&app, account), Ok(2));
}

/// Takes away what protects the log, as somebody with all rights on the database could.
fn unprotect(app: &TestApp, backend: Backend) {
    let statements: &[&str] = match backend {
        Backend::Sqlite => &[
            "DROP TRIGGER audit_entries_no_update",
            "DROP TRIGGER audit_entries_no_delete",
        ],
        Backend::Postgres => &["ALTER TABLE audit_entries DISABLE TRIGGER USER"],
    };
    for statement in statements {
        app.sql(statement).expect("runs");
    }
}

async fn tampering_is_found(backend: Backend) {
    let app = TestApp::on(backend);
    unprotect(&app, backend);
    let elsewhere = app.company("Other Company").id;
    for (statement, broken_at) in [
        ("UPDATE audit_entries SET actor_name = 'Eve'", 3),
        ("UPDATE audit_entries SET actor_id = 7", 3),
        ("UPDATE audit_entries SET address = '192.0.2.9'", 3),
        ("UPDATE audit_entries SET at = at + 1", 3),
        ("UPDATE audit_entries SET action = 'sign-in'", 3),
        ("UPDATE audit_entries SET data = '{}'", 3),
        ("UPDATE audit_entries SET kid = 'ffffffff'", 3),
        (
            "UPDATE audit_entries SET hash = (SELECT hash FROM audit_entries e WHERE e.account_id = ACCOUNT AND e.seq = 2)",
            3,
        ),
        ("DELETE FROM audit_entries", 3),
    ] {
        let account = app.company("Halden Logistics").id;
        for n in 0..5 {
            write(&app, account, &format!("{n}@halden.example"));
        }
        assert_eq!(verify(&app, account), Ok(6));
        let statement = format!("{statement} WHERE account_id = ACCOUNT AND seq = 3")
            .replace("ACCOUNT", &account.to_string());
        assert_eq!(app.sql(&statement), Ok(1), "{statement}");
        let broken = verify(&app, account).expect_err(&statement);
        assert_eq!(broken.seq, broken_at, "{statement}: {}", broken.why);
    }

    // The end of the log, and the memory of where it ends.
    for statements in [
        &["DELETE FROM audit_entries WHERE account_id = ACCOUNT AND seq > 4"][..],
        &[
            "DELETE FROM audit_entries WHERE account_id = ACCOUNT AND seq > 4",
            "UPDATE accounts SET audit_seq = 4 WHERE id = ACCOUNT",
        ],
        &["UPDATE accounts SET audit_seq = 7 WHERE id = ACCOUNT"],
    ] {
        let account = app.company("Halden Logistics").id;
        for n in 0..5 {
            write(&app, account, &format!("{n}@halden.example"));
        }
        for statement in statements {
            let statement = statement.replace("ACCOUNT", &account.to_string());
            app.sql(&statement).expect("runs");
        }
        assert!(verify(&app, account).is_err(), "{statements:?}");
    }

    // An entry of one account is worth nothing in another.
    let account = app.company("Halden Logistics").id;
    write(&app, account, "news@halden.example");
    write(&app, elsewhere, "news@halden.example");
    app.sql(&format!(
        "UPDATE audit_entries SET hash = (SELECT hash FROM audit_entries e WHERE e.account_id = {elsewhere} AND e.seq = 2) \
         WHERE account_id = {account} AND seq = 2"
    ))
    .expect("runs");
    assert!(verify(&app, account).is_err());
    assert_eq!(verify(&app, elsewhere), Ok(2));
}

async fn entries_of_parallel_changes_form_one_chain(app: TestApp) {
    let account = app.company("Halden Logistics").id;
    std::thread::scope(|scope| {
        for n in 0..4 {
            let app = &app;
            let app: &insight::App = app;
            scope.spawn(move || {
                for m in 0..5 {
                    let event = Event::SubscriberAdded {
                        email: format!("{n}.{m}@halden.example"),
                    };
                    let written = app.system_write(|tx| audit::record(tx, account, &event));
                    written.expect("writes an entry");
                }
            });
        }
    });
    assert_eq!(verify(&app, account), Ok(21));
}
