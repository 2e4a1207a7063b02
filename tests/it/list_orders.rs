//! Lists in the order of every column, and words looked for in every field: what they go by is what the reader sees.

use insight::permissions::{Object, Rights};

use crate::app::TestApp;
use crate::app::files::{On, give, record};
use crate::app::page::Page;
use crate::app::people::Person;
use crate::app::records::{names, on_layout};
use crate::on_both;

on_both!(
    every_column_puts_a_list_in_order,
    people_stand_by_name,
    links_stand_by_the_name_that_the_reader_sees,
    long_texts_stand_by_their_beginning,
    pages_lead_through_every_order,
    words_are_found_in_every_field_as_it_is_shown,
    words_are_not_found_in_what_is_out_of_sight,
    the_search_of_all_objects_leads_to_words_in_any_field,
);

const CONTACTS: &str = "/test/records/contacts";
const LEADS: &str = "/test/records/leads";

async fn every_column_puts_a_list_in_order(app: TestApp) {
    let ada = app.admin("ada").await;
    for object in Object::ALL {
        let place = format!("test/{}", object.slug());
        for name in ["One", "Two"] {
            ada.make(&place, &[("name", name)]).await;
        }
        let list = format!("/test/records/{}", object.slug());
        let columns: Vec<String> = ada
            .open(&list)
            .await
            .all("#columns input[name=column]")
            .iter()
            .map(|input| format!("column={}", input.attr("value").expect("a key")))
            .collect();
        assert!(columns.len() >= 9, "{object:?}: {columns:?}");
        let page = ada.open(&format!("{list}?{}", columns.join("&"))).await;
        for head in page.texts("thead th") {
            for _ in 0..2 {
                let sorted = page.press(&head).await;
                assert_eq!(sorted.texts("th[aria-sort]"), [head.as_str()], "{object:?}");
                assert_eq!(names(&sorted).len(), 2);
                let turned = sorted.press(&head).await;
                let mut back = names(&turned);
                back.reverse();
                assert_eq!(back, names(&sorted), "{object:?} by {head}");
            }
        }
    }
}

async fn people_stand_by_name(app: TestApp) {
    let ada = app.admin("ada").await;
    let zoe = app.member("zoe", &[]).await;
    let bob = app.member("Bob", &[]).await;
    app.standard("Sales", &[&bob]);
    for (name, assigned) in [
        ("Of nobody", ""),
        ("Of Zoe", zoe.email()),
        ("Of Bob", bob.email()),
        ("Of Ada", ada.email()),
    ] {
        let fields = [("name", name), ("assigned", assigned)];
        ada.make("test/leads", &fields).await;
    }
    let page = ada.open(LEADS).await.press("Assigned to").await;
    assert_eq!(names(&page), ["Of nobody", "Of Ada", "Of Bob", "Of Zoe"]);
    let page = page.press("Assigned to").await;
    assert_eq!(names(&page), ["Of Zoe", "Of Bob", "Of Ada", "Of nobody"]);
    bob.make("test/leads", &[("name", "By Bob")]).await;
    let page = ada.open(&format!("{LEADS}?sort=-created_by")).await;
    assert_eq!(names(&page)[0], "By Bob");
}

/// Bob's contacts: linked to organizations that he sees, to one that he does not, to none.
async fn linked(app: &TestApp) -> (Person, Person) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let shown = [
        ("name", On::Required),
        ("organization", On::Shown),
        ("phone", On::Shown),
    ];
    give(app, &bob, Object::Contact, Rights::STANDARD, &shown);
    give(app, &bob, Object::Organization, Rights::READ, &[]);
    let harbour = record(app, &bob, Object::Organization, "Harbour", "{}");
    let hidden = record(app, &ada, Object::Organization, "Golf", "{}");
    let anchor = record(app, &bob, Object::Organization, "anchor", "{}");
    for (name, to) in [
        ("To harbour", Some(harbour)),
        ("To nothing", None),
        ("To golf", Some(hidden)),
        ("To anchor", Some(anchor)),
        ("To nothing either", None),
    ] {
        let data = to.map_or_else(
            || r#"{"phone":"+47"}"#.to_owned(),
            |to| format!(r#"{{"organization":"{to}","phone":"+47"}}"#),
        );
        record(app, &bob, Object::Contact, name, &data);
    }
    (ada, bob)
}

