//! What narrows a list by the fields of its records: words in any of them, names behind links, days, people who left.

use insight::permissions::{Object, Rights, custom_fields};
use insight::records::jobs;

use crate::app::TestApp;
use crate::app::files::{record, records};
use crate::app::page::Page;
use crate::app::records::{called, names, on_layout};
use crate::list_orders::linked;
use crate::on_both;

on_both!(
    words_are_found_in_every_field_as_it_is_shown,
    words_are_not_found_in_what_is_out_of_sight,
    a_file_of_words_goes_by_the_fields_of_its_asking,
    a_file_is_of_what_was_asked_for_whatever_it_is_called_by_then,
    the_search_of_all_objects_leads_to_words_in_any_field,
    a_link_is_filtered_by_the_name_that_the_reader_sees,
    days_of_creation_and_of_the_last_update_are_filters,
    records_of_people_who_left_are_found,
);

const CONTACTS: &str = "/test/records/contacts";
const LEADS: &str = "/test/records/leads";

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
        "a+second+LOOK",
        "A%0Asecond",
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
    for words in [",,", "1,2", "12,5005", "nordlys+post"] {
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

async fn a_file_of_words_goes_by_the_fields_of_its_asking(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let profile = app.standard("Sales", &[&bob]);
    let name = on_layout("name", false, true);
    let company = on_layout("company", false, false);
    app.layout(
        &bob,
        profile,
        Object::Lead,
        &[name.clone(), company.clone()],
    );
    app.let_export(&bob);
    record(
        &app,
        &bob,
        Object::Lead,
        "Asked for",
        r#"{"company":"Red"}"#,
    );
    record(&app, &bob, Object::Lead, "Other", r#"{"phone":"red"}"#);
    let export = format!("{LEADS}/export?any=red&column=name");
    let page = bob.open(&export).await;
    let page = page.press("Export in the background").await;
    // Before it is written, Bob is given the phone numbers.
    app.set_up(&bob, |setup| {
        let all = [name, company, on_layout("phone", false, false)];
        let layout = insight::permissions::layouts::add(setup, Object::Lead, &called("More"))?;
        insight::permissions::layouts::set_fields(setup, layout, &all)?;
        insight::permissions::profiles::set_layout(setup, profile, layout)
    });
    assert_eq!(names(&bob.open(&format!("{LEADS}?any=red")).await).len(), 2);
    jobs::run_due(&app).expect("runs");
    let file = bob.get(&format!("{}/file", page.path)).await;
    file.expect_status(200);
    let text = file.source();
    assert!(
        text.contains("Asked for") && !text.contains("Other"),
        "{text}"
    );
}

async fn a_file_is_of_what_was_asked_for_whatever_it_is_called_by_then(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.let_export(&ada);
    let field = app.set_up(&ada, |setup| {
        custom_fields::add(setup, Object::Lead, &called("Colour"), "text", "")
    });
    let mine = [("name", "Asked for"), ("assigned", bob.email())];
    let id = ada.make("test/leads", &mine).await;
    ada.make("test/leads", &[("name", "Other")]).await;
    let today = insight::web::times::Zone::utc().day_of(app.context().app.clock.now());
    let red = [(format!("custom_{field}"), "red")];
    let red = red.each_ref().map(|(k, v)| (k.as_str(), *v));
    ada.change("test/leads", id, 1, &red)
        .await
        .expect_status(303);
    let export = format!(
        "{LEADS}/export?any=red&any.in=custom_{field}&f.custom_{field}=r&assigned={}&updated.min={today}&column=name",
        bob.member()
    );
    // Of a field that she has not, nothing: neither on the page nor in the file.
    let nowhere = format!("{LEADS}/export?any=red&any.in=custom_0&column=");
    let page = ada.open(&nowhere).await;
    page.expect("No field contains “red”").expect("0 records");
    let file = ada.post(&nowhere, &[]).await;
    file.expect_status(200);
    assert_eq!(file.source().lines().count(), 1, "{}", file.source());
    assert!(file.source().contains("Notes"), "{}", file.source());

    let page = ada.open(&export).await;
    page.expect("One of Colour contains “red”")
        .expect("1 record");
    let page = page.press("Export in the background").await;
    let sql = [
        "UPDATE users SET time_zone = 'Asia/Tokyo', name = 'Renamed'".to_owned(),
        "UPDATE custom_fields SET label = 'Paint'".to_owned(),
        format!(
            "UPDATE members SET removed_at = 1 WHERE id = {}",
            bob.member()
        ),
    ];
    for sql in sql {
        app.sql(&sql).expect("changes");
    }
    jobs::run_due(&app).expect("runs");
    let file = ada.get(&format!("{}/file", page.path)).await;
    file.expect_status(200);
    assert_eq!(file.source().lines().count(), 2, "{}", file.source());
    assert!(file.source().contains("Asked for"));
}

async fn a_link_is_filtered_by_the_name_that_the_reader_sees(app: TestApp) {
    let (ada, bob) = linked(&app).await;
    let page = bob.open(&format!("{CONTACTS}?f.organization=HARB")).await;
    assert_eq!(names(&page), ["To harbour"]);
    for words in ["golf", "g", "987654321"] {
        let page = bob
            .open(&format!("{CONTACTS}?f.organization={words}"))
            .await;
        page.expect("0 contacts")
            .expect("No contacts match these filters.");
    }
    // What leads out of sight looks like what leads nowhere.
    for (person, found) in [
        (&bob, &["To golf", "To nothing", "To nothing either"][..]),
        (&ada, &["To nothing", "To nothing either"]),
    ] {
        let path = format!("{CONTACTS}?f.organization=-&sort=name");
        assert_eq!(names(&person.open(&path).await), found);
    }
    let page = ada.open(&format!("{CONTACTS}?f.organization=o")).await;
    assert_eq!(names(&page).len(), 3);
    app.sql("UPDATE records SET name = 'Bygg 2000' WHERE name = 'Harbour'")
        .expect("renames");
    // The number of something else that he sees.
    let task = record(&app, &bob, Object::Contact, "Two thousand", "{}");
    app.sql(&format!("UPDATE records SET id = 2000 WHERE id = {task}"))
        .expect("numbers");
    let page = bob.open(&format!("{CONTACTS}?f.organization=2000")).await;
    assert_eq!(names(&page), ["To harbour"]);
    app.sql("UPDATE records SET name = 'Harbour' WHERE name = 'Bygg 2000'")
        .expect("renames");
    app.let_export(&bob);
    let page = bob
        .open(&format!("{CONTACTS}/export?f.organization=Har"))
        .await;
    page.expect("Organization has “har” in its name")
        .expect("1 record");
}

async fn days_of_creation_and_of_the_last_update_are_filters(app: TestApp) {
    let ada = app.admin("ada").await;
    let now = app.context().app.clock.now();
    let day = |ago: i64| insight::web::times::Zone::utc().day_of(now - time::Duration::days(ago));
    for ago in 0..6 {
        let id = record(&app, &ada, Object::Lead, &format!("{ago} days"), "{}");
        let at = (now - time::Duration::days(ago)).0;
        app.sql(&format!(
            "UPDATE records SET created_at = {at} - 864000000000, updated_at = {at} WHERE id = {id}"
        ))
        .expect("ages");
    }
    let between = async |query: String| -> Vec<String> {
        let mut found = names(&ada.open(&format!("{LEADS}?{query}")).await);
        found.sort();
        found
    };
    for sort in ["", "&sort=updated_at", "&sort=name", "&sort=-phone"] {
        let (from, to) = (day(4), day(2));
        let found = between(format!("updated.min={from}&updated.max={to}{sort}")).await;
        assert_eq!(found, ["2 days", "3 days", "4 days"], "{sort}");
        let found = between(format!("updated.min={to}{sort}")).await;
        assert_eq!(found, ["0 days", "1 days", "2 days"], "{sort}");
        let found = between(format!("updated.max={from}&q=4{sort}")).await;
        assert_eq!(found, ["4 days"], "{sort}");
        let (from, to) = (day(11), day(10));
        let found = between(format!("created.min={from}&created.max={to}{sort}")).await;
        assert_eq!(found, ["0 days", "1 days"], "{sort}");
    }
    assert_eq!(between("updated.max=9999-12-31".into()).await.len(), 6);
    // Many of the very instant at which a day begins, more than are looked at at once.
    let from = day(1);
    let zone = insight::web::times::Zone::utc();
    let midnight = insight::web::times::start_of_day(&zone, &from, 0).expect("a day");
    records(&app, &ada, Object::Task, 150, "");
    app.sql(&format!(
        "UPDATE records SET updated_at = {} WHERE object = {}",
        midnight.0,
        Object::Task.number()
    ))
    .expect("ages");
    for (query, number) in [("min", 150), ("max", 150)] {
        let path = format!("/test/records/tasks?updated.{query}={from}");
        ada.open(&path).await.expect(&format!("of {number}"));
        let path = format!("{path}&sort=updated_at");
        ada.open(&path).await.expect(&format!("of {number}"));
    }
    let path = format!("/test/records/tasks?updated.max={}", day(2));
    ada.open(&path)
        .await
        .expect("No tasks match these filters.");
    // Days are those of the reader: east of Greenwich they begin earlier.
    app.sql("UPDATE users SET time_zone = 'Pacific/Kiritimati'")
        .expect("moves");
    let midnight = format!("updated.max={}", day(0));
    let page = ada.open(&format!("{LEADS}?{midnight}")).await;
    let hour = now.0 / 3_600_000_000 % 24;
    assert_eq!(names(&page).contains(&"0 days".to_owned()), hour < 10);

    let page = ada.open(LEADS).await;
    let page = page.fill("Updated from", "yesterday").press("Filter").await;
    page.expect("No leads match these filters.")
        .expect("Type the day as year-month-day, such as 2026-11-22.");
    assert_eq!(page.value("Updated from"), "yesterday");
}

async fn records_of_people_who_left_are_found(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let left = [("name", "Left behind"), ("assigned", bob.email())];
    ada.make("test/leads", &left).await;
    record(&app, &ada, Object::Lead, "Other", "{}");
    app.sql(&format!(
        "UPDATE members SET removed_at = 1 WHERE id = {}",
        bob.member()
    ))
    .expect("removes");
    let page = ada.open(LEADS).await;
    let page = page
        .choose("Filter by assigned to", "Bob (removed)")
        .press("Filter")
        .await;
    assert_eq!(names(&page), ["Left behind"]);
    assert_eq!(
        page.value("Filter by assigned to"),
        bob.member().to_string()
    );
    // Nobody is given anything anew.
    let form = ada.open(&format!("{LEADS}/new")).await;
    form.expect_not("Bob (removed)");
}
