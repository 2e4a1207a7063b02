//! Permissions > History: what was applied, under numbers without gaps, and the way back.

use insight::db::types::RoleId;
use insight::permissions::change::Change;
use insight::permissions::setup::Setup;
use insight::permissions::sharing_rules::Wanted;
use insight::permissions::{Level, Object, Rights, layouts, profiles, roles, sharing_rules};

use crate::app::TestApp;
use crate::app::page::{Page, css};
use crate::app::people::Person;
use crate::app::records::{called, names, on_layout};
use crate::app::steps::{assert_newest, audit_sentences, everything};
use crate::on_both;

on_both!(
    a_change_is_put_back_and_back_again,
    a_deleted_role_comes_back_with_its_people_and_rules,
    everything_that_can_be_changed_can_be_put_back,
    what_was_changed_since_is_not_put_back,
    giving_administrator_back_asks_for_a_code,
    a_revert_leaves_somebody_who_can_administer,
    the_history_has_pages,
);

const HISTORY: &str = "/settings/permissions/history";

/// Proposes any change, as Check access does.
pub async fn propose(by: &Person, change: &Change) -> Page {
    let change = serde_json::to_string(change).expect("JSON");
    let fields = [("change", change.as_str())];
    by.post("/settings/check-access", &fields)
        .await
        .follow()
        .await
}

pub async fn apply(by: &Person, change: &Change) -> Page {
    propose(by, change).await.press("Apply").await
}

/// Presses Revert beside the change with a number.
pub async fn revert(by: &Person, number: usize) -> Page {
    let history = by.open(HISTORY).await;
    let row = history
        .all("tbody tr")
        .into_iter()
        .find(|row| {
            let first = row.select(&css("td")).next();
            first.is_some_and(|cell| cell.text().collect::<String>() == number.to_string())
        })
        .unwrap_or_else(|| panic!("no change {number}: {}", history.text()));
    let to = row
        .select(&css("button[formaction]"))
        .next()
        .and_then(|button| button.attr("formaction"))
        .expect("a way back")
        .to_owned();
    by.post(&to, &[]).await.follow().await
}

/// What the rules say, past pages.
fn rules(app: &TestApp) -> Vec<String> {
    let mut lines: Vec<String> = everything(app)
        .into_iter()
        .filter(|line| {
            [
                "roles",
                "profiles",
                "object_permissions",
                "page_layouts",
                "layout_fields",
                "sharing_rules",
                "organization_wide_sharing",
                "members",
            ]
            .iter()
            .any(|table| line.starts_with(table))
        })
        .collect();
    lines.sort();
    lines
}

async fn a_change_is_put_back_and_back_again(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let eve = app.member("eve", &[]).await;
    app.standard("Sales", &[&bob, &eve]);
    eve.make("test/leads", &[("name", "Eve's lead")]).await;
    let mut levels = [Level::None; 6];
    levels[Object::Lead.index()] = Level::Read;
    apply(&ada, &Change::SetSharing { levels }).await;
    let leads = async || names(&bob.get("/test/records/leads").await).len();
    assert_eq!(leads().await, 1);

    let page = revert(&ada, 1).await;
    assert_eq!(page.h1(), "Review change");
    page.section("Who loses").expect("Bob").expect("−1");
    let done = page.press("Apply").await;
    done.expect("Change 1 is reverted");
    assert_eq!(leads().await, 0);
    assert_newest(
        &audit_sentences(&ada).await,
        "Reverted change 1 of permissions: Leads become Public Read Only",
    );
    ada.open(HISTORY).await.expect("Reverted by change 2");

    revert(&ada, 2).await.press("Apply").await;
    assert_eq!(leads().await, 1);
}

async fn a_deleted_role_comes_back_with_its_people_and_rules(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let eve = app.member("eve", &[]).await;
    app.standard("Sales", &[&bob, &eve]);
    let boss = app.role("Boss", None, &[&bob]);
    let rep = app.role("Rep", Some(boss), &[&eve]);
    let low = empty_role(&app, &ada, "Trainee", Some(rep));
    app.share(&ada, Object::Lead, rep, boss, Level::Write);
    let before = rules(&app);
    let delete = Change::DeleteRole {
        role: rep,
        replacement: Some(low),
    };
    apply(&ada, &delete).await;
    let between = rules(&app);
    assert_ne!(between, before);
    revert(&ada, 1).await.press("Apply").await;
    assert_eq!(rules(&app), before);
    // The older entry can be taken up again: everything has its old number.
    revert(&ada, 2).await.press("Apply").await;
    assert_eq!(rules(&app), between);
}

