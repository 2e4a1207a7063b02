//! Every way to a page of records gives the same page, and none of them reads all records.

use std::rc::Rc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use insight::App;
use insight::access::{Can, Environment, Tx, UseRecords, Visit};
use insight::db::types::{RecordId, RoleId, Slot, Timestamp};
use insight::db::{Conn, Target};
use insight::permissions::{Level, Object, People, Reach, Rules};
use insight::records::list::{self, By, Column, Filter, Key, ListQuery, Plan, Sort, Test, Words};
use insight::records::{self, Desk};
use insight::schema::{members, records as table, roles, sharing_rules};

use crate::app::TestApp;
use crate::app::people::{Company, Level as Session, Person, Role};
use crate::app::statements::{explained, reads_account, reads_all, scans_of_all, statements_of};
use crate::on_both;

on_both!(
    every_plan_gives_the_pages_of_a_plain_filter,
    a_map_hides_nothing_that_came_after_it,
    a_map_with_few_records_hides_nothing_either,
    a_search_stops_after_so_many_records_and_goes_on,
    no_list_reads_all_records,
);

const MEMBERS: usize = 40;
/// Between the first and the last update of the records.
const MIDDLE: Timestamp = Timestamp(1_600_000_000_000_000 + 40 * 259_200_000_000);
const PLANS: [Plan; 7] = [
    Plan::Adaptive,
    Plan::Walk,
    Plan::Merge,
    Plan::Probe,
    Plan::Mapped,
    Plan::MappedMerge,
    Plan::Recent,
];

/// Leads of forty people, two departments of which the second has changed nothing for long: `(1)` the head of
/// everything, `(2)` and `(3)` the heads of the departments, the others in them; the last one of the first department
/// sees the second by a rule. Somebody without a role sees only their own. Many records share their instant or name.
async fn company(app: &TestApp, records: usize) -> Vec<Person> {
    let company: &Company = app.halden().await;
    let mut people = vec![company.admin("ada")];
    people.extend((1..MEMBERS).map(|n| company.member(&format!("m{n}"), &[Role::Viewer])));
    app.system_write(|tx| {
        let mut role = |name: &str, parent: Option<RoleId>| -> insight::Result<RoleId> {
            Ok(diesel::insert_into(roles::table)
                .values((
                    roles::account_id.eq(company.id),
                    roles::name.eq(name),
                    roles::parent_id.eq(parent),
                ))
                .returning(roles::id)
                .get_result(tx.conn())?)
        };
        let top = role("Head", None)?;
        let heads = [role("North", Some(top))?, role("South", Some(top))?];
        let staff = [
            role("In the north", Some(heads[0]))?,
            role("In the south", Some(heads[1]))?,
        ];
        let favoured = role("Beside", Some(top))?;
        let profile = insight::accounts::standard_profile(tx, company.id)?;
        for (n, person) in people.iter().enumerate() {
            let role = match n {
                0 | 39 => None,
                1 => Some(top),
                2 | 3 => Some(heads[n - 2]),
                38 => Some(favoured),
                n => Some(staff[n % 2]),
            };
            diesel::update(members::table.find(person.member()))
                .set((members::role_id.eq(role), members::profile_id.eq(profile)))
                .execute(tx.conn())?;
        }
        diesel::insert_into(sharing_rules::table)
            .values((
                sharing_rules::account_id.eq(company.id),
                sharing_rules::name.eq("The south is open to those beside"),
                sharing_rules::source_role_id.eq(staff[1]),
                sharing_rules::source_below.eq(false),
                sharing_rules::target_role_id.eq(favoured),
                sharing_rules::target_below.eq(false),
                sharing_rules::level.eq(Level::Read.number()),
                sharing_rules::active.eq(true),
            ))
            .execute(tx.conn())?;
        Ok(())
    })
    .expect("makes a company");
    // Odd slots are the south, whose records end long before those of the north begin. Every sixth record is assigned
    // to somebody else; some are assigned to their creator, the most to nobody.
    let account = company.id;
    app.sql(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {records}), \
         drawn AS (SELECT i, i * 7919 % {MEMBERS} AS creator, \
           CASE WHEN i % 6 = 0 THEN (i * 104729 % 19 * 2 + i * 7919 % 2) % {MEMBERS} \
                WHEN i % 5 = 0 THEN i * 7919 % {MEMBERS} END AS assigned FROM n) \
         INSERT INTO records (account_id, environment, object, name, sort_name, creator_slot, assigned_slot, \
           owner_slot, created_at, updated_at, version, data) \
         SELECT {account}, 1, 2, \
           CASE i % 4 WHEN 0 THEN 'Anna ' WHEN 1 THEN 'Anton ' WHEN 2 THEN 'berg ' ELSE 'Ünal ' END || i % 90, \
           CASE i % 4 WHEN 0 THEN 'anna ' WHEN 1 THEN 'anton ' WHEN 2 THEN 'berg ' ELSE 'ünal ' END || i % 90, \
           creator, assigned, COALESCE(assigned, creator), i % 7, \
           1600000000000000 + i * 31 % 80 * 259200000000 - COALESCE(assigned, creator) % 2 * 25920000000000, 1, \
           CASE i % 3 WHEN 0 THEN '{{\"company\":\"Fjord\"}}' ELSE '{{}}' END FROM drawn"
    ))
    .expect("writes records");
    // SQLite has no statistics, unless somebody makes them.
    if let Target::Postgres(_) = app.database().target() {
        app.sql("VACUUM (ANALYZE)").expect("makes statistics");
    }
    people
}

