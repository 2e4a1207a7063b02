//! Billing in real browsers, as people use it: once with JavaScript, once without.

use insight::billing::INVOICES;

use crate::app::TestApp;
use crate::app::billing::{DECLINES, EXPIRED, PAYS, text_of};
use crate::app::browser::{Browser, Options};
use crate::app::people::{Level, Person};
use crate::on_both;

on_both!(
    billing_is_walked_through_with_javascript,
    billing_is_walked_through_without_javascript,
);

async fn billing_is_walked_through_with_javascript(app: TestApp) {
    walk(app, Options::DESKTOP, Options::PHONE, true).await;
}

async fn billing_is_walked_through_without_javascript(app: TestApp) {
    let desktop = Options::DESKTOP.without_javascript();
    walk(app, desktop, Options::PHONE.without_javascript(), false).await;
}

/// A browser in which this person is signed in.
async fn browser(app: &TestApp, person: &Person, options: Options) -> Browser {
    let browser = Browser::open(options).await;
    let context = app.context();
    let token = context.session(person.user(), person.account(), Level::Full);
    browser
        .set_cookie(&app.base(), &context.session_cookie(&token))
        .await;
    browser
}

async fn give(browser: &Browser, app: &TestApp, number: &str) {
    browser.goto(&format!("{}{INVOICES}", app.base())).await;
    browser.press("Update card").await;
    browser.wait_for_path("/billing/invoices/card").await;
    browser.press("Continue to the payment provider").await;
    browser.see("no money moves").await;
    browser.fill("Card number", number).await;
    browser.fill("Expires (month/year)", "08/30").await;
    browser.fill("Security code", "123").await;
    browser.press("Save card").await;
}

/// `script`: the checker of accessibility runs, which is one itself.
async fn walk(app: TestApp, desktop: Options, phone: Options, script: bool) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let admin = browser(&app, &ada, desktop).await;
    let plain = browser(&app, &bob, phone).await;
    plain.goto(&format!("{}/billing/plan", app.base())).await;
    plain.see("You may not open this").await;

    // Each number of the sandbox.
    give(&admin, &app, "4000 0000 0000 0002").await;
    admin
        .see("The card was declined. Type another number.")
        .await;
    give(&admin, &app, "4000 0027 6000 3184").await;
    admin.press("Confirm").await;
    admin.see("Visa ending in 3184 is the card on file.").await;
    for (number, words) in [
        (DECLINES, "Visa ending in 0341"),
        (EXPIRED, "Visa ending in 0069"),
        ("5555 5555 5555 4444", "Mastercard ending in 4444"),
        (PAYS, "Visa ending in 4242"),
    ] {
        give(&admin, &app, number).await;
        admin.see(&format!("{words} is the card on file.")).await;
    }

    // A plan, its price first.
    admin.goto(&format!("{}/billing/plan", app.base())).await;
    admin.tick("Business", true).await;
    admin.fill("Seats", "20").await;
    admin.press("Review order").await;
    admin.see("To pay now").await;
    admin.see("€360.00").await;
    admin.press("Place order").await;
    admin.see("The plan is Business now.").await;
    app.bill();
    admin.goto(&format!("{}{INVOICES}", app.base())).await;
    admin.see("2026-0001").await;
    admin.see("Paid").await;
    let pdf = ada
        .open(INVOICES)
        .await
        .press_once("PDF of invoice 2026-0001")
        .await;
    assert!(text_of(&pdf.body).contains("Invoice 2026-0001"));

    // The owner becomes somebody who is no administrator.
    admin
        .goto(&format!("{}/billing/account-owner", app.base()))
        .await;
    admin
        .choose("New account owner", "Bob, bob@halden.example")
        .await;
    admin.press("Change Account Owner").await;
    admin.wait_for_path("/billing/account-owner/change").await;
    admin.press("Change Account Owner").await;
    admin
        .see("Bob is the account owner of Halden Logistics now.")
        .await;
    for path in ["/billing/account-owner", "/billing/plan", INVOICES] {
        plain.goto(&format!("{}{path}", app.base())).await;
        plain.see("Billing & Account").await;
        assert!(!plain.overflows().await, "{path} overflows on a phone");
        if script {
            assert_eq!(plain.axe().await, [""; 0], "{path}");
        }
    }
    give(&plain, &app, PAYS).await;
    plain.see("Visa ending in 4242 is the card on file.").await;

    // And away from the administrator again, who is none any more.
    app.sql(&format!(
        "UPDATE members SET admin = FALSE WHERE id = {}",
        ada.member()
    ))
    .expect("changes the roles");
    admin.goto(&format!("{}/billing/plan", app.base())).await;
    admin.see("You may not open this").await;
    for browser in [&admin, &plain] {
        assert_eq!(browser.problems().await, [""; 0]);
    }
}
