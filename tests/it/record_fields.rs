//! Fields as each member has them: a hidden one does not exist, a read-only one is shown and not written, a link shows
//! nothing that its reader may not see.

use insight::db::types::RecordId;
use insight::permissions::{Level, Object};

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::Person;
use crate::app::records::{facts, names, on_layout};
use crate::on_both;

on_both!(
    a_hidden_field_is_nowhere,
    a_hidden_field_is_not_written,
    a_read_only_field_is_shown_and_refused,
    a_required_field_is_asked_for,
    sections_head_page_and_form,
    a_link_shows_only_what_its_reader_sees,
    a_link_out_of_sight_stays_when_it_is_left_alone,
    a_link_is_found_by_name,
    values_are_shown_by_what_they_are,
);

const LEADS: &str = "/test/records/leads";

/// What nobody without the field may ever find.
const CANARY: &str = "canary8741";

/// Ada sees all; Bob has name, company, status and a read-only e-mail. One lead, assigned to Bob, with a canary in each
/// of the other fields.
async fn cast(app: &TestApp) -> (Person, Person, RecordId) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let profile = app.standard("Sales", &[&bob]);
    let fields = [
        on_layout("name", false, true),
        on_layout("company", false, false),
        on_layout("email", true, false),
        on_layout("status", false, false),
    ];
    app.layout(&bob, profile, Object::Lead, &fields);
    let lead = [
        ("name", "Lead"),
        ("company", "Open"),
        ("email", "seen@lead.example"),
        ("status", "New"),
        ("phone", CANARY),
        ("notes", CANARY),
        ("source", "Trade fair"),
        ("estimated_value", "8741"),
        ("assigned", bob.email()),
    ];
    let id = ada.make("test/leads", &lead).await;
    (ada, bob, id)
}

#[track_caller]
fn holds_nothing_hidden(page: &Page) {
    let headers = format!("{:?}", page.headers);
    for secret in [CANARY, "8741", "8,741", "Trade fair"] {
        assert!(!headers.contains(secret), "{}: {secret}", page.path);
        // What was asked for comes back in links, and nothing else does.
        let source = page.source();
        assert!(!source.contains(secret), "{}: {secret}", page.path);
    }
    for label in ["Phone", "Notes", "Estimated value", "Source"] {
        page.expect_not(label);
    }
}

async fn a_hidden_field_is_nowhere(app: TestApp) {
    let (ada, bob, id) = cast(&app).await;
    let at = format!("{LEADS}/{id}");
    let change = [("phone", "canary8741b"), ("source", "Partner")];
    ada.change("test/leads", id, 1, &change)
        .await
        .expect_status(303);
    for path in [
        LEADS.to_owned(),
        format!("{LEADS}?column=phone&column=notes&column=company"),
        format!("{LEADS}?sort=-estimated_value"),
        format!("{LEADS}?sort=phone"),
        format!("{LEADS}/new"),
        at.clone(),
        format!("{at}/edit"),
        format!("{at}/assign"),
        format!("{at}/delete"),
    ] {
        let page = bob.get(&path).await;
        page.expect_status(200);
        holds_nothing_hidden(&page);
    }
    // A filter that would find nothing, and one that would find all, find the same: there is no such field.
    for filter in [
        "f.phone=nonsense",
        "f.phone=canary",
        "f.estimated_value.min=9999999",
        "f.source=-",
    ] {
        assert_eq!(
            names(&bob.get(&format!("{LEADS}?{filter}")).await),
            ["Lead"],
            "{filter}"
        );
    }
    assert_eq!(
        names(&ada.get(&format!("{LEADS}?f.phone=nonsense")).await),
        [""; 0]
    );
    let history = bob.open(&at).await.section("History");
    assert_eq!(
        history.texts("tbody tr").len(),
        1,
        "the version that changed hidden fields is not there"
    );
    // Both versions of a stale edit.
    let mine = [("company", "Mine")];
    let page = bob.change("test/leads", id, 1, &mine).await;
    page.expect_status(409);
    holds_nothing_hidden(&page);
    // A refused form.
    let page = bob.change("test/leads", id, 2, &[("name", "")]).await;
    page.expect_status(422);
    holds_nothing_hidden(&page);
    assert_eq!(bob.open(&at).await.source().matches("canary").count(), 0);
}

async fn a_hidden_field_is_not_written(app: TestApp) {
    let (ada, bob, id) = cast(&app).await;
    let at = format!("{LEADS}/{id}");
    let fields = [
        ("company", "Changed"),
        ("phone", "overwritten"),
        ("notes", ""),
        ("estimated_value", "nonsense"),
        ("no_such_field", "x"),
    ];
    bob.change("test/leads", id, 1, &fields)
        .await
        .expect_status(303);
    let now = facts(&ada.open(&at).await);
    assert_eq!(now["Company"], "Changed");
    assert_eq!(now["Phone"], CANARY);
    assert_eq!(now["Notes"], CANARY);
    assert_eq!(now["Estimated value"], "8,741");
    let own = bob
        .make("test/leads", &[("name", "Own"), ("phone", "smuggled")])
        .await;
    assert_eq!(
        facts(&ada.open(&format!("{LEADS}/{own}")).await)["Phone"],
        "–"
    );
}