fn desk_of(app: &TestApp, person: &Person) -> Can<UseRecords> {
    let token = app
        .context()
        .session(person.user(), person.account(), Session::Full);
    let here = Some(Environment::Commercial);
    let visit = Visit::open(
        &app.context().app,
        Some(token.hash()),
        "127.0.0.1".into(),
        here,
    );
    Can::decide(Rc::new(visit.expect("is signed in"))).expect("may")
}

fn open(tx: &mut Tx<UseRecords>) -> insight::Result<Desk> {
    Desk::open(tx, Environment::Commercial, Object::Lead)
}

/// One of every shape of list.
fn queries(desk: &Desk) -> Vec<ListQuery> {
    let sort = |by: By, descending| Sort { by, descending };
    let field = |key: &str| desk.fields().get(key).cloned().expect("a field of leads");
    let plain = ListQuery::default();
    let with = |prefix: &str, sort: Sort, filters: Vec<(Column, Test)>| ListQuery {
        prefix: prefix.to_owned(),
        sort,
        filters: filters
            .into_iter()
            .map(|(column, test)| Filter { column, test })
            .collect(),
        ..ListQuery::default()
    };
    let company = Column::Field(field("company"));
    let me = Test::Member(Some(desk.slot()));
    vec![
        plain.clone(),
        with("", sort(By::Updated, false), vec![]),
        with("", sort(By::Name, false), vec![]),
        with("", sort(By::Name, true), vec![]),
        with("An", sort(By::Name, false), vec![]),
        with("anna 1", sort(By::Name, true), vec![]),
        with("ü", Sort::default(), vec![]),
        with("Nobody is called so", Sort::default(), vec![]),
        with("", sort(By::Created, true), vec![]),
        with(
            "",
            Sort::default(),
            vec![(company.clone(), Test::Contains("jor".into()))],
        ),
        with("b", sort(By::Created, false), vec![(company, Test::Empty)]),
        with("", Sort::default(), vec![(Column::AssignedTo, me.clone())]),
        with("", sort(By::Name, false), vec![(Column::CreatedBy, me)]),
        with(
            "",
            Sort::default(),
            vec![(Column::CreatedBy, Test::Member(Some(Slot(5))))],
        ),
        with(
            "",
            Sort::default(),
            vec![(Column::AssignedTo, Test::Member(None))],
        ),
        with(
            "",
            Sort::default(),
            vec![(Column::AssignedTo, Test::Member(Some(Slot(5))))],
        ),
        with("", sort(By::AssignedTo, false), vec![]),
        with("ann", sort(By::CreatedBy, true), vec![]),
        with(
            "",
            Sort::default(),
            vec![(Column::Updated, Test::Before(MIDDLE))],
        ),
        with(
            "",
            sort(By::Updated, false),
            vec![(Column::Updated, Test::Since(MIDDLE))],
        ),
        with(
            "",
            sort(By::Name, false),
            vec![
                (Column::Updated, Test::Since(MIDDLE)),
                (Column::AssignedTo, Test::Member(None)),
            ],
        ),
        ListQuery {
            words: Words::in_fields_of(desk, "JORD"),
            ..plain
        },
    ]
}

/// A record as it lies there.
type Row = ((RecordId, String), (Slot, Option<Slot>), (i64, i64), String);

