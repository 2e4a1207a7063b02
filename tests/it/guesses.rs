//! What the way of an answer must not tell about records out of sight, and odd things typed into addresses, forms and files.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use insight::permissions::{Object, Rights};

use crate::app::TestApp;
use crate::app::files::{On, give, record, records};
use crate::app::page::Page;
use crate::app::people::Person;
use crate::app::records::{facts, names, on_layout};
use crate::import::{check, import, send, send_to};
use crate::on_both;

on_both!(
    what_others_have_out_of_sight_is_not_looked_through,
    a_search_among_many_says_how_far_it_came,
    the_number_of_a_linked_record_out_of_sight_is_not_confirmed,
    a_required_link_out_of_sight_is_asked_for_like_none,
    a_name_is_never_read_only,
    a_value_that_is_offered_no_more_comes_back_in_a_file,
    letters_are_found_however_they_are_composed,
    odd_places_in_a_list_are_its_beginning,
);

const LEADS: &str = "/test/records/leads";
const PROJECTS: &str = "/test/records/projects";

/// More than a list looks through at a time.
const MANY: usize = 20_100;

async fn what_others_have_out_of_sight_is_not_looked_through(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.standard("Sales", &[&bob]);
    records(&app, &ada, Object::Lead, MANY, "secret");
    let ada_is = ada.member();
    let asked = [
        format!("created-by={ada_is}"),
        format!("assigned={ada_is}&sort=name"),
        format!("created-by={ada_is}&sort=name&f.notes=zzzz"),
        format!("created-by={ada_is}&q=row"),
        format!("created-by={ada_is}&sort=company"),
    ];
    for query in &asked {
        let page = bob.get(&format!("{LEADS}?{query}")).await;
        page.expect("0 leads")
            .expect("No leads match these filters.");
        assert!(!page.offers("Look through more"), "{query}");
        page.expect_not("Sorted are the");
        assert!(!page.source().contains("page="), "{query}");
    }
    let given = [("name", "Given to Bob"), ("assigned", bob.email())];
    ada.make("test/leads", &given).await;
    let sent = [("name", "Given to Ada"), ("assigned", ada.email())];
    bob.make("test/leads", &sent).await;
    for (query, found) in [
        (format!("created-by={ada_is}"), 1),
        (format!("created-by={ada_is}&sort=name&assigned=me"), 1),
        (format!("assigned={ada_is}"), 1),
        (format!("assigned={ada_is}&q=given+to+a&sort=phone"), 1),
        (format!("assigned={ada_is}&created-by=me"), 1),
        (format!("assigned={ada_is}&created-by={ada_is}"), 0),
    ] {
        let page = bob.get(&format!("{LEADS}?{query}")).await;
        assert_eq!(names(&page).len(), found, "{query}");
        assert!(!page.offers("Look through more"), "{query}");
    }
}

async fn a_search_among_many_says_how_far_it_came(app: TestApp) {
    let ada = app.admin("ada").await;
    records(&app, &ada, Object::Lead, MANY, "common");
    ada.make("test/leads", &[("name", "Rare"), ("company", "Nordlys")])
        .await;
    app.sql("UPDATE records SET updated_at = 0 WHERE name = 'Rare'")
        .expect("is the oldest");

    let page = ada.open(&format!("{LEADS}?f.company=Nordlys")).await;
    page.expect("0+ leads")
        .expect("Looked through 20,000 records so far.");
    let page = page.press("Look through more").await;
    assert_eq!(names(&page), ["Rare"]);

    let page = ada
        .open(&format!("{LEADS}?f.notes=common&sort=phone"))
        .await;
    page.expect(
        "Sorted are the 10,000 leads changed last. Filter the list, or sort it by name or by update, to see all.",
    );
    let page = ada
        .open(&format!("{LEADS}?f.company=Nordlys&sort=phone"))
        .await;
    page.expect(
        "Sorted are the 0 found among 20,000 leads that were looked through. Sort by name or by update to look through all.",
    );
    page.expect("0+ leads").expect_not("No leads match");
    // What no record can meet is not looked for.
    for nothing in ["f.estimated_value.min=x", "created-by=nobody", "assigned=x"] {
        let page = ada.open(&format!("{LEADS}?{nothing}")).await;
        page.expect("0 leads")
            .expect("No leads match these filters.");
    }
}

/// Bob's project, linked to an organization that he does not see.
async fn linked(app: &TestApp) -> (Person, Person, String, i64) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let rights = Rights::READ.and(Rights::CREATE).and(Rights::EDIT);
    let fields = [("name", On::Required), ("organization", On::Required)];
    give(app, &bob, Object::Project, rights, &fields);
    give(
        app,
        &bob,
        Object::Organization,
        rights,
        &[("name", On::Required)],
    );
    let hidden = ada
        .make("test/organizations", &[("name", "Hidden")])
        .await
        .to_string();
    let fields = [
        ("name", "Project"),
        ("organization", hidden.as_str()),
        ("assigned", bob.email()),
    ];
    let id = ada.make("test/projects", &fields).await;
    (ada, bob, hidden, id.0)
}

