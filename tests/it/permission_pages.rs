//! System Settings > Permissions as administrators use it: every form ends in Review change, and a refused one keeps what
//! was typed and changes nothing.

use insight::permissions::{Level, Object, roles};

use crate::app::TestApp;
use crate::app::page::{Page, css};
use crate::app::people::{Person, Role};
use crate::app::records::called;
use crate::app::steps::everything;
use crate::browser_pages::gzipped;
use crate::on_both;

on_both!(
    a_hierarchy_grows_role_by_role,
    a_refused_role_keeps_what_was_typed,
    a_role_that_others_need_goes_only_with_a_replacement,
    people_are_assigned_in_both_directions,
    ten_thousand_people_are_assigned_page_by_page_or_at_once,
    a_thousand_roles_stay_usable,
    nobody_else_opens_the_pages,
);

pub const ROLES: &str = "/settings/permissions/roles";
pub const PROFILES: &str = "/settings/permissions/profiles";
pub const RULES: &str = "/settings/permissions/sharing-rules";
pub const SHARING: &str = "/settings/permissions/organization-wide-sharing";
pub const LAYOUTS: &str = "/settings/permissions/page-layouts";

/// On Review change: applies it.
pub async fn apply(page: Page) -> Page {
    assert_eq!(page.h1(), "Review change", "{}", page.text());
    let done = page.press("Apply").await;
    assert!(
        done.flash().starts_with("Applied change"),
        "{}",
        done.text()
    );
    done
}

/// Adds a role on the pages.
async fn add_role(ada: &Person, name: &str, above: &str) -> Page {
    let form = ada.open(ROLES).await.press("Add role").await;
    let form = form.fill("Name", name).choose("Reports to", above);
    apply(form.press("Review change").await).await
}

/// Where a link in the tree leads that belongs to a role.
fn in_tree(page: &Page, role: &str, to: &str) -> String {
    let name = css(".name");
    let links = css("a[href]");
    let nodes = page.all(".tree .node");
    let node = nodes.into_iter().find(|node| {
        let name = node.select(&name).next();
        name.is_some_and(|name| name.text().collect::<String>() == role)
    });
    let node = node.unwrap_or_else(|| panic!("{role} is not in the tree"));
    let mut found = node.select(&links).filter_map(|link| link.attr("href"));
    let found = found.find(|href| href.contains(to));
    found
        .unwrap_or_else(|| panic!("{role} has no {to}"))
        .to_owned()
}

/// Asserts that a form was refused at once, with these words, and that nothing was written.
#[track_caller]
pub fn refused(app: &TestApp, page: &Page, before: &[String], why: &str) {
    page.expect_status(422);
    assert_eq!(page.errors(), [why]);
    assert_eq!(everything(app), before, "nothing was written");
}

async fn a_hierarchy_grows_role_by_role(app: TestApp) {
    let ada = app.admin("ada").await;
    let page = ada.open(ROLES).await;
    page.expect("There are no roles yet");
    let card = add_role(&ada, "CEO", "No role (top)").await;
    card.section("CEO")
        .expect("Nobody: it is at the top")
        .expect("Administrators only");
    add_role(&ada, "Sales Director", "CEO").await;
    let card = add_role(&ada, "Rep", "Sales Director").await;
    card.section("Rep").expect("Seen by Sales Director, CEO");
    assert_eq!(card.texts(".tree .name"), ["CEO", "Sales Director", "Rep"]);
    card.section("Hierarchy").expect("3 roles");
    // The picture says the same.
    let drawn = card.texts(".picture g > title");
    assert_eq!(drawn, ["CEO", "Sales Director", "Rep"]);
    // Below one, from its menu.
    let form = ada.open(&in_tree(&card, "Rep", "below=")).await;
    let chosen = form.all("#reports_to option[selected]");
    assert_eq!(chosen[0].text().collect::<String>().trim(), "Rep");
    // Renamed and moved.
    let form = ada
        .open(&card.path)
        .await
        .section("Rep")
        .press("Edit Rep")
        .await;
    let review = form.fill("Name", "Sales Rep").choose("Reports to", "CEO");
    let review = review.press("Review change").await;
    review.expect("Sales Rep");
    let page = apply(review).await;
    page.section("Sales Rep").expect("Reports to CEO");
    // The same once more changes nothing.
    let form = page.section("Sales Rep").press("Edit Sales Rep").await;
    let page = form.press("Review change").await;
    assert_eq!(page.flash(), "Nothing was changed.");
    // One that nobody needs goes without a replacement.
    add_role(&ada, "Trainee", "Sales Rep").await;
    let page = ada.open(ROLES).await;
    let ask = ada.open(&in_tree(&page, "Trainee", "/delete")).await;
    ask.expect("It can go without a replacement.");
    let page = apply(ask.press("Review deletion of Trainee").await).await;
    assert_eq!(
        page.texts(".tree .name"),
        ["CEO", "Sales Director", "Sales Rep"]
    );
}