/// What a list has to be: all records, those that the member sees and that meet the query, in its order.
fn expected(all: &[Row], rules: &Rules, slot: Slot, query: &ListQuery) -> Vec<RecordId> {
    let mut rows: Vec<&Row> = all
        .iter()
        .filter(|((_, name), (creator, assigned), (_, updated), data)| {
            let people = People {
                creator: *creator,
                assigned: *assigned,
            };
            rules.level(slot, Object::Lead, people) >= Level::Read
                && name
                    .to_lowercase()
                    .starts_with(&query.prefix.to_lowercase())
                && (query.words.is_none() || data.contains("Fjord"))
                && query
                    .filters
                    .iter()
                    .all(|filter| match (&filter.column, &filter.test) {
                        (Column::AssignedTo, Test::Member(who)) => assigned == who,
                        (Column::CreatedBy, Test::Member(who)) => Some(*creator) == *who,
                        (_, Test::Contains(_)) => data.contains("Fjord"),
                        (Column::Updated, Test::Since(from)) => *updated >= from.0,
                        (Column::Updated, Test::Before(end)) => *updated < end.0,
                        (_, Test::Empty) => !data.contains("Fjord"),
                        _ => false,
                    })
        })
        .collect();
    rows.sort_by(|a, b| match query.sort.by {
        By::Name => (a.0.1.to_lowercase(), a.0.0).cmp(&(b.0.1.to_lowercase(), b.0.0)),
        By::Created => (a.2.0, a.0.0).cmp(&(b.2.0, b.0.0)),
        By::AssignedTo => (called(a.1.1), a.0.0).cmp(&(called(b.1.1), b.0.0)),
        By::CreatedBy => (called(Some(a.1.0)), a.0.0).cmp(&(called(Some(b.1.0)), b.0.0)),
        _ => (a.2.1, a.0.0).cmp(&(b.2.1, b.0.0)),
    });
    if query.sort.descending {
        rows.reverse();
    }
    rows.into_iter().map(|row| row.0.0).collect()
}

/// What a member of the company is called, in lower case.
fn called(slot: Option<Slot>) -> String {
    match slot {
        None => String::new(),
        Some(Slot(0)) => "ada".to_owned(),
        Some(Slot(n)) => format!("m{n}"),
    }
}

fn all_records(tx: &mut Tx<UseRecords>) -> insight::Result<Vec<Row>> {
    Ok(table::table
        .select((
            (table::id, table::name),
            (table::creator_slot, table::assigned_slot),
            (table::created_at, table::updated_at),
            table::data,
        ))
        .load(tx.conn())?)
}

async fn every_plan_gives_the_pages_of_a_plain_filter(app: TestApp) {
    let people = company(&app, 1_300).await;
    let mut seen = Vec::new();
    for n in [0, 1, 3, 5, 38] {
        let can = desk_of(&app, &people[n]);
        can.read(|tx| {
            let desk = open(tx)?;
            seen.push(match desk.reach() {
                Reach::Of(slots) => slots.len(),
                _ => 0,
            });
            let all = all_records(tx)?;
            for (q, query) in queries(&desk).iter().enumerate() {
                let expected = expected(&all, desk.rules(), desk.slot(), query);
                // A map is drawn for each list that it is forced upon, and filters make nothing else of it.
                let plans = if q < 8 { &PLANS[..] } else { &PLANS[..4] };
                for (p, plan) in plans.iter().copied().enumerate() {
                    let what = format!("member {n}, query {q}, {plan:?}");
                    // Sevens end among records of one instant everywhere, also where a stretch of a map begins.
                    let size = match (n, q) {
                        (3, 0) => 7,
                        _ => [3, 50, 400][(n + q + p) % 3],
                    };
                    let pages = if size == 3 { 12 } else { usize::MAX };
                    check_pages(tx, &desk, query, plan, size, pages, &expected, &what)?;
                    let cap = [7, 10_000][(q + p) % 2];
                    let count = list::count_by(tx, &desk, query, cap, plan)?;
                    assert_eq!(count.number, expected.len().min(cap), "{what}");
                    assert_eq!(count.more, expected.len() > cap, "{what}");
                }
                check_stream(tx, &desk, query, &expected)?;
            }
            Ok(())
        })
        .expect("reads");
    }
    assert_eq!(
        seen,
        [0, 38, 18, 1, 18],
        "the company is not as it was meant"
    );
}

