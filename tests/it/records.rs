//! A record from its first page to its last, and who meets which answer on the way (SPEC 4 and 5).

use insight::permissions::{Level, Object, Rights};

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::Person;
use crate::app::records::{facts, list_of, names};
use crate::on_both;
use crate::routes::masked;

on_both!(
    a_record_is_made_changed_assigned_and_deleted,
    a_refused_form_keeps_what_was_typed,
    who_cannot_read_an_object_finds_none_of_it,
    what_is_out_of_sight_answers_like_what_never_existed,
    what_is_shared_to_read_is_not_changed,
    the_profile_says_which_verbs_there_are,
    giving_a_record_away_may_hide_it,
    a_stale_edit_shows_both_versions,
    a_stale_assignment_or_deletion_changes_nothing,
    history_tells_who_changed_what,
    administrators_see_who_has_access_and_why,
);

const LEADS: &str = "/test/records/leads";

async fn a_record_is_made_changed_assigned_and_deleted(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let page = ada.open(LEADS).await;
    page.expect("No leads to show yet.");
    let page = page.press("New lead").await;
    assert_eq!(
        page.value("Assigned to (optional)"),
        ada.member().to_string()
    );
    let page = page
        .fill("Name", "Fjordline Seafood")
        .fill("E-mail (optional)", "Ingrid@Fjordline.example")
        .fill("Estimated value (optional)", "184000.50")
        .choose("Status (optional)", "Qualified")
        .fill("Notes (optional)", "Two\nlines")
        .press("Save")
        .await;
    assert_eq!(page.flash(), "Lead Fjordline Seafood was created.");
    assert_eq!(page.h1(), "Fjordline Seafood");
    assert_eq!(page.title(), "Leads > Fjordline Seafood – TEST – Insight");
    let shown = facts(&page);
    assert_eq!(shown["E-mail"], "ingrid@fjordline.example");
    assert_eq!(shown["Estimated value"], "184,000.5");
    assert_eq!(shown["Status"], "Qualified");
    assert_eq!(shown["Version"], "1");
    assert_eq!(shown["Assigned to"], "Ada");
    assert_eq!(shown["Phone"], "–");

    let page = page.press("Edit").await;
    assert_eq!(page.value("Notes (optional)"), "Two\nlines");
    let page = page.fill("Name", "Fjordline").press("Save").await;
    assert_eq!(page.flash(), "Lead Fjordline was saved.");
    assert_eq!(facts(&page)["Version"], "2");
    let page = page.press("Edit").await.press("Save").await;
    assert_eq!(
        page.flash(),
        "Lead Fjordline is as it was. Nothing was changed."
    );
    assert_eq!(facts(&page)["Version"], "2");

    let page = page.press("Assign to").await;
    let page = page
        .choose("Assign to (optional)", "Bob")
        .press("Assign")
        .await;
    assert_eq!(page.flash(), "Fjordline was assigned to Bob.");
    assert_eq!(facts(&page)["Assigned to"], "Bob");
    let page = page
        .press("Assign to")
        .await
        .press("Assign to nobody")
        .await;
    assert_eq!(facts(&page)["Assigned to"], "Nobody");
    let page = page.press("Assign to").await.press("Assign to me").await;
    assert_eq!(facts(&page)["Assigned to"], "Ada");
    assert_eq!(facts(&page)["Version"], "5");

    assert_eq!(names(&ada.open(LEADS).await), ["Fjordline"]);
    let elsewhere = ada.open("/commercial/records/leads").await;
    assert_eq!(names(&elsewhere), [""; 0], "each environment has its own");
    let page = page.press("Delete").await;
    page.expect("TEST").expect("5 versions");
    let page = page.press("Delete Fjordline").await;
    assert_eq!(page.flash(), "Lead Fjordline was deleted.");
    page.expect("No leads to show yet.");
    let log = ada.open("/settings/audit-log").await;
    log.expect("Fjordline");
    drop(bob);
}