async fn a_refused_role_keeps_what_was_typed(app: TestApp) {
    let ada = app.admin("ada").await;
    for (name, above) in [
        ("CEO", "No role (top)"),
        ("Director", "CEO"),
        ("Rep", "Director"),
    ] {
        add_role(&ada, name, above).await;
    }
    let before = everything(&app);
    let form = ada.open(&format!("{ROLES}/new")).await;
    let page = form.fill("Name", "Rep").choose("Reports to", "CEO");
    let page = page.press("Review change").await;
    refused(
        &app,
        &page,
        &before,
        "There is a role with the name Rep already. Choose another name.",
    );
    assert_eq!(page.value("Name"), "Rep");
    assert!(
        page.all("#reports_to option[selected]")[0]
            .html()
            .contains("CEO")
    );
    let page = page.fill("Name", "  ").press("Review change").await;
    refused(&app, &page, &before, "Type a name.");
    // A cycle.
    let tree = ada.open(ROLES).await;
    let form = ada.open(&in_tree(&tree, "Director", "/edit")).await;
    for (above, why) in [
        ("Rep", "Director cannot report to Rep, which is below it."),
        ("Director", "Director cannot report to itself."),
    ] {
        let page = form
            .clone()
            .fill("Name", "Boss")
            .choose("Reports to", above);
        let page = page.press("Review change").await;
        refused(&app, &page, &before, why);
        assert_eq!(page.value("Name"), "Boss");
        assert!(
            page.all("#reports_to option[selected]")[0]
                .html()
                .contains(above)
        );
    }
    // What is not there.
    let odd = [("name", "X"), ("reports_to", "987654321")];
    ada.post(&format!("{ROLES}/new"), &odd)
        .await
        .expect_status(404);
    assert_eq!(everything(&app), before);
}

async fn a_role_that_others_need_goes_only_with_a_replacement(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[Role::Viewer]).await;
    let ceo = app.set_up(&ada, |s| roles::add(s, &called("CEO"), None));
    let rep = app.role("Rep", Some(ceo), &[&bob]);
    app.share(&ada, Object::Lead, rep, ceo, Level::Read);
    let before = everything(&app);
    let form = ada.open(&format!("{ROLES}/{rep}/delete")).await;
    form.expect("Members 1 Roles below it 0 Sharing rules 1 Open invitations 0");
    let page = form.press("Review deletion of Rep").await;
    let why = "Rep has 1 member and 1 sharing rule. Choose a role that replaces it.";
    refused(&app, &page, &before, why);
    let page = apply(
        page.choose("Replacement", "CEO")
            .press("Review deletion of Rep")
            .await,
    )
    .await;
    page.section("CEO").expect("Members Bob");
    assert_eq!(page.texts(".tree .name"), ["CEO"]);
    ada.open(RULES)
        .await
        .expect("Leads of CEO are visible to CEO");
}

/// Names in the two lists of an Assign page.
pub fn lists(page: &Page) -> (Vec<String>, Vec<String>) {
    let names = |id: &str| page.texts(&format!("#{id} .choice .person .name"));
    (names("has"), names("others"))
}

async fn people_are_assigned_in_both_directions(app: TestApp) {
    let ada = app.admin("ada").await;
    let people = [app.member("bob", &[]).await, app.member("cleo", &[]).await];
    let other = app.role("Other", None, &[&people[1]]);
    let rep = app.set_up(&ada, |s| roles::add(s, &called("Rep"), None));
    let path = format!("{ROLES}/{rep}/assign");
    let page = ada.open(&path).await;
    assert_eq!(
        lists(&page),
        (vec![], vec!["Ada".into(), "Bob".into(), "Cleo".into()])
    );
    page.expect("Nobody yet.");
    // Nobody chosen.
    let nobody = page.clone().press("Add to role").await;
    nobody.expect_status(422);
    assert_eq!(nobody.errors(), ["Choose at least one person"]);
    // Filters: no role, a role, a name.
    let filtered = page.clone().choose("Role", "All users with no role");
    let filtered = filtered.section("Others").press("Filter").await;
    assert_eq!(lists(&filtered).1, ["Ada", "Bob"]);
    let filtered = page
        .clone()
        .choose("Role", "Other")
        .section("Others")
        .press("Filter")
        .await;
    assert_eq!(lists(&filtered).1, ["Cleo"]);
    let filtered = page
        .clone()
        .fill("Name or e-mail", "BOB@")
        .section("Others");
    let filtered = filtered.press("Filter").await;
    assert_eq!(lists(&filtered).1, ["Bob"]);
    // Two at once, of whom one leaves another role.
    let review = page.tick("Bob").tick("Cleo").press("Add to role").await;
    let page = apply(review).await;
    assert_eq!(
        lists(&page),
        (vec!["Bob".into(), "Cleo".into()], vec!["Ada".into()])
    );
    assert!(
        lists(&ada.open(&format!("{ROLES}/{other}/assign")).await)
            .0
            .is_empty()
    );
    // And back.
    let page = apply(page.tick("Cleo").press("Remove from role").await).await;
    assert_eq!(lists(&page).0, ["Bob"]);
    assert_eq!(lists(&page).1, ["Ada", "Cleo"]);
}