/// A change of every kind, each on top of the ones before.
fn each_kind(app: &TestApp, ada: &Person, bob: &Person) -> Vec<Change> {
    let (role, other, profile, layout, rule) = app.set_up(ada, |setup: &mut Setup<_>| {
        let role = roles::add(setup, &called("One"), None)?;
        let other = roles::add(setup, &called("Two"), Some(role))?;
        let matrix = profiles::Matrix::default();
        let profile = profiles::add(setup, &called("Some"), &matrix)?;
        let layout = layouts::add(setup, Object::Lead, &called("Some"))?;
        profiles::set_layout(setup, profile, layout)?;
        let rule = sharing_rules::add(setup, &wanted("Some", role, other))?;
        Ok((role, other, profile, layout, rule))
    });
    let mut matrix = profiles::Matrix::default();
    matrix[Object::Task.index()].rights = Rights::ALL;
    let name = |name: &str| called(name);
    let fields = || vec![on_layout("name", false, true)];
    let everybody = vec![bob.member()];
    vec![
        Change::AddRole {
            name: name("Three"),
            reports_to: Some(other),
        },
        Change::ChangeRole {
            role: other,
            name: name("Two and a half"),
            reports_to: None,
        },
        Change::AssignRole {
            members: everybody.clone(),
            role: Some(role),
        },
        Change::DeleteRole {
            role,
            replacement: Some(other),
        },
        Change::AddProfile {
            name: name("More"),
            matrix,
            clone_of: Some(profile),
        },
        Change::ChangeProfile {
            profile,
            name: name("Some other"),
            matrix,
        },
        Change::AssignProfile {
            members: everybody,
            profile,
        },
        Change::DeleteProfile {
            profile,
            replacement: None,
        },
        Change::AddRule {
            wanted: wanted("Another", other, other),
        },
        Change::ChangeRule {
            rule,
            wanted: Wanted {
                level: Level::Write,
                ..wanted("Some", other, other)
            },
        },
        Change::DeleteRule { rule },
        Change::SetSharing {
            levels: [Level::Write; 6],
        },
        Change::AddLayout {
            object: Object::Task,
            name: name("Short"),
            fields: fields(),
        },
        Change::ChangeLayout {
            layout,
            name: name("Shorter"),
            fields: fields(),
        },
        Change::DeleteLayout {
            layout,
            replacement: None,
        },
    ]
}

fn wanted(name: &str, source: RoleId, target: RoleId) -> Wanted {
    Wanted {
        name: called(name),
        object: None,
        source,
        source_below: true,
        target,
        target_below: false,
        level: Level::Read,
        active: true,
        ends_at: None,
    }
}

async fn everything_that_can_be_changed_can_be_put_back(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let changes = each_kind(&app, &ada, &bob);
    let mut states = vec![rules(&app)];
    for change in &changes {
        let page = apply(&ada, change).await;
        assert!(
            page.flash().starts_with("Applied"),
            "{change:?}: {}",
            page.text()
        );
        let now = rules(&app);
        assert_ne!(states.last(), Some(&now), "{change:?}");
        states.push(now);
    }
    for number in (1..=changes.len()).rev() {
        let page = revert(&ada, number).await;
        page.press("Apply").await;
        assert_eq!(rules(&app), states[number - 1], "change {number}");
    }
}