async fn a_refused_form_keeps_what_was_typed(app: TestApp) {
    let ada = app.admin("ada").await;
    let page = ada.open(&format!("{LEADS}/new")).await;
    let page = page
        .fill("E-mail (optional)", "no address")
        .fill("Estimated value (optional)", "much")
        .fill("Notes (optional)", "kept")
        .choose("Assigned to (optional)", "Nobody")
        .press("Save")
        .await;
    page.expect_status(422);
    assert!(page.title().starts_with("Error: "));
    assert_eq!(
        page.errors(),
        [
            "Type an e-mail address, like name@example.com.",
            "Type a number, like 1250 or 1250.50.",
            "Name is required.",
        ]
    );
    assert_eq!(page.value("E-mail (optional)"), "no address");
    assert_eq!(page.value("Notes (optional)"), "kept");
    assert_eq!(page.value("Assigned to (optional)"), "");
    assert_eq!(app.number("SELECT count(*) FROM records"), 0);
    let page = page
        .fill("Name", "Now good")
        .fill("E-mail (optional)", "")
        .fill("Estimated value (optional)", "12")
        .press("Save")
        .await;
    assert_eq!(facts(&page)["Notes"], "kept");
    assert_eq!(facts(&page)["Assigned to"], "Nobody");

    let id = ada.make("test/leads", &[("name", "Second")]).await;
    let refused = ada
        .change("test/leads", id, 1, &[("name", " "), ("notes", "kept")])
        .await;
    refused.expect_status(422);
    assert_eq!(refused.errors(), ["Name is required."]);
    assert_eq!(refused.value("Notes (optional)"), "kept");
    let stranger = [("name", "x"), ("assigned", "nobody@elsewhere.example")];
    let refused = ada.post(&format!("{LEADS}/new"), &stranger).await;
    refused.expect_status(422);
    refused.expect("Choose a member of this account");
}

/// Every page and form of a record.
fn ways(id: impl std::fmt::Display) -> Vec<(bool, String)> {
    let at = format!("{LEADS}/{id}");
    ["", "/edit", "/assign", "/delete", "/access"]
        .into_iter()
        .map(|end| (false, format!("{at}{end}")))
        .chain(["/edit", "/assign", "/delete"].map(|end| (true, format!("{at}{end}"))))
        .collect()
}

async fn ask(person: &Person, (post, path): &(bool, String)) -> Page {
    if *post {
        let fields = [("version", "1"), ("name", "Taken over"), ("to", "")];
        person.post(path, &fields).await
    } else {
        person.get(path).await
    }
}

async fn who_cannot_read_an_object_finds_none_of_it(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.profile(
        "Contacts only",
        &[(Object::Contact, Rights::STANDARD)],
        &[&bob],
    );
    let id = ada
        .make(
            "test/leads",
            &[("name", "Secret"), ("assigned", bob.email())],
        )
        .await;
    let mut paths = ways(id);
    paths.extend(ways(987_654_321));
    paths.extend([
        (false, LEADS.to_owned()),
        (false, format!("{LEADS}/new")),
        (true, format!("{LEADS}/new")),
    ]);
    for way in &paths {
        let page = ask(&bob, way).await;
        page.expect_status(403);
        page.expect("Leads is not part of what you may open.");
        page.expect_not("Secret");
    }
    let menu = bob.open("/test").await.texts(".sidenav .navlist a");
    assert_eq!(menu, ["Contacts", "Start"]);
    bob.get("/test/records/contacts").await.expect_status(200);
    bob.get("/test/records/wishes").await.expect_status(404);
}

async fn what_is_out_of_sight_answers_like_what_never_existed(app: TestApp) {
    let ada = app.admin("ada").await;
    let (bob, eve) = (app.member("bob", &[]).await, app.member("eve", &[]).await);
    app.standard("Sales", &[&bob, &eve]);
    app.role("Sales Rep", None, &[&bob, &eve]);
    let id = bob.make("test/leads", &[("name", "Bob's own")]).await;
    let never = 987_654_321;
    for (hidden, nothing) in ways(id).iter().zip(&ways(never)) {
        if hidden.1.ends_with("/access") {
            continue;
        }
        let (hidden_page, nothing_page) = (ask(&eve, hidden).await, ask(&eve, nothing).await);
        hidden_page.expect_status(404);
        assert_eq!(
            masked(&hidden_page, &hidden.1),
            masked(&nothing_page, &nothing.1),
            "{}",
            hidden.1
        );
    }
    assert_eq!(
        names(&eve.open(LEADS).await),
        [""; 0],
        "peers see nothing of each other"
    );
    assert_eq!(names(&bob.open(LEADS).await), ["Bob's own"]);
    assert_eq!(names(&ada.open(LEADS).await), ["Bob's own"]);
    for elsewhere in ["/commercial/records/leads", "/test/records/tasks"] {
        let page = bob.get(&format!("{elsewhere}/{id}")).await;
        page.expect_status(404);
        let nothing = bob.get(&format!("{elsewhere}/{never}")).await;
        assert_eq!(
            masked(&page, &format!("{elsewhere}/{id}")),
            masked(&nothing, &format!("{elsewhere}/{never}"))
        );
    }
    assert_eq!(
        facts(&bob.open(&format!("{LEADS}/{id}")).await)["Version"],
        "1"
    );
}

