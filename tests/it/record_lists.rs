//! Lists of records: search, filters, order, columns, pages, and what stands where there is nothing.

use insight::permissions::{Object, Rights, profiles};

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::Person;
use crate::app::records::names;
use crate::on_both;

on_both!(
    a_list_is_searched_and_filtered,
    in_a_large_company_people_are_typed,
    the_bar_at_the_top_searches_all_objects,
    a_list_is_sorted_by_its_heads,
    columns_are_chosen,
    pages_lead_through_all_records,
    an_empty_list_says_why,
    odd_queries_do_no_harm,
    a_record_leads_to_the_list_of_the_other_environment,
    a_list_is_light,
);

const LEADS: &str = "/test/records/leads";

async fn three(ada: &Person, bob: &Person) {
    let leads: [&[(&str, &str)]; 3] = [
        &[
            ("name", "Ärger GmbH"),
            ("status", "New"),
            ("estimated_value", "100"),
            ("email", "a@one.example"),
            ("assigned", ada.email()),
        ],
        &[
            ("name", "Beta"),
            ("status", "Qualified"),
            ("estimated_value", "9"),
            ("company", "50%_off"),
            ("assigned", bob.email()),
        ],
        &[("name", "Betamax"), ("estimated_value", "-3.5")],
    ];
    for lead in leads {
        ada.make("test/leads", lead).await;
    }
}

async fn a_list_is_searched_and_filtered(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    three(&ada, &bob).await;
    let (ada_id, bob_id) = (ada.member(), bob.member());
    let someone = format!("assigned={bob_id}");
    let by_address = format!(
        "assigned={}",
        bob.email().to_uppercase().replace('@', "%40")
    );
    let made_by = format!("created-by={ada_id}");
    for (query, found) in [
        ("q=bet", &["Betamax", "Beta"][..]),
        ("q=BETAM", &["Betamax"]),
        ("q=%C3%A4rg", &["Ärger GmbH"]),
        ("q=max", &[]),
        ("q=%25", &[]),
        ("f.status=New", &["Ärger GmbH"]),
        ("f.status=-", &["Betamax"]),
        ("f.company=%25_", &["Beta"]),
        ("f.email=one", &["Ärger GmbH"]),
        ("f.estimated_value.min=9", &["Beta", "Ärger GmbH"]),
        ("f.estimated_value.max=0", &["Betamax"]),
        (
            "f.estimated_value.min=-10&f.estimated_value.max=50",
            &["Betamax", "Beta"],
        ),
        ("assigned=me", &["Ärger GmbH"]),
        (&someone, &["Beta"]),
        (&by_address, &["Beta"]),
        ("assigned=nobody%40halden.example", &[]),
        ("assigned=somebody", &[]),
        ("assigned=nobody", &["Betamax"]),
        (&made_by, &["Betamax", "Beta", "Ärger GmbH"]),
        ("q=b&f.status=Qualified&assigned=me", &[]),
    ] {
        let page = ada.get(&format!("{LEADS}?{query}")).await;
        page.expect_status(200);
        assert_eq!(names(&page), *found, "{query}");
        if found.is_empty() {
            page.expect("No leads match these filters.");
        } else if found.len() == 1 {
            page.expect("1 lead").expect("1–1 of 1");
        }
    }
    let page = ada.open(LEADS).await;
    assert!(!page.offers("Clear filters"));
    let page = page
        .choose("Filter by status", "Qualified")
        .choose("Filter by assigned to", "Bob");
    let page = page.press("Filter").await;
    assert_eq!(names(&page), ["Beta"]);
    assert_eq!(page.value("Filter by status"), "Qualified");
    assert_eq!(
        page.value("Filter by assigned to"),
        bob.member().to_string()
    );
    let page = page
        .fill("Estimated value from", "10")
        .press("Filter")
        .await;
    page.expect("No leads match these filters.");
    let page = page.press("Clear filters").await;
    assert_eq!(names(&page).len(), 3);
}

async fn in_a_large_company_people_are_typed(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    three(&ada, &bob).await;
    let halden = app.halden().await;
    for n in 0..200 {
        halden.person(&format!("Twin {n}"), &format!("p{n}@halden.example"), &[]);
    }
    let label = "Filter by assigned to: e-mail, me or nobody";
    let page = ada.open(LEADS).await;
    for (typed, found) in [
        (bob.email(), "Beta"),
        ("me", "Ärger GmbH"),
        ("nobody", "Betamax"),
    ] {
        let page = page.clone().fill(label, typed).press("Filter").await;
        assert_eq!(names(&page), [found]);
        assert_eq!(page.value(label), typed);
    }
    let page = page
        .fill("Created by: e-mail or me", "p7@halden.example")
        .press("Filter")
        .await;
    page.expect("No leads match these filters.");
}