async fn links_stand_by_the_name_that_the_reader_sees(app: TestApp) {
    let (ada, bob) = linked(&app).await;
    // What leads out of sight stands among what leads nowhere, in the order of numbers.
    let page = bob.open(CONTACTS).await.press("Organization").await;
    let order = [
        "To nothing",
        "To golf",
        "To nothing either",
        "To anchor",
        "To harbour",
    ];
    assert_eq!(names(&page), order);
    assert!(!page.source().contains("Golf"));
    let page = page.press("Organization").await;
    let mut back = order;
    back.reverse();
    assert_eq!(names(&page), back);
    // An administrator sees where it leads.
    let page = ada.open(&format!("{CONTACTS}?sort=organization")).await;
    assert_eq!(names(&page)[2..], ["To anchor", "To golf", "To harbour"]);
}

async fn long_texts_stand_by_their_beginning(app: TestApp) {
    let ada = app.admin("ada").await;
    let long = "ø".repeat(9_000);
    let begin = [("c", "z"), ("a", "z"), ("b", ""), ("b", "long")];
    for (n, (first, kind)) in begin.iter().enumerate() {
        let notes = match *kind {
            "long" => format!("{first}{long}"),
            rest => format!("{first}{rest}"),
        };
        let fields = [("name", format!("Lead {n}")), ("notes", notes)];
        let fields = fields.each_ref().map(|(k, v)| (*k, v.as_str()));
        ada.make("test/leads", &fields).await;
    }
    let page = ada.open(&format!("{LEADS}?sort=notes&column=notes")).await;
    assert_eq!(names(&page), ["Lead 1", "Lead 2", "Lead 3", "Lead 0"]);
    // Many that begin alike: their numbers decide, and the way on does not hold the whole text.
    let alike: String = format!("b{long}");
    for n in 0..60 {
        let data = serde_json::json!({ "notes": format!("{alike}{}", 60 - n) });
        let name = format!("Alike {n:02}");
        record(&app, &ada, Object::Lead, &name, &data.to_string());
    }
    let page = ada.open(&format!("{LEADS}?sort=notes")).await;
    let mut seen = names(&page);
    let href = page.submission("Next").action;
    assert!(href.len() < 2_000, "{} bytes", href.len());
    let page = page.press("Next").await;
    seen.extend(names(&page));
    let mut expected = vec!["Lead 1".to_owned(), "Lead 2".into(), "Lead 3".into()];
    expected.extend((0..60).map(|n| format!("Alike {n:02}")));
    expected.push("Lead 0".into());
    assert_eq!(seen, expected);
    let page = page.press("Previous").await;
    assert_eq!(names(&page), expected[..50]);
}