async fn what_is_shared_to_read_is_not_changed(app: TestApp) {
    let (bob, eve) = (app.member("bob", &[]).await, app.member("eve", &[]).await);
    app.standard("Sales", &[&bob, &eve]);
    let reps = app.role("Sales Rep", None, &[&bob]);
    let managers = app.role("Project Manager", None, &[&eve]);
    app.share(&bob, Object::Lead, reps, managers, Level::Read);
    let id = bob.make("test/leads", &[("name", "Bob's own")]).await;
    let page = eve.open(&format!("{LEADS}/{id}")).await;
    page.expect("This lead is shared with you to read only.");
    assert!(!page.offers("Edit") && !page.offers("Assign to") && !page.offers("Delete"));
    for way in &ways(id)[1..] {
        ask(&eve, way).await.expect_status(403);
    }
    assert_eq!(
        facts(&bob.open(&format!("{LEADS}/{id}")).await)["Version"],
        "1"
    );
}

async fn the_profile_says_which_verbs_there_are(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let full = app.member("full", &[]).await;
    app.standard("Sales", &[&full]);
    let id = full
        .make(
            "test/leads",
            &[("name", "Given"), ("assigned", bob.email())],
        )
        .await;
    let readers = (Object::Lead, Rights::READ);
    app.profile("Readers", &[readers], &[&bob]);
    let list = bob.open(LEADS).await;
    assert_eq!(names(&list), ["Given"]);
    assert!(!list.offers("New lead"));
    bob.get(&format!("{LEADS}/new")).await.expect_status(403);
    let page = bob.open(&format!("{LEADS}/{id}")).await;
    page.expect("Your profile does not let you edit leads.");
    page.expect("Your profile does not let you delete leads.");
    for way in &ways(id)[1..] {
        ask(&bob, way).await.expect_status(403);
    }
}

async fn giving_a_record_away_may_hide_it(app: TestApp) {
    let ada = app.admin("ada").await;
    let (bob, eve) = (app.member("bob", &[]).await, app.member("eve", &[]).await);
    app.standard("Sales", &[&bob, &eve]);
    let id = ada
        .make(
            "test/leads",
            &[("name", "Passed on"), ("assigned", bob.email())],
        )
        .await;
    let page = bob.open(&format!("{LEADS}/{id}")).await;
    let page = page.press("Assign to").await;
    let page = page
        .choose("Assign to (optional)", "Eve")
        .press("Assign")
        .await;
    page.expect_status(200);
    assert_eq!(page.path, LEADS);
    assert_eq!(
        page.flash(),
        "Passed on was assigned to Eve. You do not see it any more."
    );
    bob.get(&format!("{LEADS}/{id}")).await.expect_status(404);
    eve.get(&format!("{LEADS}/{id}")).await.expect_status(200);
}

async fn a_stale_edit_shows_both_versions(app: TestApp) {
    let (ada, amy) = (app.admin("ada").await, app.admin("amy").await);
    let lead = [("name", "Lead"), ("company", "Old"), ("phone", "1")];
    let id = ada.make("test/leads", &lead).await;
    let edit = format!("{LEADS}/{id}/edit");
    let mine = ada.open(&edit).await;
    let theirs = amy.open(&edit).await;
    theirs
        .fill("Company (optional)", "Theirs")
        .choose("Source (optional)", "Partner")
        .press("Save")
        .await
        .press("Assign to")
        .await
        .choose("Assign to (optional)", "Amy")
        .press("Assign")
        .await
        .expect_status(200);
    let page = mine
        .fill("Company (optional)", "Mine")
        .fill("Notes (optional)", "Long thoughts\nof mine")
        .press("Save")
        .await;
    page.expect_status(409);
    assert_eq!(
        page.texts("tbody th"),
        ["Company", "Source", "Notes", "Assigned to"]
    );
    let row = page.row("Company");
    row.expect("Theirs").expect("Mine");
    page.row("Source")
        .expect("Partner")
        .expect("Not changed: theirs stays");
    page.row("Notes").expect("Long thoughts of mine");
    page.row("Assigned to").expect("Amy");
    let now = facts(&amy.open(&format!("{LEADS}/{id}")).await);
    assert_eq!(
        (now["Company"].as_str(), now["Notes"].as_str()),
        ("Theirs", "–")
    );

    let again = page.press("Go on editing mine").await;
    assert_eq!(again.value("Company (optional)"), "Mine");
    assert_eq!(again.value("Notes (optional)"), "Long thoughts\nof mine");
    assert_eq!(again.value("Source (optional)"), "Partner", "theirs");

    let kept = page.press("Keep theirs").await;
    assert_eq!(facts(&kept)["Company"], "Theirs");
    // Meanwhile changed once more: stale again.
    let third = [("phone", "2")];
    amy.change("test/leads", id, 3, &third)
        .await
        .expect_status(303);
    let page = page.press("Use mine").await;
    page.expect_status(409);
    let saved = facts(&page.press("Use mine").await);
    assert_eq!(saved["Company"], "Mine");
    assert_eq!(saved["Notes"], "Long thoughts of mine");
    assert_eq!(saved["Source"], "Partner", "what I left alone stays theirs");
    assert_eq!(saved["Phone"], "2");
    assert_eq!(saved["Version"], "5");
}

