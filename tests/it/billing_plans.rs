//! The file of plans: what is sold comes from it, and what becomes of accounts when it is changed under them.

use insight::billing::invoices::Content;
use insight::billing::{PLAN, jobs};

use crate::app::billing::{DAY, PAYS, sell, text_of};
use crate::app::program::Installation;
use crate::app::steps::invite;
use crate::app::{Backend, Setup, TestApp, texts};
use crate::on_both;

on_both!(
    the_plans_come_from_a_file,
    a_plan_that_is_gone_goes_on_as_it_was_sold,
    a_price_that_has_changed_comes_with_the_renewal,
    a_currency_is_not_changed_under_those_who_pay_in_it,
);

async fn the_plans_come_from_a_file(setup: Setup) {
    let dir = tempfile::TempDir::new().expect("a temporary folder");
    let file = dir.path().join("plans.toml");
    let text = r#"
        currency = "NOK"
        [seller]
        name = "Fjord Software AS"
        address = ["Havnegata 1", "0150 Oslo"]
        vat_number = "NO987654321MVA"
        [tax]
        label = "MVA"
        percent = "25"
        [[plan]]
        key = "small"
        name = "Small"
        seat_price = "0"
        every = "month"
        seats = 2
        [[plan]]
        key = "large"
        name = "Large"
        seat_price = "99.90"
        every = "year"
    "#;
    std::fs::write(&file, text).expect("writes");
    let app = setup
        .with("INSIGHT_PLANS_FILE", file.display().to_string())
        .start();
    let ada = app.admin("ada").await;
    ada.open(PLAN).await.expect("Small").expect("1 of 2");
    invite(&ada, "b@halden.example c@halden.example")
        .await
        .expect("No seat left");
    ada.give_card(PAYS).await;
    let page = ada.review("Large", "3").await;
    page.expect("MVA NOK 74.93").expect("To pay now NOK 374.63");
    page.press("Place order").await;
    app.bill();
    assert_eq!(app.invoices(ada.account()), ["1 invoice paid 37463"]);
    let text = text_of(&app.newest_pdf(ada.account()));
    assert!(text.contains("Fjord Software AS"), "{text}");
    assert!(text.contains("MVA 25 %"), "{text}");
}

/// Without the plans Team and Free of the built-in file, and with other names and prices.
const OTHERS: &str = r#"
    currency = "EUR"
    [seller]
    name = "Insight"
    [[plan]]
    key = "basic"
    name = "Basic"
    seat_price = "0"
    every = "month"
    [[plan]]
    key = "business"
    name = "Business Plus"
    seat_price = "20.00"
    every = "month"
"#;

async fn a_plan_that_is_gone_goes_on_as_it_was_sold(mut app: TestApp) {
    let mut people = vec![];
    for (name, plan, seats, next) in [
        // Fewer seats of a plan that will be gone; a move into one; a move to no charge, which has another name by then.
        ("Halden Logistics", "Team", "5", ("Team", "3")),
        ("Fjord Terminals", "Business", "4", ("Team", "4")),
        ("Nordic Freight", "Team", "2", ("Free", "0")),
    ] {
        let admin = app.company(name).admin("ada");
        admin.give_card(PAYS).await;
        admin.order(plan, seats).await.expect("The plan is");
        admin.order(next.0, next.1).await.expect("on 3 Apr 2026");
        people.push(admin);
    }
    app.bill();
    let [ada, olga, finn] = people.as_slice() else {
        panic!("three companies")
    };
    let other = app.with_plans(OTHERS);
    let address = app.serve(&other);
    for person in [ada, olga, finn] {
        person.use_server(address);
    }
    // What will come is shown as it will come.
    ada.open(PLAN)
        .await
        .expect("Team: €36.00 for 3 seats")
        .expect("1 of 3");
    olga.open(PLAN)
        .await
        .expect("Business Plus: €80.00 for 4 seats");
    finn.open(PLAN).await.expect("Basic: no charge");
    // It is not sold any more, not even more seats of it.
    ada.get("/billing/plan/order?plan=team&seats=6")
        .await
        .expect_status(422)
        .expect("Choose one of the plans.");

    for _ in 0..2 {
        app.forward(DAY * 31);
        jobs::run_due(&other).expect("bills");
    }
    assert_eq!(
        app.invoices(ada.account()),
        [
            "1 invoice paid 6000",
            "2 invoice paid 3600",
            "3 invoice paid 3600"
        ]
    );
    assert_eq!(
        app.invoices(olga.account()),
        [
            "1 invoice paid 7200",
            "2 invoice paid 8000",
            "3 invoice paid 8000"
        ]
    );
    assert_eq!(app.invoices(finn.account()), ["1 invoice paid 2400"]);
    // Whoever pays nothing is stopped by nothing, whatever the plan was called.
    app.sql(&format!(
        "UPDATE billing SET plan = 'free', plan_name = 'Free' WHERE account_id = {}",
        finn.account()
    ))
    .expect("as it was before");
    let page = invite(finn.again(), "b@nordic.example c@nordic.example").await;
    page.expect("2 of 2 invitations were sent.");
    // And away from what is gone into what there is.
    let page = ada.again().review("Business Plus", "3").await;
    page.expect("Team, not used").expect("Now Team, 3 seats");
    let page = page.press("Place order").await;
    assert_eq!(page.flash(), "The plan is Business Plus now.");
}

