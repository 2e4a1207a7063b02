use std::path::Path;
use std::sync::Arc;

use diesel::connection::SimpleConnection;

use super::{Broken, verify, verify_all};
use crate::audit::{Event, record};
use crate::config::Config;
use crate::credentials::keys::Keys;
use crate::credentials::passwords::{HashCost, Passwords};
use crate::db::types::AccountId;
use crate::db::{Db, Target, migrate};
use crate::{App, Clock, accounts};

fn app(folder: &Path, keys: Keys) -> Arc<App> {
    let config = Config::read(&|_| None).unwrap();
    let file = folder.join("insight.db").display().to_string();
    let db = Db::open(Target::Sqlite(file), 2).unwrap();
    migrate::run(&db).unwrap();
    let cost = HashCost {
        memory_kib: 8,
        iterations: 1,
        lanes: 1,
    };
    let passwords = Passwords::new(cost, 1).unwrap();
    App::new(config, db, keys, passwords, Clock::System)
}

/// An account with four entries in its log.
fn account(app: &App, name: &str) -> AccountId {
    app.system_write(|tx| {
        let account = accounts::create(tx, name)?;
        for n in 1..4 {
            let email = format!("a{n}@example.com");
            record(tx, account, &Event::SubscriberAdded { email })?;
        }
        Ok(account)
    })
    .unwrap()
}

fn execute(app: &App, sql: &str) -> crate::Result<()> {
    app.system_write(|tx| Ok(tx.conn().batch_execute(sql)?))
}

const UNLOCK: &str = "DROP TRIGGER audit_entries_no_update; DROP TRIGGER audit_entries_no_delete; PRAGMA foreign_keys = OFF;";

#[test]
fn an_untouched_chain_holds() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), Keys::ephemeral());
    let one = account(&app, "Halden");
    account(&app, "Fjord");
    assert_eq!(verify(&app, one).unwrap(), Ok(4));
    assert_eq!(
        verify_all(&app).unwrap(),
        [("Halden".to_owned(), Ok(4)), ("Fjord".to_owned(), Ok(4))]
    );
    for refused in [
        "UPDATE audit_entries SET address = 'x'",
        "DELETE FROM audit_entries",
    ] {
        assert!(execute(&app, refused).is_err(), "{refused}");
        assert_eq!(verify(&app, one).unwrap(), Ok(4), "{refused}");
    }
}

#[test]
fn a_change_of_any_column_is_found() {
    let columns = [
        "account_id = (SELECT MAX(id) FROM accounts)",
        "seq = 9",
        "at = at + 1",
        "actor_id = 1",
        "actor_name = 'Eve'",
        "address = '192.0.2.1'",
        "action = 'subscriber.removed'",
        "data = replace(data, 'a2', 'e2')",
        "kid = 'aaaaaaaa'",
        "kid = ''",
        "hash = zeroblob(32)",
        "hash = (SELECT hash FROM audit_entries e WHERE e.account_id = 1 AND e.seq = 2)",
    ];
    for change in columns {
        let folder = tempfile::tempdir().unwrap();
        let app = app(folder.path(), Keys::ephemeral());
        let one = account(&app, "Halden");
        app.system_write(|tx| accounts::create(tx, "Fjord"))
            .unwrap();
        execute(&app, UNLOCK).unwrap();
        // The new place of a moved entry must be free.
        let make_room = "DELETE FROM audit_entries WHERE account_id = 2;";
        let sql = format!(
            "{make_room} UPDATE audit_entries SET {change} WHERE account_id = 1 AND seq = 3;"
        );
        execute(&app, &sql).unwrap();
        let Err(Broken { seq, .. }) = verify(&app, one).unwrap() else {
            panic!("{change} was not found");
        };
        assert_eq!(seq, 3, "{change}");
    }
}

#[test]
fn what_is_cut_off_or_added_is_found() {
    for (change, broken_at) in [
        ("DELETE FROM audit_entries WHERE seq = 1", 1),
        ("DELETE FROM audit_entries WHERE seq = 2", 2),
        ("DELETE FROM audit_entries WHERE seq = 4", 4),
        ("DELETE FROM audit_entries", 1),
        ("UPDATE accounts SET audit_seq = 3", 4),
        ("UPDATE accounts SET audit_head = zeroblob(32)", 4),
        (
            "INSERT INTO audit_entries SELECT account_id, 5, at, actor_id, actor_name, address, action, data, kid, \
             hash FROM audit_entries WHERE seq = 4",
            5,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let app = app(folder.path(), Keys::ephemeral());
        let one = account(&app, "Halden");
        execute(&app, UNLOCK).unwrap();
        execute(&app, change).unwrap();
        let found = verify(&app, one).unwrap();
        assert_eq!(found.err().map(|at| at.seq), Some(broken_at), "{change}");
    }
}

#[test]
fn other_keys_prove_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let one = account(&app(folder.path(), Keys::ephemeral()), "Halden");
    let others = app(folder.path(), Keys::ephemeral());
    assert_eq!(
        verify(&others, one).unwrap().err().map(|at| at.seq),
        Some(1)
    );
}
