//! A forgotten password, and access after an administrator's reset.

use std::time::Duration;

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::{Level, PASSWORD, Person, Role};
use crate::on_both;
use crate::routes::masked;
use crate::sign_in::bob;

on_both!(
    a_forgotten_password_is_replaced_by_a_mailed_link,
    asking_for_a_new_password_tells_nobody_who_is_here,
    asking_again_and_again_sends_three_mails,
    the_link_to_a_new_password_works_once_within_an_hour,
    a_new_link_ends_the_one_before,
    a_changed_password_ends_the_link,
    parallel_uses_of_one_link_set_one_password,
    the_new_password_obeys_the_rules,
    after_a_reset_password_and_link_set_up_two_factor,
    after_a_reset_with_the_password_the_link_sets_both,
    set_up_is_begun_in_one_browser_and_ended_there,
    the_set_up_link_works_once_within_a_day,
    a_mailed_link_cannot_replace_the_password_during_a_reset,
    guessing_behind_a_set_up_link_is_throttled,
    links_of_one_kind_open_nothing_else,
);

const MINUTE: Duration = Duration::from_secs(60);
const FRESH: &str = "seven brave teapots";

/// Asks for a link.
async fn forgot(person: &Person, email: &str) -> Page {
    let page = person.open("/forgot-password").await;
    page.fill("E-mail", email).press("Send the link").await
}

/// Asks for a link; gives the one that came.
pub async fn link_to_new_password(app: &TestApp, person: &Person) -> String {
    forgot(person, person.email()).await.expect_status(200);
    app.last_mail_to(person).link("/new-password/")
}

/// Types a new password twice.
async fn choose(page: Page, password: &str) -> Page {
    let page = page.fill("New password", password);
    page.fill("Repeat new password", password)
        .press("Change password")
        .await
}

/// The one page for every link that is dead or never lived.
async fn is_dead(person: &Person, link: &str) {
    let page = person.open(link).await;
    page.expect_status(404);
    assert_eq!(page.h1(), "This link is not valid any more");
}

/// Resets 2FA of a person; gives the link that was mailed.
pub async fn reset(app: &TestApp, admin: &Person, person: &Person, password_too: bool) -> String {
    admin.start_session(Level::Full);
    let path = format!(
        "/shared/insight-users/members/{}/reset-2fa",
        person.member()
    );
    let mut page = admin.open(&path).await;
    if password_too {
        page = page.tick("The password is lost too");
    }
    page.press("Reset 2FA").await.expect_status(200);
    let mail = app.mail_to(person);
    let mail = mail
        .iter()
        .rev()
        .find(|m| m.text.contains("/set-up-access/"));
    mail.expect("a link was mailed").link("/set-up-access/")
}

async fn a_forgotten_password_is_replaced_by_a_mailed_link(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let lost = bob.other_browser();
    let page = lost.open("/sign-in").await.press("Forgot password?").await;
    let page = page
        .fill("E-mail", " BOB@halden.example")
        .press("Send the link")
        .await;
    page.expect("If a person with this address can sign in, a mail is on its way.");
    let mail = app.last_mail_to(&bob);
    assert_eq!(mail.subject, "Set a new password for Insight");

    let page = lost.open(&mail.link("/new-password/")).await;
    // The token leaves the address bar.
    assert_eq!(page.path, "/new-password");
    let done = choose(page, FRESH).await;
    assert_eq!(done.path, "/sign-in");
    done.expect("Your password was changed. Sign in with the new one.");
    // Every session is over, and nobody is signed in by a mail alone.
    assert!(!bob.is_signed_in().await);
    assert!(!lost.is_signed_in().await);
    assert_eq!(app.last_mail_to(&bob).kind, "password-changed");

    let refused = lost.give_password(bob.email(), PASSWORD).await;
    refused.expect_status(422);
    let code_page = lost.give_password(bob.email(), FRESH).await;
    assert_eq!(code_page.h1(), "Enter your code");
    lost.get("/security").await.expect_redirect("/sign-in/code");
    let code_page = code_page.fill("Six-digit code", bob.code());
    code_page.press("Sign in").await.expect_status(200);
}