async fn a_price_that_has_changed_comes_with_the_renewal(mut app: TestApp) {
    let ada = app.admin("ada").await;
    ada.give_card(PAYS).await;
    ada.order("Business", "10").await;
    app.bill();
    let other = app.with_plans(OTHERS);
    ada.use_server(app.serve(&other));
    // The running period stays at the price it was sold at: a whole period is left.
    let page = ada.review("Business Plus", "11").await;
    page.expect("To pay now €18.00")
        .expect("The next renewal is on 3 Apr 2026: €220.00");
    page.press("Place order").await;
    app.forward(DAY * 31);
    jobs::run_due(&other).expect("bills");
    assert_eq!(
        app.invoices(ada.account()),
        [
            "1 invoice paid 18000",
            "2 invoice paid 1800",
            "3 invoice paid 22000"
        ]
    );
}

async fn a_currency_is_not_changed_under_those_who_pay_in_it(backend: Backend) {
    let installation = Installation::new(backend);
    let mut accounts = vec![];
    for name in ["Halden Logistics", "Fjord Terminals"] {
        let company = installation.context().company(name);
        company.admin("ada");
        sell(&installation.app(), company.id, "team", 2);
        accounts.push(company.id);
    }
    let file = installation.folder().join("plans.toml");
    let text = OTHERS.replace("EUR", "NOK");
    std::fs::write(&file, text).expect("writes");
    let installation = installation.with("INSIGHT_PLANS_FILE", file.display().to_string());
    let refused = |have: &str| {
        let says = format!(
            "INSIGHT_PLANS_FILE sells in NOK, but {have} a plan, a credit or an unpaid invoice in EUR: keep that \
             currency until none is left."
        );
        let ran = installation.run(&["doctor"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(
            ran.stdout.contains(&format!("PROBLEM  plans: {says}")),
            "{ran:?}"
        );
        let ran = installation.run(&["serve"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert_eq!(ran.stderr.trim(), format!("insight: {says}"));
    };
    refused("2 accounts have");
    // One has ended its plan and paid, the other has ended it and not paid.
    installation
        .sql("UPDATE billing SET period_end = NULL, period_start = NULL, anchor_day = NULL");
    installation.sql(&format!(
        "UPDATE invoices SET state = 'paid', attempt_at = NULL WHERE account_id = {}",
        accounts[0]
    ));
    refused("1 account has");
    installation.sql("UPDATE invoices SET state = 'paid', attempt_at = NULL");
    installation.sql(&format!(
        "UPDATE billing SET credit = 100 WHERE account_id = {}",
        accounts[0]
    ));
    refused("1 account has");
    installation.sql("UPDATE billing SET credit = 0");
    let ran = installation.run(&["doctor"]);
    assert!(
        ran.stdout.contains("ok       plans: 2 plans, in NOK"),
        "{ran:?}"
    );
    let mut server = installation.start();
    assert_eq!(server.end_with("TERM"), Some(0));
    // An invoice of then cannot become a credit of now.
    let account = accounts[0].to_string();
    let words = ["billing", "credit", "--account", &account, "--invoice"];
    let mut conn = installation.database.connect();
    let content = "SELECT content AS line FROM invoices ORDER BY id";
    let content: Content =
        serde_json::from_str(&texts(&mut conn, content)[0]).expect("what stands on it");
    let number = content.number;
    let ran = installation.run(&[&words[..], &[&number, "--reason", "a mistake"]].concat());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stderr.contains("Pay it back at the payment provider."),
        "{ran:?}"
    );
}
