//! Account Owner: exactly one, whoever changes it how often and when.

use futures_util::future::join_all;

use crate::app::TestApp;
use crate::app::billing::DAY;
use crate::app::people::Role;
use crate::app::steps::everything;
use crate::on_both;

const PAGE: &str = "/billing/account-owner";
const URLS: [&str; 5] = [
    PAGE,
    "/billing/plan",
    "/billing/invoices",
    "/billing/invoices/details",
    "/billing/invoices/card",
];

on_both!(
    the_owner_is_changed_and_access_follows_at_the_next_request,
    an_owner_who_is_no_administrator_can_give_it_away,
    both_are_told_and_it_is_in_the_audit_log,
    a_stale_code_is_asked_for_and_the_choice_is_kept,
    whoever_is_no_member_here_is_refused,
    of_two_changes_at_once_the_second_is_told,
    the_owner_cannot_be_removed_until_it_is_somebody_else,
    ten_thousand_members_are_searched_not_listed,
);

async fn the_owner_is_changed_and_access_follows_at_the_next_request(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[Role::Viewer]).await;
    let eve = app.member("eve", &[]).await;
    for url in URLS {
        bob.get(url).await.expect_status(403);
    }
    bob.open("/").await.expect_not("Account Owner");

    let page = ada.open(PAGE).await;
    page.expect("Ada").expect("since 3 Mar 2026");
    let page = page
        .choose("New account owner", "Bob, bob@halden.example")
        .press("Change Account Owner")
        .await;
    page.expect("Make Bob the account owner?");
    let page = page.press("Change Account Owner").await;
    assert_eq!(
        page.flash(),
        "Bob is the account owner of Halden Logistics now."
    );
    page.expect("bob@halden.example");

    for url in URLS {
        bob.get(url).await.expect_status(200);
        eve.get(url).await.expect_status(403);
        // Ada still is an administrator.
        ada.get(url).await.expect_status(200);
    }
    bob.open("/").await.expect("Account Owner");
}

async fn an_owner_who_is_no_administrator_can_give_it_away(app: TestApp) {
    app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let eve = app.member("eve", &[]).await;
    let account = bob.account();
    app.sql(&format!(
        "UPDATE accounts SET owner_member_id = {} WHERE id = {account}",
        bob.member()
    ))
    .expect("names the owner");
    let page = bob
        .open(PAGE)
        .await
        .choose("New account owner", "Eve, eve@halden.example")
        .press("Change Account Owner")
        .await;
    page.expect("You can no longer open it.");
    let page = page.press("Change Account Owner").await;
    assert_eq!(
        page.flash(),
        "Eve is the account owner of Halden Logistics now."
    );
    for url in URLS {
        bob.get(url).await.expect_status(403);
        eve.get(url).await.expect_status(200);
    }
    page.expect_not("Invoices and Payments");
}

async fn both_are_told_and_it_is_in_the_audit_log(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let page = ada
        .open(PAGE)
        .await
        .choose("New account owner", "Bob, bob@halden.example")
        .press("Change Account Owner")
        .await;
    page.press("Change Account Owner").await;
    let new = app.last_mail_to(&bob);
    assert_eq!(
        new.subject,
        "You are the account owner of Halden Logistics now"
    );
    assert_eq!(new.link("/billing/"), PAGE);
    let former = app.last_mail_to(&ada);
    assert_eq!(
        former.subject,
        "You are no longer the account owner of Halden Logistics"
    );
    for mail in [new, former] {
        for words in ["Before: Ada", "Now: Bob", "By: Ada", "From: 127.0.0.1"] {
            assert!(mail.text.contains(words), "{words} in {}", mail.text);
        }
    }
    let log = ada.open("/settings/audit-log").await;
    let row = log.row("Made Bob (bob@halden.example) the account owner");
    row.expect("Ada (ada@halden.example)").expect("Ada");
}

async fn a_stale_code_is_asked_for_and_the_choice_is_kept(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.forward(std::time::Duration::from_secs(16 * 60));
    let page = ada
        .open(PAGE)
        .await
        .choose("New account owner", "Bob, bob@halden.example")
        .press("Change Account Owner")
        .await;
    page.expect("Confirm it is you")
        .expect("change the account owner");
    let page = page
        .fill("Six-digit code", ada.code())
        .press("Continue")
        .await;
    page.expect("Make Bob the account owner?");
    page.press("Change Account Owner")
        .await
        .expect("Bob is the account owner");
    bob.get(PAGE).await.expect_status(200);
}

