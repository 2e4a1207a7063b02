//! Several accounts and one person: switching, and that nothing crosses from one account to another (SPEC 1, 3.1).

use insight::db::types::AccountId;

use crate::app::TestApp;
use crate::app::people::{Company, Person, Role};
use crate::app::steps::{
    INSIGHT_USERS, assert_newest, audit_sentences, everything, invite, masked, member_action,
};
use crate::on_both;

on_both!(
    a_person_switches_between_their_own_accounts,
    who_has_one_account_is_offered_no_other,
    an_account_of_others_does_not_exist,
    rights_belong_to_the_account,
    what_belongs_to_another_account_does_not_exist,
    the_same_address_may_stand_in_two_accounts,
    a_session_belongs_to_one_account_at_a_time,
);

async fn switch(person: &Person, to: AccountId) -> crate::app::page::Page {
    person
        .post("/accounts/switch", &[("account", &to.to_string())])
        .await
        .follow()
        .await
}

/// Erika, an administrator of Halden Logistics and a Viewer of Norden.
async fn erika_in_two(app: &TestApp) -> (Person, Company) {
    let erika = app.admin("erika").await;
    let norden = app.company("Norden AB");
    norden.admin("nils");
    norden.add(&erika, &[Role::Viewer]);
    (erika, norden)
}

async fn a_person_switches_between_their_own_accounts(app: TestApp) {
    let (erika, _norden) = erika_in_two(&app).await;
    let page = erika.open(INSIGHT_USERS).await;
    assert_eq!(page.texts(".topbar .account form button"), ["Norden AB"]);
    let page = erika.open("/accounts").await;
    page.row("Halden Logistics")
        .expect("Admin")
        .expect("Open now");
    page.row("Norden AB")
        .expect("Viewer")
        .expect_not("Open now");
    assert!(!page.row("Halden Logistics").offers("Switch"));
    let old = erika.cookie("sid").expect("signed in");

    let home = page.row("Norden AB").press("Switch").await;

    assert_eq!(home.flash(), "You are now in Norden AB.");
    home.expect("You are signed in to Norden AB. Your platform roles: Viewer.");
    assert_ne!(
        erika.cookie("sid").as_deref(),
        Some(old.as_str()),
        "a new session id"
    );
    let thief = app.visitor();
    thief.set_cookie("sid", Some(&old));
    thief.get("/").await.expect_redirect("/sign-in");
    erika.get(INSIGHT_USERS).await.expect_status(403);
    let back = erika
        .open("/accounts")
        .await
        .row("Halden Logistics")
        .press("Switch")
        .await;
    assert_eq!(back.path, INSIGHT_USERS);
    assert_newest(
        &audit_sentences(&erika).await,
        "Switched to Halden Logistics",
    );
}

async fn who_has_one_account_is_offered_no_other(app: TestApp) {
    app.company("Norden AB").admin("nils");
    let erika = app.admin("erika").await;
    let page = erika.open(INSIGHT_USERS).await;
    assert!(page.all(".topbar .account button").is_empty());
    erika.open("/accounts").await.expect_not("Norden AB");
}

async fn an_account_of_others_does_not_exist(app: TestApp) {
    let (erika, norden) = erika_in_two(&app).await;
    let foreign = app.company("Foreign Ltd");
    foreign.admin("eve");
    let nils = norden.admin("boss");
    // A removed membership is none either.
    switch(&nils, norden.id).await;
    let page = member_action(&nils, erika.email(), "Remove").await;
    page.press("Remove Erika").await;
    let before = everything(&app);
    let made_up = masked(&switch(&erika, AccountId(987_654)).await);
    for account in [foreign.id, norden.id] {
        let page = switch(&erika, account).await;
        page.expect_status(404);
        assert_eq!(masked(&page), made_up);
    }
    for odd in [
        "",
        "x",
        "-1",
        "0",
        "1.5",
        "99999999999999999999",
        "1 OR 1=1",
    ] {
        erika
            .post("/accounts/switch", &[("account", odd)])
            .await
            .expect_status(404);
    }
    erika.post("/accounts/switch", &[]).await.expect_status(404);
    let own = erika.account().to_string();
    erika
        .post("/accounts/switch", &[("account", &own), ("account", &own)])
        .await
        .expect_status(400);
    assert_eq!(everything(&app), before);
    erika.open("/accounts").await.expect_not("Norden AB");
}

