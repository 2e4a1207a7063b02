//! The whole way of a company in real browsers: first start, an invitation by mail, registration on a phone, managing
//! people, leaving. Once with JavaScript, once without.

use std::time::Duration;

use insight::accounts::{self, first_start};
use insight::credentials::email::Email;
use insight::credentials::names::CompanyName;

use crate::app::browser::{Browser, Options};
use crate::app::people::{PASSWORD, Person};
use crate::app::smtp::Smtp;
use crate::app::{Setup, TestApp};
use crate::on_both;

on_both!(
    a_company_is_set_up_and_run_with_javascript,
    a_company_is_set_up_and_run_without_javascript,
);

async fn a_company_is_set_up_and_run_with_javascript(setup: Setup) {
    walk(setup, Options::DESKTOP, Options::PHONE).await;
}

async fn a_company_is_set_up_and_run_without_javascript(setup: Setup) {
    let desktop = Options::DESKTOP.without_javascript();
    walk(setup, desktop, Options::PHONE.without_javascript()).await;
}

const ADA: &str = "ada@halden.example";
const BOB: &str = "bob.brandt@halden.example";
const PEOPLE: &str = "/shared/insight-users";

async fn walk(setup: Setup, desktop: Options, phone: Options) {
    let smtp = Smtp::start();
    let app = setup.with_smtp(&smtp).start();
    let admin = Browser::open(desktop).await;
    let ada = first_start(&app, &admin).await;

    let colleague = Browser::open(phone).await;
    invite(&admin).await;
    let mail = smtp.wait_for_mail_to(BOB).await;
    let bob = register(&app, &colleague, &mail.link("/register/")).await;

    change_roles(&admin).await;
    colleague.goto("/test").await;
    colleague.see("Technician").await;

    app.forward(Duration::from_secs(16 * 60));
    reset_two_factor(&admin, &ada).await;
    let mail = smtp.wait_for(|mail| {
        mail.to.iter().any(|to| to == BOB) && mail.text.contains("/set-up-access/")
    });
    let link = mail.await.link("/set-up-access/");
    set_up_again(&colleague, &bob, &link).await;

    subscribe(&admin).await;
    read_audit_log(&admin).await;
    remove(&admin).await;
    colleague.goto("/test").await;
    colleague.wait_for_path("/sign-in").await;

    switch_account(&app, &smtp, &admin).await;
    for browser in [&admin, &colleague] {
        assert_eq!(browser.problems().await, [""; 0]);
    }
}

/// From the printed link to the first administrator's Insight users page.
async fn first_start(app: &TestApp, admin: &Browser) -> Person {
    let link = first_start::link(app).expect("asks the database");
    admin.goto(&link.expect("there is no account yet")).await;
    admin.fill("Company name", "Halden Logistics").await;
    admin.fill("Name", "Ada Lind").await;
    admin.fill("E-mail", ADA).await;
    admin.fill("Password", PASSWORD).await;
    admin.fill("Repeat password", PASSWORD).await;
    admin.press("Continue").await;
    admin.wait_for_path("/setup/two-factor").await;
    let ada = app.visitor();
    prove_two_factor(admin, &ada).await;
    admin.wait_for_path(PEOPLE).await;
    admin.see("Ada Lind").await;
    ada
}

/// The authenticator takes the secret from the page's text; then the recovery codes.
async fn prove_two_factor(browser: &Browser, authenticator: &Person) {
    authenticator.scan_text(&browser.words("#secret").await);
    browser.fill("Six-digit code", &authenticator.code()).await;
    browser.press("Confirm").await;
    browser.wait_for_path("/recovery-codes").await;
    let codes = browser.words("#codes").await;
    assert_eq!(codes.lines().count(), 10, "{codes}");
    // Going on without saving them is not offered.
    browser.press("Continue to Insight").await;
    browser.see("There is a problem").await;
    browser.tick("I have saved these codes", true).await;
    browser.press("Continue to Insight").await;
}

async fn invite(admin: &Browser) {
    admin.press("Invite Member").await;
    admin.wait_for_path("/shared/insight-users/invite").await;
    admin.fill("E-mail addresses", BOB).await;
    admin.press("Send").await;
    admin.see("1 of 1 invitation was sent.").await;
    admin.goto(PEOPLE).await;
    admin.see("Pending invitations").await;
    admin.see(BOB).await;
}

