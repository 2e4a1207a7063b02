//! Profiles, sharing and page layouts as administrators set them up: every form ends in Review change, and a refused one
//! keeps what was typed and changes nothing.

use insight::permissions::{Object, Rights, layouts, profiles, roles};

use crate::app::TestApp;
use crate::app::people::Person;
use crate::app::records::called;
use crate::app::steps::everything;
use crate::on_both;
use crate::permission_pages::{LAYOUTS, PROFILES, RULES, SHARING, apply, lists, refused};

on_both!(
    a_new_profile_leads_to_its_people,
    ticks_imply_each_other_whatever_was_sent,
    a_refused_profile_keeps_what_was_typed,
    a_profile_takes_administrator_away_and_says_so,
    sharing_rules_read_as_sentences,
    a_refused_rule_keeps_what_was_typed,
    organization_wide_sharing_is_one_choice_per_object,
    a_layout_is_copied_ordered_and_replaced,
    a_refused_layout_keeps_what_was_typed,
);

async fn a_new_profile_leads_to_its_people(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let form = ada.open(PROFILES).await.press("Add Profile").await;
    let form = form
        .fill("Name", "Sales")
        .tick("Leads: Edit")
        .tick("Tasks: Read");
    let page = apply(form.press("Review change").await).await;
    assert_eq!(page.h1(), "Assign: Sales");
    let review = page.tick("Bob").press("Add to profile").await;
    review.expect("Bob gets the profile Sales");
    let page = apply(review).await;
    assert_eq!(lists(&page).0, ["Bob"]);
    bob.get("/test/records/leads").await.expect_status(200);
    bob.get("/test/records/projects").await.expect_status(403);
    let list = ada.open(PROFILES).await;
    list.row("Sales").expect("1 Leads");
    list.expect("1 administrator goes by no profile");
    // Cloned, changed, deleted with a replacement.
    let form = list.row("Sales").press("Clone").await;
    assert_eq!(form.value("Name"), "Copy of Sales");
    assert!(form.is_ticked("Leads: Read") && form.is_ticked("Leads: Edit"));
    apply(form.fill("Name", "Service").press("Review change").await).await;
    let list = ada.open(PROFILES).await;
    let form = list.row("Sales").press("Sales").await;
    let page = apply(form.tick("Projects: Read").press("Review change").await).await;
    assert!(page.is_ticked("Projects: Read"));
    bob.get("/test/records/projects").await.expect_status(200);
    let ask = page.press("Delete").await;
    ask.expect("1 member");
    assert!(
        ask.all("#replacement option")[0]
            .html()
            .contains("Standard User"),
        "offered first"
    );
    let review = ask
        .choose("Replacement", "Service")
        .press("Review deletion of Sales")
        .await;
    apply(review).await;
    bob.get("/test/records/projects").await.expect_status(403);
    let standard = ada
        .open(PROFILES)
        .await
        .row("Standard User")
        .press("Standard User")
        .await;
    standard.expect("keeps its name");
    assert!(!standard.offers("Delete"), "it is built in");
}

