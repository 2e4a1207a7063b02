//! A field that a page layout hides, and one that it only shows, set up on the pages and looked at everywhere: form,
//! list, filter, sort, search, export, import, history.

use insight::permissions::Object;

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::{Person, Role};
use crate::app::records::names;
use crate::on_both;
use crate::situations::PERMISSIONS;

on_both!(a_hidden_field_does_not_exist_and_a_read_only_one_is_not_written);

const LEADS: &str = "/test/records/leads";

/// Says for each field of leads what a layout does with it, through the page.
async fn save_layout(ada: &Person, path: &str, hide: &[&str], read_only: &[&str]) -> Page {
    let mut fields = vec![("name".to_owned(), "Narrow".to_owned())];
    for (order, field) in Object::Lead.fields().iter().enumerate() {
        let key = field.key.to_string();
        if !hide.contains(&key.as_str()) {
            fields.push(("shown".into(), key.clone()));
        }
        if read_only.contains(&key.as_str()) {
            fields.push(("readonly".into(), key.clone()));
        }
        fields.push((format!("order.{key}"), (order + 1).to_string()));
    }
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let page = ada.post(path, &fields).await.follow().await;
    page.expect_status(200);
    page.press("Apply").await
}

async fn a_hidden_field_does_not_exist_and_a_read_only_one_is_not_written(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[Role::Viewer]).await;
    app.standard("Sales", &[&bob]);
    app.let_export(&bob);
    let lead = [
        ("name", "Lead"),
        ("phone", "555 8741"),
        ("company", "Open"),
        ("assigned", bob.email()),
    ];
    let id = ada.make("test/leads", &lead).await;
    let at = format!("{LEADS}/{id}");
    bob.open(&at).await.expect("555 8741");
    // A copy of the default layout without the phone, and with a company that only shows.
    let list = ada.open(&format!("{PERMISSIONS}/page-layouts")).await;
    let links = list.all("tbody a[href$=clone]");
    let clone = links[Object::Lead.index()]
        .attr("href")
        .expect("an address")
        .to_owned();
    let page = save_layout(&ada, &clone, &["phone"], &["company"]).await;
    assert_eq!(page.h1(), "Leads: Narrow");
    page.expect("Used by: No profile.");
    let layout = page.path.rsplit('/').next().expect("a number").to_owned();
    bob.open(&at).await.expect("555 8741");
    // The profile takes it.
    let profiles = ada.open(&format!("{PERMISSIONS}/profiles")).await;
    let form = profiles.row("Sales").press("Sales").await;
    assert_eq!(form.h1(), "Sales");
    let form = form.choose("Leads", "Narrow");
    form.press("Review change")
        .await
        .expect("Phone")
        .press("Apply")
        .await;
    let page = ada
        .open(&format!("{PERMISSIONS}/page-layouts/{layout}"))
        .await;
    page.expect("Used by: Sales.");

    ada.change("test/leads", id, 1, &[("phone", "555 8742")])
        .await;
    for path in [
        LEADS.to_owned(),
        format!("{LEADS}?column=phone&column=company"),
        format!("{LEADS}?sort=phone"),
        format!("{LEADS}?f.phone=nonsense"),
        at.clone(),
        format!("{at}/edit"),
        format!("{LEADS}/new"),
        format!("{LEADS}/import"),
    ] {
        let page = bob.get(&path).await;
        page.expect_status(200);
        page.expect_not("Phone").expect_not("555 874");
    }
    // Filter and search by it find what they would find without.
    for query in ["f.phone=nonsense", "f.phone=555+8742", "sort=-phone"] {
        let page = bob.get(&format!("{LEADS}?{query}")).await;
        assert_eq!(names(&page), ["Lead"], "{query}");
    }
    assert!(names(&bob.get(&format!("{LEADS}?q=555")).await).is_empty());
    let history = bob.open(&at).await.section("History");
    history.expect_not("555 874");
    let file = bob.post(&format!("{LEADS}/export"), &[]).await;
    file.expect_status(200);
    let text = file.source();
    assert!(
        text.contains("Open") && !text.contains("Phone") && !text.contains("555"),
        "{text}"
    );
    // Neither the hidden one nor the read-only one is written.
    let sent = [("name", "Renamed"), ("phone", "1"), ("version", "2")];
    bob.post(&format!("{at}/edit"), &sent)
        .await
        .expect_status(303);
    ada.open(&at).await.expect("555 8742").expect("Renamed");
    let sent = [("company", "Mine"), ("version", "3")];
    let page = bob.post(&format!("{at}/edit"), &sent).await;
    assert!(
        matches!(page.status, 303 | 400 | 403 | 422),
        "{}",
        page.status
    );
    ada.open(&at).await.expect("Open").expect_not("Mine");
    bob.open(&at).await.expect("Open");
}
