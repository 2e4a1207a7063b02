use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::*;
use crate::Clock;
use crate::access::PlatformRoles;
use crate::accounts::{self, Grants};
use crate::config::Config;
use crate::credentials::keys::Keys;
use crate::credentials::passwords::{HashCost, Passwords};
use crate::db::{Db, Target, migrate};
use crate::mail::outbox::Failed;
use crate::schema::audit_entries;
use crate::schema::outbox;
use crate::subscribers::mark_bounced;

#[test]
fn a_subject_is_one_line() {
    assert_eq!(Subject::parse("  New keys ").unwrap().as_str(), "New keys");
    for wrong in [
        "",
        "  ",
        "a\r\nBcc: eve@example.com",
        "a\u{85}b",
        &"x".repeat(151),
    ] {
        assert!(Subject::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_text_has_plain_line_ends() {
    assert_eq!(
        Markdown::parse("\r\na\r\n\tb\r\n").unwrap().as_str(),
        "a\n\tb"
    );
    for wrong in ["", " \n ", "a\u{0}", &"x".repeat(20_001)] {
        assert!(Markdown::parse(wrong).is_err());
    }
}

fn app(folder: &Path) -> Arc<App> {
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
    App::new(config, db, Keys::ephemeral(), passwords, Clock::System)
}

/// An account with one member and `count` subscribers s0@…, s1@… of the given state.
fn account(app: &App, name: &str, count: i64, state: &str) -> AccountId {
    app.system_write(|tx| {
        let account = accounts::create(tx, name)?;
        let email = Email::parse(&format!("{name}@members.example")).unwrap();
        let user = accounts::create_user(tx, &email, name, "x", account)?;
        let roles = PlatformRoles::default();
        let grants = Grants {
            roles,
            profile: None,
            role: None,
        };
        let member = accounts::add_member(tx, account, user, grants)?;
        for n in 0..count {
            tx.conn().batch_execute(&format!(
                "INSERT INTO subscribers (account_id, email, state, added_by, added_at)
                 VALUES ({account}, 's{n}@x.example', '{state}', {member}, 1)"
            ))?;
        }
        Ok(account)
    })
    .unwrap()
}

fn recipients(app: &App) -> Vec<String> {
    app.system_read(|tx| {
        Ok(outbox::table
            .order(outbox::id)
            .select(outbox::recipient)
            .load(tx.conn())?)
    })
    .unwrap()
}

#[test]
fn everybody_gets_one_mail_however_often_the_job_dies() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path());
    account(&app, "one", 450, "active");
    account(&app, "two", 460, "active");
    account(&app, "three", 470, "unsubscribed");
    app.system_write(|tx| {
        tx.conn()
            .batch_execute("UPDATE users SET product_updates = 0 WHERE name = 'three'")?;
        Ok(())
    })
    .unwrap();
    announce_from_cli(&app, "Hello", "text", "api-change", None).unwrap();
    for round in 0..20 {
        // Killed at the end of a batch, before its commit.
        let killed = app.system_write(|tx| {
            address_batch(tx)?;
            Err::<(), _>(Error::internal("killed"))
        });
        assert!(killed.is_err());
        if round % 2 == 0 {
            app.system_write(address_batch).unwrap();
        }
    }
    assert_eq!(address_due(&app).unwrap(), 0);
    let all = recipients(&app);
    let different: HashSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    assert_eq!(all.len(), 460 + 2);
}

#[test]
fn an_update_for_one_account_stays_there() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path());
    account(&app, "one", 3, "active");
    account(&app, "two", 5, "active");
    announce_from_cli(&app, "Hello", "text", "product-update", Some("two")).unwrap();
    assert_eq!(address_due(&app).unwrap(), 6);
    let all = recipients(&app);
    assert!(all.contains(&"two@members.example".to_owned()) && all.len() == 6);
    for (kind, account) in [
        ("news", None),
        ("api-change", Some("9")),
        ("api-change", Some("x")),
    ] {
        let refused = announce_from_cli(&app, "Hello", "text", kind, account);
        assert!(
            matches!(refused, Err(Error::Refused(_))),
            "{kind} {account:?}"
        );
    }
}

#[test]
fn an_address_that_bounces_is_left_alone_in_every_account() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path());
    let accounts = [
        account(&app, "one", 2, "active"),
        account(&app, "two", 2, "active"),
    ];
    let bounce = |bulk| {
        app.system_write(|tx| {
            mark_bounced(
                tx,
                &Failed {
                    recipient: "s1@x.example",
                    bulk,
                    answer: "550 no such user",
                },
            )
        })
        .unwrap();
    };
    let bouncing = || -> i64 {
        app.system_read(|tx| {
            Ok(subscribers::table
                .filter(subscribers::state.eq("bouncing"))
                .count()
                .get_result(tx.conn())?)
        })
        .unwrap()
    };
    bounce(false);
    assert_eq!(bouncing(), 0);
    bounce(true);
    bounce(true);
    assert_eq!(bouncing(), 2);
    for account in accounts {
        let entries: i64 = app
            .system_read(|tx| {
                Ok(audit_entries::table
                    .filter(audit_entries::account_id.eq(account))
                    .filter(audit_entries::action.eq("subscriber.bouncing"))
                    .count()
                    .get_result(tx.conn())?)
            })
            .unwrap();
        assert_eq!(entries, 1);
    }
    announce_from_cli(&app, "Hello", "text", "api-change", None).unwrap();
    address_due(&app).unwrap();
    assert!(!recipients(&app).contains(&"s1@x.example".to_owned()));
}