async fn whoever_is_no_member_here_is_refused(app: TestApp) {
    let ada = app.admin("ada").await;
    let gone = app.member("gone", &[]).await;
    let olga = app.company("Other Company").admin("olga");
    app.sql(&format!(
        "UPDATE members SET removed_at = 1 WHERE id = {}",
        gone.member()
    ))
    .expect("removes");
    let before = everything(&app);
    let mine = ada.member().to_string();
    for owner in [
        olga.member().to_string(),
        gone.member().to_string(),
        mine.clone(),
        String::new(),
        "987654321".into(),
        "x".into(),
    ] {
        let fields = [("owner", owner.as_str()), ("seen", mine.as_str())];
        let page = ada.post("/billing/account-owner/change", &fields).await;
        page.expect_status(422);
        assert_eq!(page.errors().len(), 1, "{owner}");
    }
    assert_eq!(everything(&app), before);
}

async fn of_two_changes_at_once_the_second_is_told(app: TestApp) {
    let ada = app.admin("ada").await;
    let amy = app.admin("amy").await;
    let bob = app.member("bob", &[]).await;
    let eve = app.member("eve", &[]).await;
    let seen = ada.member().to_string();
    let wishes: Vec<_> = (0..8)
        .map(|n| {
            let (by, to) = if n % 2 == 0 {
                (&ada, &bob)
            } else {
                (&amy, &eve)
            };
            let (to, seen) = (to.member().to_string(), seen.clone());
            async move {
                let fields = [("owner", to.as_str()), ("seen", seen.as_str())];
                by.post("/billing/account-owner/change", &fields).await
            }
        })
        .collect();
    let answers = join_all(wishes).await;
    let done = answers.iter().filter(|page| page.status == 303).count();
    assert_eq!(done, 1, "exactly one change was made");
    for page in answers.iter().filter(|page| page.status != 303) {
        page.expect_status(422);
    }
    let account = ada.account();
    let owner = app.number(&format!(
        "SELECT owner_member_id FROM accounts WHERE id = {account}"
    ));
    assert!([bob.member().0, eve.member().0].contains(&owner));
    let changes = "SELECT count(*) FROM audit_entries WHERE action = 'billing.owner'";
    assert_eq!(app.number(changes), 1);
}

async fn the_owner_cannot_be_removed_until_it_is_somebody_else(app: TestApp) {
    let ada = app.admin("ada").await;
    let amy = app.admin("amy").await;
    let page = amy
        .open(PAGE)
        .await
        .choose("New account owner", "Amy (you)")
        .press("Change Account Owner")
        .await;
    page.press("Change Account Owner").await;
    let remove = |member| format!("/shared/insight-users/members/{member}/remove");
    let page = ada.post(&remove(amy.member()), &[]).await;
    page.expect_status(422)
        .expect("The account owner cannot be removed");
    app.forward(DAY);
    amy.again()
        .post(&remove(ada.member()), &[])
        .await
        .expect_status(303);
    ada.get(PAGE).await.expect_redirect("/sign-in");
}

async fn ten_thousand_members_are_searched_not_listed(app: TestApp) {
    let ada = app.admin("ada").await;
    let account = ada.account();
    // People past the pages: one user each.
    app.sql(&format!(
        "INSERT INTO users (id, email, name, home_account_id, created_at) \
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000) \
         SELECT 100000 + n, 'p' || n || '@halden.example', 'Person ' || n, {account}, 0 FROM n"
    ))
    .expect("makes users");
    app.sql(&format!(
        "INSERT INTO members (account_id, user_id, slot, viewer, technician, admin, name_key, search_text, two_factor, \
           joined_at, last_activity_at) \
         SELECT {account}, id, id, TRUE, FALSE, FALSE, lower(name), lower(name || ' ' || email), TRUE, 0, 0 \
         FROM users WHERE id > 100000"
    ))
    .expect("makes members");
    let page = ada.open(PAGE).await;
    page.expect("The list holds the first 50 members");
    assert_eq!(page.all("#owner option").len(), 51);
    assert!(page.source().len() < 30_000, "{}", page.source().len());
    let page = page.fill("Name or e-mail", "p7777@").press("Filter").await;
    let page = page
        .choose("New account owner", "Person 7777, p7777@halden.example")
        .press("Change Account Owner")
        .await;
    page.press("Change Account Owner")
        .await
        .expect("Person 7777 is the account owner of Halden Logistics now.");
    for search in ["%", "_", "\\"] {
        let page = ada.open(PAGE).await;
        let page = page.fill("Name or e-mail", search).press("Filter").await;
        page.expect("No members match this search.");
    }
}