async fn the_bar_at_the_top_searches_all_objects(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let eve = app.member("eve", &[]).await;
    three(&ada, &bob).await;
    ada.make("commercial/leads", &[("name", "Beta elsewhere")])
        .await;
    for n in 0..11 {
        ada.make("test/tasks", &[("name", &format!("Between {n}"))])
            .await;
    }
    let found = |page: &Page| page.texts("section:not([aria-labelledby=h-fields]) .found a");
    let bar = "form.search[action='/test/records'] input[name=q]";
    assert_eq!(ada.open(LEADS).await.all(bar).len(), 1);
    let page = ada.open("/test/records?q=bet").await;
    let names = found(&page);
    assert!(names.contains(&"Beta".into()) && names.contains(&"Betamax".into()));
    assert!(!names.contains(&"Beta elsewhere".into()), "{names:?}");
    assert_eq!(
        names.iter().filter(|n| n.starts_with("Between")).count(),
        10
    );
    let all = page.press("All tasks that begin with “bet”").await;
    assert_eq!(crate::app::records::names(&all).len(), 11);
    // Only what one sees, and only of objects that one has.
    let profile = app.standard("Sales", &[&bob]);
    let page = bob.open("/test/records?q=bet").await;
    assert_eq!(found(&page), ["Beta"]);
    app.set_up(&ada, |setup| {
        profiles::set_rights(setup, profile, Object::Lead, Rights::NONE)
    });
    let page = bob.open("/test/records?q=bet").await;
    assert!(found(&page).is_empty());
    page.expect("No record that you can see has a name that begins with “bet”.");
    app.profile("Nothing", &[], &[&eve]);
    eve.get("/test/records?q=bet").await.expect_status(403);
    assert!(eve.open("/security").await.all(bar).is_empty());
}

async fn a_list_is_sorted_by_its_heads(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    three(&ada, &bob).await;
    let page = ada
        .open(&format!("{LEADS}?column=estimated_value&column=status"))
        .await;
    let page = page.press("Name").await;
    assert_eq!(names(&page), ["Beta", "Betamax", "Ärger GmbH"]);
    assert_eq!(page.texts("th[aria-sort=ascending]"), ["Name"]);
    let page = page.press("Name").await;
    assert_eq!(names(&page), ["Ärger GmbH", "Betamax", "Beta"]);
    let page = page.press("Estimated value").await;
    assert_eq!(names(&page), ["Ärger GmbH", "Beta", "Betamax"]);
    assert_eq!(page.texts("th[aria-sort=descending]"), ["Estimated value"]);
    let page = page.press("Estimated value").await;
    assert_eq!(names(&page), ["Betamax", "Beta", "Ärger GmbH"]);
    let page = page.press("Status").await;
    assert_eq!(names(&page), ["Betamax", "Ärger GmbH", "Beta"]);
    // Filtering keeps order and columns.
    let page = page.choose("Filter by status", "New").press("Filter").await;
    assert_eq!(
        page.texts("thead th"),
        ["Name", "Status", "Estimated value"]
    );
    assert_eq!(page.texts("th[aria-sort]"), ["Status"]);
}

async fn columns_are_chosen(app: TestApp) {
    let ada = app.admin("ada").await;
    app.let_export(&ada);
    ada.make("test/leads", &[("name", "Lead"), ("notes", "One\ntwo")])
        .await;
    let page = ada.open(&format!("{LEADS}?f.notes=two&sort=name")).await;
    assert_eq!(
        page.texts("thead th"),
        [
            "Name",
            "E-mail",
            "Phone",
            "Company",
            "Source",
            "Status",
            "Assigned to",
            "Updated"
        ]
    );
    let page = page.tick("Created").untick("Source").untick("Status");
    let page = page.press("Show these columns").await;
    assert_eq!(
        page.texts("thead th"),
        [
            "Name",
            "E-mail",
            "Phone",
            "Company",
            "Assigned to",
            "Created",
            "Updated"
        ]
    );
    let chosen = "column=notes&column=created_by&column=created_at";
    let other = ada.get(&format!("{LEADS}?{chosen}")).await;
    assert_eq!(
        other.texts("thead th"),
        ["Name", "Notes", "Created by", "Created"]
    );
    other.row("One two").expect("Ada");
    assert_eq!(page.texts("th[aria-sort]"), ["Name"], "the order stays");
    let filter = page.all("[name=\"f.notes\"]")[0].attr("value");
    assert_eq!(filter, Some("two"), "the filter stays");
    // The way to the file and back.
    let heads = page.texts("thead th");
    let export = page.press("Export").await;
    let back = export.press("Cancel").await;
    assert_eq!(back.texts("thead th"), heads);
    assert_eq!(back.texts("th[aria-sort]"), ["Name"]);
    let page = ada.open(&format!("{LEADS}?column=updated_at")).await;
    let page = page.untick("Updated");
    let page = page.press("Show these columns").await;
    assert_eq!(page.texts("thead th"), ["Name"]);
}