async fn rights_belong_to_the_account(app: TestApp) {
    let (erika, norden) = erika_in_two(&app).await;
    switch(&erika, norden.id).await;
    for path in [
        INSIGHT_USERS,
        "/settings/audit-log",
        "/shared/insight-users/members.csv",
    ] {
        erika.get(path).await.expect_status(403);
    }
    let before = everything(&app);
    erika
        .post(
            "/shared/insight-users/subscribers/new",
            &[("email", "a@x.example")],
        )
        .await
        .expect_status(403);
    assert_eq!(everything(&app), before);
    // Made an administrator there, she is one there, and what she does stays there.
    let member = app.number(&format!(
        "SELECT id FROM members WHERE account_id = {} AND user_id = {}",
        norden.id,
        erika.user()
    ));
    let boss = norden.admin("boss");
    let path = format!("{INSIGHT_USERS}/members/{member}/roles");
    boss.post(&path, &[("platform_role", "admin")])
        .await
        .expect_redirect(INSIGHT_USERS);
    invite(&erika, "new@x.example").await.expect("Sent");
    assert!(
        app.last_mail_to("new@x.example")
            .subject
            .contains("Norden AB")
    );
    let halden = erika.account();
    switch(&erika, halden).await;
    erika.open(INSIGHT_USERS).await.expect_not("new@x.example");
    assert!(
        !audit_sentences(&erika)
            .await
            .concat()
            .contains("new@x.example")
    );
}

/// Number of the newest row of a table in an account.
fn newest(app: &TestApp, table: &str, account: AccountId) -> i64 {
    app.number(&format!(
        "SELECT MAX(id) FROM {table} WHERE account_id = {account}"
    ))
}

async fn what_belongs_to_another_account_does_not_exist(app: TestApp) {
    // Somebody who is an administrator of both: only the account they are in counts.
    let erika = app.admin("erika").await;
    let norden = app.company("Norden AB");
    let nils = norden.admin("nils");
    norden.add(&erika, &[Role::Admin]);
    invite(&nils, "invited@x.example").await;
    nils.post(
        "/shared/insight-users/subscribers/new",
        &[("email", "news@x.example")],
    )
    .await;
    let member = nils.member().to_string();
    let invitation = newest(&app, "invitations", norden.id).to_string();
    let subscriber = newest(&app, "subscribers", norden.id).to_string();
    let before = everything(&app);
    for (kind, id, actions) in [
        (
            "members",
            &member,
            ["roles", "reset-2fa", "remove"].as_slice(),
        ),
        (
            "invitations",
            &invitation,
            &["resend", "copy-link", "revoke"],
        ),
        ("subscribers", &subscriber, &["remove"]),
    ] {
        for action in actions {
            let path = |id: &str| format!("{INSIGHT_USERS}/{kind}/{id}/{action}");
            for there in [&path(id), &path("987654")] {
                let page = erika
                    .post(there, &[("own", "1"), ("platform_role", "admin")])
                    .await;
                page.expect_status(404);
            }
            if *action != "resend" {
                let real = masked(&erika.get(&path(id)).await);
                assert_eq!(
                    real,
                    masked(&erika.get(&path("987654")).await),
                    "{kind} {action}"
                );
            }
        }
    }
    assert_eq!(everything(&app), before);
    for path in [
        INSIGHT_USERS,
        "/settings/audit-log",
        "/shared/insight-users/members.csv",
        "/settings/audit-log.csv",
    ] {
        let page = erika.open(path).await;
        for theirs in ["nils@norden", "invited@x", "news@x"] {
            assert!(!page.source().contains(theirs), "{path} shows {theirs}");
        }
    }
    switch(&erika, norden.id).await;
    erika
        .get(&format!("{INSIGHT_USERS}/members/{member}/roles"))
        .await
        .expect_status(200);
    erika
        .get(&format!("{INSIGHT_USERS}/members/{}/roles", erika.member()))
        .await
        .expect_status(404);
}

async fn the_same_address_may_stand_in_two_accounts(app: TestApp) {
    let erika = app.admin("erika").await;
    let nils = app.company("Norden AB").admin("nils");
    for admin in [&erika, &nils] {
        invite(admin, "both@x.example").await.expect("Sent");
        let page = admin
            .post(
                "/shared/insight-users/subscribers/new",
                &[("email", "both@x.example")],
            )
            .await;
        page.expect_redirect("/shared/insight-users#subscribers");
    }
    let links: Vec<String> = app
        .mail_to("both@x.example")
        .iter()
        .map(|letter| letter.link("/register/"))
        .collect();
    let person = app.visitor();
    crate::app::steps::register(&person, &links[0], "Both")
        .await
        .expect("Halden Logistics");
    let page = person.open(&links[1]).await;
    assert_eq!(page.h1(), "Join Norden AB");
    page.press("Join").await.expect("You joined Norden AB.");
}

async fn a_session_belongs_to_one_account_at_a_time(app: TestApp) {
    let (erika, norden) = erika_in_two(&app).await;
    let laptop = erika.other_browser();
    laptop.start_session(crate::app::people::Level::Full);
    switch(&laptop, norden.id).await;
    laptop.get(INSIGHT_USERS).await.expect_status(403);
    erika.get(INSIGHT_USERS).await.expect_status(200);
}
