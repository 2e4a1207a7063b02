//! What people are told by mail about their own access.

use crate::app::people::{PASSWORD, Person};
use crate::app::{Letter, TestApp};
use crate::on_both;
use crate::sign_in::bob;

on_both!(
    a_sign_in_from_a_new_browser_is_told_once,
    somebody_elses_device_is_new,
    twenty_browsers_are_remembered,
    a_password_with_a_wrong_code_is_told_once,
    success_after_many_failures_is_told_on_a_known_device_too,
    whoever_registers_is_known_on_that_browser,
    who_makes_the_first_account_is_known_on_that_browser,
    whoever_comes_back_begins_with_new_devices,
);

fn kinds(app: &TestApp, person: impl AsRef<str>) -> Vec<String> {
    let mail = app.mail_to(person);
    mail.into_iter().map(|letter| letter.kind).collect()
}

/// Names the person, the moment, the place, and what to do.
fn says_who_when_and_where(letter: &Letter, name: &str) {
    for part in [
        &format!("Hello {name},"),
        "When: 3 Mar 2026, 09:4",
        "Device: Chrome on Windows",
        "Address: 127.0.0.1",
        "If this was you, there is nothing to do.",
    ] {
        assert!(letter.text.contains(part), "{part} in\n{}", letter.text);
    }
    assert!(letter.html.contains("Chrome on Windows"));
}

async fn a_sign_in_from_a_new_browser_is_told_once(app: TestApp) {
    let bob = bob(&app).await;
    bob.sign_in().await.expect_status(200);
    let letter = app.last_mail_to(&bob);
    assert_eq!(letter.subject, "New sign-in to Insight");
    says_who_when_and_where(&letter, "Bob");
    bob.sign_out().await;
    bob.sign_in().await.expect_status(200);
    assert_eq!(kinds(&app, &bob), ["signed-in"]);
    bob.other_browser().sign_in().await.expect_status(200);
    assert_eq!(kinds(&app, &bob), ["signed-in", "signed-in"]);
}

async fn somebody_elses_device_is_new(app: TestApp) {
    let bob = bob(&app).await;
    bob.sign_in().await.expect_status(200);
    let eve = app.member("eve", &[]).await.other_browser();
    eve.set_cookie("device", bob.cookie("device").as_deref());
    eve.sign_in().await.expect_status(200);
    assert_eq!(kinds(&app, &eve), ["signed-in"]);
}

async fn twenty_browsers_are_remembered(app: TestApp) {
    let bob = bob(&app).await;
    let first = bob.other_browser();
    first.sign_in().await.expect_status(200);
    first.sign_out().await;
    for _ in 0..20 {
        let browser = bob.other_browser();
        browser.sign_in().await.expect_status(200);
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM devices"), 20);
    assert_eq!(kinds(&app, &bob).len(), 21);
    // The one not seen for longest has been forgotten.
    first.sign_in().await.expect_status(200);
    assert_eq!(kinds(&app, &bob).len(), 22);
}

async fn a_password_with_a_wrong_code_is_told_once(app: TestApp) {
    let bob = bob(&app).await;
    bob.password_is_right().await;
    bob.get("/sign-in/code").await.expect_status(200);
    assert!(kinds(&app, &bob).is_empty());
    for _ in 0..3 {
        bob.type_code("000000").await.expect_status(422);
    }
    assert_eq!(kinds(&app, &bob), ["half-signed-in"]);
    says_who_when_and_where(&app.last_mail_to(&bob), "Bob");
}

async fn success_after_many_failures_is_told_on_a_known_device_too(app: TestApp) {
    let bob = bob(&app).await;
    bob.sign_in().await.expect_status(200);
    bob.sign_out().await;
    for wrong in 0..5 {
        let page = bob.give_password(bob.email(), "wrong").await;
        assert_eq!(page.status, 422, "{wrong}");
    }
    bob.sign_in().await.expect_status(200);
    let letter = app.last_mail_to(&bob);
    assert_eq!(letter.subject, "Sign-in to Insight after failed attempts");
    assert!(letter.text.contains("5 attempts failed"), "{}", letter.text);
}

/// Registers with the invitation that was mailed to this address; gives the browser. The caller sets the clock.
pub async fn register(app: &TestApp, email: &str, name: &str) -> Person {
    let browser = app.visitor();
    let link = app.last_mail_to(email).link("/register/");
    let page = browser.open(&link).await;
    let page = page.fill("Name", name).fill("Password", PASSWORD);
    let page = page.fill("Repeat password", PASSWORD);
    let page = page.press("Continue").await;
    browser.scan(&page);
    let page = page.fill("Six-digit code", browser.code());
    let page = page.press("Confirm").await;
    assert_eq!(page.h1(), "Save your recovery codes");
    browser
}

/// Invites one address.
pub async fn invite(admin: &Person, email: &str) {
    let page = admin.open("/shared/insight-users/invite").await;
    let page = page.fill("E-mail addresses", email);
    page.press("Send").await.expect_status(200);
}

/// Signs out and in again in the same browser.
async fn comes_back(browser: &Person, email: &str) {
    browser.sign_out().await;
    let page = browser.give_password(email, PASSWORD).await;
    let page = page.fill("Six-digit code", browser.code());
    page.press("Sign in").await.expect_status(200);
}

async fn whoever_registers_is_known_on_that_browser(app: TestApp) {
    let ada = app.admin("ada").await;
    invite(&ada, "sam@halden.example").await;
    let sam = register(&app, "sam@halden.example", "Sam Reyes").await;
    comes_back(&sam, "sam@halden.example").await;
    let told = kinds(&app, "sam@halden.example");
    assert!(!told.contains(&"signed-in".to_owned()), "{told:?}");
}

async fn who_makes_the_first_account_is_known_on_that_browser(app: TestApp) {
    let link = insight::accounts::first_start::link(&app).expect("makes a link");
    let link = link.expect("there is no account");
    let path = link.strip_prefix(&app.base()).expect("a link to here");
    let ada = app.visitor();
    let page = ada.open(path).await;
    let page = page.fill("Company name", "Halden Logistics");
    let page = page
        .fill("Name", "Ada")
        .fill("E-mail", "ada@halden.example");
    let page = page.fill("Password", PASSWORD);
    let page = page.fill("Repeat password", PASSWORD);
    let page = page.press("Continue").await;
    ada.scan(&page);
    let page = page.fill("Six-digit code", ada.code());
    page.press("Confirm").await.expect_status(200);
    comes_back(&ada, "ada@halden.example").await;
    assert!(kinds(&app, "ada@halden.example").is_empty());
}

async fn whoever_comes_back_begins_with_new_devices(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = bob(&app).await;
    bob.sign_in().await.expect_status(200);
    let path = format!("/shared/insight-users/members/{}/remove", bob.member());
    let removed = ada.open(&path).await.press("Remove Bob").await;
    removed.expect_status(200);
    invite(&ada, bob.email()).await;
    let anew = register(&app, bob.email(), "Bob").await;
    let before = kinds(&app, &bob);
    comes_back(&anew, bob.email()).await;
    assert_eq!(kinds(&app, &bob), before);
    // The browser from before has to prove itself like any other.
    anew.set_cookie("device", bob.cookie("device").as_deref());
    comes_back(&anew, bob.email()).await;
    assert_eq!(kinds(&app, &bob).len(), before.len() + 1);
}
