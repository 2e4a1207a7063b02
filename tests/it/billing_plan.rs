//! Plan: what it costs is shown first, and exactly that is charged.

use insight::billing::{INVOICES, PLAN};

use crate::app::TestApp;
use crate::app::billing::{DAY, PAYS};
use crate::app::people::Role;
use crate::app::steps::{INSIGHT_USERS, everything, invite};
use crate::on_both;

on_both!(
    whoever_hosts_it_for_themselves_is_stopped_by_nothing,
    an_order_shows_its_price_and_charges_exactly_that,
    without_a_card_nothing_is_ordered,
    no_fewer_seats_than_are_used,
    beyond_the_seats_nobody_is_invited,
    fewer_seats_come_with_the_renewal,
    an_order_that_has_changed_is_shown_again,
);

async fn whoever_hosts_it_for_themselves_is_stopped_by_nothing(app: TestApp) {
    let ada = app.admin("ada").await;
    let page = ada.open(PLAN).await;
    page.expect("Free").expect("No charge");
    let many: Vec<String> = (0..60).map(|n| format!("p{n}@halden.example")).collect();
    invite(&ada, &many.join(" "))
        .await
        .expect("60 of 60 invitations were sent.");
    let users = ada.open(INSIGHT_USERS).await;
    users.expect("61 seats are used.");
    // A year later nothing has happened.
    app.days(1);
    app.forward(DAY * 364);
    app.bill();
    assert_eq!(app.number("SELECT count(*) FROM invoices"), 0);
    ada.again()
        .open(INVOICES)
        .await
        .expect("There are no invoices.");
}

async fn an_order_shows_its_price_and_charges_exactly_that(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.give_card(PAYS)
        .await
        .expect("Visa ending in 4242 is the card on file.");
    let page = ada.review("Business", "20").await;
    page.expect("Difference +€360.00")
        .expect("20 seats, 3 Mar – 2 Apr 2026")
        .expect("To pay now €360.00")
        .expect("It is charged to Visa ending in 4242.")
        .expect("The next renewal is on 3 Apr 2026: €360.00");
    assert_eq!(app.number("SELECT count(*) FROM invoices"), 0, "only shown");
    let page = page.press("Place order").await;
    assert_eq!(page.flash(), "The plan is Business now.");
    page.expect("1 of 20").expect("3 Apr 2026").expect("€18.00");
    app.bill();
    let account = ada.account();
    assert_eq!(app.invoices(account), ["1 invoice paid 36000"]);

    // Nine days into 31: 22 are left, today included.
    app.forward(DAY * 9);
    let page = ada.again().review("Business", "23").await;
    let due = 3 * 1_800 * 22_i64;
    let due = (due * 2 + 31) / 62;
    assert_eq!(due, 3_832);
    page.expect("To pay now €38.32").expect("22 of 31 days");
    page.press("Place order").await;
    app.bill();
    assert_eq!(
        app.invoices(account),
        ["1 invoice paid 36000", "2 invoice paid 3832"]
    );
    assert_eq!(
        app.lines("SELECT amount || ' ' || currency || ' ' || state AS line FROM sandbox_charges ORDER BY amount"),
        ["3832 EUR succeeded", "36000 EUR succeeded"]
    );
}

async fn without_a_card_nothing_is_ordered(app: TestApp) {
    let ada = app.admin("ada").await;
    let page = ada.review("Team", "5").await;
    page.expect("There is no card to charge yet.");
    let before = everything(&app);
    let page = page.press("Place order").await;
    page.expect_status(422);
    assert_eq!(
        page.errors(),
        ["There is no card to charge. Add one under Invoices and Payments."]
    );
    assert_eq!(everything(&app), before);
}

