//! Manage roles, Reset 2FA, Remove, and the rules that refuse them (SPEC 3.5).

use std::time::Duration;

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::{Level, PASSWORD, Person, Role};
use crate::app::steps::{
    INSIGHT_USERS, assert_newest, audit_sentences, confirm_with_code, everything, invite, invited,
    member_action,
};
use crate::on_both;

on_both!(
    changed_roles_apply_at_the_next_request,
    a_member_may_hold_no_platform_role,
    roles_as_they_were_change_nothing,
    making_an_administrator_asks_for_a_fresh_code,
    the_last_administrator_stays_one,
    nobody_takes_their_own_roles_by_accident,
    a_reset_gives_a_new_beginning_to_the_person_alone,
    a_reset_may_discard_the_password_too,
    a_set_up_link_can_be_sent_again,
    only_the_company_that_first_invited_somebody_resets_their_two_factor,
    nobody_resets_themselves_by_accident,
    the_last_administrator_who_can_sign_in_is_not_reset,
    a_reset_does_not_leave_another_company_without_an_administrator,
    a_removal_says_what_happens_and_ends_sessions_here_alone,
    open_invitations_of_a_removed_member_are_revoked_as_ticked,
    the_owner_is_not_removed,
    the_last_administrator_is_not_removed,
    nobody_removes_themselves_by_accident,
    a_removed_name_stays_on_what_they_did,
    dangerous_actions_ask_for_a_fresh_code,
    a_removed_member_is_nobody,
);

fn members(id: impl std::fmt::Display, action: &str) -> String {
    format!("{INSIGHT_USERS}/members/{id}/{action}")
}

async fn row(by: &Person, of: &Person) -> Page {
    by.open(INSIGHT_USERS)
        .await
        .section("Members")
        .row(of.email())
}

/// The action stands there without being offered, and the reason beside it.
#[track_caller]
fn assert_off(row: &Page, action: &str, why: &str) {
    assert!(!row.offers(action), "{action} is offered");
    let off = row.texts(".is-off");
    assert!(
        off.iter()
            .any(|text| text.starts_with(action) && text.ends_with(why)),
        "{action}: {why}: {off:?}"
    );
}

async fn changed_roles_apply_at_the_next_request(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.admin("sam").await;
    sam.get(INSIGHT_USERS).await.expect_status(200);
    let page = member_action(&erika, sam.email(), "Manage roles").await;
    assert_eq!(page.h1(), "Manage roles: Sam");
    assert!(page.is_ticked("Admin") && !page.is_ticked("Viewer") && !page.is_ticked("Technician"));

    let list = page
        .untick("Admin")
        .tick("Viewer")
        .tick("Technician")
        .press("Save")
        .await;

    assert!(
        list.flash()
            .starts_with("Platform roles of Sam are now Viewer"),
        "{}",
        list.flash()
    );
    list.section("Members")
        .row(sam.email())
        .expect("Viewer Technician")
        .expect_not("Admin");
    sam.get(INSIGHT_USERS).await.expect_status(403);
    sam.get("/security").await.expect_status(200);
    let letter = app.last_mail_to(&sam);
    assert_eq!(
        letter.subject,
        "Your platform roles in Halden Logistics have changed"
    );
    for words in ["Before: Admin", "Now: Viewer", "Technician", "By: Erika"] {
        assert!(letter.text.contains(words), "{words}: {}", letter.text);
    }
    let log = erika.open("/settings/audit-log").await;
    let entry = log.row("Changed the platform roles of Sam (sam@halden.example)");
    entry.expect("Erika");
    assert_eq!(entry.texts("del"), ["Admin"]);
    assert!(
        entry.texts("ins")[0].starts_with("Viewer"),
        "{:?}",
        entry.texts("ins")
    );
}

async fn a_member_may_hold_no_platform_role(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let page = member_action(&erika, sam.email(), "Manage roles").await;
    let list = page.untick("Viewer").press("Save").await;
    assert!(
        list.flash()
            .starts_with("Sam holds no platform role any more"),
        "{}",
        list.flash()
    );
    sam.open("/").await.expect_status(200);
}

