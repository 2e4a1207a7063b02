//! Check access: the answer for administrators with its reasons and ways, and about oneself without a word too many.

use insight::db::types::RecordId;
use insight::permissions::{Level, Object, Rights};
use reqwest::Method;

use crate::app::TestApp;
use crate::app::people::Person;
use crate::app::records::on_layout;
use crate::app::steps::masked;
use crate::on_both;

on_both!(
    an_administrator_sees_every_step_and_what_would_change_it,
    a_rule_that_opens_the_record_of_both_people_is_told_once,
    a_link_names_a_record_as_well_as_its_number,
    the_same_comes_as_json,
    who_has_access_leads_to_the_reasons,
    about_oneself_a_hidden_record_is_like_none_at_all,
    about_oneself_nothing_is_told_that_is_hidden,
    only_administrators_ask_about_others,
);

const CHECK: &str = "/settings/check-access";

/// Bob's lead, which Eve reads through a rule; Eve's layout hides the e-mail address.
struct Shared {
    ada: Person,
    bob: Person,
    eve: Person,
    lead: RecordId,
}

async fn shared(app: &TestApp) -> Shared {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let eve = app.member("eve", &[]).await;
    app.standard("Sales", &[&bob]);
    let profile = app.profile("Projects", &[(Object::Lead, Rights::STANDARD)], &[&eve]);
    let short = [
        on_layout("name", false, true),
        on_layout("phone", true, false),
    ];
    app.layout(&ada, profile, Object::Lead, &short);
    let rep = app.role("Rep", None, &[&bob]);
    let manager = app.role("Project Manager", None, &[&eve]);
    app.share(&ada, Object::Lead, rep, manager, Level::Read);
    let lead = bob.make("test/leads", &[("name", "Arctic Timber")]).await;
    Shared {
        ada,
        bob,
        eve,
        lead,
    }
}

fn question(member: &Person, action: &str, record: &str) -> String {
    let member = member.member();
    format!("{CHECK}?member={member}&action={action}&record={record}")
}

async fn an_administrator_sees_every_step_and_what_would_change_it(app: TestApp) {
    let Shared {
        ada,
        bob,
        eve,
        lead,
        ..
    } = shared(&app).await;
    let lead = lead.to_string();
    let page = ada.open(&question(&eve, "read", &lead)).await;
    page.expect("Yes. Eve may read “Arctic Timber”.");
    assert_eq!(page.texts(".steps > li > .badge"), ["Passed"; 4]);
    page.expect(
        "Leads shared: leads of Rep are visible to Project Manager, Read Only This decides.",
    );
    page.expect("shows 2 of 8 fields.");

    let page = ada.open(&question(&eve, "edit", &lead)).await;
    page.expect("No. Eve may read “Arctic Timber” but not edit it.");
    assert_eq!(
        page.texts(".steps > li > .badge"),
        ["Passed", "Passed", "Blocked", "Not reached"]
    );
    page.expect("Level on this record: Read Only, Edit needs Read/Write");
    page.section("What would allow it")
        .expect("Assign this record to Eve");
    let review = page
        .section("What would allow it")
        .row("Set sharing rule")
        .press("Review the change: Set sharing rule Leads shared to Read/Write")
        .await;
    review.section("Who gains").expect("Eve").expect("+1");
    review.press("Apply").await;
    let page = ada.open(&question(&eve, "edit", &lead)).await;
    page.expect("Yes. Eve may edit “Arctic Timber”.");

    let page = ada.open(&question(&bob, "export", &lead)).await;
    page.expect("No. Bob may read “Arctic Timber” but not export it.");
    page.expect("Give Bob the Export permission");
    app.let_export(&bob);
    let page = ada.open(&question(&bob, "export", &lead)).await;
    page.expect("Yes. Bob may export “Arctic Timber”.");

    let page = ada.open(&question(&ada, "delete", &lead)).await;
    page.expect("profile, role, sharing and page layouts do not apply");
}

async fn a_rule_that_opens_the_record_of_both_people_is_told_once(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let cleo = app.member("cleo", &[]).await;
    let eve = app.member("eve", &[]).await;
    app.standard("Sales", &[&bob, &cleo, &eve]);
    let rep = app.role("Rep", None, &[&bob, &cleo]);
    let manager = app.role("Project Manager", None, &[&eve]);
    app.share(&ada, Object::Lead, rep, manager, Level::Read);
    let assigned = [("name", "Fir"), ("assigned", cleo.email())];
    let lead = bob.make("test/leads", &assigned).await.to_string();
    let page = ada.open(&question(&eve, "read", &lead)).await;
    page.expect("Read Only This decides.");
    let steps = page.texts(".steps").join(" ");
    assert_eq!(steps.matches("Sharing rule Leads shared").count(), 1);
}

