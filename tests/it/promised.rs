//! What an open invitation promises, when the role and the profile that it names are deleted, and when they come back.

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::Person;
use crate::app::records::called;
use crate::app::steps::{INSIGHT_USERS, choose_password, prove_secret};
use crate::history::{apply, propose, revert};
use crate::on_both;
use insight::permissions::change::Change;
use insight::permissions::roles;

on_both!(
    an_invitation_gets_the_replacement_and_keeps_it,
    a_role_that_is_promised_again_stays,
);

const USERS: &str = "/settings/users";

/// Invites somebody to a role and a profile; gives the link of the mail.
async fn invite(app: &TestApp, by: &Person, email: &str, role: &str, profile: &str) -> String {
    let form = by.open(INSIGHT_USERS).await.press("Invite Member").await;
    let form = form.fill("E-mail addresses", email);
    let form = form.choose("Profile", profile).choose("Role", role);
    form.press("Send").await.expect("Sent");
    app.last_mail_to(email).link("/register/")
}

async fn row(by: &Person, email: &str) -> Page {
    by.open(USERS).await.row(email)
}

/// Lets somebody through who has chosen a password.
async fn go_on(person: &Person, page: Page) {
    let codes = prove_secret(person, page).await;
    let done = codes
        .tick("I have saved these codes")
        .press("Continue to Insight")
        .await;
    done.expect_status(200);
}

async fn an_invitation_gets_the_replacement_and_keeps_it(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let sales = app.standard("Sales", &[&bob]);
    let boss = app.role("Boss", None, &[&bob]);
    let rep = app.set_up(&ada, |setup| roles::add(setup, &called("Rep"), None));
    let link = invite(&app, &ada, "vera@halden.example", "Rep", "Sales").await;
    // Half way through, when what was promised goes.
    let vera = app.visitor();
    let half = choose_password(&vera, &link, "Vera").await;

    let without = Change::DeleteRole {
        role: rep,
        replacement: None,
    };
    propose(&ada, &without)
        .await
        .expect("Rep has 1 open invitation. Choose a role that replaces it.");
    let delete = Change::DeleteRole {
        role: rep,
        replacement: Some(boss),
    };
    apply(&ada, &delete).await;
    row(&ada, "vera@halden.example")
        .await
        .expect("Boss")
        .expect("Sales");
    let delete = Change::DeleteProfile {
        profile: sales,
        replacement: None,
    };
    apply(&ada, &delete).await;
    row(&ada, "vera@halden.example")
        .await
        .expect("Boss")
        .expect("Standard User");

    // Both come back, for whom they were taken from; what was promised anew stays promised.
    for number in [2, 1] {
        let done = revert(&ada, number).await.press("Apply").await;
        done.expect(&format!("Change {number} is reverted"));
    }
    row(&ada, "bob@halden.example").await.expect("Sales");
    row(&ada, "vera@halden.example")
        .await
        .expect("Boss")
        .expect("Standard User");
    go_on(&vera, half).await;
    row(&ada, "vera@halden.example")
        .await
        .expect("Boss")
        .expect("Standard User")
        .expect_not("After registration");
    vera.open("/test/records/leads").await;
}

async fn a_role_that_is_promised_again_stays(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let sales = app.standard("Sales", &[&bob]);
    let rep = app.set_up(&ada, |setup| roles::add(setup, &called("Rep"), None));
    let old = invite(&app, &ada, "old@halden.example", "Rep", "Sales").await;
    // Somebody who was promised it and is here already does not keep it.
    let vera = app.visitor();
    let page = choose_password(&vera, &old, "Vera").await;
    go_on(&vera, page).await;
    let boss = app.role("Boss", None, &[&bob]);
    let delete = Change::DeleteRole {
        role: rep,
        replacement: Some(boss),
    };
    apply(&ada, &delete).await;
    let delete = Change::DeleteProfile {
        profile: sales,
        replacement: None,
    };
    apply(&ada, &delete).await;
    for number in [2, 1] {
        revert(&ada, number).await.press("Apply").await;
    }
    row(&ada, "old@halden.example")
        .await
        .expect("Rep")
        .expect("Sales");
    let link = invite(&app, &ada, "new@halden.example", "Rep", "Sales").await;
    // The role would be gone again.
    let refused = revert(&ada, 4).await;
    refused.expect("Change 4 cannot be reverted: a role that would go is in use by now.");
    row(&ada, "new@halden.example").await.expect("Rep");
    // Revoked, the invitation keeps nothing.
    let list = ada.open(INSIGHT_USERS).await;
    let ask = list.row("new@halden.example").press("Revoke").await;
    ask.press("Revoke invitation to new@halden.example").await;
    app.visitor().open(&link).await.expect_status(404);
    let done = revert(&ada, 4).await.press("Apply").await;
    done.expect("Change 4 is reverted");
    row(&ada, "old@halden.example").await.expect("Boss");
    // Of profiles there is always one to get instead.
    invite(&app, &ada, "mia@halden.example", "Boss", "Sales").await;
    let done = revert(&ada, 3).await.press("Apply").await;
    done.expect("Change 3 is reverted");
    row(&ada, "mia@halden.example")
        .await
        .expect("Boss")
        .expect("Standard User");
}