async fn roles_as_they_were_change_nothing(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let page = member_action(&erika, sam.email(), "Manage roles").await;
    let before = everything(&app);
    let list = page.press("Save").await;
    assert!(
        list.flash().ends_with("Nothing was changed."),
        "{}",
        list.flash()
    );
    assert_eq!(everything(&app), before, "no entry, no mail");
    for odd in [
        [("platform_role", "owner"), ("role", "admin")],
        [("platform_role", "viewer"), ("admin", "1")],
    ] {
        erika.post(&members(sam.member(), "roles"), &odd).await;
        sam.get(INSIGHT_USERS).await.expect_status(403);
    }
}

async fn making_an_administrator_asks_for_a_fresh_code(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    app.forward(Duration::from_secs(15 * 60 + 1));
    let page = member_action(&erika, sam.email(), "Manage roles").await;
    let before = everything(&app);
    let code = page.tick("Admin").press("Save").await;
    assert_eq!(everything(&app), before, "not before the code");
    let page = confirm_with_code(&erika, code).await;
    page.expect("Nothing has been changed yet");
    assert!(page.is_ticked("Admin") && page.is_ticked("Viewer"));
    sam.get(INSIGHT_USERS).await.expect_status(403);
    page.press("Save").await.expect_status(200);
    sam.get(INSIGHT_USERS).await.expect_status(200);
}

async fn the_last_administrator_stays_one(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let page = member_action(&erika, erika.email(), "Manage roles").await;
    page.expect("Admin cannot be taken away: Erika is the last administrator who can sign in.");
    let before = everything(&app);
    let path = members(erika.member(), "roles");
    let answer = erika
        .post(&path, &[("own", "1"), ("platform_role", "viewer")])
        .await;
    answer.expect_status(422);
    assert!(answer.errors()[0].contains("is the last administrator who can sign in"));
    assert_eq!(everything(&app), before);
    // Another role beside it is no demotion; one who cannot sign in does not count.
    let page = member_action(&erika, sam.email(), "Manage roles").await;
    page.tick("Admin").press("Save").await;
    let page = member_action(&erika, sam.email(), "Reset 2FA").await;
    page.press("Reset 2FA").await.expect_status(200);
    let answer = erika
        .post(&path, &[("own", "1"), ("platform_role", "viewer")])
        .await;
    answer.expect_status(422);
    erika
        .post(
            &path,
            &[("platform_role", "viewer"), ("platform_role", "admin")],
        )
        .await
        .expect_redirect(INSIGHT_USERS);
    row(&erika, &erika).await.expect("Viewer Admin");
}

async fn nobody_takes_their_own_roles_by_accident(app: TestApp) {
    let erika = app.admin("erika").await;
    app.admin("sam").await;
    let page = member_action(&erika, erika.email(), "Manage roles").await;
    let before = everything(&app);
    let page = page.untick("Admin").tick("Viewer").press("Save").await;
    page.expect_status(422);
    assert_eq!(
        page.errors(),
        ["Tick this to take platform roles away from yourself"]
    );
    assert!(
        page.is_ticked("Viewer") && !page.is_ticked("Admin"),
        "what was ticked is kept"
    );
    assert_eq!(everything(&app), before);
    let session = erika.cookie("sid");
    let home = page
        .tick("These are my own platform roles")
        .press("Save")
        .await;
    assert!(
        home.flash().starts_with("You now hold Viewer"),
        "{}",
        home.flash()
    );
    assert_ne!(
        erika.cookie("sid"),
        session,
        "a new session id at a change of privilege"
    );
    erika.get(INSIGHT_USERS).await.expect_status(403);
}

async fn a_reset_gives_a_new_beginning_to_the_person_alone(app: TestApp) {
    let erika = app.admin("erika").await;
    let jon = app.admin("jon").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let page = member_action(&erika, sam.email(), "Reset 2FA").await;
    assert_eq!(page.h1(), "Reset 2FA of Sam?");
    page.expect("is signed out everywhere")
        .expect("within 24 hours")
        .expect("You never see a secret");
    sam.get("/security").await.expect_status(200);

    let list = page.press("Reset 2FA").await;

    assert!(
        list.flash().starts_with("2FA of Sam was reset."),
        "{}",
        list.flash()
    );
    sam.get("/security").await.expect_redirect("/sign-in");
    list.section("Members")
        .row(sam.email())
        .expect("Needs set-up");
    assert!(
        !list.source().contains("set-up-access/"),
        "the administrator gets nothing"
    );
    let letter = app.last_mail_to(&sam);
    letter.link("/set-up-access/");
    assert!(
        letter.text.contains("You need your password for it"),
        "{}",
        letter.text
    );
    assert_eq!(app.last_mail_to(&jon).subject, "2FA of Sam was reset");
    assert!(app.mail_to(&erika).is_empty(), "who did it knows");
    assert_newest(
        &audit_sentences(&erika).await,
        "Reset 2FA of Sam (sam@halden.example)",
    );
    let again = sam.other_browser();
    let page = again.give_password(sam.email(), PASSWORD).await;
    page.expect_status(422);
}