async fn pages_lead_through_every_order(app: TestApp) {
    let (_, bob) = linked(&app).await;
    let eve = app.member("eve", &[]).await;
    let organizations: Vec<i64> = (0..3)
        .map(|n| record(&app, &bob, Object::Organization, &format!("O{n}"), "{}"))
        .collect();
    let unseen = record(&app, &eve, Object::Organization, "Unseen", "{}");
    for n in 0..110 {
        let to = [organizations[0], organizations[1], organizations[2], unseen][n % 4];
        let data = format!(r#"{{"organization":"{to}"}}"#);
        record(&app, &bob, Object::Contact, &format!("C{n:03}"), &data);
    }
    for sort in ["organization", "-organization", "assigned_to", "created_by"] {
        let mut page = bob.open(&format!("{CONTACTS}?sort={sort}")).await;
        page.expect("1–50 of 115");
        let first = names(&page);
        let mut seen = first.clone();
        while page.offers("Next") {
            page = page.press("Next").await;
            page.expect_not("Unseen");
            seen.extend(names(&page));
        }
        let mut each = seen.clone();
        each.sort();
        each.dedup();
        assert_eq!((seen.len(), each.len()), (115, 115), "{sort}");
        while page.offers("Previous") {
            page = page.press("Previous").await;
        }
        assert_eq!(names(&page), first, "{sort}");
    }
}

async fn words_are_found_in_every_field_as_it_is_shown(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    app.standard("Sales", &[&bob]);
    let fields = [
        ("name", "Nordlys"),
        ("email", "post@nordlys.example"),
        ("company", "Société du Port"),
        ("source", "Trade fair"),
        ("estimated_value", "12500.5"),
        ("notes", "Wants a\nsecond look"),
    ];
    bob.make("test/leads", &fields).await;
    bob.make("test/leads", &[("name", "Other")]).await;
    for words in [
        "ordl",
        "POST@",
        "socie%CC%81t%C3%A9",
        "trade+f",
        "12,500.5",
        "2500",
        "second+LOOK",
        "+port+",
    ] {
        let page = bob.open(&format!("{LEADS}?any={words}")).await;
        assert_eq!(names(&page), ["Nordlys"], "{words}");
        page.expect("1–1 of 1");
    }
    let lost = [("name", "Lost"), ("estimated_value", "-12500")];
    bob.make("commercial/leads", &lost).await;
    let page = bob
        .open("/commercial/records/leads?any=%E2%88%9212,500")
        .await;
    assert_eq!(names(&page), ["Lost"]);
    for words in [",", "12,5005", "nordlys+post"] {
        let page = bob.open(&format!("{LEADS}?any={words}")).await;
        page.expect("No leads match these filters.");
    }
    // Together with everything else that narrows a list.
    let page = bob.open(LEADS).await;
    let page = page.fill("Any field contains", "o").press("Filter").await;
    assert_eq!(names(&page).len(), 2);
    let page = page.fill("Name begins with", "no").press("Filter").await;
    assert_eq!(names(&page), ["Nordlys"]);
    assert_eq!(page.value("Any field contains"), "o");
    let page = page.press("Name").await;
    assert_eq!(page.value("Any field contains"), "o");
    let page = page.press("Clear filters").await;
    assert_eq!(names(&page).len(), 2);

    let due = [("name", "Task"), ("due_date", "2026-11-22")];
    bob.make("test/tasks", &due).await;
    for words in ["2026-11", "22+NOV", "nov+2026"] {
        let page = bob.open(&format!("/test/records/tasks?any={words}")).await;
        assert_eq!(names(&page), ["Task"], "{words}");
    }
    app.let_export(&bob);
    let export = bob.open(&format!("{LEADS}/export?any=trade")).await;
    export.expect("Any field contains “trade”");
    let file = bob.post(&format!("{LEADS}/export?any=trade"), &[]).await;
    file.expect_status(200);
    assert_eq!(file.source().lines().count(), 2 + 1, "{}", file.source());
}

async fn words_are_not_found_in_what_is_out_of_sight(app: TestApp) {
    let (_, bob) = linked(&app).await;
    let found = async |words: &str| -> Vec<String> {
        let page: Page = bob.open(&format!("{CONTACTS}?any={words}")).await;
        names(&page)
    };
    assert_eq!(found("harb").await, ["To harbour"]);
    // In the name of the contact, and not by the organization that it leads to.
    assert_eq!(found("golf").await, ["To golf"]);
    app.sql("UPDATE records SET name = 'Plain', sort_name = 'plain' WHERE name = 'To golf'")
        .expect("renames");
    assert!(found("golf").await.is_empty());
    assert_eq!(found("%2B47").await.len(), 5);

    // Nor in a field that one has not.
    let eve = app.member("eve", &[]).await;
    let profile = app.standard("Others", &[&eve]);
    let fields = [
        on_layout("name", false, true),
        on_layout("notes", false, false),
    ];
    app.layout(&eve, profile, Object::Lead, &fields);
    let data = r#"{"phone":"555 8741","notes":"Calm"}"#;
    record(&app, &eve, Object::Lead, "Lead", data);
    for (words, number) in [("555", 0), ("8741", 0), ("calm", 1)] {
        let page = eve.open(&format!("{LEADS}?any={words}")).await;
        assert_eq!(names(&page).len(), number, "{words}");
    }
}

async fn the_search_of_all_objects_leads_to_words_in_any_field(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    ada.make("test/leads", &[("name", "Lead"), ("company", "R&D 100%")])
        .await;
    let page = ada.open("/test/records?q=R%26D+100%25").await;
    page.expect("No record that you can see has a name that begins with “R&D 100%”.");
    let fields = page.section("“R&D 100%” in any field");
    assert_eq!(fields.texts(".found a").len(), 6);
    assert_eq!(names(&fields.press("Leads").await), ["Lead"]);
    app.profile("One", &[(Object::Task, Rights::READ)], &[&bob]);
    let page = bob.open("/test/records?q=x").await;
    let fields = page.section("“x” in any field");
    assert_eq!(fields.texts(".found a"), ["Tasks"]);
}