async fn a_read_only_field_is_shown_and_refused(app: TestApp) {
    let (ada, bob, id) = cast(&app).await;
    let at = format!("{LEADS}/{id}");
    let page = bob.open(&format!("{at}/edit")).await;
    assert_eq!(facts(&page)["E-mail"], "seen@lead.example");
    assert!(page.all("[name=email]").is_empty());
    let fields = [("company", "Kept here"), ("email", "new@lead.example")];
    let page = bob.change("test/leads", id, 1, &fields).await;
    page.expect_status(422);
    page.expect("E-mail is read-only for you.");
    assert_eq!(page.value("Company (optional)"), "Kept here");
    let now = facts(&ada.open(&at).await);
    assert_eq!(
        (now["E-mail"].as_str(), now["Company"].as_str()),
        ("seen@lead.example", "Open")
    );
    let new = [("name", "New"), ("email", "new@lead.example")];
    bob.post(&format!("{LEADS}/new"), &new)
        .await
        .expect_status(422);
}

async fn a_required_field_is_asked_for(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let profile = app.standard("Sales", &[&bob]);
    let fields = [
        on_layout("name", false, true),
        on_layout("company", false, true),
    ];
    app.layout(&bob, profile, Object::Lead, &fields);
    let page = bob.post(&format!("{LEADS}/new"), &[("name", "Lead")]).await;
    page.expect_status(422);
    assert_eq!(page.errors(), ["Company is required."]);
    let id = bob
        .make("test/leads", &[("name", "Lead"), ("company", "C")])
        .await;
    let page = bob.change("test/leads", id, 1, &[("company", "")]).await;
    assert_eq!(page.errors(), ["Company is required."]);
}

async fn sections_head_page_and_form(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let profile = app.standard("Sales", &[&bob]);
    let mut fields = [
        on_layout("name", false, true),
        on_layout("phone", false, false),
        on_layout("company", false, false),
    ];
    fields[1].section = "How to reach".to_owned();
    app.layout(&bob, profile, Object::Lead, &fields);
    let id = bob
        .make("test/leads", &[("name", "Lead"), ("phone", "12")])
        .await;
    let page = bob.open(&format!("{LEADS}/{id}")).await;
    assert_eq!(facts(&page.section("How to reach"))["Phone"], "12");
    assert_eq!(
        facts(&page.section("Details"))
            .into_keys()
            .collect::<Vec<_>>(),
        ["Company"]
    );
    let form = page.press("Edit").await;
    form.expect("How to reach");
}

async fn a_link_shows_only_what_its_reader_sees(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.standard("Sales", &[&bob]);
    let hidden = ada.make("test/organizations", &[("name", CANARY)]).await;
    let own = bob
        .make("test/organizations", &[("name", "Bob's customer")])
        .await;
    let project = |name: &'static str, organization: RecordId| {
        let ada = ada.clone();
        let bob = bob.email().to_owned();
        async move {
            let organization = organization.to_string();
            let organization = organization.as_str();
            let fields = [
                ("name", name),
                ("organization", organization),
                ("assigned", bob.as_str()),
            ];
            ada.make("test/projects", &fields).await
        }
    };
    let first = project("Secret customer", hidden).await;
    let second = project("Open customer", own).await;
    let list = "/test/records/projects";
    for path in [
        list.to_owned(),
        format!("{list}/{first}"),
        format!("{list}/{first}/edit"),
        format!("{list}?f.organization={hidden}"),
    ] {
        let page = bob.get(&path).await;
        page.expect_status(200);
        assert!(!page.source().contains(CANARY), "{path}");
        let link = format!("/organizations/{hidden}");
        assert!(!page.source().contains(&link), "{path}");
    }
    assert_eq!(
        facts(&bob.open(&format!("{list}/{first}")).await)["Organization"],
        "–"
    );
    let page = bob.open(&format!("{list}/{second}")).await;
    let page = page.press("Bob's customer").await;
    assert_eq!(page.h1(), "Bob's customer");
    assert_eq!(
        names(&bob.get(&format!("{list}?f.organization={own}")).await),
        ["Open customer"]
    );
    assert_eq!(
        names(&bob.get(&format!("{list}?f.organization={hidden}")).await),
        [""; 0]
    );
    // The history, too.
    let change = [("organization", own.to_string())];
    let change = change.each_ref().map(|(k, v)| (*k, v.as_str()));
    ada.change("test/projects", first, 1, &change)
        .await
        .expect_status(303);
    let page = bob.open(&format!("{list}/{first}")).await;
    assert!(!page.source().contains(CANARY));
    page.section("History")
        .row("Version 2")
        .expect("Organization Bob's customer");
}

