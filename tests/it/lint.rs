//! Permissions > Lint: one finding of each kind, and none where there is nothing to find.

use insight::db::types::RoleId;
use insight::permissions::sharing_rules::{self, Wanted};
use insight::permissions::{Level, Object, Rights, layouts, organization_wide, profiles, roles};

use crate::app::TestApp;
use crate::app::people::Person;
use crate::app::records::{called, on_layout};
use crate::on_both;

on_both!(
    each_kind_is_found,
    a_rule_that_has_ended_or_opens_to_nobody_who_reads_grants_nothing,
    a_rule_overlaps_only_what_opens_as_much,
    nothing_to_look_at_is_said,
);

const LINT: &str = "/settings/permissions/lint";

fn add(app: &TestApp, ada: &Person, name: &str, source: RoleId, target: RoleId, days: i64) {
    let now = app.clock.now();
    app.set_up(ada, |setup| {
        let wanted = Wanted {
            name: called(name),
            object: Some(Object::Lead),
            source,
            source_below: false,
            target,
            target_below: false,
            level: Level::Read,
            active: true,
            ends_at: (days > 0).then_some(now + time::Duration::days(days)),
        };
        sharing_rules::add(setup, &wanted).map(|_| ())
    });
}

async fn each_kind_is_found(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let eve = app.member("eve", &[]).await;
    let sales = app.standard("Sales", &[&bob, &eve]);
    let boss = app.role("Boss", None, &[&bob]);
    let rep = app.role("Rep", Some(boss), &[&eve]);
    let empty = empty_role(&app, &ada, "Nobody's", None);
    add(&app, &ada, "From nobody", empty, boss, 0);
    add(&app, &ada, "To nobody", boss, empty, 0);
    add(&app, &ada, "Upwards", rep, boss, 0);
    add(&app, &ada, "Down", boss, rep, 0);
    add(&app, &ada, "Down again", boss, rep, 3);
    let page = ada.open(LINT).await;
    let idle = page.section("Sharing rules that grant nothing");
    idle.row("From nobody")
        .expect("nobody holds a role whose records");
    idle.row("To nobody")
        .expect("nobody holds a role that it opens");
    idle.row("Upwards").expect("through their roles already");
    assert!(!idle.has_row("Down"));
    page.section("Sharing rules that overlap")
        .expect("Down again")
        .expect("Down says as much");
    page.section("Sharing rules that end soon")
        .expect("Down again");
    page.section("Roles without people").expect("Nobody's");

    // Somebody without a role.
    let kim = app.member("kim", &[]).await;
    app.set_up(&ada, |setup| {
        profiles::assign(setup, &[kim.member()], sales)
    });
    kim.make("test/leads", &[("name", "Alone")]).await;
    let page = ada.open(LINT).await;
    page.section("People without a role who own records")
        .expect("Kim")
        .expect("Owns or made 1 record.");

    // A layout without a field that the default one requires.
    app.set_up(&ada, |setup| {
        let default = layouts::default_of(setup, Object::Lead)?;
        let short = layouts::clone_of(setup, default, &called("Short"))?;
        let mut fields = layouts::fields(setup, default)?;
        for field in fields.iter_mut().filter(|field| field.key == "phone") {
            field.required = true;
        }
        layouts::set_fields(setup, default, &fields)?;
        layouts::set_fields(setup, short, &[on_layout("name", false, true)])?;
        profiles::set_layout(setup, sales, short)
    });
    let page = ada.open(LINT).await;
    page.section("Page layouts that hide required fields")
        .expect("Short of Leads")
        .expect("Phone cannot be filled in; Default requires it.");

    // What everybody sees anyway needs no rule.
    app.set_up(&ada, |setup| {
        organization_wide::set(setup, Object::Lead, Level::Read)
    });
    let page = ada.open(LINT).await;
    page.section("Sharing rules that grant nothing")
        .row("Down again")
        .expect("organization-wide sharing opens as much to everybody");
    bob.get(LINT).await.expect_status(403);
}

/// Leads of one role for another, for good.
fn wanted(name: &str, source: RoleId, target: RoleId) -> Wanted {
    Wanted {
        name: called(name),
        object: Some(Object::Lead),
        source,
        source_below: false,
        target,
        target_below: false,
        level: Level::Read,
        active: true,
        ends_at: None,
    }
}