async fn what_was_changed_since_is_not_put_back(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let boss = empty_role(&app, &ada, "Boss", None);
    let rep = app.role("Rep", None, &[&bob]);
    let rename = |name| Change::ChangeRole {
        role: rep,
        name: called(name),
        reports_to: Some(boss),
    };
    apply(&ada, &rename("Seller")).await;
    apply(&ada, &rename("Vendor")).await;
    let page = revert(&ada, 1).await;
    assert_eq!(page.h1(), "Permissions");
    page.expect("Change 1 cannot be reverted: the role Seller was changed since.");

    // What a change added and others use by now stays.
    let add = Change::AddRole {
        name: called("New"),
        reports_to: None,
    };
    apply(&ada, &add).await;
    empty_role(&app, &ada, "Below", Some(rep));
    let new = app.number("SELECT max(id) FROM roles WHERE name = 'New'");
    let new = RoleId(new);
    app.set_up(&ada, |setup| {
        roles::assign(setup, &[bob.member()], Some(new))
    });
    let page = revert(&ada, 3).await;
    page.expect("Change 3 cannot be reverted: a role that would go is in use by now.");

    // A proposal to revert that waited too long is refused when it is applied.
    app.set_up(&ada, |setup| {
        roles::assign(setup, &[bob.member()], Some(rep))
    });
    let waiting = revert(&ada, 3).await;
    app.set_up(&ada, |setup| {
        roles::assign(setup, &[bob.member()], Some(new))
    });
    let refused = waiting.press("Apply").await;
    refused.expect_status(409);
    refused.expect("in use by now");
}

async fn giving_administrator_back_asks_for_a_code(app: TestApp) {
    let ada = app.admin("ada").await;
    let eve = app.admin("eve").await;
    let profile = app.set_up(&ada, |setup| {
        profiles::add(setup, &called("Other"), &profiles::Matrix::default())
    });
    let change = Change::AssignProfile {
        members: vec![eve.member()],
        profile,
    };
    let page = propose(&ada, &change).await;
    page.expect("Eve stops being an administrator.");
    page.press("Apply").await;
    eve.get(HISTORY).await.expect_status(403);
    app.forward(std::time::Duration::from_secs(20 * 60));
    let page = revert(&ada, 1).await;
    page.expect("Eve becomes an administrator");
    let asked = page.press("Apply").await;
    assert_eq!(asked.h1(), "Confirm it is you", "{}", asked.text());
    eve.get(HISTORY).await.expect_status(403);
}

async fn a_revert_leaves_somebody_who_can_administer(app: TestApp) {
    let ada = app.admin("ada").await;
    let eve = app.admin("eve").await;
    let kim = app.admin("kim").await;
    let profile = app.set_up(&ada, |setup| {
        profiles::add(setup, &called("Other"), &profiles::Matrix::default())
    });
    let goes = |person: &Person| Change::AssignProfile {
        members: vec![person.member()],
        profile,
    };
    apply(&ada, &goes(&eve)).await;
    revert(&ada, 1).await.press("Apply").await;
    apply(&eve, &goes(&ada)).await;
    // Kim cannot sign in before two-factor is set up anew, so that Eve is the last who can.
    app.sql(&format!(
        "UPDATE members SET two_factor = FALSE WHERE id = {}",
        kim.member()
    ))
    .expect("takes it away");
    let before = everything(&app);
    let refused = revert(&eve, 2).await;
    let why = "Eve is the last administrator who can sign in.";
    refused.expect(why);
    propose(&eve, &goes(&eve)).await.expect(why);
    assert_eq!(everything(&app), before);
    // With somebody beside her it is her own to decide.
    app.sql(&format!(
        "UPDATE members SET two_factor = TRUE WHERE id = {}",
        kim.member()
    ))
    .expect("gives it back");
    let page = revert(&eve, 2).await;
    page.expect("You stop being an administrator");
    page.press("Apply").await;
    eve.get(HISTORY).await.expect_status(403);
    kim.get(HISTORY).await.expect_status(200);
}

async fn the_history_has_pages(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.open(HISTORY).await.expect("Nothing was changed yet.");
    let change = |number: usize| {
        let level = [Level::Read, Level::None][number % 2];
        Change::SetSharing { levels: [level; 6] }
    };
    for number in 0..52 {
        apply(&ada, &change(number)).await;
    }
    let first = ada.open(HISTORY).await;
    first.expect("1–50 of 52");
    let second = first.press("Older").await;
    assert_eq!(second.texts("tbody tr td:first-child"), ["2", "1"]);
    let again = second.press("Newer").await;
    assert_eq!(again.all("tbody tr").len(), 50);
}

/// A role that nobody holds.
fn empty_role(app: &TestApp, ada: &Person, name: &str, above: Option<RoleId>) -> RoleId {
    app.set_up(ada, |setup| roles::add(setup, &called(name), above))
}