async fn asking_for_a_new_password_tells_nobody_who_is_here(app: TestApp) {
    let ada = app.admin("ada").await;
    let halden = app.halden().await;
    let removed = halden.person("Rem", "removed@halden.example", &[]);
    let fresh = halden.person("Res", "reset@halden.example", &[]);
    let known = halden.person("Kim", "known@halden.example", &[]);
    let path = format!("/shared/insight-users/members/{}/remove", removed.member());
    let gone = ada.open(&path).await.press("Remove Rem").await;
    gone.expect_status(200);
    reset(&app, &ada, &fresh, false).await;
    let invite = ada.open("/shared/insight-users/invite").await;
    let invite = invite.fill("E-mail addresses", "pending@halden.example");
    invite.press("Send").await.expect_status(200);

    let mut first = None;
    for email in [
        "known@halden.example",
        "nobody@halden.example",
        "removed@halden.example",
        "reset@halden.example",
        "pending@halden.example",
    ] {
        let visitor = app.visitor();
        let mut answers = Vec::new();
        for _ in 0..4 {
            let page = visitor.post("/forgot-password", &[("email", email)]).await;
            answers.push(masked(&page, email));
        }
        assert!(answers[0].starts_with("200"), "{}", answers[0]);
        assert_eq!(
            &answers,
            first.get_or_insert_with(|| answers.clone()),
            "{email}"
        );
    }
    let links = |email: &str| {
        let mail = app.mail_to(email);
        mail.iter()
            .filter(|m| m.text.contains("/new-password/"))
            .count()
    };
    assert_eq!(links(known.email()), 3);
    for email in ["nobody", "removed", "reset", "pending"] {
        assert_eq!(links(&format!("{email}@halden.example")), 0, "{email}");
    }
}

async fn asking_again_and_again_sends_three_mails(app: TestApp) {
    let bob = bob(&app).await;
    for _ in 0..3 {
        forgot(&bob, bob.email()).await.expect_status(200);
    }
    for browser in [app.visitor(), app.visitor()] {
        forgot(&browser, bob.email()).await.expect_status(429);
    }
    assert_eq!(app.mail_to(&bob).len(), 3);
    app.forward(Duration::from_secs(1));
    forgot(&bob, bob.email()).await.expect_status(200);
}

async fn the_link_to_a_new_password_works_once_within_an_hour(app: TestApp) {
    let bob = bob(&app).await;
    let first = link_to_new_password(&app, &bob).await;
    app.forward(MINUTE * 60 - Duration::from_secs(1));
    let page = bob.open(&first).await;
    page.expect_status(200);
    app.forward(Duration::from_secs(1));
    choose(page, FRESH).await.expect_status(404);
    is_dead(&bob, &first).await;
    bob.sign_in().await.expect_status(200);
    bob.sign_out().await;

    let second = link_to_new_password(&app, &bob).await;
    let page = bob.open(&second).await;
    choose(page.clone(), FRESH).await.expect_status(200);
    choose(page, "another one of them").await.expect_status(404);
    is_dead(&bob.other_browser(), &second).await;
    bob.sign_in_with(FRESH).await.expect_status(200);
}

async fn a_new_link_ends_the_one_before(app: TestApp) {
    let bob = bob(&app).await;
    let first = link_to_new_password(&app, &bob).await;
    let second = link_to_new_password(&app, &bob).await;
    is_dead(&bob, &first).await;
    bob.open(&second).await.expect_status(200);
    is_dead(&bob, &format!("{second}x")).await;
    is_dead(&bob, "/new-password/rst_x").await;
    is_dead(&bob.other_browser(), "/new-password").await;
}

async fn a_changed_password_ends_the_link(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let sent = link_to_new_password(&app, &bob).await;
    let fields = [
        ("current", PASSWORD),
        ("password", FRESH),
        ("repeat", FRESH),
    ];
    let changed = bob.post("/security/password", &fields).await;
    changed.expect_redirect("/security");
    is_dead(&bob.other_browser(), &sent).await;
}

