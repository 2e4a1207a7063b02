//! The lists of people in System Settings, at ten thousand members: Users, and both lists of Assign for roles and profiles.
//! Each page is a part of an index, and no list reads the members of other companies.

use std::rc::Rc;

use diesel::connection::SimpleConnection;
use insight::access::{Can, ManagePermissions, Tx, Visit};
use insight::db::types::{ProfileId, RoleId, Slot};
use insight::db::{Conn, Target};
use insight::members::list::{By, Sort};
use insight::permissions::{profiles, roles};
use insight::records::people;
use insight::users::list::{self, Filter, Holds};
use insight::web::paging::{COUNT_CAP, PAGE, Place};

use crate::app::TestApp;
use crate::app::people::{Level as Session, Person};
use crate::app::records::called;
use crate::app::statements::{explained, reads_all, scans_of_all, statements_of};
use crate::on_both;

on_both!(ten_thousand_members_are_listed_along_indexes);

/// Members of the company, and of each of the others beside it.
const MEMBERS: i64 = 10_000;
const OTHERS: usize = 4;

/// Some hold the role and go by the profile; administrators and people who may export are rare.
struct Company {
    ada: Person,
    role: RoleId,
    profile: ProfileId,
}

async fn company(app: &TestApp) -> Company {
    let ada = app.admin("ada").await;
    let role = app.set_up(&ada, |setup| roles::add(setup, &called("Rep"), None));
    let matrix = profiles::Matrix::default();
    let profile = app.set_up(&ada, |setup| {
        profiles::add(setup, &called("Sales"), &matrix)
    });
    let others = (0..OTHERS).map(|n| app.company(&format!("Company {n}")).id);
    let accounts: Vec<_> = std::iter::once(ada.account()).chain(others).collect();
    let postgres = matches!(app.database().target(), Target::Postgres(_));
    let run = |statement: String| app.sql(&statement).map(|_| ()).expect("makes people");
    if postgres {
        // One count per row would take longer than the rows.
        run("ALTER TABLE members DISABLE TRIGGER USER".into());
    }
    for account in accounts {
        let holds = account == ada.account();
        let held = |text: String| if holds { text } else { "NULL".into() };
        run(format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MEMBERS}) \
             INSERT INTO users (email, name, home_account_id, created_at) \
             SELECT 'p' || i || '@people{account}.example', 'Person ' || (100000 + i), {account}, 0 FROM n"
        ));
        run(format!(
            "INSERT INTO members (account_id, user_id, viewer, technician, admin, export, name_key, search_text, \
             two_factor, joined_at, last_activity_at, slot, role_id, profile_id) \
             SELECT {account}, id, TRUE, FALSE, id % 997 = 0, id % 499 = 0, lower(name), lower(name) || ' ' || email, \
             TRUE, 0, id * 7919 % 100000, 100 + id, {}, {} FROM users WHERE email LIKE 'p%@people{account}.example'",
            held(format!("CASE WHEN id % 3 = 0 THEN {role} END")),
            held(format!("CASE WHEN id % 4 = 0 THEN {profile} END")),
        ));
        if postgres {
            run(format!(
                "UPDATE accounts SET member_count = member_count + {MEMBERS}, \
                 permission_version = permission_version + 1 WHERE id = {account}"
            ));
        }
    }
    if postgres {
        run("ALTER TABLE members ENABLE TRIGGER USER".into());
        run("VACUUM (ANALYZE) members, users".into());
    }
    Company { ada, role, profile }
}

/// What the pages narrow their lists to, those of Assign first.
fn filters(company: &Company) -> (Vec<Filter>, Vec<Filter>) {
    let Company { role, profile, .. } = *company;
    let everybody = Filter::default;
    let by_role = |role| Filter {
        role,
        ..everybody()
    };
    let by_profile = |profile| Filter {
        profile,
        ..everybody()
    };
    let named = |filter: Filter, q: &str| Filter {
        q: q.into(),
        ..filter
    };
    let assign = vec![
        by_role(Holds::This(role)),
        by_role(Holds::Other(role)),
        by_role(Holds::Nothing),
        by_profile(Holds::This(profile)),
        by_profile(Holds::Other(profile)),
        by_profile(Holds::ThisOrNothing(profile)),
        named(by_role(Holds::Other(role)), "person 10"),
        named(by_profile(Holds::Other(profile)), "p77@"),
        Filter {
            role: Holds::This(role),
            ..by_profile(Holds::Other(profile))
        },
    ];
    let users = vec![
        everybody(),
        named(everybody(), "person 1099"),
        named(everybody(), "nobody is called so"),
        by_profile(Holds::Nothing),
        Filter {
            administrator: Some(true),
            ..everybody()
        },
        Filter {
            administrator: Some(false),
            export: Some(true),
            ..by_role(Holds::This(role))
        },
        Filter {
            export: Some(true),
            ..everybody()
        },
    ];
    (assign, users)
}