async fn the_number_of_a_linked_record_out_of_sight_is_not_confirmed(app: TestApp) {
    let (ada, bob, hidden, id) = linked(&app).await;
    let guess = async |number: &str| {
        let fields = [("version", "1"), ("organization", number)];
        let page = bob.post(&format!("{PROJECTS}/{id}/edit"), &fields).await;
        page.expect_status(422);
        page.errors().join(" ").replace(number, "N")
    };
    assert_eq!(guess(&hidden).await, guess("987654321").await);

    let file = format!("Record number,Organization\n{id},{hidden}\n{id},987654321\n");
    let page = send_to(&bob, PROJECTS, file.as_bytes()).await;
    let path = page.header("location").to_owned();
    let page = check(&app, &bob, &path).await;
    page.expect("0 new, 0 updated, 2 with errors");
    let seen = facts(&ada.open(&format!("{PROJECTS}/{id}")).await);
    assert_eq!(
        (seen["Organization"].as_str(), seen["Version"].as_str()),
        ("Hidden", "1")
    );
}

async fn a_required_link_out_of_sight_is_asked_for_like_none(app: TestApp) {
    let (ada, bob, _, id) = linked(&app).await;
    let fields = [("name", "Without"), ("assigned", bob.email())];
    let without = ada.make("test/projects", &fields).await.0;
    for id in [id, without] {
        let fields = [("version", "1"), ("name", "Renamed"), ("organization", "")];
        let page = bob.post(&format!("{PROJECTS}/{id}/edit"), &fields).await;
        page.expect_status(303);
    }
    let new = [("name", "New"), ("organization", "")];
    let page = bob.post(&format!("{PROJECTS}/new"), &new).await;
    page.expect_status(422);
    page.expect("Organization is required.");
}

async fn a_name_is_never_read_only(app: TestApp) {
    app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let profile = app.standard("Sales", &[&bob]);
    let fields = [on_layout("name", true, true)];
    app.layout(&bob, profile, Object::Lead, &fields);
    // As an earlier version kept it.
    app.sql("UPDATE layout_fields SET read_only = TRUE")
        .expect("writes");
    bob.post(&format!("{LEADS}/new"), &[])
        .await
        .expect_status(422);
    let id = bob.make("test/leads", &[("name", "Lead")]).await;
    let page = bob
        .change("test/leads", id, 1, &[("name", "Renamed")])
        .await;
    page.expect_status(303);
}

async fn a_value_that_is_offered_no_more_comes_back_in_a_file(app: TestApp) {
    let bob = crate::import::bob(&app).await;
    let id = record(&app, &bob, Object::Lead, "Lead", r#"{"status":"Gone"}"#);
    let at = async |file: String| -> Page {
        let page = send(&bob, file.as_bytes()).await;
        let path = page.header("location").to_owned();
        check(&app, &bob, &path).await
    };
    let page = at(format!("Record number,Status,Phone\n{id},Other,1\n")).await;
    page.expect("0 new, 0 updated, 1 with errors");
    let page = at(format!("Record number,Status,Phone\n{id},Gone,+47 1\n")).await;
    page.expect("0 new, 1 updated, 0 with errors");
    import(&app, &bob, &page.path).await.expect("Successful");
    let seen = facts(&bob.open(&format!("{LEADS}/{id}")).await);
    assert_eq!(
        (seen["Status"].as_str(), seen["Phone"].as_str()),
        ("Gone", "+47 1")
    );
}

async fn letters_are_found_however_they_are_composed(app: TestApp) {
    let ada = app.admin("ada").await;
    let fields = [("name", "École"), ("company", "Société")];
    ada.make("test/leads", &fields).await;
    for query in ["q=e%CC%81c", "q=%C3%A9c", "f.company=socie%CC%81t"] {
        let page = ada.open(&format!("{LEADS}?{query}")).await;
        assert_eq!(names(&page), ["École"], "{query}");
    }
}

async fn odd_places_in_a_list_are_its_beginning(app: TestApp) {
    let ada = app.admin("ada").await;
    let id = ada.make("test/leads", &[("name", "Lead")]).await;
    let place = r#"{"back":false,"key":["\u0000",1],"at":0}"#;
    let place = URL_SAFE_NO_PAD.encode(place);
    let page = ada.get(&format!("{LEADS}?sort=name&page={place}")).await;
    page.expect_status(200);
    assert_eq!(names(&page), ["Lead"]);
    let least = i64::MIN.to_string();
    let page = ada.get(&format!("{LEADS}/{id}?before={least}")).await;
    page.expect_status(200);
    let fields = [("version", least.as_str()), ("name", "Mine")];
    let page = ada.post(&format!("{LEADS}/{id}/edit"), &fields).await;
    page.expect_status(409);
    // A range that cannot be read finds nothing, and says why.
    let page = ada
        .open(&format!("{LEADS}?f.estimated_value.min=1,000x"))
        .await;
    page.expect("No leads match these filters.")
        .expect("Type a number, like 1250 or 1250.50.");
    assert_eq!(page.value("Estimated value from"), "1,000x");
}
