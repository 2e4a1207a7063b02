//! What happens when an invoice is not paid: tried again on days 1, 3 and 7, then read-only until it is.

use std::collections::BTreeSet;

use insight::billing::INVOICES;
use insight::routes::{self, Method};

use crate::app::TestApp;
use crate::app::billing::{DAY, DECLINES, PAYS};
use crate::app::people::{Person, Role};
use crate::app::steps::{INSIGHT_USERS, everything, invite};
use crate::on_both;

on_both!(
    a_payment_is_tried_on_days_one_three_and_seven,
    a_read_only_account_reads_exports_takes_away_and_pays,
    a_new_card_pays_what_is_open_at_once,
    after_read_only_a_new_period_begins_when_it_is_paid,
    without_a_card_the_same_happens,
    pay_now_does_not_count_as_an_attempt,
);

/// An account whose card declines, with one invoice of today.
async fn declined(app: &TestApp) -> Person {
    let ada = app.admin("ada").await;
    let fields = [("contact", "invoices@halden.example")];
    ada.post("/billing/invoices/details", &fields).await;
    ada.give_card(DECLINES).await;
    ada.order("Team", "5").await;
    app.bill();
    ada
}

fn mails(app: &TestApp, kind: &str) -> usize {
    app.mail().iter().filter(|mail| mail.kind == kind).count()
}

async fn a_payment_is_tried_on_days_one_three_and_seven(app: TestApp) {
    let ada = declined(&app).await;
    let mut tried = vec![];
    let charges = || app.number("SELECT count(*) FROM sandbox_charges");
    assert_eq!(charges(), 1);
    let mut before = 1;
    for day in 1..=20 {
        app.days(1);
        // Looking more often does not try more often.
        app.bill();
        if charges() > before {
            before = charges();
            tried.push(day);
        }
    }
    assert_eq!(tried, [1, 3, 7]);
    assert_eq!(app.invoices(ada.account()), ["1 invoice overdue 6000"]);
    // Owner and contact each time; and both once that it is read-only.
    assert_eq!(mails(&app, "payment-failed"), 8);
    assert_eq!(mails(&app, "read-only"), 2);
    let failed: Vec<String> = app
        .mail_to("invoices@halden.example")
        .into_iter()
        .filter(|mail| mail.kind == "payment-failed")
        .map(|mail| mail.text)
        .collect();
    for (text, says) in failed.iter().zip([
        "tried again on 4 Mar 2026",
        "tried again on 6 Mar 2026",
        "tried again on 10 Mar 2026",
        "not tried again by itself",
    ]) {
        assert!(text.contains(says), "{text}");
        assert!(text.contains("The card was declined."), "{text}");
    }
    let log = ada.again().open("/settings/audit-log").await;
    log.expect("Made the account read-only until invoice 2026-0001 is paid");
}

async fn a_read_only_account_reads_exports_takes_away_and_pays(app: TestApp) {
    let ada = declined(&app).await;
    let owner = app.member("owner", &[]).await;
    let bob = app.member("bob", &[Role::Viewer]).await;
    let account = ada.account();
    app.sql(&format!(
        "UPDATE accounts SET owner_member_id = {} WHERE id = {account}",
        owner.member()
    ))
    .expect("names the owner");
    ada.make("test/leads", &[("name", "Lead one")]).await;
    invite(&ada, "carl@halden.example").await.expect("Sent");
    app.days(8);
    for person in [&ada, &owner, &bob] {
        person.again();
    }
    ada.open("/test").await.expect("This account is read-only.");
    bob.open("/test")
        .await
        .expect("The account owner and the administrators can pay it.")
        .expect_not("Pay it under");

    // Every post that the table stops, with a good token; nothing is written.
    let before = everything(&app);
    for route in routes::table().iter().filter(|r| r.stops_when_read_only) {
        let path = route
            .path
            .replace("{environment}", "test")
            .replace("{object}", "leads")
            .replace("{record}", "1");
        let page = ada.post(&path, &[("name", "x")]).await;
        page.expect_status(403);
        page.expect("This account is read-only")
            .expect("Invoices and Payments");
    }
    assert_eq!(everything(&app), before);
    // What goes on is what this list says, and nothing else.
    let goes_on: BTreeSet<&str> = routes::table()
        .iter()
        .filter(|r| r.method == Method::Post && !r.stops_when_read_only)
        .map(|r| r.path)
        .filter(|path| {
            path.starts_with("/{environment}")
                || path.starts_with("/shared")
                || path.starts_with("/settings")
        })
        .collect();
    assert_eq!(
        goes_on,
        BTreeSet::from([
            "/shared/insight-users/invitations/{invitation}/revoke",
            "/shared/insight-users/members/{member}/remove",
            "/shared/insight-users/members/{member}/reset-2fa",
            "/shared/insight-users/members/{member}/roles",
            "/shared/insight-users/subscribers/{subscriber}/remove",
            "/{environment}/records/{object}/export",
        ])
    );
    let records = ada.open("/test/records/leads").await;
    records.expect("Lead one");
    let invitation = app.number("SELECT max(id) FROM invitations");
    ada.post(
        &format!("{INSIGHT_USERS}/invitations/{invitation}/revoke"),
        &[],
    )
    .await
    .expect_redirect(INSIGHT_USERS);

    // The owner, who is no administrator, pays; then everything goes on.
    let page = owner.open(INVOICES).await;
    page.expect("it is not tried again by itself")
        .expect("Overdue");
    owner.give_card(PAYS).await;
    app.bill();
    assert_eq!(app.invoices(account), ["1 invoice paid 6000"]);
    bob.open("/test").await.expect_not("read-only");
    ada.make("test/leads", &[("name", "Lead two")]).await;
    ada.open("/settings/audit-log")
        .await
        .expect("Ended the read-only state of the account");
}