async fn parallel_uses_of_one_link_set_one_password(app: TestApp) {
    let bob = bob(&app).await;
    let sent = link_to_new_password(&app, &bob).await;
    let passwords: Vec<String> = (0..4).map(|n| format!("{FRESH} number {n}")).collect();
    let mut pages = Vec::new();
    for _ in &passwords {
        let page = app.visitor().open(&sent).await;
        page.expect_status(200);
        pages.push(page);
    }
    let uses = pages.into_iter().zip(&passwords).map(|(p, w)| choose(p, w));
    let answers = futures_util::future::join_all(uses).await;
    let used: Vec<usize> = (0..4).filter(|n| answers[*n].status == 200).collect();
    assert_eq!(used.len(), 1);
    bob.sign_in_with(&passwords[used[0]])
        .await
        .expect_status(200);
    assert_eq!(
        app.mail_to(&bob)
            .iter()
            .filter(|m| m.kind == "password-changed")
            .count(),
        1
    );
}

async fn the_new_password_obeys_the_rules(app: TestApp) {
    let bob = bob(&app).await;
    let sent = link_to_new_password(&app, &bob).await;
    for wrong in [
        "",
        "short one",
        "password1234",
        "Bob is at home today",
        "we are halden logistics",
        &"x".repeat(129),
    ] {
        let page = bob.open(&sent).await;
        let refused = choose(page, wrong).await;
        refused.expect_status(422);
        assert_eq!(refused.errors().len(), 1, "{wrong}");
        assert_eq!(refused.value("New password"), "");
    }
    let page = bob.open(&sent).await.fill("New password", FRESH);
    let page = page.fill("Repeat new password", "something else here");
    let refused = page.press("Change password").await;
    assert_eq!(refused.errors(), ["Type the same password twice."]);
    // The attempts cost nothing.
    choose(bob.open(&sent).await, FRESH)
        .await
        .expect_status(200);
}

async fn after_a_reset_password_and_link_set_up_two_factor(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[Role::Viewer]).await;
    let old_code = bob.code();
    let sent = reset(&app, &ada, &bob, false).await;
    assert!(!bob.is_signed_in().await);
    let outside = bob.other_browser();
    outside
        .give_password(bob.email(), PASSWORD)
        .await
        .expect_status(422);

    let page = outside.open(&sent).await;
    assert_eq!(page.path, "/set-up-access");
    page.expect("Type the password of bob@halden.example");
    // A link alone opens nothing.
    outside
        .get("/set-up-access/two-factor")
        .await
        .expect_redirect("/set-up-access");
    let wrong = page.fill("Password", "wrong").press("Continue").await;
    wrong.expect_status(422);
    let page = wrong.fill("Password", PASSWORD).press("Continue").await;
    let shown = page.texts("#secret");
    // The same secret is kept until a code is right.
    let again = page
        .fill("Six-digit code", &old_code)
        .press("Confirm")
        .await;
    again.expect_status(422);
    assert_eq!(again.texts("#secret"), shown);
    outside.scan(&again);
    let page = again.fill("Six-digit code", outside.code());
    let page = page.press("Confirm").await;
    assert_eq!(page.h1(), "Save your recovery codes");
    assert!(outside.is_signed_in().await);
    assert_eq!(app.last_mail_to(&bob).kind, "two-factor-set");

    // This browser is known from now on.
    outside.sign_out().await;
    outside.sign_in().await.expect_status(200);
    assert_eq!(app.last_mail_to(&bob).kind, "two-factor-set");
    is_dead(&bob.other_browser(), &sent).await;
}

async fn after_a_reset_with_the_password_the_link_sets_both(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let sent = reset(&app, &ada, &bob, true).await;
    let page = bob.open(&sent).await;
    page.expect("Choose a new password for bob@halden.example");
    let refused = page.fill("New password", "short").press("Continue").await;
    refused.expect_status(422);
    let page = refused.fill("New password", FRESH);
    let page = page.fill("Repeat new password", FRESH);
    let page = page.press("Continue").await;
    // Nothing has changed until the code is right: leaving now leaves nobody with half an access.
    let half = bob.other_browser();
    half.give_password(bob.email(), FRESH)
        .await
        .expect_status(422);
    bob.scan(&page);
    let page = page.fill("Six-digit code", bob.code());
    page.press("Confirm").await.expect_status(200);
    bob.sign_out().await;
    bob.give_password(bob.email(), PASSWORD)
        .await
        .expect_status(422);
    bob.sign_in_with(FRESH).await.expect_status(200);
}