async fn a_reset_may_discard_the_password_too(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let page = member_action(&erika, sam.email(), "Reset 2FA").await;
    let list = page
        .tick("The password is lost too")
        .press("Reset 2FA")
        .await;
    assert!(
        list.flash()
            .starts_with("2FA and password of Sam were reset."),
        "{}",
        list.flash()
    );
    let letter = app.last_mail_to(&sam);
    assert!(
        letter
            .text
            .contains("choose a new password and set up two-factor"),
        "{}",
        letter.text
    );
    assert_eq!(
        app.number("SELECT COUNT(*) FROM users WHERE password IS NULL"),
        1
    );
    let log = erika.open("/settings/audit-log").await;
    let entry = log.row("Reset 2FA and the password of Sam");
    assert_eq!(entry.texts("ins"), ["Needs set-up", "None"]);
}

async fn a_set_up_link_can_be_sent_again(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let page = member_action(&erika, sam.email(), "Reset 2FA").await;
    page.press("Reset 2FA").await;
    let first = app.last_mail_to(&sam).link("/set-up-access/");
    let page = member_action(&erika, sam.email(), "Reset 2FA").await;
    assert_eq!(page.h1(), "Send the link to Sam again?");
    let list = page.press("Send the link again").await;
    assert!(
        list.flash()
            .starts_with("A new set-up link for Sam was made."),
        "{}",
        list.flash()
    );
    let second = app.last_mail_to(&sam).link("/set-up-access/");
    sam.open(&first).await.expect_status(404);
    sam.open(&second).await.expect_status(200);
    assert_newest(
        &audit_sentences(&erika).await,
        "Sent the 2FA set-up link to Sam",
    );
}

async fn only_the_company_that_first_invited_somebody_resets_their_two_factor(app: TestApp) {
    let erika = app.admin("erika").await;
    let other = app.company("Other Company");
    other.admin("boss");
    let guest = other.member("guest", &[Role::Viewer]);
    let here = app.halden().await.add(&guest, &[Role::Viewer]);
    let why = "Only an administrator of the company that first invited Guest can reset 2FA.";
    assert_off(&row(&erika, &guest).await, "Reset 2FA", why);
    let page = erika.get(&members(here, "reset-2fa")).await;
    page.expect(why);
    assert!(!page.offers("Reset 2FA"));
    let before = everything(&app);
    erika
        .post(&members(here, "reset-2fa"), &[])
        .await
        .expect_status(403)
        .expect(why);
    erika
        .post(
            &members(here, "reset-2fa"),
            &[("password_lost", "1"), ("resend", "1")],
        )
        .await
        .expect_status(403);
    assert_eq!(everything(&app), before);
    guest.get("/security").await.expect_status(200);
}

async fn nobody_resets_themselves_by_accident(app: TestApp) {
    let erika = app.admin("erika").await;
    app.admin("jon").await;
    let page = member_action(&erika, erika.email(), "Reset 2FA").await;
    let before = everything(&app);
    let page = page
        .tick("The password is lost too")
        .press("Reset 2FA")
        .await;
    page.expect_status(422);
    assert_eq!(page.errors(), ["Tick this to reset your own 2FA"]);
    assert!(page.is_ticked("The password is lost too"));
    assert_eq!(everything(&app), before);
    let page = page
        .untick("The password is lost too")
        .tick("I am resetting my own 2FA");
    let out = page.press("Reset 2FA").await;
    assert_eq!(out.path, "/sign-in");
    erika.get("/").await.expect_redirect("/sign-in");
    app.last_mail_to(&erika).link("/set-up-access/");
}