async fn a_link_names_a_record_as_well_as_its_number(app: TestApp) {
    let Shared { ada, eve, lead, .. } = shared(&app).await;
    for link in [
        format!("/test/records/leads/{lead}"),
        format!("https://insight.example/test/records/leads/{lead}/edit%3Fx%3D1"),
    ] {
        let page = ada.open(&question(&eve, "read", &link)).await;
        page.expect("Yes. Eve may read “Arctic Timber”.");
    }
    for wrong in [
        "",
        "x",
        "999999999",
        &format!("/commercial/records/leads/{lead}"),
        &format!("/test/records/tasks/{lead}"),
    ] {
        let page = ada.get(&question(&eve, "read", wrong)).await;
        page.expect_status(422);
        page.expect("There is no record with this number.");
    }
    let path = format!("{CHECK}?member=999999&action=read&record={lead}");
    let page = ada.get(&path).await;
    page.expect_status(422);
    page.expect("Choose a member of this account.");
    let path = format!("{CHECK}?member=eve%40halden.example&action=read&record={lead}");
    ada.open(&path).await.expect("Yes. Eve may read");
}

async fn the_same_comes_as_json(app: TestApp) {
    let Shared { ada, eve, lead, .. } = shared(&app).await;
    let path = question(&eve, "edit", &lead.to_string()).replace("access?", "access.json?");
    let page = ada.get(&path).await;
    page.expect_status(200);
    assert_eq!(page.header("content-type"), "application/json");
    let told: serde_json::Value = serde_json::from_str(&page.source()).expect("JSON");
    assert_eq!(told["allowed"], false);
    assert_eq!(told["record"], lead.0);
    assert_eq!(told["steps"][2]["state"], "blocked");
    let offers = told["offers"].as_array().expect("a list");
    assert!(!offers.is_empty() && offers.len() <= 3, "{offers:?}");
    let none = question(&eve, "edit", "99999").replace("access?", "access.json?");
    ada.get(&none).await.expect_status(404);
}

async fn who_has_access_leads_to_the_reasons(app: TestApp) {
    let Shared { ada, lead, .. } = shared(&app).await;
    let page = ada
        .open(&format!("/test/records/leads/{lead}/access"))
        .await;
    page.expect("3 of 3 members");
    let why = page.row("Eve").press("Check access of Eve").await;
    why.expect("Yes. Eve may read “Arctic Timber”.");
}

async fn about_oneself_a_hidden_record_is_like_none_at_all(app: TestApp) {
    let Shared { bob, eve, .. } = shared(&app).await;
    let own = eve.make("test/leads", &[("name", "Hidden from Bob")]).await;
    let other = app.company("Other Company").admin("olga");
    let foreign = other.make("test/leads", &[("name", "Elsewhere")]).await;
    // What was said of the last thing done is not part of the answer.
    bob.open("/check-access").await;
    for action in ["read", "edit", "delete", "export"] {
        let ask = async |record: i64| {
            let path = format!("/check-access?action={action}&record={record}");
            let page = bob.open(&path).await;
            masked(&page).replace(&format!("value=\"{record}\""), "")
        };
        let nothing = ask(987_654_321).await;
        assert!(nothing.contains("For you there is no such record."));
        assert_eq!(ask(own.0).await, nothing);
        assert_eq!(ask(foreign.0).await, nothing);
        let link =
            format!("/check-access?action={action}&record=%2Ftest%2Frecords%2Fleads%2F{own}");
        bob.open(&link)
            .await
            .expect("For you there is no such record.");
    }
}

async fn about_oneself_nothing_is_told_that_is_hidden(app: TestApp) {
    let Shared { eve, lead, .. } = shared(&app).await;
    let page = eve
        .open(&format!("/check-access?action=edit&record={lead}"))
        .await;
    page.expect("No. You may read “Arctic Timber” but not edit it.");
    page.expect("It is shared with you. That is enough to read it only.");
    page.expect("You have 2 fields of leads.");
    // No rule, no profile, no role, no layout, no field that she has not, and no way into the settings.
    let source = page.source();
    for word in [
        "Leads shared",
        "Projects",
        "Project Manager",
        "E-mail",
        "/settings/",
        "What would allow it",
    ] {
        assert!(!source.contains(word), "{word}");
    }
}

async fn only_administrators_ask_about_others(app: TestApp) {
    let Shared { bob, eve, lead, .. } = shared(&app).await;
    let path = question(&eve, "read", &lead.to_string());
    bob.get(&path).await.expect_status(403);
    bob.get(&path.replace("access?", "access.json?"))
        .await
        .expect_status(403);
    bob.post(CHECK, &[("change", "{}")])
        .await
        .expect_status(403);
    // Whom a made-up member would name makes no difference to one's own page.
    let own = format!("/check-access?member={}&record={lead}", eve.member());
    bob.open(&own).await.expect("Yes. You may read");
    let request = bob.request(Method::GET, &path);
    assert_eq!(bob.send(request, &path).await.status, 403);
}
