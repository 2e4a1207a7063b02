//! Fields that administrators add on their page: where one appears, what it takes, and what is left of it when it is
//! retired.

use insight::permissions::Object;

use crate::app::TestApp;
use crate::app::files::set_export;
use crate::app::page::Page;
use crate::app::people::{Person, Role};
use crate::app::records::{facts, names};
use crate::on_both;

on_both!(
    a_field_of_every_kind_appears_everywhere,
    each_kind_refuses_what_is_none,
    a_retired_field_is_nowhere_and_comes_back,
    a_choice_taken_away_stays_on_its_records,
    a_refused_form_keeps_what_was_typed,
    a_name_taken_meanwhile_stays_retired,
    a_name_in_another_case_is_the_same_name,
    only_administrators_open_the_page,
    the_page_shows_each_object,
);

const FIELDS: &str = "/settings/permissions/fields";
const LEADS: &str = "/test/records/leads";

/// Kind, label, what is typed, what pages show, what a file holds, a filter that finds it, what is no value, why.
type Sample = (
    &'static str,
    &'static str,
    [&'static str; 4],
    (&'static str, &'static str),
);

const SAMPLES: [Sample; 8] = [
    (
        "Text",
        "Nickname",
        ["Ace", "Ace", "Ace", "=ac"],
        ("two\nlines", "Use one line without control characters."),
    ),
    (
        "Long text",
        "Story",
        ["once\nupon", "once upon", "\"once\nupon\"", "=upon"],
        ("a\u{7}b", "Use one line without control characters."),
    ),
    (
        "Number",
        "Score",
        ["0012.50", "12.5", "12.5", ".min=12"],
        ("a dozen", "Type a number, like 1250 or 1250.50."),
    ),
    (
        "Date",
        "Visited",
        ["2026-02-03", "3 Feb 2026", "2026-02-03", ".max=2026-02-03"],
        (
            "2026-02-30",
            "Type a date as year-month-day, like 2026-11-22.",
        ),
    ),
    (
        "Yes/No",
        "Insured",
        ["yes", "Yes", "yes", "=yes"],
        ("perhaps", "Choose Yes or No."),
    ),
    (
        "Choice",
        "Colour",
        ["blue", "Blue", "Blue", "=Blue"],
        ("Green", "Choose one of: Red, Blue."),
    ),
    (
        "E-mail",
        "Second address",
        ["b@b.example", "b@b.example", "b@b.example", "=b%40b"],
        ("nobody", "Type an e-mail address, like name@example.com."),
    ),
    (
        "URL",
        "Portal",
        ["p.example", "p.example", "https://p.example/", "=p.ex"],
        (
            "javascript:alert(1)",
            "Type a web address, like https://example.com.",
        ),
    ),
];

/// The fields of leads.
async fn of_leads(by: &Person) -> Page {
    by.open(&format!("{FIELDS}?object=leads")).await
}

/// The form of a field of leads that somebody added.
async fn edit(by: &Person, label: &str) -> Page {
    let added = of_leads(by).await.section("Added fields");
    added.row(label).press("Edit").await
}

/// Adds a field of leads through the page; gives its key.
async fn add(by: &Person, label: &str, kind: &str, choices: &str) -> String {
    let page = of_leads(by).await.press("Add field").await;
    let page = page.fill("Label", label).choose("Kind", kind);
    let page = page.fill("Choices (optional)", choices);
    let page = page.press("Add field").await;
    assert_eq!(page.flash(), format!("Added the field {label} to Leads."));
    page.section("Added fields").expect(label).expect(kind);
    key(&by.open(&format!("{LEADS}/new")).await, label)
}

/// The key of the field with this label on a form.
fn key(form: &Page, label: &str) -> String {
    let label = format!("{label} (optional)");
    let labels = form.all("label");
    let found = labels
        .iter()
        .find(|l| l.text().collect::<String>().trim() == label);
    found
        .and_then(|l| l.attr("for"))
        .unwrap_or_else(|| panic!("{} has no {label}", form.path))
        .to_owned()
}

async fn add_all(by: &Person) -> Vec<String> {
    let mut keys = Vec::new();
    for (kind, label, ..) in SAMPLES {
        let choices = if kind == "Choice" {
            "Red\n Blue \n\n"
        } else {
            ""
        };
        keys.push(add(by, label, kind, choices).await);
    }
    keys
}

/// The file of the leads with these columns.
async fn file(by: &Person, keys: &[String]) -> String {
    let columns: String = keys.iter().map(|key| format!("&column={key}")).collect();
    let path = format!("{LEADS}/export?column=name{columns}");
    let page = by.post(&path, &[]).await;
    page.expect_status(200);
    page.source()
}

async fn a_field_of_every_kind_appears_everywhere(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.standard("Sales", &[&bob]);
    set_export(&app, &bob, true);
    let keys = add_all(&ada).await;
    // The default layout shows it to everybody at once.
    let mut fields = vec![("name", "Lead")];
    let typed = keys.iter().zip(SAMPLES);
    fields.extend(typed.map(|(key, (_, _, [typed, ..], _))| (key.as_str(), typed)));
    let id = bob.make("test/leads", &fields).await;
    bob.make("test/leads", &[("name", "Empty")]).await;
    let at = format!("{LEADS}/{id}");
    let record = bob.open(&at).await;
    let history = record.section("History").text();
    for (_, label, [_, shown, ..], _) in SAMPLES {
        assert_eq!(facts(&record)[label], shown, "{label}");
        assert!(history.contains(&format!("{label} {shown}")), "{history}");
    }
    let form = bob.open(&format!("{at}/edit")).await;
    assert_eq!(form.value("Colour (optional)"), "Blue");
    for (key, (_, label, [_, shown, _, filter], _)) in keys.iter().zip(SAMPLES) {
        let list = bob
            .open(&format!("{LEADS}?column={key}&f.{key}{filter}"))
            .await;
        assert_eq!(names(&list), ["Lead"], "{label}");
        assert!(
            list.texts("thead th").contains(&label.to_owned()),
            "{label}"
        );
        assert!(
            list.texts("tbody td").contains(&shown.to_owned()),
            "{label}"
        );
        let column = format!("input[name=column][value={key}][checked]");
        assert_eq!(list.all(&column).len(), 1, "{label} is no column");
    }
    let file = file(&bob, &keys).await;
    let cells = SAMPLES.map(|(_, _, [_, _, cell, _], _)| cell).join(",");
    let heads = SAMPLES.map(|(_, label, ..)| label).join(",");
    assert!(file.contains(&format!("Name,{heads}")), "{file}");
    assert!(file.contains(&format!("Lead,{cells}")), "{file}");
    let log = ada.open("/settings/audit-log").await.text();
    assert!(log.contains("Added the field Portal to Leads"), "{log}");
}

async fn each_kind_refuses_what_is_none(app: TestApp) {
    let ada = app.admin("ada").await;
    let keys = add_all(&ada).await;
    for (key, (kind, label, _, (wrong, why))) in keys.iter().zip(SAMPLES) {
        let fields = [("name", "Kept"), (key.as_str(), wrong)];
        let page = ada.post(&format!("{LEADS}/new"), &fields).await;
        page.expect_status(422);
        assert!(
            page.errors().join(" ").contains(why),
            "{kind} {label}: {:?}",
            page.errors()
        );
        assert_eq!(page.value("Name"), "Kept");
    }
    assert_eq!(names(&ada.open(LEADS).await), [""; 0]);
}

async fn a_retired_field_is_nowhere_and_comes_back(app: TestApp) {
    let ada = app.admin("ada").await;
    set_export(&app, &ada, true);
    let key = add(&ada, "Secret plan", "Text", "").await;
    let value = "canary8741";
    let fields = [("name", "Lead"), (key.as_str(), value)];
    let id = ada.make("test/leads", &fields).await;
    let at = format!("{LEADS}/{id}");
    let list = of_leads(&ada).await;
    let ask = list.row("Secret plan").press("Retire").await;
    assert_eq!(ask.h1(), "Retire Secret plan?");
    ask.expect("Values stay and come back with Restore.");
    let page = ask.press("Retire Secret plan").await;
    assert_eq!(page.flash(), "Retired the field Secret plan.");
    page.row("Secret plan").expect("Retired");
    for path in [
        at.clone(),
        format!("{at}/edit"),
        format!("{LEADS}/new"),
        LEADS.to_owned(),
        format!("{LEADS}?column={key}"),
        format!("{LEADS}/export"),
        format!("{LEADS}/import"),
    ] {
        let page = ada.get(&path).await;
        page.expect_status(200).expect_not("Secret plan");
        assert!(!page.source().contains(value), "{path}");
    }
    // A filter by it says nothing about who has the value.
    let hit = ada.get(&format!("{LEADS}?f.{key}=canary")).await;
    let miss = ada.get(&format!("{LEADS}?f.{key}=nothing")).await;
    assert_eq!((hit.status, names(&hit)), (miss.status, names(&miss)));
    let columns = ada.post(&format!("{LEADS}/export?column=name"), &[]).await;
    assert!(!columns.source().contains(value));
    // A change meanwhile, and one that guesses the key, leave the value alone.
    let change = [("company", "C"), (key.as_str(), "overwritten")];
    ada.change("test/leads", id, 1, &change)
        .await
        .expect_status(303);
    let list = of_leads(&ada).await;
    let page = list.row("Secret plan").press("Restore").await;
    assert_eq!(page.flash(), "Restored the field Secret plan.");
    let record = ada.open(&at).await;
    assert_eq!(facts(&record)["Secret plan"], value);
    record.section("History").row("Version 1").expect(value);
    assert!(file(&ada, &[key]).await.contains(&format!("Lead,{value}")));
}

async fn a_choice_taken_away_stays_on_its_records(app: TestApp) {
    let ada = app.admin("ada").await;
    let key = add(&ada, "Colour", "Choice", "Red\nBlue").await;
    let id = ada
        .make("test/leads", &[("name", "Old"), (&key, "Red")])
        .await;
    let form = edit(&ada, "Colour").await;
    assert_eq!(form.value("Choices"), "Red\nBlue");
    let page = form
        .fill("Label", "Paint")
        .fill("Choices", "Blue\r\nGreen")
        .press("Save")
        .await;
    assert_eq!(page.flash(), "Changed the field Paint.");
    page.row("Paint").expect("Blue, Green");
    let record = ada.open(&format!("{LEADS}/{id}")).await;
    assert_eq!(facts(&record)["Paint"], "Red");
    let form = record.press("Edit").await;
    assert_eq!(form.value("Paint (optional)"), "Red");
    let saved = form.fill("Company (optional)", "C").press("Save").await;
    assert_eq!(facts(&saved)["Paint"], "Red");
    let new = [("name", "New"), (key.as_str(), "Red")];
    let page = ada.post(&format!("{LEADS}/new"), &new).await;
    page.expect_status(422);
    page.expect("Choose one of: Blue, Green.");
}

async fn a_refused_form_keeps_what_was_typed(app: TestApp) {
    let ada = app.admin("ada").await;
    add(&ada, "Nickname", "Text", "").await;
    let taken = "There is a field with the name Nickname already. Choose another name.";
    let crowd = (0..201).map(|n| n.to_string()).collect::<Vec<_>>();
    let crowd = crowd.join("\n");
    for (label, kind, choices, why) in [
        ("Nickname", "text", "", taken),
        ("nickNAME", "number", "", taken),
        (
            "Company",
            "text",
            "",
            "Leads have a field Company already. Choose another name.",
        ),
        (
            "updated",
            "date",
            "",
            "Leads have a field updated already. Choose another name.",
        ),
        ("  ", "text", "", "Type a name."),
        (
            "Colour",
            "choice",
            " \n",
            "Type at least one choice, one per line.",
        ),
        ("Colour", "choice", "Red\nred", "red is there twice."),
        (
            "Colour",
            "choice",
            crowd.as_str(),
            "Use at most 200 choices of at most 250 characters.",
        ),
        ("Colour", "text", "Red", "Only a choice has choices."),
    ] {
        let fields = [
            ("object", "leads"),
            ("label", label),
            ("kind", kind),
            ("choices", choices),
        ];
        let page = ada.post(&format!("{FIELDS}/new"), &fields).await;
        page.expect_status(422);
        assert_eq!(page.errors(), [why]);
        assert_eq!(page.value("Object"), "leads");
        assert_eq!(page.value("Label"), label);
        assert_eq!(page.value("Kind"), kind);
        assert_eq!(page.value("Choices (optional)"), choices);
    }
    // The name of another field, when one is renamed; the same name of another object is free.
    add(&ada, "Other", "Text", "").await;
    let form = edit(&ada, "Other").await;
    let page = form.fill("Label", "Nickname").press("Save").await;
    page.expect_status(422);
    assert_eq!(page.errors(), [taken]);
    assert_eq!(page.value("Label"), "Nickname");
    let page = page.fill("Label", "Other").press("Save").await;
    assert_eq!(page.flash(), "The field Other is as it was.");
    let page = ada.open(&format!("{FIELDS}/new")).await;
    let page = page.fill("Label", "Nickname").choose("Object", "Tasks");
    let page = page.press("Add field").await;
    assert_eq!(page.flash(), "Added the field Nickname to Tasks.");
    let kind = [("object", "leads"), ("label", "Odd"), ("kind", "phone")];
    ada.post(&format!("{FIELDS}/new"), &kind)
        .await
        .expect_status(400);
    let object = [("object", "people"), ("label", "Odd"), ("kind", "text")];
    ada.post(&format!("{FIELDS}/new"), &object)
        .await
        .expect_status(400);
    ada.get(&format!("{FIELDS}?object=people"))
        .await
        .expect_status(404);
}

async fn a_name_taken_meanwhile_stays_retired(app: TestApp) {
    let ada = app.admin("ada").await;
    let key = add(&ada, "Region", "Text", "").await;
    let number = key.trim_start_matches("custom_");
    let at = format!("{FIELDS}/{number}");
    ada.post(&format!("{at}/retire"), &[])
        .await
        .expect_status(303);
    add(&ada, "Region", "Number", "").await;
    let page = ada.post(&format!("{at}/restore"), &[]).await.follow().await;
    page.expect("Region was not restored.")
        .expect("There is a field with the name Region already.");
    // Renamed, it comes back beside the other.
    let form = ada.open(&format!("{at}/edit")).await;
    let page = form.fill("Label", "Old region").press("Save").await;
    page.section("Added fields")
        .row("Old region")
        .expect("Retired");
    let page = page.row("Old region").press("Restore").await;
    assert_eq!(page.flash(), "Restored the field Old region.");
    let again = ada.post(&format!("{at}/restore"), &[]).await.follow().await;
    assert_eq!(again.flash(), "The field Old region is in use already.");
}

async fn a_name_in_another_case_is_the_same_name(app: TestApp) {
    let ada = app.admin("ada").await;
    let key = add(&ada, "Straße", "Text", "").await;
    add(&ada, "Region", "Choice", "North\nSouth").await;
    let taken = "There is a field with the name Straße already. Choose another name.";
    let page = edit(&ada, "Region").await.fill("Label", "STRAßE");
    let page = page.press("Save").await;
    page.expect_status(422);
    assert_eq!(page.errors(), [taken]);
    // Its own name it may write otherwise.
    let page = edit(&ada, "Straße").await.fill("Label", "straße");
    let page = page.press("Save").await;
    assert_eq!(page.flash(), "Changed the field straße.");
    // A retired one gives its name up, and comes back when it is free.
    let at = format!("{FIELDS}/{}", key.trim_start_matches("custom_"));
    ada.post(&format!("{at}/retire"), &[])
        .await
        .expect_status(303);
    add(&ada, "STRAßE", "Text", "").await;
    let page = ada.post(&format!("{at}/restore"), &[]).await.follow().await;
    page.expect("straße was not restored.")
        .expect("There is a field with the name STRAßE already.");
    // Two that were there before anybody compared them are still changed each for itself.
    app.sql("UPDATE custom_fields SET retired_at = NULL")
        .expect("restores");
    app.sql("UPDATE custom_fields SET label = 'region' WHERE label = 'STRAßE'")
        .expect("renames");
    let form = edit(&ada, "Region").await;
    let page = form.fill("Choices", "North\nEast").press("Save").await;
    assert_eq!(page.flash(), "Changed the field Region.");
    let form = edit(&ada, "Region").await;
    let page = form.fill("Label", "Area").press("Save").await;
    assert_eq!(page.flash(), "Changed the field Area.");
}

async fn only_administrators_open_the_page(app: TestApp) {
    let ada = app.admin("ada").await;
    let sam = app.member("sam", &[Role::Viewer, Role::Technician]).await;
    app.standard("Sales", &[&sam]);
    let key = add(&ada, "Region", "Text", "").await;
    let at = format!("{FIELDS}/{}", key.trim_start_matches("custom_"));
    for path in ["", "/new", "?object=leads"] {
        let page = sam.get(&format!("{FIELDS}{path}")).await;
        page.expect_status(403).expect_not("Region");
    }
    for end in ["edit", "retire"] {
        let page = sam.get(&format!("{at}/{end}")).await;
        page.expect_status(403).expect_not("Region");
    }
    let fields = [("object", "leads"), ("label", "Mine"), ("kind", "text")];
    for path in [
        format!("{FIELDS}/new"),
        format!("{at}/edit"),
        format!("{at}/retire"),
        format!("{at}/restore"),
    ] {
        sam.post(&path, &fields).await.expect_status(403);
    }
    let list = of_leads(&ada).await;
    list.row("Region").expect("In use");
    list.expect_not("Mine");
    // Another company's fields are none.
    let olga = app.company("Other Company").admin("olga");
    for end in ["edit", "retire"] {
        olga.get(&format!("{at}/{end}")).await.expect_status(404);
        olga.post(&format!("{at}/{end}"), &fields)
            .await
            .expect_status(404);
    }
    of_leads(&olga).await.expect_not("Region");
}

async fn the_page_shows_each_object(app: TestApp) {
    let ada = app.admin("ada").await;
    let page = ada.open(FIELDS).await;
    assert_eq!(page.h1(), "Permissions");
    assert_eq!(page.texts(".tabs a[aria-current=page]"), ["Fields"]);
    for object in Object::ALL {
        let links = page.all(".seg a");
        let link = links[object.index()].attr("href").expect("an address");
        let page = ada.open(link).await;
        let here = page.texts(".seg a[aria-current=page]");
        assert_eq!(here, [object.plural()]);
        page.section("Added fields")
            .expect("have no fields of your own");
        let built_in = page.section("Built-in fields");
        let labels = built_in.texts("tbody .name");
        let fields = object.fields();
        let known: Vec<&str> = fields.iter().map(|field| field.label.as_str()).collect();
        assert_eq!(labels, known);
    }
    let page = ada.open(&format!("{FIELDS}?object=tasks")).await;
    page.row("Related record").expect("Link to any record");
    page.row("Priority").expect("Low, Normal, High");
}