async fn the_last_administrator_who_can_sign_in_is_not_reset(app: TestApp) {
    let erika = app.admin("erika").await;
    let why = "Erika is the last administrator who can sign in. Make somebody else an administrator first.";
    assert_off(&row(&erika, &erika).await, "Reset 2FA", why);
    let before = everything(&app);
    let answer = erika
        .post(&members(erika.member(), "reset-2fa"), &[("own", "1")])
        .await;
    answer.expect_status(422);
    assert_eq!(answer.errors(), [why]);
    assert_eq!(everything(&app), before);
}

async fn a_reset_does_not_leave_another_company_without_an_administrator(app: TestApp) {
    let erika = app.admin("erika").await;
    let jon = app.admin("jon").await;
    app.company("Other Company").add(&jon, &[Role::Admin]);
    let before = everything(&app);
    let answer = erika.post(&members(jon.member(), "reset-2fa"), &[]).await;
    answer.expect_status(422);
    assert!(
        answer.errors()[0]
            .contains("it would leave a company without an administrator who can sign in")
    );
    assert!(!answer.text().contains("Other Company"));
    assert_eq!(everything(&app), before);
}

async fn a_removal_says_what_happens_and_ends_sessions_here_alone(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.admin("sam").await;
    let other = app.company("Other Company");
    other.add(&sam, &[Role::Viewer]);
    let elsewhere = sam.other_browser();
    elsewhere.start_session(Level::Full);
    let there = other.id.to_string();
    elsewhere
        .post("/accounts/switch", &[("account", &there)])
        .await
        .expect_redirect("/");
    let page = member_action(&erika, sam.email(), "Remove").await;
    assert_eq!(page.h1(), "Remove Sam from Halden Logistics?");
    for words in [
        "Sam (sam@halden.example) is signed out at once and can no longer open this account.",
        "One administrator remains: you.",
        "The name stays on old records as “Sam (removed)”.",
        "Inviting the same address again brings the person back.",
    ] {
        page.expect(words);
    }
    sam.get("/security").await.expect_status(200);

    let list = page.press("Remove Sam").await;

    assert_eq!(list.flash(), "Sam was removed from Halden Logistics.");
    assert!(!list.section("Members").has_row(sam.email()));
    assert_eq!(list.texts("#h-members .count"), ["1"]);
    sam.get("/security").await.expect_redirect("/sign-in");
    elsewhere.get("/security").await.expect_status(200);
    elsewhere
        .get("/accounts")
        .await
        .expect_not("Halden Logistics");
    let here = app.halden().await.id.to_string();
    elsewhere
        .post("/accounts/switch", &[("account", &here)])
        .await
        .expect_status(404);
    let letter = app.last_mail_to(&sam);
    assert_eq!(
        letter.subject,
        "You no longer have access to Halden Logistics"
    );
    assert!(letter.text.contains("By: Erika"));
    assert_newest(
        &audit_sentences(&erika).await,
        "Removed Sam (sam@halden.example)",
    );
}

async fn open_invitations_of_a_removed_member_are_revoked_as_ticked(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.admin("sam").await;
    let gone = invited(&app, &sam, "gone@x.example").await;
    invite(&sam, "kept@x.example").await;
    invite(&erika, "hers@x.example").await;
    let page = member_action(&erika, sam.email(), "Remove").await;
    page.expect("Open invitations sent by Sam");
    page.expect_not("hers@x.example");
    assert!(page.is_ticked("Revoke: gone@x.example") && page.is_ticked("Revoke: kept@x.example"));
    let list = page
        .untick("Revoke: kept@x.example")
        .press("Remove Sam")
        .await;
    assert!(!list.has_row("gone@x.example"));
    list.row("kept@x.example").expect("Sam (removed)");
    list.row("hers@x.example").expect("Erika");
    app.visitor().open(&gone).await.expect_status(404);
    assert!(app.mail_to("gone@x.example").is_empty());
    let log = erika.open("/settings/audit-log").await;
    log.row("Revoked the invitation to gone@x.example");
    let removed = log.row("Removed Sam (sam@halden.example)");
    assert_eq!(removed.texts("del"), ["Member", "1"]);
}