async fn set_up_is_begun_in_one_browser_and_ended_there(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    for password_too in [false, true] {
        let sent = reset(&app, &ada, &bob, password_too).await;
        let mine = bob.other_browser();
        let page = mine.open(&sent).await;
        let page = match password_too {
            true => page
                .fill("New password", FRESH)
                .fill("Repeat new password", FRESH),
            false => page.fill("Password", PASSWORD),
        };
        let page = page.press("Continue").await;
        mine.scan(&page);
        // Somebody else who reads the mail sees no secret and cannot finish with one.
        let eve = app.visitor();
        let seen = eve.open(&sent).await;
        assert_eq!(seen.path, "/set-up-access");
        eve.get("/set-up-access/two-factor")
            .await
            .expect_redirect("/set-up-access");
        let code = mine.code();
        let tried = eve
            .post("/set-up-access/two-factor", &[("code", &code)])
            .await;
        tried.expect_redirect("/set-up-access");
        if !password_too {
            let guess = seen.fill("Password", "a guess of hers");
            guess.press("Continue").await.expect_status(422);
        }
        let page = page.fill("Six-digit code", mine.code());
        page.press("Confirm").await.expect_status(200);
        assert!(mine.is_signed_in().await);
    }
}

async fn the_set_up_link_works_once_within_a_day(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let first = reset(&app, &ada, &bob, false).await;
    app.forward(MINUTE * 60 * 24 - Duration::from_secs(1));
    bob.open(&first).await.expect_status(200);
    app.forward(Duration::from_secs(1));
    is_dead(&bob, &first).await;

    // It can be sent again; the one before is dead.
    ada.start_session(Level::Full);
    let path = format!("/shared/insight-users/members/{}/reset-2fa", bob.member());
    let again = ada.open(&path).await.press("Send the link again").await;
    again.expect_status(200);
    let second = app.last_mail_to(&bob).link("/set-up-access/");
    let again = ada.open(&path).await.press("Send the link again").await;
    again.expect_status(200);
    is_dead(&bob, &second).await;
    let third = app.last_mail_to(&bob).link("/set-up-access/");
    bob.open(&third).await.expect_status(200);
}

async fn a_mailed_link_cannot_replace_the_password_during_a_reset(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = bob(&app).await;
    let early = link_to_new_password(&app, &bob).await;
    reset(&app, &ada, &bob, false).await;
    // Two links by mail would otherwise be enough to get in.
    is_dead(&bob, &early).await;
    forgot(&bob, bob.email()).await.expect_status(200);
    let mail = app.last_mail_to(&bob);
    assert_eq!(mail.kind, "no-new-password");
    assert!(!mail.text.contains("/new-password/"));
}

async fn guessing_behind_a_set_up_link_is_throttled(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let sent = reset(&app, &ada, &bob, false).await;
    let eve = app.visitor();
    eve.open(&sent).await.expect_status(200);
    for _ in 0..5 {
        let guess = eve.post("/set-up-access", &[("password", "wrong")]).await;
        guess.expect_status(422);
    }
    let guess = eve.post("/set-up-access", &[("password", PASSWORD)]).await;
    guess.expect_status(429);
}

async fn links_of_one_kind_open_nothing_else(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = bob(&app).await;
    let sent = link_to_new_password(&app, &bob).await;
    let token = sent.rsplit('/').next().unwrap_or_default();
    for door in ["set-up-access", "register", "setup"] {
        is_dead(&bob, &format!("/{door}/{token}")).await;
    }
    // Nor does a cookie made from it.
    bob.set_cookie("link", Some(token));
    for door in ["/set-up-access", "/register", "/setup"] {
        bob.get(door).await.expect_status(404);
    }
    let sent = reset(&app, &ada, &bob, false).await;
    let token = sent.rsplit('/').next().unwrap_or_default();
    is_dead(&bob, &format!("/new-password/{token}")).await;
    bob.set_cookie("link", Some(token));
    bob.get("/new-password").await.expect_status(404);
}