async fn register(app: &TestApp, phone: &Browser, link: &str) -> Person {
    phone.goto(link).await;
    // The token does not stay in the address.
    phone.wait_for_path("/register").await;
    phone.see("Join Halden Logistics").await;
    phone.see("Ada Lind").await;
    phone.see(BOB).await;
    phone.fill("Name", "Bob Brandt").await;
    phone.fill("Password", "short").await;
    phone.fill("Repeat password", "short").await;
    phone.press("Continue").await;
    phone.see("There is a problem").await;
    assert_eq!(phone.value("Name").await, "Bob Brandt");
    assert_eq!(phone.value("Password").await, "");
    phone.fill("Password", PASSWORD).await;
    phone.fill("Repeat password", PASSWORD).await;
    assert!(!phone.overflows().await);
    phone.press("Continue").await;
    phone.wait_for_path("/register/two-factor").await;
    assert!(!phone.overflows().await);
    let bob = app.visitor();
    prove_two_factor(phone, &bob).await;
    phone.wait_for_path("/test").await;
    phone.see("Hello Bob Brandt").await;
    assert!(!phone.overflows().await);
    bob
}

async fn change_roles(admin: &Browser) {
    row_action(admin, "Manage roles").await;
    admin.see("Manage roles: Bob Brandt").await;
    admin.tick("Technician", true).await;
    admin.press("Save").await;
    admin
        .see("Platform roles of Bob Brandt are now Viewer and Technician.")
        .await;
}

/// Opens the menu of the colleague's row and takes an entry.
async fn row_action(admin: &Browser, entry: &str) {
    admin.goto(PEOPLE).await;
    admin.press("Actions for Bob Brandt").await;
    admin.press(entry).await;
}

async fn reset_two_factor(admin: &Browser, ada: &Person) {
    row_action(admin, "Reset 2FA").await;
    // The last code is older than fifteen minutes.
    admin.see("Confirm it is you").await;
    admin.fill("Six-digit code", &ada.code()).await;
    admin.press("Continue").await;
    admin.see("Reset 2FA of Bob Brandt?").await;
    admin.press("Reset 2FA").await;
    admin.see("2FA of Bob Brandt was reset.").await;
    admin.see("1 needs 2FA set-up").await;
}

async fn set_up_again(phone: &Browser, bob: &Person, link: &str) {
    phone.goto("/test").await;
    phone.wait_for_path("/sign-in").await;
    phone.goto(link).await;
    phone.wait_for_path("/set-up-access").await;
    phone.fill("Password", PASSWORD).await;
    phone.press("Continue").await;
    phone.wait_for_path("/set-up-access/two-factor").await;
    prove_two_factor(phone, bob).await;
    phone.see("Hello Bob Brandt").await;
    phone.goto(link).await;
    phone.see("This link is not valid any more").await;
}

async fn subscribe(admin: &Browser) {
    admin.goto(PEOPLE).await;
    admin.press("Add subscriber").await;
    admin.fill("E-mail", "board@halden.example").await;
    admin.press("Add").await;
    admin
        .see("Added board@halden.example to the subscribers.")
        .await;
}

async fn read_audit_log(admin: &Browser) {
    admin.press("Audit log").await;
    admin.wait_for_path("/settings/audit-log").await;
    for words in [
        "Bob Brandt",
        "board@halden.example",
        "Ada Lind",
        "Halden Logistics",
    ] {
        admin.see(words).await;
    }
}

async fn remove(admin: &Browser) {
    row_action(admin, "Remove").await;
    admin.see("Remove Bob Brandt from Halden Logistics?").await;
    admin.press("Remove Bob Brandt").await;
    admin
        .see("Bob Brandt was removed from Halden Logistics.")
        .await;
}

/// The administrator is asked into a second company, joins it, and goes back and forth.
async fn switch_account(app: &TestApp, smtp: &Smtp, admin: &Browser) {
    let company = CompanyName::parse("Fjord Terminals").expect("a name");
    let address = Email::parse(ADA).expect("an address");
    accounts::create_with_invitation(app, &company, &address, None).expect("makes a company");
    let mail = smtp
        .wait_for(|mail| mail.to.iter().any(|to| to == ADA) && mail.text.contains("/register/"));
    admin.goto(&mail.await.link("/register/")).await;
    admin.see("Join Fjord Terminals").await;
    admin.press("Join").await;
    admin.see("You joined Fjord Terminals.").await;
    admin.press("Fjord Terminals, switch account").await;
    admin.press("Halden Logistics").await;
    admin.see("You are now in Halden Logistics.").await;
    admin.press("Halden Logistics, switch account").await;
    admin.press("Fjord Terminals").await;
    admin.see("You are now in Fjord Terminals.").await;
}