async fn a_rule_that_has_ended_or_opens_to_nobody_who_reads_grants_nothing(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let eve = app.member("eve", &[]).await;
    app.profile("Leads", &[(Object::Lead, Rights::READ)], &[&bob, &eve]);
    let rep = app.role("Rep", None, &[&bob]);
    let manager = app.role("Manager", None, &[&eve]);
    let now = app.clock.now();
    let day = time::Duration::days(1);
    app.set_up(&ada, |setup| {
        for (name, ends) in [("Two weeks", 14), ("Longer", 15), ("A day", 1)] {
            let ends_at = Some(now + ends * day);
            sharing_rules::add(
                setup,
                &Wanted {
                    ends_at,
                    ..wanted(name, rep, manager)
                },
            )?;
        }
        let tasks = Wanted {
            object: Some(Object::Task),
            ..wanted("Unread", rep, manager)
        };
        sharing_rules::add(setup, &tasks)?;
        let off = Wanted {
            active: false,
            ..wanted("Turned off", rep, manager)
        };
        sharing_rules::add(setup, &off).map(|_| ())
    });
    let page = ada.open(LINT).await;
    let soon = page.section("Sharing rules that end soon");
    assert!(soon.has_row("Two weeks") && soon.has_row("A day"));
    assert!(!soon.has_row("Longer"));
    let idle = page.section("Sharing rules that grant nothing");
    idle.row("Unread")
        .expect("no profile of those it opens them to reads such records");
    assert!(!idle.has_row("A day") && !idle.has_row("Turned off"));
    app.forward(std::time::Duration::from_secs(2 * 86_400));
    let ada = ada.other_browser();
    ada.start_session(crate::app::people::Level::Full);
    let page = ada.open(LINT).await;
    page.section("Sharing rules that grant nothing")
        .row("A day")
        .expect("it has ended");
    let soon = page.section("Sharing rules that end soon");
    assert!(soon.has_row("Longer") && !soon.has_row("A day"));
}

async fn a_rule_overlaps_only_what_opens_as_much(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let eve = app.member("eve", &[]).await;
    let kim = app.member("kim", &[]).await;
    app.standard("Sales", &[&bob, &eve, &kim]);
    let rep = app.role("Rep", None, &[&bob]);
    let trainee = app.role("Trainee", Some(rep), &[&kim]);
    let manager = app.role("Manager", None, &[&eve]);
    let end = app.clock.now() + time::Duration::days(100);
    let narrow = Wanted {
        source_below: true,
        level: Level::Write,
        ..wanted("Narrow", rep, manager)
    };
    let id = app.set_up(&ada, |setup| sharing_rules::add(setup, &narrow));
    // Each lacks one thing that the rule opens.
    let lacking = [
        Wanted {
            level: Level::Read,
            ..narrow.clone()
        },
        Wanted {
            object: Some(Object::Task),
            ..narrow.clone()
        },
        Wanted {
            ends_at: Some(end),
            ..narrow.clone()
        },
        Wanted {
            source_below: false,
            ..narrow.clone()
        },
        Wanted {
            source: trainee,
            ..narrow.clone()
        },
        Wanted {
            target: trainee,
            ..narrow.clone()
        },
        Wanted {
            active: false,
            ..narrow.clone()
        },
    ];
    for lacking in lacking {
        let other = Wanted {
            name: called("Wide"),
            ..lacking
        };
        let wide = app.set_up(&ada, |setup| sharing_rules::add(setup, &other));
        let page = ada.open(LINT).await;
        let found = page.text().contains("Wide says as much");
        assert!(!found, "{other:?}");
        app.set_up(&ada, |setup| sharing_rules::delete(setup, wide));
    }
    // For every object, and for longer, it opens as much.
    app.set_up(&ada, |setup| {
        let ends = Wanted {
            ends_at: Some(end),
            ..narrow.clone()
        };
        sharing_rules::change(setup, id, &ends)?;
        let wide = Wanted {
            name: called("Wide"),
            object: None,
            ..narrow.clone()
        };
        sharing_rules::add(setup, &wide).map(|_| ())
    });
    let page = ada.open(LINT).await;
    let overlap = page.section("Sharing rules that overlap");
    overlap.row("Narrow").expect("Wide says as much");
    assert!(!overlap.has_row("Narrow says as much"));
}

async fn nothing_to_look_at_is_said(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.open(LINT).await.expect("Nothing to look at");
}

/// A role that nobody holds.
fn empty_role(app: &TestApp, ada: &Person, name: &str, above: Option<RoleId>) -> RoleId {
    app.set_up(ada, |setup| roles::add(setup, &called(name), above))
}
