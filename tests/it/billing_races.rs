//! Several servers on one database: each period is invoiced once, each invoice paid once.

use std::sync::Barrier;

use futures_util::future::join_all;
use insight::Error;
use insight::billing::invoices::{self, Draft, Line};
use insight::billing::{jobs, renewal};

use crate::app::TestApp;
use crate::app::billing::{CONFIRMS, DAY, PAYS};
use crate::on_both;

on_both!(
    two_servers_that_renew_at_once_make_one_invoice,
    numbers_have_no_gaps_whoever_issues_and_fails_at_once,
    pay_now_pressed_many_times_charges_once,
    seats_hold_when_many_are_invited_at_once,
    a_confirmation_that_nobody_gives_ends_the_attempt,
);

async fn two_servers_that_renew_at_once_make_one_invoice(app: TestApp) {
    let mut companies = vec![];
    for name in ["Halden Logistics", "Fjord Terminals", "Nordic Freight"] {
        let admin = app.company(name).admin("ada");
        admin.give_card(PAYS).await;
        admin.order("Team", "3").await;
        companies.push(admin.account());
    }
    app.bill();
    for month in 2..=4 {
        app.forward(DAY * 31);
        let servers = [app.another(), app.another(), app.another(), app.another()];
        let start = Barrier::new(servers.len());
        std::thread::scope(|scope| {
            for server in &servers {
                scope.spawn(|| {
                    start.wait();
                    renewal::renew_due(server).expect("renews");
                    jobs::run_due(server).expect("bills");
                });
            }
        });
        app.bill();
        for account in &companies {
            let invoices = app.invoices(*account);
            assert_eq!(invoices.len(), month, "{invoices:?}");
            assert!(
                invoices.iter().all(|i| i.ends_with("invoice paid 3600")),
                "{invoices:?}"
            );
        }
    }
    assert_eq!(app.number("SELECT count(*) FROM sandbox_charges"), 12);
    assert_eq!(app.number("SELECT count(*) FROM payments"), 12);
    assert_eq!(
        app.number("SELECT count(*) FROM outbox WHERE kind = 'invoice'"),
        12
    );
}

async fn numbers_have_no_gaps_whoever_issues_and_fails_at_once(app: TestApp) {
    let account = app.admin("ada").await.account();
    let servers = [app.another(), app.another(), app.another(), app.another()];
    let start = Barrier::new(servers.len());
    std::thread::scope(|scope| {
        for server in &servers {
            scope.spawn(|| {
                start.wait();
                for n in 0..10 {
                    let line = Line {
                        text: "Team".into(),
                        detail: "1 seat".into(),
                        quantity: 1,
                        unit_price: 1_200,
                        amount: 1_200,
                    };
                    let issued = server.system_write(|tx| {
                        invoices::issue(tx, account, Draft::invoice(vec![line], None))?;
                        // Every other one comes to nothing after it had its number.
                        match n % 2 {
                            0 => Ok(()),
                            _ => Err(Error::refused("something else went wrong")),
                        }
                    });
                    match issued {
                        Ok(()) => {}
                        Err(Error::Refused(_)) => assert_eq!(n % 2, 1),
                        Err(other) => panic!("{other}"),
                    }
                }
            });
        }
    });
    let numbers = app.lines("SELECT CAST(number AS TEXT) AS line FROM invoices ORDER BY number");
    let wanted: Vec<String> = (1..=20).map(|n: i32| n.to_string()).collect();
    assert_eq!(numbers, wanted);
}

async fn pay_now_pressed_many_times_charges_once(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.give_card(PAYS).await;
    ada.order("Team", "3").await;
    let id = app.number("SELECT id FROM invoices");
    let path = format!("/billing/invoices/{id}/pay");
    let other = app.another();
    let job = std::thread::spawn(move || jobs::run_due(&other).expect("bills"));
    let presses = join_all((0..8).map(|_| ada.post(&path, &[]))).await;
    job.join().expect("bills");
    for page in presses {
        page.expect_redirect(&path);
    }
    assert_eq!(app.invoices(ada.account()), ["1 invoice paid 3600"]);
    assert_eq!(app.number("SELECT count(*) FROM sandbox_charges"), 1);
}

async fn seats_hold_when_many_are_invited_at_once(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.give_card(PAYS).await;
    ada.order("Team", "4").await;
    let profile = app.number("SELECT min(id) FROM profiles").to_string();
    let wishes: Vec<_> = (0..8)
        .map(|n| {
            let address = format!("p{n}@halden.example");
            let (ada, profile) = (&ada, profile.as_str());
            async move {
                let fields = [
                    ("emails", address.as_str()),
                    ("platform_role", "viewer"),
                    ("profile", profile),
                ];
                ada.post("/shared/insight-users/invite", &fields).await
            }
        })
        .collect();
    let answers = join_all(wishes).await;
    let full = answers
        .iter()
        .filter(|page| page.text().contains("No seat left"));
    assert_eq!(full.count(), 5);
    assert_eq!(app.number("SELECT count(*) FROM invitations"), 3);
}

async fn a_confirmation_that_nobody_gives_ends_the_attempt(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.give_card(CONFIRMS).await.press("Confirm").await;
    ada.order("Team", "3").await;
    app.bill();
    let id = app.number("SELECT id FROM invoices");
    let path = format!("/billing/invoices/{id}/pay");
    ada.post(&path, &[])
        .await
        .follow()
        .await
        .expect("Go on to the confirmation");
    app.bill();
    assert_eq!(
        app.number("SELECT count(*) FROM payments WHERE state = 'waiting'"),
        1
    );
    app.forward(std::time::Duration::from_secs(3_700));
    app.bill();
    assert_eq!(
        app.number("SELECT count(*) FROM payments WHERE finished_at IS NULL"),
        0
    );
    assert_eq!(app.invoices(ada.account()), ["1 invoice open 3600"]);
}