/// Forward through a list, and back from its end.
#[expect(
    clippy::too_many_arguments,
    reason = "a list, and how to go through it"
)]
fn check_pages(
    tx: &mut Tx<UseRecords>,
    desk: &Desk,
    query: &ListQuery,
    plan: Plan,
    size: usize,
    pages: usize,
    expected: &[RecordId],
    what: &str,
) -> insight::Result<()> {
    for back in [false, true] {
        let mut wanted = expected.to_vec();
        if back {
            wanted.reverse();
        }
        wanted.truncate(size.saturating_mul(pages));
        let mut found = Vec::new();
        let mut after: Option<Key> = None;
        for _ in 0..pages.min(wanted.len() / size + 2) {
            let part = list::part_by(tx, desk, query, after.as_ref(), back, size, plan)?;
            assert!(part.stopped.is_none() && part.cut.is_none(), "{what}");
            let more = part.records.len() == size;
            after = part
                .records
                .last()
                .map(|record| list::key(query, record, &part.names));
            found.extend(part.records.iter().map(|record| record.id));
            if !more {
                break;
            }
        }
        assert_eq!(found, wanted, "{what}, pages of {size}, back: {back}");
    }
    Ok(())
}

/// The lists of some members as the pages show them, against all records there are.
fn check_lists(app: &TestApp, people: &[Person], what: &str) {
    for n in [1, 2, 3, 38] {
        let can = desk_of(app, &people[n]);
        can.read(|tx| {
            let desk = open(tx)?;
            let all = all_records(tx)?;
            for (q, query) in queries(&desk).iter().enumerate() {
                let expected = expected(&all, desk.rules(), desk.slot(), query);
                let what = format!("{what}: member {n}, query {q}");
                let plan = Plan::Adaptive;
                check_pages(tx, &desk, query, plan, 50, 3, &expected, &what)?;
                let count = list::count(tx, &desk, query, 10_000)?;
                assert_eq!(count.number, expected.len(), "{what}");
            }
            Ok(())
        })
        .expect("reads");
    }
}

async fn a_map_hides_nothing_that_came_after_it(app: TestApp) {
    write_after_maps(&app, &|app| list::density::run_due(app, &|| false)).await;
}

async fn a_map_with_few_records_hides_nothing_either(app: TestApp) {
    write_after_maps(&app, &|app| list::density::run_keeping(app, 90, &|| false)).await;
}

async fn write_after_maps(app: &TestApp, draw: &dyn Fn(&App) -> insight::Result<()>) {
    let people = company(app, 3_000).await;
    let draw = || draw(&app.context().app).expect("draws");
    check_lists(app, &people, "without a map");
    assert_eq!(app.context().app.maps.size(), 0);
    draw();
    assert!(app.context().app.maps.size() > 0, "nobody asked for a map");
    check_lists(app, &people, "with a map");
    // The last member of the south, who had none: records of others, the oldest among them, go over; one is made for
    // somebody of the north.
    let change = |now: i64| {
        app.sql(&format!(
            "UPDATE records SET owner_slot = 37, assigned_slot = 37, updated_at = {now} + id % 3 WHERE id % 97 = 5"
        ))
        .expect("assigns");
        app.sql(&format!(
            "UPDATE records SET name = 'Anna changed', sort_name = 'anna changed', updated_at = {now} WHERE id % 89 = 7"
        ))
        .expect("renames");
        app.sql(&format!(
            "INSERT INTO records (account_id, environment, object, name, sort_name, creator_slot, assigned_slot, \
               owner_slot, created_at, updated_at, version, data) \
             SELECT account_id, environment, object, 'Anna made', 'anna made', 37, 4, 4, {now}, {now}, 1, data \
             FROM records ORDER BY id LIMIT 1"
        ))
        .expect("makes");
    };
    app.sql("DELETE FROM records WHERE creator_slot = 37 OR owner_slot = 37")
        .expect("deletes");
    draw();
    // By a transaction that began five minutes before the map was made, and ended after it.
    change(app.context().app.clock.now().0 - 5 * 60_000_000);
    check_lists(app, &people, "after changes");
    app.forward(Duration::from_secs(3 * 3600));
    check_lists(app, &people, "with an old map");
    draw();
    check_lists(app, &people, "with a map that was lengthened");
    // More than are asked for one after the other: most of those of the north, which are the newest.
    app.sql("DELETE FROM records WHERE updated_at > 1600000000000000 + 10 * 259200000000 AND updated_at < 1700000000000000")
        .expect("deletes");
    check_lists(app, &people, "with a map whose newest records are gone");
    app.sql("DELETE FROM records WHERE id % 2 = 0")
        .expect("deletes");
    change(app.context().app.clock.now().0);
    app.forward(Duration::from_secs(30 * 3600));
    check_lists(app, &people, "with a map of yesterday");
    draw();
    check_lists(app, &people, "with a new map");
}

