//! Billing in real browsers, as people use it: once with JavaScript, once without.

use insight::billing::INVOICES;

use crate::app::billing::{DECLINES, EXPIRED, PAYS, text_of};
use crate::app::browser::{Browser, Options};
use crate::app::people::{Level, Person};
use crate::app::smtp::Smtp;
use crate::app::{Backend, OnBackend, Setup, TestApp};
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

#[actix_web::test]
async fn an_unpaid_account_is_woken_up_by_its_owner_with_javascript() {
    let app = OnBackend::on(Backend::Sqlite);
    unpaid(app, Options::DESKTOP, Payer::Owner).await;
}

#[actix_web::test]
async fn an_unpaid_account_is_woken_up_by_an_administrator_without_javascript() {
    let app = OnBackend::on(Backend::Postgres);
    let options = Options::DESKTOP.without_javascript();
    unpaid(app, options, Payer::Administrator).await;
}

#[actix_web::test]
async fn an_invoice_is_downloaded_and_mailed_with_javascript() {
    downloaded(OnBackend::on(Backend::Postgres), Options::DESKTOP).await;
}

#[actix_web::test]
async fn an_invoice_is_downloaded_and_mailed_without_javascript() {
    let options = Options::DESKTOP.without_javascript();
    downloaded(OnBackend::on(Backend::Sqlite), options).await;
}

/// A browser in which this person is signed in.
async fn browser(app: &TestApp, person: &Person, options: Options) -> Browser {
    let browser = Browser::open(options).await;
    sign_in(&browser, app, person).await;
    browser
}

/// A session that has just begun, after time has passed.
async fn sign_in(browser: &Browser, app: &TestApp, person: &Person) {
    let context = app.context();
    let token = context.session(person.user(), person.account(), Level::Full);
    browser
        .set_cookie(&app.base(), &context.session_cookie(&token))
        .await;
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

/// Who pays in the end.
#[derive(PartialEq, Eq)]
enum Payer {
    Owner,
    Administrator,
}

/// The account goes from one plain member to another, is not paid for, and is paid for.
async fn unpaid(app: TestApp, options: Options, payer: Payer) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let eve = app.member("eve", &[]).await;
    app.standard("Sales", &[&bob]);
    app.sql(&format!(
        "UPDATE accounts SET owner_member_id = {} WHERE id = {}",
        bob.member(),
        bob.account()
    ))
    .expect("names the owner");

    // At the next request one opens billing and the other does not.
    let former = browser(&app, &bob, options).await;
    let owner = browser(&app, &eve, options).await;
    let billing = format!("{}{INVOICES}", app.base());
    let page_of_owner = format!("{}/billing/account-owner", app.base());
    owner.goto(&billing).await;
    owner.see("You may not open this").await;
    former.goto(&page_of_owner).await;
    former
        .choose("New account owner", "Eve, eve@halden.example")
        .await;
    former.press("Change Account Owner").await;
    former.see("You can no longer open it.").await;
    former.press("Change Account Owner").await;
    former
        .see("Eve is the account owner of Halden Logistics now.")
        .await;
    for path in [&billing, &page_of_owner] {
        former.goto(path).await;
        former.see("You may not open this").await;
        assert!(!former.text().await.contains("Invoices and Payments"));
    }
    owner.goto(&billing).await;
    owner.see("There is no card on file.").await;
    owner.see("Account Owner").await;

    // A card that declines, four times.
    give(&owner, &app, DECLINES).await;
    owner.see("Visa ending in 0341 is the card on file.").await;
    eve.order("Team", "5").await;
    app.bill();
    app.days(7);
    for (browser, person) in [(&former, &bob), (&owner, &eve)] {
        sign_in(browser, &app, person).await;
    }
    former
        .goto(&format!("{}/test/records/leads", app.base()))
        .await;
    former.see("This account is read-only.").await;
    former
        .see("The account owner and the administrators can pay it.")
        .await;
    let leads = "SELECT count(*) FROM records";
    let make = async || {
        former
            .goto(&format!("{}/test/records/leads/new", app.base()))
            .await;
        former.fill("Name", "Fjordline Seafood").await;
        former.press("Save").await;
    };
    make().await;
    former.see("This account is read-only").await;
    former
        .see("Nothing was changed: an invoice has not been paid.")
        .await;
    assert_eq!(app.number(leads), 0);

    // Whoever may pay is led there; it wakes up at once, without any job.
    let payer = match payer {
        Payer::Owner => owner,
        Payer::Administrator => {
            drop(owner);
            browser(&app, &ada, options).await
        }
    };
    payer.goto(&format!("{}/test", app.base())).await;
    payer.press("Pay it under Invoices and Payments").await;
    payer.see("it is not tried again by itself").await;
    give(&payer, &app, PAYS).await;
    payer.see("Visa ending in 4242 is the card on file.").await;
    payer.see("This account is read-only.").await;
    payer.press("Pay now for invoice 2026-0001").await;
    payer.see("Pay invoice 2026-0001").await;
    payer.press("Pay now").await;
    payer.see("Invoice 2026-0001 is paid.").await;
    assert!(!payer.text().await.contains("read-only"));
    make().await;
    former.see("Lead Fjordline Seafood was created.").await;
    assert!(!former.text().await.contains("read-only"));
    assert_eq!(app.number(leads), 1);
    for browser in [&former, &payer] {
        assert_eq!(browser.problems().await, [""; 0]);
    }
}