async fn the_owner_is_not_removed(app: TestApp) {
    let erika = app.admin("erika").await;
    let jon = app.admin("jon").await;
    let why = "The account owner cannot be removed. Change the account owner first.";
    assert_off(&row(&jon, &erika).await, "Remove", why);
    let page = jon.get(&members(erika.member(), "remove")).await;
    page.expect(why);
    assert!(!page.offers("Remove Erika"));
    let before = everything(&app);
    let answer = jon.post(&members(erika.member(), "remove"), &[]).await;
    answer.expect_status(422);
    assert_eq!(answer.errors(), [why]);
    assert_eq!(everything(&app), before);
    erika.get(INSIGHT_USERS).await.expect_status(200);
}

async fn the_last_administrator_is_not_removed(app: TestApp) {
    let erika = app.admin("erika").await;
    let jon = app.admin("jon").await;
    // The owner need not be an administrator.
    let page = member_action(&jon, erika.email(), "Manage roles").await;
    page.untick("Admin").press("Save").await;
    let why =
        "Jon is the last administrator who can sign in. Make somebody else an administrator first.";
    assert_off(&row(&jon, &jon).await, "Remove", why);
    let before = everything(&app);
    let answer = jon
        .post(&members(jon.member(), "remove"), &[("own", "1")])
        .await;
    answer.expect_status(422);
    assert_eq!(answer.errors(), [why]);
    assert_eq!(everything(&app), before);
}

async fn nobody_removes_themselves_by_accident(app: TestApp) {
    app.admin("erika").await;
    let jon = app.admin("jon").await;
    invite(&jon, "kept@x.example").await;
    let page = member_action(&jon, jon.email(), "Remove").await;
    let before = everything(&app);
    let page = page
        .untick("Revoke: kept@x.example")
        .press("Remove Jon")
        .await;
    page.expect_status(422);
    assert_eq!(page.errors(), ["Tick this to remove yourself"]);
    assert!(
        !page.is_ticked("Revoke: kept@x.example"),
        "what was unticked is kept"
    );
    assert_eq!(everything(&app), before);
    let out = page.tick("I am removing myself").press("Remove Jon").await;
    assert_eq!(out.path, "/sign-in");
    assert_eq!(out.flash(), "You were removed from Halden Logistics.");
}

async fn a_removed_name_stays_on_what_they_did(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.admin("sam").await;
    let page = sam.open(INSIGHT_USERS).await.press("Add subscriber").await;
    page.fill("E-mail", "news@x.example").press("Add").await;
    let page = member_action(&erika, sam.email(), "Remove").await;
    let list = page.press("Remove Sam").await;
    list.row("news@x.example").expect("Sam (removed)");
    let log = erika.open("/settings/audit-log").await;
    log.row("Added the subscriber news@x.example").expect("Sam");
}

async fn dangerous_actions_ask_for_a_fresh_code(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    app.forward(Duration::from_secs(15 * 60));
    erika
        .get(&members(sam.member(), "remove"))
        .await
        .expect_status(200);
    app.forward(Duration::from_secs(1));
    let before = everything(&app);
    for action in ["remove", "reset-2fa"] {
        let path = members(sam.member(), action);
        erika.get(&path).await.expect_redirect("/step-up");
        erika.post(&path, &[]).await.expect_redirect("/step-up");
    }
    assert_eq!(everything(&app), before);
    let page = erika.open(&members(sam.member(), "remove")).await;
    page.expect("to go on: remove a member");
    let page = confirm_with_code(&erika, page).await;
    assert_eq!(
        page.h1(),
        "Remove Sam from Halden Logistics?",
        "on where the person was"
    );
}

async fn a_removed_member_is_nobody(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let page = member_action(&erika, sam.email(), "Remove").await;
    page.press("Remove Sam").await;
    let before = everything(&app);
    for action in ["roles", "reset-2fa", "remove"] {
        let path = members(sam.member(), action);
        erika.get(&path).await.expect_status(404);
        erika
            .post(&path, &[("platform_role", "admin")])
            .await
            .expect_status(404);
    }
    assert_eq!(everything(&app), before);
    let unknown = app
        .visitor()
        .give_password("nobody@halden.example", PASSWORD)
        .await;
    let page = sam
        .other_browser()
        .give_password(sam.email(), PASSWORD)
        .await;
    assert_eq!(
        (page.status, page.errors()),
        (unknown.status, unknown.errors())
    );
}