async fn ticks_imply_each_other_whatever_was_sent(app: TestApp) {
    let ada = app.admin("ada").await;
    let profile = app.set_up(&ada, |s| {
        profiles::add(s, &called("P"), &Default::default())
    });
    let path = format!("{PROFILES}/{profile}");
    let ticked = async |sent: &[(&str, &str)]| {
        let mut fields = vec![("name", "P")];
        fields.extend(sent);
        let page = ada.post(&path, &fields).await.follow().await;
        if page.h1() == "Review change" {
            apply(page).await;
        }
        let page = ada.open(&path).await;
        let labels = Rights::EACH.iter().map(|(_, label)| *label);
        let ticked = labels.filter(|label| page.is_ticked(&format!("Leads: {label}")));
        ticked.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(ticked(&[("leads", "delete")]).await, "Read, Delete");
    assert_eq!(ticked(&[("leads", "read_all")]).await, "Read, Read All");
    let all = "Read, Create, Edit, Delete, Read All, Modify All";
    assert_eq!(ticked(&[("leads", "modify_all")]).await, all);
    // On the page without script: one tick less than Modify All takes Modify All away with it.
    let page = ada
        .open(&path)
        .await
        .untick("Leads: Edit")
        .press("Review change")
        .await;
    let page = apply(page).await;
    assert!(!page.is_ticked("Leads: Modify All") && !page.is_ticked("Leads: Edit"));
    assert!(page.is_ticked("Leads: Read All") && page.is_ticked("Leads: Delete"));
    // And without Read there is nothing.
    let page = apply(page.untick("Leads: Read").press("Review change").await).await;
    assert!(page.all("[name=leads][checked]").is_empty());
}

async fn a_refused_profile_keeps_what_was_typed(app: TestApp) {
    let ada = app.admin("ada").await;
    let layout = app.set_up(&ada, |s| layouts::add(s, Object::Task, &called("Short")));
    let before = everything(&app);
    let form = ada.open(&format!("{PROFILES}/new")).await;
    let form = form
        .fill("Name", "Standard User")
        .tick("Tasks: Create")
        .choose("Tasks", "Short");
    let page = form.press("Review change").await;
    let why = "There is a profile with the name Standard User already. Choose another name.";
    refused(&app, &page, &before, why);
    assert_eq!(page.value("Name"), "Standard User");
    assert!(
        page.is_ticked("Tasks: Create") && page.is_ticked("Tasks: Read"),
        "what it implies"
    );
    assert_eq!(page.value("Tasks"), layout.to_string());
    // Standard User stays.
    let list = ada.open(PROFILES).await;
    list.row("Standard User")
        .expect("Standard User is built in and cannot be deleted.");
    let standard = list.row("Standard User").all("a.name")[0]
        .attr("href")
        .expect("a link")
        .to_owned();
    for page in [
        ada.get(&format!("{standard}/delete")).await,
        ada.post(&format!("{standard}/delete"), &[("replacement", "")])
            .await,
    ] {
        page.expect_status(422)
            .expect("Standard User cannot be deleted.");
    }
    let page = ada.post(&standard, &[("name", "Mine")]).await;
    refused(&app, &page, &before, "Standard User keeps its name.");
}

async fn a_profile_takes_administrator_away_and_says_so(app: TestApp) {
    let ada = app.admin("ada").await;
    let amy = app.admin("amy").await;
    let sales = app.set_up(&ada, |s| {
        profiles::add(s, &called("Sales"), &Default::default())
    });
    let path = format!("{PROFILES}/{sales}/assign");
    let page = ada.open(&path).await;
    page.expect("Adding one here takes Administrator away");
    let review = page.tick("Amy").press("Add to profile").await;
    review.expect("Administrator");
    let page = apply(review).await;
    assert_eq!(lists(&page).0, ["Amy"]);
    amy.get("/settings/users").await.expect_status(403);
    let before = everything(&app);
    let page = page.tick("Ada").press("Add to profile").await;
    let why =
        "Ada is the last administrator who can sign in. Make somebody else an administrator first.";
    refused(&app, &page, &before, why);
    assert!(page.is_ticked("Ada"), "the tick is kept");
}

/// Two roles to share between.
fn two_roles(app: &TestApp, ada: &Person) {
    app.set_up(ada, |s| {
        roles::add(s, &called("Rep"), None)?;
        roles::add(s, &called("PM"), None)
    });
}

async fn sharing_rules_read_as_sentences(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.open(RULES).await.expect("there are no roles yet");
    two_roles(&app, &ada);
    let form = ada.open(RULES).await.press("Add sharing rule").await;
    assert!(form.is_ticked("Read Only") && form.is_ticked("Active"));
    let form = form.fill("Name", "Delivery").choose("Records", "Leads");
    let form = form
        .choose("Records of", "Rep")
        .tick("And of every role below it");
    let form = form
        .choose("Shared with", "PM")
        .fill("Last day (optional)", "2026-03-31");
    let page = apply(form.press("Review change").await).await;
    let row = page.row("Delivery");
    row.expect("Leads of Rep and below are visible to PM")
        .expect("Active")
        .expect("Ends");
    // It ends with its last day, in the administrator's zone.
    let form = row.press("Edit rule Delivery").await;
    assert_eq!(form.value("Last day (optional)"), "2026-03-31");
    let form = form.tick("Read/Write").choose("Records", "All objects");
    let page = apply(
        form.fill("Last day (optional)", "")
            .press("Review change")
            .await,
    )
    .await;
    let row = page.row("Delivery");
    row.expect("Records of Rep and below can be edited by PM")
        .expect("No end");
    // Off, on, gone.
    let page = apply(row.press("Deactivate").await).await;
    page.row("Delivery").expect("Inactive");
    let page = apply(page.row("Delivery").press("Activate").await).await;
    let page = apply(page.row("Delivery").press("Delete").await).await;
    page.expect("No records are shared between roles yet.");
}

async fn a_refused_rule_keeps_what_was_typed(app: TestApp) {
    let ada = app.admin("ada").await;
    two_roles(&app, &ada);
    let before = everything(&app);
    let form = ada.open(&format!("{RULES}/new")).await;
    let page = form.press("Review change").await;
    page.expect_status(422);
    assert_eq!(
        page.errors(),
        [
            "Type a name.",
            "Choose whose records are shared",
            "Choose the role they are shared with"
        ]
    );
    let form = page
        .fill("Name", "Old")
        .choose("Records", "Tasks")
        .choose("Records of", "Rep");
    let form = form.choose("Shared with", "PM").tick("Read/Write");
    let page = form
        .fill("Last day (optional)", "2026-03-01")
        .press("Review change")
        .await;
    refused(
        &app,
        &page,
        &before,
        "Choose an end date that is still to come.",
    );
    assert_eq!(page.value("Name"), "Old");
    assert_eq!(page.value("Records"), "tasks");
    assert_eq!(page.value("Last day (optional)"), "2026-03-01");
    assert!(page.is_ticked("Read/Write") && page.is_ticked("Active"));
    let page = page
        .fill("Last day (optional)", "soon")
        .press("Review change")
        .await;
    refused(&app, &page, &before, "Type a day as 2026-11-30");
    let page = apply(
        page.fill("Last day (optional)", "")
            .press("Review change")
            .await,
    )
    .await;
    let before = everything(&app);
    let form = page.press("Add sharing rule").await;
    let form = form
        .fill("Name", "Old")
        .choose("Records of", "PM")
        .choose("Shared with", "Rep");
    let page = form.press("Review change").await;
    let why = "There is a sharing rule with the name Old already. Choose another name.";
    refused(&app, &page, &before, why);
}

async fn organization_wide_sharing_is_one_choice_per_object(app: TestApp) {
    let ada = app.admin("ada").await;
    let page = ada.open(SHARING).await;
    assert!(
        Object::ALL
            .iter()
            .all(|o| page.is_ticked(&format!("{}: Private", o.plural())))
    );
    let page = page
        .tick("Leads: Public Read Only")
        .tick("Tasks: Public Read/Write");
    let page = apply(page.press("Review change").await).await;
    assert!(
        page.is_ticked("Leads: Public Read Only") && page.is_ticked("Tasks: Public Read/Write")
    );
    assert!(page.is_ticked("Contacts: Private"));
    let page = page.press("Review change").await;
    assert_eq!(page.flash(), "Nothing was changed.");
    ada.post(SHARING, &[("leads", "3")])
        .await
        .expect_status(400);
}

async fn a_layout_is_copied_ordered_and_replaced(app: TestApp) {
    let ada = app.admin("ada").await;
    let list = ada.open(LAYOUTS).await;
    let clone = list.all("tbody a[href$=clone]")[Object::Lead.index()]
        .attr("href")
        .map(str::to_owned);
    let form = ada.open(&clone.expect("a link")).await;
    let form = form
        .fill("Name of the layout", "Short")
        .untick("Phone: Shown")
        .tick("Status: Required");
    let form = form
        .tick("Source: Read-only")
        .fill("Notes: Order", "1")
        .fill("Notes: Section", "About");
    let page = apply(form.press("Review change").await).await;
    assert_eq!(page.h1(), "Leads: Short");
    assert!(!page.is_ticked("Phone: Shown") && page.is_ticked("Source: Read-only"));
    // The number that both have leaves the one that stood first before the other.
    let order = page.texts("tbody th");
    assert!(
        order[0].starts_with("Name") && order[1] == "Notes",
        "{order:?}"
    );
    assert_eq!(
        order.last().map(String::as_str),
        Some("Phone"),
        "what is hidden comes last"
    );
    assert_eq!(page.value("Notes: Section"), "About");
    // Used by a profile it goes only with a replacement, and the default one never.
    let standard = ada
        .open(PROFILES)
        .await
        .row("Standard User")
        .press("Standard User")
        .await;
    apply(
        standard
            .choose("Leads", "Short")
            .press("Review change")
            .await,
    )
    .await;
    let ask = ada.open(&page.path).await.press("Delete").await;
    ask.expect("Standard User");
    let before = everything(&app);
    let ask = ask.press("Review deletion of Short").await;
    refused(
        &app,
        &ask,
        &before,
        "1 profile uses Short. Choose a layout that replaces it.",
    );
    let list = apply(
        ask.choose("Replacement", "Default")
            .press("Review deletion of Short")
            .await,
    )
    .await;
    assert!(!list.has_row("Short"));
    list.expect("The default layout cannot be deleted.");
    let default = list.all("tbody a.name")[0]
        .attr("href")
        .expect("a link")
        .to_owned();
    let page = ada
        .post(&format!("{default}/delete"), &[("replacement", "")])
        .await;
    page.expect_status(422)
        .expect("The default layout of Contacts cannot be deleted.");
}

async fn a_refused_layout_keeps_what_was_typed(app: TestApp) {
    let ada = app.admin("ada").await;
    let layout = app.set_up(&ada, |s| layouts::add(s, Object::Task, &called("Short")));
    let before = everything(&app);
    let form = ada.open(&format!("{LAYOUTS}/{layout}")).await;
    let page = form
        .clone()
        .fill("Priority: Order", "first")
        .fill("Notes: Section", "Kept");
    let page = page.press("Review change").await;
    refused(
        &app,
        &page,
        &before,
        "Type a whole number as the order of Priority",
    );
    assert_eq!(page.value("Priority: Order"), "first");
    assert_eq!(page.value("Notes: Section"), "Kept");
    let page = form
        .clone()
        .tick("Status: Read-only")
        .tick("Status: Required");
    let page = page.press("Review change").await;
    refused(
        &app,
        &page,
        &before,
        "Status cannot be both read-only and required.",
    );
    assert!(page.is_ticked("Status: Read-only") && page.is_ticked("Status: Required"));
    let page = form
        .fill("Name of the layout", "Default")
        .press("Review change")
        .await;
    let why = "There is a page layout with the name Default already. Choose another name.";
    refused(&app, &page, &before, why);
    assert_eq!(page.value("Name of the layout"), "Default");
}