async fn no_fewer_seats_than_are_used(app: TestApp) {
    let ada = app.admin("ada").await;
    app.member("bob", &[]).await;
    invite(&ada, "carl@halden.example").await.expect("Sent");
    ada.give_card(PAYS).await;
    let page = ada.open(PLAN).await;
    page.expect("used by members and 1 open invitation");
    for (plan, seats, says) in [
        ("Team", "2", "3 seats are used."),
        ("Team", "26", "Team has at most 25 seats."),
        ("Team", "", "3 seats are used."),
        ("Team", "-5", "3 seats are used."),
        ("Business", "3.5", "3 seats are used."),
        ("Business", "100001", "at most 100000"),
    ] {
        let page = ada.review(plan, seats).await;
        page.expect_status(422);
        assert!(
            page.errors()[0].contains(says),
            "{seats}: {:?}",
            page.errors()
        );
        assert_eq!(page.value("Seats"), seats, "what was typed stays");
    }
    ada.order("Team", "3").await.expect("The plan is Team now.");
    ada.get("/billing/plan/order?plan=nothing&seats=3")
        .await
        .expect_status(422)
        .expect("Choose one of the plans.");
}

async fn beyond_the_seats_nobody_is_invited(app: TestApp) {
    let ada = app.admin("ada").await;
    app.member("bob", &[Role::Viewer]).await;
    ada.give_card(PAYS).await;
    ada.order("Team", "3").await;
    ada.open(INSIGHT_USERS)
        .await
        .expect("2 of 3 seats are used.");
    let page = invite(
        &ada,
        "carl@halden.example dora@halden.example bob@halden.example",
    )
    .await;
    page.row("carl@halden.example").expect("Sent");
    page.row("bob@halden.example").expect("already a member");
    let full = page.row("dora@halden.example");
    full.expect("no seat is left")
        .expect("3 of 3 seats are used.");
    // Who is invited already is told that, not that there is no seat.
    invite(&ada, "carl@halden.example")
        .await
        .expect("Already invited");
    ada.open(INSIGHT_USERS)
        .await
        .expect("3 of 3 seats are used.");
    assert_eq!(app.number("SELECT count(*) FROM invitations"), 1);
    let plan = full.press("Add seats under Plan").await;
    assert_eq!(plan.h1(), "Plan");
    ada.order("Team", "4").await;
    invite(&ada, "dora@halden.example").await.expect("Sent");
    ada.open(INSIGHT_USERS)
        .await
        .expect("4 of 4 seats are used.");
}

async fn fewer_seats_come_with_the_renewal(app: TestApp) {
    let ada = app.admin("ada").await;
    let account = ada.account();
    ada.give_card(PAYS).await;
    ada.order("Business", "20").await;
    app.days(3);
    let page = ada.again().review("Business", "2").await;
    page.expect("nothing is charged or given back before")
        .expect("Difference −€324.00");
    let page = page.press("Place order").await;
    assert_eq!(page.flash(), "The plan changes to Business on 3 Apr 2026.");
    page.expect("Business: €36.00 for 2 seats");
    // From now on nobody is invited into seats that will be gone.
    page.expect("1 of 2");
    invite(&ada, "b@halden.example c@halden.example")
        .await
        .expect("No seat left");
    app.forward(DAY * 28);
    app.bill();
    assert_eq!(
        app.invoices(account),
        ["1 invoice paid 36000", "2 invoice paid 3600"]
    );
    ada.again()
        .open(PLAN)
        .await
        .expect("2 of 2")
        .expect("3 May 2026");
    // And to no plan at all.
    ada.order("Free", "2")
        .await
        .expect("The plan changes to Free on 3 May 2026.");
    app.forward(DAY * 31);
    app.bill();
    ada.again()
        .open(PLAN)
        .await
        .expect("No charge")
        .expect_not("Renewal");
    app.forward(DAY * 365);
    app.bill();
    assert_eq!(app.invoices(account).len(), 2);
}

async fn an_order_that_has_changed_is_shown_again(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.give_card(PAYS).await;
    let stale = ada.review("Business", "20").await;
    ada.order("Team", "5").await;
    let page = stale.press("Place order").await;
    page.expect_status(409)
        .expect("nothing was placed")
        .expect("Team, not used");
    assert_eq!(app.number("SELECT count(*) FROM invoices"), 1);
    // A price that a browser made up is no price.
    let fields = [
        ("plan", "business"),
        ("seats", "20"),
        ("version", "1"),
        ("due", "1"),
    ];
    ada.post("/billing/plan/order", &fields)
        .await
        .expect_status(409);
    page.press("Place order")
        .await
        .expect("The plan is Business now.");
}