async fn a_stale_assignment_or_deletion_changes_nothing(app: TestApp) {
    let (ada, amy) = (app.admin("ada").await, app.admin("amy").await);
    let id = ada.make("test/leads", &[("name", "Lead")]).await;
    let at = format!("{LEADS}/{id}");
    let (assign, delete) = (
        ada.open(&format!("{at}/assign")).await,
        ada.open(&format!("{at}/delete")).await,
    );
    let theirs = [("version", "1"), ("me", "1")];
    amy.post(&format!("{at}/assign"), &theirs)
        .await
        .expect_status(303);
    let page = delete.press("Delete Lead").await;
    page.expect_status(409);
    page.expect("was not deleted");
    let page = assign.press("Assign to me").await;
    page.expect_status(409);
    page.expect("It is assigned to Amy now.");
    page.press("Assign to me").await.expect_status(200);
    assert_eq!(facts(&ada.open(&at).await)["Assigned to"], "Ada");
    let without = ada.post(&format!("{at}/delete"), &[]).await;
    without.expect_status(400);
}

async fn history_tells_who_changed_what(app: TestApp) {
    let (ada, amy) = (app.admin("ada").await, app.admin("amy").await);
    let lead = [("name", "Lead"), ("status", "New")];
    let id = ada.make("test/leads", &lead).await;
    let changed = [("status", "Contacted"), ("phone", "1")];
    amy.change("test/leads", id, 1, &changed)
        .await
        .expect_status(303);
    let page = ada.open(&format!("{LEADS}/{id}")).await;
    let history = page.section("History");
    let newest = history.row("Version 2");
    newest.expect("Amy");
    newest.expect("Status before: New → after: Contacted");
    newest.expect("Phone 1");
    history
        .row("Version 1")
        .expect("Created with")
        .expect("Name Lead");
    for version in 2..=45 {
        let phone = version.to_string();
        ada.change("test/leads", id, version, &[("phone", &phone)])
            .await
            .expect_status(303);
    }
    let mut page = ada.open(&format!("{LEADS}/{id}")).await;
    let mut versions = Vec::new();
    loop {
        let section = page.section("History");
        versions.extend(section.texts("tbody th .sub:not(.only-sm)"));
        if !section.offers("Older") {
            break;
        }
        page = section.press("Older").await;
    }
    let all: Vec<String> = (1..=46).rev().map(|n| format!("Version {n}")).collect();
    assert_eq!(versions, all);
}

async fn administrators_see_who_has_access_and_why(app: TestApp) {
    let ada = app.admin("ada").await;
    let (bob, eve) = (app.member("bob", &[]).await, app.member("eve", &[]).await);
    let (max, pia) = (app.member("max", &[]).await, app.member("pia", &[]).await);
    app.standard("Sales", &[&bob, &max, &eve]);
    let see_all = (Object::Lead, Rights::READ.and(Rights::READ_ALL));
    app.profile("Auditors", &[see_all], &[&pia]);
    let managers = app.role("Sales Manager", None, &[&max]);
    let reps = app.role("Sales Rep", Some(managers), &[&bob]);
    let others = app.role("Project Manager", None, &[&eve]);
    app.share(&bob, Object::Lead, reps, others, Level::Read);
    let id = bob.make("test/leads", &[("name", "Lead")]).await;
    let at = format!("{}/{id}", list_of("test/leads"));
    let page = ada.open(&at).await.press("Who has access").await;
    page.expect("5 of 5 members");
    assert_eq!(
        page.texts("tbody th .name"),
        ["Ada", "Bob", "Eve", "Max", "Pia"]
    );
    for (name, may, because) in [
        ("Ada", "Read, Edit, Delete", "Administrator"),
        ("Bob", "Read, Edit, Delete", "Created by this person"),
        (
            "Eve",
            "Read",
            "Sharing rule Leads shared: Leads of Sales Rep are visible to Project Manager (Bob)",
        ),
        (
            "Max",
            "Read, Edit, Delete",
            "The role Sales Manager is above Sales Rep (Bob)",
        ),
        ("Pia", "Read", "Read All in the profile Auditors"),
    ] {
        let rows = page.all("tbody tr");
        let row = rows
            .iter()
            .map(|row| row.text().collect::<Vec<_>>().join(" "));
        let row = row.filter(|row| row.contains(name)).collect::<Vec<_>>();
        assert!(
            row.iter()
                .any(|row| row.contains(may) && row.contains(because)),
            "{name}: {row:?}"
        );
    }
    bob.get(&format!("{at}/access")).await.expect_status(403);
    assert!(!bob.open(&at).await.offers("Who has access"));
}
