//! Permissions > Lint: one finding of each kind, and none where there is nothing to find.

use insight::db::types::RoleId;
use insight::permissions::sharing_rules::{self, Wanted};
use insight::permissions::{Level, Object, layouts, organization_wide, profiles, roles};

use crate::app::TestApp;
use crate::app::people::Person;
use crate::app::records::{called, on_layout};
use crate::on_both;

on_both!(each_kind_is_found, nothing_to_look_at_is_said);

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

async fn nothing_to_look_at_is_said(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.open(LINT).await.expect("Nothing to look at");
}

/// A role that nobody holds.
fn empty_role(app: &TestApp, ada: &Person, name: &str, above: Option<RoleId>) -> RoleId {
    app.set_up(ada, |setup| roles::add(setup, &called(name), above))
}
