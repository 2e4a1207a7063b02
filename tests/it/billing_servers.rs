//! Two real servers on one Postgres that were down for months and come back at the same moment.

use std::collections::BTreeMap;

use diesel::connection::SimpleConnection;
use insight::db::types::{AccountId, Day};
use time::{Date, Duration, OffsetDateTime};

use crate::app::Backend;
use crate::app::billing::{months_after, sell};
use crate::app::program::Installation;
use crate::app::smtp::Smtp;
use crate::app::texts;

/// A company, and the renewals that it missed.
const COMPANIES: [(&str, i32); 3] = [
    ("Halden Logistics", 7),
    ("Fjord Terminals", 5),
    ("Nordic Freight", 3),
];

fn number_of(day: Date) -> i32 {
    let days = day - Date::from_calendar_date(1970, time::Month::January, 1).expect("a day");
    i32::try_from(days.whole_days()).expect("fits")
}

/// A company that bought a plan so many months and ten days ago, and whose server has been down ever since.
fn left_behind(installation: &Installation, name: &str, months: i32) -> AccountId {
    let company = installation.context().company(name);
    company.admin("ada");
    let app = installation.app();
    sell(&app, company.id, "team", 3);
    let now = i64::try_from(app.clock.now().unix()).expect("fits");
    let today = OffsetDateTime::from_unix_timestamp(now).expect("a time");
    let anchor = months_after(today.date() - Duration::days(10), -months);
    installation.sql(&format!(
        "UPDATE billing SET anchor_day = {}, period_start = {}, period_end = {} WHERE account_id = {}",
        number_of(anchor),
        number_of(anchor),
        number_of(months_after(anchor, 1)),
        company.id
    ));
    company.id
}

#[actix_web::test]
async fn two_servers_that_catch_up_at_once_invoice_each_period_once() {
    let smtp = Smtp::start();
    let installation = Installation::new(Backend::Postgres).with("INSIGHT_SMTP_URL", smtp.url());
    let companies: Vec<(AccountId, i32)> = COMPANIES
        .iter()
        .map(|(name, months)| (left_behind(&installation, name, *months), *months))
        .collect();

    // Both come as far as their first renewal and wait there; then they are let go at the same moment.
    let mut gate = installation.database.connect();
    gate.batch_execute("BEGIN; LOCK TABLE billing IN EXCLUSIVE MODE")
        .expect("shuts the gate");
    let (first, second) = (installation.launch_another(), installation.launch_another());
    let mut servers = [first.ready(), second.ready()];
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'billing'::regclass \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    installation.wait_for_number(waiting, 2).await;
    gate.batch_execute("COMMIT").expect("opens the gate");

    // The first invoice of each, and one for each period since.
    let expected: i64 = companies
        .iter()
        .map(|(_, months)| i64::from(months + 1))
        .sum();
    for settled in [
        "SELECT count(*) FROM invoices WHERE state = 'paid'",
        "SELECT count(*) FROM outbox WHERE kind = 'invoice' AND state = 'sent'",
    ] {
        installation.wait_for_number(settled, expected).await;
    }
    for server in &mut servers {
        assert_eq!(server.end_with("TERM"), Some(0), "{}", server.log());
    }

    for counted in [
        "SELECT count(*) FROM invoices",
        "SELECT count(*) FROM payments",
        "SELECT count(*) FROM sandbox_charges WHERE state = 'succeeded' AND amount = 3600",
        "SELECT count(*) FROM outbox WHERE kind = 'invoice'",
        "SELECT count(*) FROM audit_entries WHERE action = 'billing.invoice'",
    ] {
        assert_eq!(installation.number(counted), expected, "{counted}");
    }
    let mut conn = installation.database.connect();
    for (account, months) in companies {
        let numbers = format!(
            "SELECT number || ' ' || total AS line FROM invoices WHERE account_id = {account} ORDER BY number"
        );
        let wanted: Vec<String> = (1..=months + 1).map(|n| format!("{n} 3600")).collect();
        assert_eq!(texts(&mut conn, &numbers), wanted);
        // Each renewal is that of the next month, by the calendar.
        let anchor = format!("SELECT anchor_day FROM billing WHERE account_id = {account}");
        let anchor = i32::try_from(installation.number(&anchor)).expect("fits");
        let anchor = Date::from_calendar_date(1970, time::Month::January, 1).expect("a day")
            + Duration::days(i64::from(anchor));
        let renewed = format!(
            "SELECT CAST(renews_day AS TEXT) AS line FROM invoices WHERE account_id = {account} \
             AND renews_day IS NOT NULL ORDER BY number"
        );
        let wanted: Vec<String> = (1..=months)
            .map(|n| number_of(months_after(anchor, n)).to_string())
            .collect();
        assert_eq!(texts(&mut conn, &renewed), wanted);
        let end = format!("SELECT period_end FROM billing WHERE account_id = {account}");
        let end = Day(i32::try_from(installation.number(&end)).expect("fits"));
        assert_eq!(end.0, number_of(months_after(anchor, months + 1)));
    }
    // One mail for each invoice, with its PDF.
    let mut mails: BTreeMap<(String, String), usize> = BTreeMap::new();
    for mail in smtp.messages() {
        if let [(name, pdf)] = mail.attachments.as_slice() {
            assert!(pdf.starts_with(b"%PDF-"), "{name}");
            *mails.entry((mail.to.join(" "), name.clone())).or_default() += 1;
        }
    }
    assert_eq!(i64::try_from(mails.len()).expect("fits"), expected);
    assert!(mails.values().all(|times| *times == 1), "{mails:?}");
}
