//! Lists in the order of every column: what they go by is what the reader sees.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use insight::permissions::{Object, Rights};

use crate::app::TestApp;
use crate::app::files::{On, give, record};
use crate::app::people::Person;
use crate::app::records::names;
use crate::on_both;

on_both!(
    every_column_puts_a_list_in_order,
    people_stand_by_name,
    links_stand_by_the_name_that_the_reader_sees,
    long_texts_stand_by_their_beginning,
    pages_lead_through_every_order,
    a_place_in_a_list_tells_no_value,
    a_phone_offers_every_order_beside_the_filters,
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

/// Ada, an administrator, and Bob with contacts: linked to organizations that he sees, to one that he does not, to none.
pub async fn linked(app: &TestApp) -> (Person, Person) {
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

async fn a_place_in_a_list_tells_no_value(app: TestApp) {
    let ada = app.admin("canarybird").await;
    for n in 0..51 {
        let data = r#"{"notes":"Canary in notes","phone":"Canary by phone"}"#;
        record(&app, &ada, Object::Lead, &format!("Canary {n}"), data);
    }
    // As many of the same names elsewhere.
    app.sql(
        "INSERT INTO records (account_id, environment, object, name, sort_name, creator_slot, owner_slot, created_at, \
         updated_at, version, data) SELECT account_id, 1, object, name, sort_name, creator_slot, owner_slot, created_at, \
         updated_at, version, data FROM records",
    )
    .expect("copies");
    let amy = app.admin("amy").await;
    let nora = app.company("Norden").admin("nora");
    for sort in ["name", "notes", "phone", "created_by"] {
        let page = ada.open(&format!("{LEADS}?sort={sort}")).await;
        let mut held = vec![page.submission("Next").action.into_bytes()];
        // However often it is packed.
        while let Some(text) = held.pop() {
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(!text.contains("Canary"), "{sort}: {text}");
            held.extend(
                text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
                    .filter(|part| part.len() > 20)
                    .filter_map(|part| URL_SAFE_NO_PAD.decode(part).ok()),
            );
        }
        // Nor can somebody tell it by what lies behind: for others, and in other orders, it is the beginning.
        let at = page.submission("Next").action;
        let other_order = at.replace(&format!("sort={sort}"), "sort=company");
        for (person, at, rows) in [
            (&ada, at.clone(), 1),
            (&amy, at.clone(), 50),
            (&ada, other_order, 50),
            (&ada, at.replace("/test/", "/commercial/"), 50),
        ] {
            let there = person.get(&at).await;
            there.expect_status(200);
            assert_eq!(names(&there).len(), rows, "{sort}: {at}");
        }
        let next = page.press("Next").await;
        assert_eq!(names(&next).len(), 1, "{sort}");
        let there = nora.get(&page.submission("Next").action).await;
        there.expect_status(200);
        assert!(names(&there).is_empty());
    }
}

async fn a_phone_offers_every_order_beside_the_filters(app: TestApp) {
    let ada = app.admin("ada").await;
    for (name, phone) in [("One", "2"), ("Two", "3"), ("Three", "1")] {
        let fields = [("name", name), ("phone", phone)];
        ada.make("test/leads", &fields).await;
    }
    let page = ada.open(LEADS).await;
    let orders = page.texts("#f-sort option");
    assert_eq!(orders[0], "Sort by Updated, newest first");
    assert_eq!(orders.len(), 2 * 12, "{orders:?}");
    let page = page.choose("Sort", "Sort by Phone, descending");
    let page = page.press("Filter").await;
    assert_eq!(names(&page), ["Two", "One", "Three"]);
    let page = page.fill("Name begins with", "t").press("Filter").await;
    assert_eq!(names(&page), ["Two", "Three"], "the order stays");
    let page = page
        .choose("Sort", "Sort by Updated, newest first")
        .press("Filter")
        .await;
    assert_eq!(names(&page), ["Three", "Two"]);
}
