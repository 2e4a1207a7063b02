//! Remove offers to transfer the member's records (SPEC 3.5): what is assigned to them, and what they created while
//! nobody is assigned.

use std::rc::Rc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use insight::access::{Can, ManageMembers, Visit};
use insight::background::do_due_work;
use insight::db::types::Slot;
use insight::db::{Conn, Target};
use insight::records::transfer;
use insight::schema::members;

use crate::app::TestApp;
use crate::app::people::{Level as Session, Person, Role};
use crate::app::statements::{explained, reads_account, reads_all, scans_of_all, statements_of};
use crate::app::steps::{INSIGHT_USERS, everything};
use crate::on_both;

on_both!(
    assigned_and_unassigned_records_go_to_the_chosen_member,
    many_records_follow_in_the_background,
    what_is_on_its_way_follows_the_next_removal,
    only_an_active_member_of_the_account_gets_records,
    who_came_back_keeps_what_had_not_left,
    the_records_of_others_are_not_read,
);

fn slot(app: &TestApp, person: &Person) -> i64 {
    app.number(&format!(
        "SELECT CAST(slot AS BIGINT) FROM members WHERE id = {}",
        person.member()
    ))
}

/// Records past Insight: `number` of an object, made by one member and assigned to another or nobody.
fn records(
    app: &TestApp,
    environment: i32,
    number: i64,
    creator: &Person,
    assigned: Option<&Person>,
) {
    let creator_slot = slot(app, creator);
    let assigned = assigned.map(|person| slot(app, person));
    let account = creator.account();
    app.sql(&format!(
        "INSERT INTO records (account_id, environment, object, name, sort_name, creator_slot, assigned_slot, owner_slot, \
         created_at, updated_at, version, data) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {number}) \
         SELECT {account}, {environment}, 2, 'Lead', 'lead', {creator_slot}, {}, {}, 0, 0, 1, '{{}}' FROM n",
        assigned.map_or_else(|| "NULL".to_owned(), |slot| slot.to_string()),
        assigned.unwrap_or(creator_slot),
    ))
    .expect("inserts");
}

fn assigned_to(app: &TestApp, person: &Person) -> i64 {
    let slot = slot(app, person);
    app.number(&format!(
        "SELECT count(*) FROM records WHERE assigned_slot = {slot} AND owner_slot = {slot}"
    ))
}

async fn remove(by: &Person, who: &Person, to: &str) -> crate::app::page::Page {
    let path = format!("{INSIGHT_USERS}/members/{}/remove", who.member());
    by.post(&path, &[("transfer", to)]).await
}

async fn assigned_and_unassigned_records_go_to_the_chosen_member(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let jon = app.member("jon", &[Role::Viewer]).await;
    records(&app, 0, 3, &sam, None);
    records(&app, 1, 2, &erika, Some(&sam));
    records(&app, 0, 4, &sam, Some(&erika));
    let path = format!("{INSIGHT_USERS}/members/{}/remove", sam.member());
    let page = erika.open(&path).await;
    page.expect("Records in TEST").expect("3 leads");
    page.expect("Records in COMMERCIAL").expect("2 leads");

    let list = page
        .choose("Transfer their records to", "Jon")
        .press("Remove Sam")
        .await;

    assert_eq!(list.flash(), "Sam was removed from Halden Logistics.");
    assert_eq!(assigned_to(&app, &jon), 5);
    assert_eq!(
        assigned_to(&app, &erika),
        4,
        "what others have stays with them"
    );
    assert_eq!(assigned_to(&app, &sam), 0);
    let history = "SELECT count(*) FROM record_changes WHERE version = 2";
    assert_eq!(
        app.number(history),
        5,
        "every record says so in its history"
    );
    let log = erika.open("/settings/audit-log").await;
    log.row("Removed Sam (sam@halden.example); records go to Jon");
}

async fn many_records_follow_in_the_background(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let jon = app.member("jon", &[Role::Viewer]).await;
    records(&app, 0, 1_200, &sam, None);

    remove(&erika, &sam, &jon.member().to_string())
        .await
        .expect_status(303);

    let first = assigned_to(&app, &jon);
    assert!((1..1_200).contains(&first), "{first}");
    do_due_work(&app).expect("works");
    assert_eq!(assigned_to(&app, &jon), 1_200);
    let versions = "SELECT count(*) FROM records WHERE version = 2";
    assert_eq!(app.number(versions), 1_200, "each moved once");
    let due = "SELECT count(*) FROM record_transfers WHERE finished_at IS NULL";
    assert_eq!(app.number(due), 0);
}

async fn what_is_on_its_way_follows_the_next_removal(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let jon = app.member("jon", &[Role::Viewer]).await;
    records(&app, 0, 1_200, &sam, None);
    remove(&erika, &sam, &jon.member().to_string())
        .await
        .expect_status(303);

    remove(&erika, &jon, &erika.member().to_string())
        .await
        .expect_status(303);

    do_due_work(&app).expect("works");
    assert_eq!(assigned_to(&app, &erika), 1_200);
    assert_eq!(assigned_to(&app, &jon), 0);
}

