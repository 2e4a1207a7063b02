//! The card on file: each number of the sandbox, and where no number may ever be.

use insight::billing::INVOICES;

use crate::app::TestApp;
use crate::app::billing::{CONFIRMS, DAY, DECLINES, EXPIRED, PAYS};
use crate::app::people::Role;
use crate::app::steps::everything;
use crate::on_both;

on_both!(
    cards_that_pay_are_kept_by_brand_and_last_digits,
    a_card_that_is_declined_on_the_page_changes_nothing,
    a_card_that_declines_later_is_taken,
    a_bank_that_asks_is_answered,
    no_part_of_a_number_is_kept_but_the_last_four,
    wrong_input_is_refused_and_forgotten,
    a_card_about_to_expire_is_pointed_out,
    a_visit_belongs_to_its_account_and_ends,
);

async fn cards_that_pay_are_kept_by_brand_and_last_digits(app: TestApp) {
    let ada = app.admin("ada").await;
    let page = ada.give_card(PAYS).await;
    assert_eq!(page.flash(), "Visa ending in 4242 is the card on file.");
    page.expect("08/2030");
    let page = ada.give_card("5555 5555 5555 4444").await;
    assert_eq!(
        page.flash(),
        "Mastercard ending in 4444 is the card on file."
    );
    ada.order("Team", "2").await;
    app.bill();
    assert_eq!(app.invoices(ada.account()), ["1 invoice paid 2400"]);
    let log = ada.open("/settings/audit-log").await;
    log.row("Put the card Mastercard ending in 4444 on file, given by Ada")
        .expect("Visa ending in 4242");
    log.expect("Was paid €24.00 for invoice 2026-0001 with Mastercard ending in 4444");
}

async fn a_card_that_is_declined_on_the_page_changes_nothing(app: TestApp) {
    let ada = app.admin("ada").await;
    let page = ada.give_card("4000 0000 0000 0002").await;
    page.expect_status(422);
    assert_eq!(
        page.errors(),
        ["The card was declined. Type another number."]
    );
    ada.open(INVOICES).await.expect("There is no card on file.");
    // The page is open still.
    let page = page
        .fill("Card number", PAYS)
        .fill("Expires (month/year)", "08/30")
        .fill("Security code", "123")
        .press("Save card")
        .await;
    assert_eq!(page.flash(), "Visa ending in 4242 is the card on file.");
}

async fn a_card_that_declines_later_is_taken(app: TestApp) {
    let ada = app.admin("ada").await;
    for (number, reason) in [
        (DECLINES, "The card was declined."),
        (EXPIRED, "The card has expired."),
    ] {
        let page = ada.give_card(number).await;
        assert!(page.flash().ends_with("is the card on file."));
        ada.order("Team", "2").await;
        app.bill();
        let page = ada.open(INVOICES).await;
        page.expect("Payment failed").expect(reason);
        let page = page.section("Invoices").press("Pay now").await;
        let page = page.press("Pay now").await;
        page.expect_status(422).expect(reason);
        // A card that pays takes its place and pays at once.
        ada.give_card(PAYS).await;
        app.bill();
        ada.open(INVOICES).await.expect_not("Payment failed");
        // Back to no charge, for the next number.
        app.sql("UPDATE billing SET plan = '', plan_name = '', seats = 0, seat_price = 0, period_end = NULL, period_start = NULL, anchor_day = NULL")
            .expect("resets");
    }
    assert_eq!(
        app.invoices(ada.account()),
        ["1 invoice paid 2400", "2 invoice paid 2400"]
    );
}

async fn a_bank_that_asks_is_answered(app: TestApp) {
    let ada = app.admin("ada").await;
    let page = ada.give_card(CONFIRMS).await;
    page.expect("This page stands for the page of a bank.");
    ada.open(INVOICES).await.expect("There is no card on file.");
    let no = page.press("Decline").await;
    no.expect("The bank did not confirm the card.");
    let page = ada.give_card(CONFIRMS).await.press("Confirm").await;
    assert_eq!(page.flash(), "Visa ending in 3184 is the card on file.");

    ada.order("Team", "2").await;
    app.bill();
    let page = ada.open(INVOICES).await;
    page.expect("The bank wants the payment confirmed.");
    let page = page.section("Invoices").press("Pay now").await;
    let page = page.press("Pay now").await;
    page.expect("Your bank wants this payment confirmed.");
    let bank = page.press("Go on to the confirmation").await;
    let page = bank.press("Decline").await;
    page.expect("The bank did not confirm the payment.");
    let page = page.press("Pay now").await;
    let page = page.press("Go on to the confirmation").await;
    let page = page.press("Confirm").await;
    assert_eq!(page.flash(), "Invoice 2026-0001 is paid.");
    assert_eq!(app.invoices(ada.account()), ["1 invoice paid 2400"]);
}