async fn a_new_card_pays_what_is_open_at_once(app: TestApp) {
    let ada = declined(&app).await;
    app.days(2);
    ada.again().give_card(PAYS).await;
    app.bill();
    assert_eq!(app.invoices(ada.account()), ["1 invoice paid 6000"]);
    app.days(10);
    assert_eq!(mails(&app, "read-only"), 0);
    // Two declined, one paid.
    assert_eq!(app.number("SELECT count(*) FROM sandbox_charges"), 3);
}

async fn after_read_only_a_new_period_begins_when_it_is_paid(app: TestApp) {
    let ada = declined(&app).await;
    app.days(70);
    // Two renewals would have been due.
    assert_eq!(app.invoices(ada.account()), ["1 invoice overdue 6000"]);
    ada.again().give_card(PAYS).await;
    app.bill();
    app.bill();
    assert_eq!(
        app.invoices(ada.account()),
        ["1 invoice paid 6000", "2 invoice paid 6000"]
    );
    // From the day of the payment, 12 May 2026.
    ada.open(INVOICES)
        .await
        .expect("5 seats, 12 May – 11 Jun 2026");
    app.forward(DAY * 31);
    app.bill();
    ada.again()
        .open(INVOICES)
        .await
        .expect("5 seats, 12 Jun – 11 Jul 2026");
}

async fn without_a_card_the_same_happens(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.give_card(PAYS).await;
    ada.order("Team", "5").await;
    app.bill();
    app.sql("DELETE FROM cards").expect("takes the card away");
    app.forward(DAY * 31);
    app.bill();
    let page = ada.again().open(INVOICES).await;
    page.expect("There is no card to charge.")
        .expect("Payment failed");
    app.days(7);
    assert_eq!(
        app.invoices(ada.account()),
        ["1 invoice paid 6000", "2 invoice overdue 6000"]
    );
}

async fn pay_now_does_not_count_as_an_attempt(app: TestApp) {
    let ada = declined(&app).await;
    for _ in 0..5 {
        let page = ada
            .open(INVOICES)
            .await
            .section("Invoices")
            .press("Pay now")
            .await;
        page.press("Pay now").await.expect_status(422);
    }
    assert_eq!(
        app.number("SELECT CAST(attempts AS BIGINT) FROM invoices"),
        1
    );
    assert_eq!(mails(&app, "payment-failed"), 2);
    app.days(1);
    assert_eq!(
        app.number("SELECT CAST(attempts AS BIGINT) FROM invoices"),
        2
    );
    let olga = app.company("Other Company").admin("olga");
    let id = app.number("SELECT id FROM invoices");
    for path in [
        format!("{INVOICES}/{id}/pay"),
        format!("{INVOICES}/{id}/pdf"),
    ] {
        olga.get(&path).await.expect_status(404);
    }
    olga.post(&format!("{INVOICES}/{id}/pay"), &[])
        .await
        .expect_status(404);
}