/// The file that a browser saves is the one that is mailed, and says what the invoice says, all of it and nothing else.
async fn downloaded(setup: Setup, options: Options) {
    let smtp = Smtp::start();
    let app = setup.with_smtp(&smtp).start();
    let ada = app.admin("ada").await;
    let admin = browser(&app, &ada, options).await;
    admin
        .goto(&format!("{}/billing/invoices/details", app.base()))
        .await;
    for (field, value) in [
        ("Company", "Halden Logistikk AS"),
        ("Address", "Storgata 14\n1767 Halden"),
        ("Country", "Norway"),
        ("VAT number", "NO 912 345 678 MVA"),
        ("Extra text", "Cost centre 4410"),
        ("Billing contact", "invoices@halden.example"),
    ] {
        admin.fill(field, value).await;
    }
    admin.press("Save").await;
    admin.see("The billing details were saved.").await;
    give(&admin, &app, PAYS).await;
    admin.see("is the card on file").await;
    ada.order("Business", "20").await;
    let sent = |to: &'static str| {
        smtp.wait_for(move |mail| {
            mail.to.iter().any(|t| t == to) && mail.subject.starts_with("Invoice 2026-0001")
        })
    };
    let mails = [
        sent("ada@halden.example").await,
        sent("invoices@halden.example").await,
    ];

    admin.goto(&format!("{}{INVOICES}", app.base())).await;
    admin.press("PDF of invoice 2026-0001").await;
    let pdf = admin.downloaded("invoice-2026-0001.pdf").await;
    for mail in mails {
        let [(name, attached)] = mail.attachments.as_slice() else {
            panic!("{} attachments", mail.attachments.len())
        };
        assert_eq!(name, "invoice-2026-0001.pdf");
        assert!(*attached == pdf, "the same bytes in the mail");
    }
    let text = text_of(&pdf);
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(
        lines,
        [
            "Invoice 2026-0001",
            "To From",
            "Halden Logistikk AS Insight",
            "Storgata 14",
            "1767 Halden",
            "Norway",
            "VAT number NO912345678MVA",
            "Date: 3 Mar 2026",
            "Cost centre 4410",
            "Description Quantity Price Amount",
            "Business 20 €18.00 €360.00",
            "20 seats, 3 Mar – 2 Apr 2026",
            "Sum €360.00",
            "VAT 0 % €0.00",
            "Total €360.00",
            "The amount is charged to the card on file.",
        ]
    );
    assert_eq!(admin.problems().await, [""; 0]);
}