async fn no_part_of_a_number_is_kept_but_the_last_four(app: TestApp) {
    let ada = app.admin("ada").await;
    for number in [PAYS, DECLINES, CONFIRMS, "4000 0000 0000 0002"] {
        let page = ada.give_card(number).await;
        if number == CONFIRMS {
            page.press("Confirm").await;
        }
    }
    ada.order("Team", "2").await;
    app.bill();
    let rows = everything(&app).join("\n");
    for number in [PAYS, DECLINES, CONFIRMS] {
        let digits: String = number.split(' ').collect();
        assert!(!rows.contains(&digits), "{number} is in the database");
        assert!(!rows.contains(number), "{number} is in the database");
        assert!(
            !rows.contains(&digits[6..]),
            "a part of {number} is in the database"
        );
    }
    assert!(
        !rows.contains("'123'"),
        "the security code is in the database"
    );
}

async fn wrong_input_is_refused_and_forgotten(app: TestApp) {
    let ada = app.admin("ada").await;
    let page = ada.open("/billing/invoices/card").await;
    let page = page.press("Continue to the payment provider").await;
    let before = everything(&app);
    for (number, expiry, code, says) in [
        (
            "4242 4242 4242 4243",
            "08/30",
            "123",
            "Type one of the test numbers",
        ),
        ("", "08/30", "123", "Type one of the test numbers"),
        (PAYS, "02/26", "123", "The card has expired."),
        (PAYS, "13/30", "123", "Type month and year"),
        (PAYS, "08/30", "12", "Type the three digits"),
        (PAYS, "08/30", "abc", "Type the three digits"),
    ] {
        let page = page
            .clone()
            .fill("Card number", number)
            .fill("Expires (month/year)", expiry)
            .fill("Security code", code)
            .press("Save card")
            .await;
        page.expect_status(422);
        assert!(page.errors()[0].contains(says), "{:?}", page.errors());
        assert_eq!(page.value("Card number"), "", "a number is never sent back");
    }
    assert_eq!(everything(&app), before);
}

async fn a_card_about_to_expire_is_pointed_out(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.give_card(PAYS).await.expect_not("expires soon");
    let expires = |year: i32, month: i32| {
        app.sql(&format!(
            "UPDATE cards SET exp_year = {year}, exp_month = {month}"
        ))
        .expect("changes the card");
    };
    expires(2026, 4);
    let page = ada.open(INVOICES).await;
    page.expect("The card on file expires soon.")
        .expect("Expires soon");
    expires(2026, 2);
    let page = ada.open(INVOICES).await;
    page.expect("The card on file has expired.");
    assert_eq!(page.all(".flash.is-bad").len(), 1);
    expires(2026, 12);
    ada.open(INVOICES).await.expect_not("expires soon");
    ada.order("Business, yearly", "2").await;
    // It will be over when the next year is invoiced.
    ada.open(INVOICES).await.expect("expires soon");
}

async fn a_visit_belongs_to_its_account_and_ends(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[Role::Technician]).await;
    let olga = app.company("Other Company").admin("olga");
    let page = ada.open("/billing/invoices/card").await;
    let page = page.press("Continue to the payment provider").await;
    let path = format!(
        "/billing/sandbox/cards/{}",
        app.number("SELECT max(id) FROM card_setups")
    );
    bob.get(&path).await.expect_status(403);
    olga.get(&path).await.expect_status(404);
    page.fill("Card number", PAYS)
        .fill("Expires (month/year)", "08/30")
        .fill("Security code", "123")
        .press("Save card")
        .await;
    ada.get(&path).await.expect_status(404);
    // One that nobody comes back from is given up.
    ada.open("/billing/invoices/card")
        .await
        .press("Continue to the payment provider")
        .await;
    app.forward(DAY * 2);
    app.bill();
    let open = "SELECT count(*) FROM card_setups WHERE state = 'open'";
    assert_eq!(app.number(open), 0);
}