async fn ten_thousand_people_are_assigned_page_by_page_or_at_once(app: TestApp) {
    let ada = app.admin("ada").await;
    let rep = app.set_up(&ada, |s| roles::add(s, &called("Rep"), None));
    let account = ada.account();
    let numbers: String = (1..=120).map(|n| format!("({n}),")).collect();
    let numbers = numbers.trim_end_matches(',');
    for statement in [
        format!(
            "INSERT INTO users (email, name, home_account_id, created_at) \
             SELECT 'p' || n || '@halden.example', 'Person ' || (1000 + n), {account}, 0 \
             FROM (SELECT column1 AS n FROM (VALUES {numbers}) AS v) AS numbers"
        ),
        format!(
            "INSERT INTO members (account_id, user_id, viewer, technician, admin, name_key, search_text, \
             two_factor, joined_at, last_activity_at, slot) \
             SELECT {account}, id, TRUE, FALSE, FALSE, lower(name), lower(name) || ' ' || email, TRUE, 0, 0, \
             100 + id FROM users WHERE email LIKE 'p%@halden.example'"
        ),
    ] {
        app.sql(&statement).expect("makes people");
    }
    let path = format!("{ROLES}/{rep}/assign");
    let page = ada.open(&path).await;
    page.section("Others").expect("1–50 of 121");
    let next = page.section("Others").press("Next").await;
    next.section("Others").expect("51–100 of 121");
    assert_eq!(lists(&next).1.len(), 50);
    // A page with what is chosen on it.
    let page = apply(next.tick("Person 1050").press("Add to role").await).await;
    assert_eq!(lists(&page).0, ["Person 1050"]);
    // All that a filter leaves.
    let page = ada.open(&format!("{path}?others=person+10")).await;
    let all = "All 98 of this list, on every page";
    let page = apply(page.tick(all).press("Add to role").await).await;
    page.section("Members of this role").expect("99");
    assert_eq!(
        app.number(&format!(
            "SELECT count(*) FROM members WHERE role_id = {rep}"
        )),
        99
    );
}

async fn a_thousand_roles_stay_usable(app: TestApp) {
    let ada = app.admin("ada").await;
    let account = ada.account();
    let top = app.set_up(&ada, |s| roles::add(s, &called("Top"), None));
    let mut first = String::new();
    // Ten below the top, ten below each of them, and so on.
    let mut parents = vec![top.to_string()];
    let mut made = 1;
    while made < 1000 {
        let mut next = Vec::new();
        for parent in &parents {
            for _ in 0..10 {
                if made == 1000 {
                    break;
                }
                made += 1;
                app.sql(&format!(
                    "INSERT INTO roles (account_id, name, parent_id) VALUES ({account}, 'Role {made:04}', {parent})"
                ))
                .expect("a role");
                next.push(app.number("SELECT max(id) FROM roles").to_string());
            }
        }
        if first.is_empty() {
            first.clone_from(&next[0]);
        }
        parents = next;
    }
    let page = ada.open(ROLES).await;
    page.section("Hierarchy").expect("1,000 roles");
    let size = gzipped(&page.body);
    assert!(size < 30_000, "{size} bytes");
    let nodes = page.all("*").len();
    assert!(nodes < 2_500, "{nodes} elements");
    assert_eq!(
        page.texts(".tree .name").len(),
        11,
        "the top, and what reports to it"
    );
    page.section("Picture").expect("roles are not drawn");
    // Deeper without script, and straight to a role by its name.
    let page = page.press("Show the roles under Role 0002").await;
    assert_eq!(page.texts(".tree .name").len(), 21);
    let page = page.fill("Name of a role", "0777").press("Filter").await;
    let page = page.press("Role 0777").await;
    page.section("Role 0777").expect("Reports to");
    assert_eq!(page.texts(".tree [aria-current]"), ["Role 0777"]);
    ada.get(&format!("{ROLES}/{first}/edit"))
        .await
        .expect_status(200);
}

async fn nobody_else_opens_the_pages(app: TestApp) {
    let ada = app.admin("ada").await;
    let role = app.set_up(&ada, |s| roles::add(s, &called("Secret role"), None));
    let sam = app.member("sam", &[Role::Viewer, Role::Technician]).await;
    let olga = app.company("Other Company").admin("olga");
    for path in [ROLES, PROFILES, RULES, SHARING, LAYOUTS, "/settings/users"] {
        sam.get(path)
            .await
            .expect_status(403)
            .expect_not("Secret role");
        olga.open(path).await.expect_not("Secret role");
    }
    let path = format!("{ROLES}/{role}/edit");
    let fields = [("name", "Mine"), ("reports_to", "")];
    sam.post(&path, &fields).await.expect_status(403);
    olga.post(&path, &fields).await.expect_status(404);
    olga.get(&format!("{ROLES}?role={role}"))
        .await
        .expect_status(404);
}
