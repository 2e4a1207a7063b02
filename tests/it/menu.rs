//! What stands in the menu, whom it leads where, and the environment switch (SPEC 2).

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::{Person, Role};
use crate::app::steps::INSIGHT_USERS;
use crate::on_both;

on_both!(
    the_menu_shows_what_its_owner_may_open_and_nothing_else,
    every_entry_leads_to_its_page,
    a_refused_page_names_its_section_and_whom_to_ask,
    the_environment_switch_is_always_there,
    the_environment_used_last_is_kept,
    the_start_page_fits_the_person,
);

fn menu(page: &Page) -> Vec<String> {
    page.texts(".sidenav .navlist a")
}

/// Somebody of each kind, with what their menu holds.
async fn cast(app: &TestApp) -> Vec<(Person, &'static [&'static str])> {
    let halden = app.halden().await;
    let admin = app.admin("erika").await;
    let owner = halden.member("owner", &[]);
    let member = owner.member();
    let account = halden.id;
    app.sql(&format!(
        "UPDATE accounts SET owner_member_id = {member} WHERE id = {account}"
    ))
    .expect("names the owner");
    let operator = halden.member("operator", &[Role::Viewer]);
    operator.make_operator();
    vec![
        (
            admin,
            &[
                "Contacts",
                "Organizations",
                "Leads",
                "Opportunities",
                "Projects",
                "Tasks",
                "Start",
                "Insight users",
                "Users",
                "Permissions",
                "Check access",
                "Audit log",
                "Account Owner",
                "Plan",
                "Invoices and Payments",
            ],
        ),
        (halden.member("viewer", &[Role::Viewer]), &["Start"]),
        (halden.member("technician", &[Role::Technician]), &["Start"]),
        (
            halden.member("both", &[Role::Viewer, Role::Technician]),
            &["Start"],
        ),
        (halden.member("none", &[]), &["Start"]),
        (
            owner,
            &["Start", "Account Owner", "Plan", "Invoices and Payments"],
        ),
        (operator, &["Start", "Product updates"]),
    ]
}

/// Entry, section, path.
const PAGES: [(&str, &str, &str); 9] = [
    ("Insight users", "Insight users", INSIGHT_USERS),
    ("Users", "Users", "/settings/users"),
    ("Permissions", "Permissions", "/settings/permissions/roles"),
    ("Check access", "Check access", "/settings/check-access"),
    ("Audit log", "Audit log", "/settings/audit-log"),
    ("Product updates", "Product updates", "/product-updates"),
    (
        "Account Owner",
        "Billing & Account",
        "/billing/account-owner",
    ),
    ("Plan", "Billing & Account", "/billing/plan"),
    (
        "Invoices and Payments",
        "Billing & Account",
        "/billing/invoices",
    ),
];

async fn the_menu_shows_what_its_owner_may_open_and_nothing_else(app: TestApp) {
    for (person, entries) in cast(&app).await {
        let page = person.open("/test").await;
        assert_eq!(menu(&page), entries, "{}", person.name());
        for (label, _, path) in PAGES {
            let status = if entries.contains(&label) { 200 } else { 403 };
            assert_eq!(
                person.get(path).await.status,
                status,
                "{} opens {path}",
                person.name()
            );
        }
    }
    let erika = app.halden().await.admin("jon");
    let groups = erika.open("/test").await.texts(".sidenav h2");
    assert_eq!(
        groups,
        ["TEST", "Shared", "System Settings", "Billing & Account"]
    );
}

async fn every_entry_leads_to_its_page(app: TestApp) {
    let erika = app.admin("erika").await;
    erika.make_operator();
    let page = erika.open("/").await;
    for label in menu(&page) {
        let there = page.press(&label).await;
        there.expect_status(200);
        assert_eq!(there.texts(".navlist a[aria-current=page]"), [label]);
    }
}

async fn a_refused_page_names_its_section_and_whom_to_ask(app: TestApp) {
    let sam = app.member("sam", &[Role::Viewer, Role::Technician]).await;
    for (_, section, path) in PAGES {
        let page = sam.get(path).await;
        page.expect_status(403);
        page.expect(&format!("{section} is not part of what you may open."));
        let who = match section {
            "Product updates" => "Operators of this installation",
            "Billing & Account" => "Administrators and the account owner",
            _ => "Administrators",
        };
        page.expect(&format!("{who} open it."));
        assert_eq!(menu(&page), ["Start"], "the way on is there");
    }
    sam.get(&format!("{INSIGHT_USERS}/members.csv"))
        .await
        .expect_status(403);
    sam.get("/settings/audit-log.csv").await.expect_status(403);
}

fn environment(page: &Page) -> String {
    page.texts(".envswitch a[aria-current=true]").join(" ")
}

async fn the_environment_switch_is_always_there(app: TestApp) {
    let erika = app.admin("erika").await;
    let mut classes = std::collections::HashSet::new();
    for path in [
        "/test",
        "/commercial",
        INSIGHT_USERS,
        "/settings/audit-log",
        "/security",
        "/accounts",
        "/no/such/page",
    ] {
        let page = erika.open(path).await;
        let switch = page.texts(".envswitch a");
        assert_eq!(switch.len(), 2, "{path}");
        assert!(
            switch[0].contains("TEST") && switch[1].contains("COMMERCIAL"),
            "{switch:?}"
        );
        for link in page.all(".envswitch a") {
            classes.insert(link.attr("class").unwrap_or("").to_owned());
        }
    }
    assert!(classes.len() >= 2, "coloured differently: {classes:?}");
    erika.get("/production").await.expect_status(404);
    erika.get("/TEST").await.expect_status(404);
}

async fn the_environment_used_last_is_kept(app: TestApp) {
    let erika = app.admin("erika").await;
    let page = erika.open("/").await;
    assert_eq!(environment(&page), "TEST");
    let page = page.press("COMMERCIAL").await;
    assert_eq!(page.path, "/commercial");
    assert!(page.title().contains("COMMERCIAL"), "{}", page.title());
    assert_eq!(environment(&page), "COMMERCIAL");
    // A page outside an environment keeps showing it, and the switch leads to the environment.
    let page = erika.open(INSIGHT_USERS).await;
    assert_eq!(environment(&page), "COMMERCIAL");
    assert_eq!(page.press("Start").await.path, "/commercial");
    let other = erika.other_browser();
    other.start_session(crate::app::people::Level::Full);
    assert_eq!(
        environment(&other.open(INSIGHT_USERS).await),
        "TEST",
        "each session for itself"
    );
    let page = page.press("TEST").await;
    assert_eq!(page.path, "/test");
    assert_eq!(environment(&erika.open(INSIGHT_USERS).await), "TEST");
}

async fn the_start_page_fits_the_person(app: TestApp) {
    let erika = app.admin("erika").await;
    assert_eq!(erika.open("/").await.path, INSIGHT_USERS);
    for n in 0..6 {
        app.halden().await.admin(&format!("admin{n}"));
    }
    let sam = app.member("sam", &[Role::Viewer]).await;
    let page = sam.open("/").await;
    assert_eq!(
        (page.path.as_str(), page.h1().as_str()),
        ("/test", "Hello Sam")
    );
    page.expect("You are signed in to Halden Logistics. Your platform roles: Viewer.");
    let ask = page.section("Whom to ask");
    ask.expect("Admin0")
        .expect("admin0@halden.example")
        .expect("There are more administrators");
    assert_eq!(ask.texts("tbody tr").len(), 5);
}