async fn only_an_active_member_of_the_account_gets_records(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let gone = app.member("gone", &[Role::Viewer]).await;
    let other = app.company("Other Company").member("ola", &[Role::Viewer]);
    remove(&erika, &gone, "").await.expect_status(303);
    records(&app, 0, 2, &sam, None);
    let before = everything(&app);
    let choose = "Choose a member of this account, or leave it empty for nobody.";
    for (typed, why) in [
        (other.member().to_string(), choose),
        (other.email().to_owned(), choose),
        (gone.member().to_string(), choose),
        ("999999".to_owned(), choose),
        ("nobody".to_owned(), choose),
        (
            sam.member().to_string(),
            "The records cannot go to the member who is removed. Choose somebody else.",
        ),
    ] {
        let page = remove(&erika, &sam, &typed).await;
        page.expect_status(422);
        assert_eq!(page.errors(), [why], "{typed}");
    }
    assert_eq!(everything(&app), before);
}

async fn who_came_back_keeps_what_had_not_left(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let jon = app.member("jon", &[Role::Viewer]).await;
    records(&app, 0, 1_200, &sam, None);
    remove(&erika, &sam, &jon.member().to_string())
        .await
        .expect_status(303);
    app.sql(&format!(
        "UPDATE members SET removed_at = NULL WHERE id = {}",
        sam.member()
    ))
    .expect("comes back");

    remove(&erika, &jon, &sam.member().to_string())
        .await
        .expect_status(303);

    do_due_work(&app).expect("works");
    let owner = slot(&app, &sam);
    let owned = format!("SELECT count(*) FROM records WHERE owner_slot = {owner}");
    assert_eq!(app.number(&owned), 1_200);
    let moved = "SELECT count(*) FROM records WHERE version > 3";
    assert_eq!(app.number(moved), 0, "each moved there and back at most");
    let due = "SELECT count(*) FROM record_transfers WHERE finished_at IS NULL";
    assert_eq!(app.number(due), 0);
}

/// Entries of the indexes of records that this connection has read on Postgres, and not reported yet.
fn entries_read(conn: &mut Conn) -> i64 {
    #[derive(QueryableByName)]
    struct Read {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    diesel::sql_query(
        "SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))::bigint AS n FROM pg_index \
         WHERE indrelid = 'records'::regclass",
    )
    .get_result::<Read>(conn)
    .expect("counts")
    .n
}

async fn the_records_of_others_are_not_read(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let jon = app.member("jon", &[Role::Viewer]).await;
    records(&app, 1, 20_000, &erika, None);
    records(&app, 1, 2_000, &sam, None);
    let postgres = matches!(app.database().target(), Target::Postgres(_));
    if postgres {
        app.sql("VACUUM (ANALYZE) records")
            .expect("makes statistics");
    }
    let token = app
        .context()
        .session(erika.user(), erika.account(), Session::Full);
    let visit = Visit::open(
        &app.context().app,
        Some(token.hash()),
        "127.0.0.1".into(),
        None,
    );
    let can = Can::<ManageMembers>::decide(Rc::new(visit.expect("is signed in"))).expect("may");
    for again in [false, true] {
        if again && !postgres {
            app.sql("ANALYZE").expect("makes statistics");
        }
        can.write(|tx| {
            if again && postgres {
                // As after the fifth run of a prepared statement.
                tx.conn()
                    .batch_execute("SET LOCAL plan_cache_mode = force_generic_plan")?;
            }
            let mut slot_of = |person: &Person| -> insight::Result<Slot> {
                let slot = members::table.find(person.member()).select(members::slot);
                Ok(slot.first(tx.conn())?)
            };
            let (from, to) = (slot_of(&sam)?, slot_of(&jon)?);
            let before = match tx.conn() {
                Conn::Pg(_) => entries_read(tx.conn()),
                Conn::Sqlite(_) => 0,
            };
            let statements = statements_of(tx, "records", |tx| transfer::start(tx, from, to))?;
            assert!(
                statements.iter().any(|s| s.starts_with("UPDATE records")),
                "{statements:?}"
            );
            match tx.conn() {
                Conn::Pg(_) => {
                    assert_eq!(scans_of_all(tx.conn(), "records"), 0);
                    // The 500 of a batch are chosen from an index, looked up by number for the change, for its history and
                    // for the key of that; the batch before it has left its entries behind.
                    let read = entries_read(tx.conn()) - before;
                    assert!((1_000..4_000).contains(&read), "{read}");
                }
                Conn::Sqlite(_) => {
                    for statement in statements {
                        let steps = explained(tx.conn(), &statement);
                        let whole = |step: &String| {
                            reads_all(step, "records") || reads_account(step, "records")
                        };
                        let whole = steps.iter().any(whole);
                        assert!(!whole, "{statement}\n{}", steps.join("\n"));
                    }
                }
            }
            Ok(())
        })
        .expect("hands over");
    }
    assert_eq!(assigned_to(&app, &jon), 1_000);
}