async fn pages_lead_through_all_records(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.standard("Sales", &[&bob]);
    for n in 0..130 {
        // Every other one is Bob's.
        let person = if n % 2 == 0 { &ada } else { &bob };
        let value = (n * 7 % 130).to_string();
        let fields = [("name", format!("Lead {n:03}")), ("estimated_value", value)];
        let fields = fields.each_ref().map(|(k, v)| (*k, v.as_str()));
        person.make("test/leads", &fields).await;
    }
    for (person, number) in [(&ada, 130), (&bob, 65)] {
        for sort in [
            "",
            "name",
            "-name",
            "updated_at",
            "estimated_value",
            "-created_at",
        ] {
            let mut page = person.open(&format!("{LEADS}?sort={sort}")).await;
            page.expect(&format!("1–50 of {number}"));
            let first = names(&page);
            let mut seen = first.clone();
            while page.offers("Next") {
                page = page.press("Next").await;
                seen.extend(names(&page));
            }
            page.expect(&format!("–{number} of {number}"));
            let mut each = seen.clone();
            each.sort();
            each.dedup();
            assert_eq!((seen.len(), each.len()), (number, number), "{sort}");
            while page.offers("Previous") {
                page = page.press("Previous").await;
            }
            assert_eq!(names(&page), first, "{sort}");
        }
    }
}

async fn an_empty_list_says_why(app: TestApp) {
    let ada = app.admin("ada").await;
    for object in Object::ALL {
        let page = ada
            .open(&format!("/commercial/records/{}", object.slug()))
            .await;
        page.expect(&format!("No {} to show yet.", object.words()));
        assert!(page.offers(&format!("New {}", object.word())));
    }
    let page = ada.open(&format!("{LEADS}?q=nothing")).await;
    page.expect("No leads match these filters.");
    let page = page.press("Clear filters").await;
    page.expect("No leads to show yet.");
}

async fn odd_queries_do_no_harm(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.make("test/leads", &[("name", "Lead")]).await;
    for query in [
        "sort=-",
        "sort=notes",
        "sort=no_such",
        "page=nonsense",
        "page=e30",
        "column=no_such",
        "f.estimated_value.min=x",
        "f.no_such=1",
        "assigned=x",
        "assigned=987654321",
        "created-by=nobody",
        "before=x",
    ] {
        let page = ada.get(&format!("{LEADS}?{query}")).await;
        page.expect_status(200);
    }
    for query in [
        "q=a&q=b",
        "sort=name&sort=name",
        "f.status=New&f.status=New",
    ] {
        ada.get(&format!("{LEADS}?{query}"))
            .await
            .expect_status(400);
    }
}

async fn a_record_leads_to_the_list_of_the_other_environment(app: TestApp) {
    let ada = app.admin("ada").await;
    let id = ada.make("test/leads", &[("name", "Lead")]).await;
    for path in ["", "/edit", "/delete"] {
        let page = ada.open(&format!("{LEADS}/{id}{path}")).await;
        let there = page.press("COMMERCIAL").await;
        assert_eq!(there.path, "/commercial/records/leads");
        assert_eq!(there.texts(".navlist a[aria-current=page]"), ["Leads"]);
    }
    let page = ada.open("/test/records/tasks?q=x").await;
    assert_eq!(
        page.press("COMMERCIAL").await.path,
        "/commercial/records/tasks"
    );
}

async fn a_list_is_light(app: TestApp) {
    let ada = app.admin("ada").await;
    for n in 0..51 {
        let name = format!("Nordlys Offshore, crew transport {n}");
        let email = format!("somebody.{n}@nordlys.example");
        let fields = [
            ("name", name.as_str()),
            ("email", &email),
            ("company", "Nordlys Offshore"),
            ("status", "New"),
        ];
        ada.make("test/leads", &fields).await;
    }
    let page = ada.open(LEADS).await;
    assert_eq!(names(&page).len(), 50);
    let html = crate::browser_pages::gzipped(&page.body);
    assert!(html < 30_000, "{html} bytes of HTML");
}