async fn a_search_stops_after_so_many_records_and_goes_on(app: TestApp) {
    let people = company(&app, 20_400).await;
    let can = desk_of(&app, &people[0]);
    can.read(|tx| {
        let desk = open(tx)?;
        let mut query = queries(&desk).swap_remove(9);
        query.filters[0].test = Test::Contains("is nowhere".into());
        let first = list::part(tx, &desk, &query, None, false, 50)?;
        assert!(first.records.is_empty());
        let at = first.stopped.expect("more than one page looks at");
        let rest = list::part(tx, &desk, &query, Some(&at), false, 50)?;
        assert!(rest.records.is_empty() && rest.stopped.is_none());
        let count = list::count(tx, &desk, &query, 10_000)?;
        assert_eq!((count.number, count.more), (0, true));
        Ok(())
    })
    .expect("reads");
}

/// All of a list comes, each record once.
fn check_stream(
    tx: &mut Tx<UseRecords>,
    desk: &Desk,
    query: &ListQuery,
    expected: &[RecordId],
) -> insight::Result<()> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let (more, next) = list::stream(tx, desk, query, after.as_ref(), 300)?;
        found.extend(more.iter().map(|record| record.id));
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    found.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(found, expected);
    Ok(())
}

/// Every list, count and lookup of one member; `done` after each.
fn look_at_everything(
    tx: &mut Tx<UseRecords>,
    done: &mut dyn FnMut(&mut Tx<UseRecords>, &str),
) -> insight::Result<()> {
    let desk = open(tx)?;
    for (q, query) in queries(&desk).iter().enumerate() {
        // A map is drawn for each list that it is forced upon: a few of them show all its queries.
        let plans = if q < 3 { &PLANS[..] } else { &PLANS[..4] };
        for plan in plans.iter().copied() {
            let first = list::part_by(tx, &desk, query, None, false, 50, plan)?;
            let last = first
                .records
                .last()
                .map(|record| list::key(query, record, &first.names));
            for back in [false, true] {
                list::part_by(tx, &desk, query, last.as_ref(), back, 50, plan)?;
            }
            done(tx, &format!("query {q}, {plan:?}"));
        }
        list::count(tx, &desk, query, 10_000)?;
        done(tx, &format!("query {q}, count"));
        list::stream(tx, &desk, query, None, 500)?;
        done(tx, &format!("query {q}, stream"));
    }
    for id in [1, 77, 1_000_000] {
        match records::find(tx, &desk, RecordId(id)) {
            Ok(_) | Err(insight::Error::NotFound) => {}
            Err(e) => return Err(e),
        }
    }
    done(tx, "find");
    records::links::visible(tx, &desk, (1..90).map(RecordId))?;
    done(tx, "links");
    Ok(())
}

async fn no_list_reads_all_records(app: TestApp) {
    let people = company(&app, 20_000).await;
    for (n, other) in [
        (0, false),
        (1, true),
        (3, false),
        (5, true),
        (38, true),
        (38, false),
    ] {
        if other && matches!(app.database().target(), Target::Sqlite(_)) {
            app.sql("ANALYZE").expect("makes statistics");
        }
        let can = desk_of(&app, &people[n]);
        can.read(|tx| {
            match tx.conn() {
                Conn::Pg(_) => {
                    if other {
                        // As after the fifth run of a prepared statement.
                        tx.conn()
                            .batch_execute("SET LOCAL plan_cache_mode = force_generic_plan")?;
                    }
                    look_at_everything(tx, &mut |tx, what| {
                        assert_eq!(scans_of_all(tx.conn(), "records"), 0, "member {n}, {what}");
                    })?;
                    // The count finds what it looks for.
                    all_records(tx)?;
                    assert_eq!(scans_of_all(tx.conn(), "records"), 1);
                }
                Conn::Sqlite(_) => {
                    let statements =
                        statements_of(tx, "records", |tx| look_at_everything(tx, &mut |_, _| {}))?;
                    assert!(statements.len() > 20, "{}", statements.len());
                    for statement in statements {
                        let steps = explained(tx.conn(), &statement);
                        let whole = |step: &String| {
                            reads_all(step, "records") || reads_account(step, "records")
                        };
                        let whole = steps.iter().any(whole);
                        assert!(!whole, "{statement}\n{}", steps.join("\n"));
                    }
                    let steps = explained(tx.conn(), "SELECT data FROM records");
                    assert!(
                        steps.iter().any(|step| reads_all(step, "records")),
                        "{steps:?}"
                    );
                }
            }
            Ok(())
        })
        .expect("reads");
    }
}