/// A list as its page reads it: the first page, the ones after and before it, and the count.
fn look(tx: &mut Tx<ManagePermissions>, filter: &Filter, sort: Sort) -> insight::Result<()> {
    let first = list::rows(tx, filter, sort, None, PAGE + 1)?;
    assert!(first.len() <= PAGE + 1);
    if let Some(last) = first.last() {
        for back in [false, true] {
            let place = Place {
                back,
                key: last.key(sort),
                at: 0,
            };
            let rows = list::rows(tx, filter, sort, Some(&place), PAGE + 1)?;
            assert!(!back || rows.len() == first.len() - 1);
        }
    }
    list::count(tx, filter, COUNT_CAP)?;
    Ok(())
}

fn look_at_everything(
    tx: &mut Tx<ManagePermissions>,
    company: &Company,
    done: &mut dyn FnMut(&mut Tx<ManagePermissions>, &str),
) -> insight::Result<()> {
    let (assign, users) = filters(company);
    for filter in &assign {
        look(tx, filter, Sort::BY_NAME)?;
        list::ids(tx, filter, COUNT_CAP)?;
        done(tx, &format!("assign, {filter:?}"));
    }
    for filter in users.iter().chain(&assign[..5]) {
        for (by, descending) in [
            (By::Name, false),
            (By::Name, true),
            (By::Activity, true),
            (By::Activity, false),
        ] {
            look(tx, filter, Sort { by, descending })?;
            done(tx, &format!("users, {by:?}, {descending}, {filter:?}"));
        }
    }
    list::find(tx, company.ada.member())?;
    done(tx, "one");
    people::choices(tx)?;
    people::removed(tx)?;
    done(tx, "people to filter by");
    people::named(tx, (0..1_500).map(Slot))?;
    done(tx, "names");
    Ok(())
}

async fn ten_thousand_members_are_listed_along_indexes(app: TestApp) {
    let company = company(&app).await;
    let ada = &company.ada;
    let token = app
        .context()
        .session(ada.user(), ada.account(), Session::Full);
    let address = "127.0.0.1".into();
    let visit = Visit::open(&app.context().app, Some(token.hash()), address, None);
    let can = Can::<ManagePermissions>::decide(Rc::new(visit.expect("is signed in")));
    let can = can.expect("may");
    // Indexes that pages must be read along.
    let indexes = ["members_by_role", "members_by_profile", "members_removed"];
    for again in [false, true] {
        if again && matches!(app.database().target(), Target::Sqlite(_)) {
            // Both as new, and as it is once it knows what its tables hold.
            app.sql("ANALYZE").expect("makes statistics");
        }
        can.read(|tx| {
            match tx.conn() {
                Conn::Pg(_) => {
                    if again {
                        // As after the fifth run of a prepared statement.
                        tx.conn()
                            .batch_execute("SET LOCAL plan_cache_mode = force_generic_plan")?;
                    }
                    look_at_everything(tx, &company, &mut |tx, what| {
                        for table in ["members", "users"] {
                            assert_eq!(scans_of_all(tx.conn(), table), 0, "{table}: {what}");
                        }
                    })?;
                    for index in indexes {
                        assert!(scans_of_all(tx.conn(), index) > 0, "{index}");
                    }
                }
                Conn::Sqlite(_) => {
                    let statements = statements_of(tx, "members", |tx| {
                        look_at_everything(tx, &company, &mut |_, _| {})
                    })?;
                    assert!(statements.len() > 20, "{}", statements.len());
                    let mut plans = String::new();
                    for statement in statements {
                        let steps = explained(tx.conn(), &statement).join("\n");
                        let whole = steps
                            .lines()
                            .any(|step| reads_all(step, "members") || reads_all(step, "users"));
                        assert!(!whole, "{statement}\n{steps}");
                        plans += &steps;
                    }
                    for index in indexes {
                        assert!(plans.contains(index), "{index}:\n{plans}");
                    }
                }
            }
            Ok(())
        })
        .expect("reads");
    }
    let Company { role, profile, .. } = company;
    for path in [
        "/settings/users".to_owned(),
        "/settings/users?sort=name&q=person".to_owned(),
        format!("/settings/permissions/roles/{role}/assign"),
        format!("/settings/permissions/profiles/{profile}/assign"),
    ] {
        let page = ada.open(&path).await;
        page.expect("1–50 of ");
        let size = crate::browser_pages::gzipped(&page.body);
        assert!(size < 30_000, "{path}: {size} bytes");
    }
}