async fn a_link_out_of_sight_stays_when_it_is_left_alone(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.standard("Sales", &[&bob]);
    let hidden = ada.make("test/organizations", &[("name", CANARY)]).await;
    let number = hidden.to_string();
    let fields = [
        ("name", "Project"),
        ("organization", &number),
        ("assigned", bob.email()),
    ];
    let id = ada.make("test/projects", &fields).await;
    let at = format!("/test/records/projects/{id}");
    let page = bob.open(&format!("{at}/edit")).await;
    assert_eq!(page.value("Organization (optional)"), "");
    page.fill("Name", "Renamed")
        .press("Save")
        .await
        .expect_status(200);
    let now = facts(&ada.open(&at).await);
    assert_eq!(
        (now["Organization"].as_str(), now["Version"].as_str()),
        (CANARY, "2")
    );
    // Nor can it be guessed.
    let guess = [("organization", number.as_str())];
    let new = [("name", "Guess"), guess[0]];
    let hit = bob.post("/test/records/projects/new", &new).await;
    hit.expect_status(422);
    let miss = [("name", "Guess"), ("organization", "987654321")];
    let miss = bob.post("/test/records/projects/new", &miss).await;
    let masked = |page: &Page, number: &str| page.errors().join(" ").replace(number, "N");
    assert_eq!(masked(&hit, &number), masked(&miss, "987654321"));
    hit.expect("There is no organization with the number");
}

async fn a_link_is_found_by_name(app: TestApp) {
    let ada = app.admin("ada").await;
    for n in 0..60 {
        let name = format!("Organization {n:02}");
        ada.make("test/organizations", &[("name", &name)]).await;
    }
    let seldom = ada.make("test/organizations", &[("name", "Zebra")]).await;
    let page = ada.open("/test/records/projects/new").await;
    let page = page
        .fill("Name", "Project")
        .fill("Notes (optional)", "kept");
    page.expect("The first 50 by name are offered; find others by name.");
    let page = page.fill("Organization: name begins with", "zeb");
    let found = page.press("Find organization").await;
    found.expect_status(200);
    assert_eq!(found.value("Name"), "Project");
    assert_eq!(found.value("Notes (optional)"), "kept");
    assert_eq!(found.value("Organization (optional)"), seldom.to_string());
    let saved = found.press("Save").await;
    assert_eq!(facts(&saved)["Organization"], "Zebra");
    // Letters typed and nothing chosen is a question.
    let page = saved.press("Edit").await;
    let page = page.fill("Organization: name begins with", "organization 0");
    let page = page.press("Save").await;
    page.expect_status(422);
    page.expect("Choose one of the records found, or empty the search.");
    let page = page.choose("Organization (optional)", "–");
    let page = page.fill("Organization: name begins with", "");
    assert_eq!(facts(&page.press("Save").await)["Organization"], "–");
    // A task may belong to any kind of record.
    let page = ada
        .open("/test/records/tasks/new")
        .await
        .fill("Name", "Call");
    let page = page.fill("Related record: name begins with", "zebra");
    let page = page.press("Find record").await.press("Save").await;
    assert_eq!(page.press("Zebra").await.h1(), "Zebra");
}

async fn values_are_shown_by_what_they_are(app: TestApp) {
    let ada = app.admin("ada").await;
    app.open_to_all(&ada, Object::Organization, Level::Read);
    let fields = [
        ("name", "<b>Acme & Sons</b>"),
        ("website", "acme.example/a?b=1&c=\"2\""),
        ("billing_address", "Street 1\nTown"),
        ("industry", "energy"),
    ];
    let id = ada.make("test/organizations", &fields).await;
    let page = ada.open(&format!("/test/records/organizations/{id}")).await;
    assert_eq!(page.h1(), "<b>Acme & Sons</b>");
    let link = page.all("dd a");
    assert_eq!(link[0].attr("rel"), Some("noopener noreferrer"));
    assert!(
        link[0]
            .attr("href")
            .unwrap()
            .starts_with("https://acme.example/")
    );
    assert_eq!(facts(&page)["Industry"], "Energy");
    let script = [("name", "x"), ("website", "javascript:alert(1)")];
    let page = ada.post("/test/records/organizations/new", &script).await;
    page.expect_status(422);
    let contact = [("name", "C"), ("email", "odd?subject=x@acme.example")];
    let page = ada
        .post("/test/records/contacts/new", &contact)
        .await
        .follow()
        .await;
    assert!(
        !page.source().contains("mailto:odd?"),
        "no letter comes with a subject of its own"
    );
    let task = [("name", "T"), ("due_date", "2026-03-04")];
    let id = ada.make("test/tasks", &task).await;
    let page = ada.open(&format!("/test/records/tasks/{id}")).await;
    assert_eq!(facts(&page)["Due date"], "4 Mar 2026");
}
