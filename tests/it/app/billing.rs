//! What billing stories do again and again: cards, orders, the job, PDFs.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use insight::billing::plans::Plans;
use insight::billing::providers::sandbox::Behaviour;
use insight::billing::providers::{ProviderCard, sandbox};
use insight::billing::{cards, jobs, order};
use insight::db::types::AccountId;
use insight::{App, billing};
use time::{Date, Month};

use super::page::Page;
use super::people::{Level, Person};
use super::{TestApp, texts};

/// A card that pays.
pub const PAYS: &str = "4242 4242 4242 4242";
/// A card that is taken, and whose payments are declined.
pub const DECLINES: &str = "4000 0000 0000 0341";
/// The same, because it finds itself expired.
pub const EXPIRED: &str = "4000 0000 0000 0069";
/// A card whose bank asks each time.
pub const CONFIRMS: &str = "4000 0027 6000 3184";

/// A day.
pub const DAY: Duration = Duration::from_secs(86_400);

impl TestApp {
    /// Does everything of billing that is due now.
    pub fn bill(&self) {
        jobs::run_due(self).expect("bills");
    }

    /// Lets days pass, and bills on each of them.
    pub fn days(&self, days: u32) {
        for _ in 0..days {
            self.forward(DAY);
            self.bill();
        }
    }

    /// The same installation in a new process with this file of plans.
    pub fn with_plans(&self, text: &str) -> Arc<App> {
        let plans = Plans::parse(text).expect("a good file");
        self.another_with(|config| config.plans = Arc::new(plans))
    }

    /// Rows of a query with the column `line`.
    pub fn lines(&self, query: &str) -> Vec<String> {
        texts(&mut self.database().connect(), query)
    }

    /// "2026-0001 open 360.00"-like lines of an account's invoices, oldest first, amounts in minor units.
    pub fn invoices(&self, account: AccountId) -> Vec<String> {
        self.lines(&format!(
            "SELECT number || ' ' || kind || ' ' || state || ' ' || total AS line FROM invoices \
             WHERE account_id = {account} ORDER BY number"
        ))
    }

    /// The PDF of the newest invoice of an account.
    pub fn newest_pdf(&self, account: AccountId) -> Vec<u8> {
        let id = self.number(&format!(
            "SELECT max(id) FROM invoices WHERE account_id = {account}"
        ));
        billing::invoices::attachment(self, &format!("{account}/{id}")).expect("makes a PDF")
    }
}

impl Person {
    /// A session that has just begun, after time has passed.
    pub fn again(&self) -> &Person {
        self.start_session(Level::Full);
        self
    }

    /// Gives a card on the sandbox's page; gives the page that it leads to.
    pub async fn give_card(&self, number: &str) -> Page {
        let page = self.open(billing::INVOICES).await;
        let page = page.press("Update card").await;
        let page = page.press("Continue to the payment provider").await;
        page.fill("Card number", number)
            .fill("Expires (month/year)", "08/30")
            .fill("Security code", "123")
            .press("Save card")
            .await
    }

    /// Reviews the order of a plan and seats.
    pub async fn review(&self, plan: &str, seats: &str) -> Page {
        let page = self.open(billing::PLAN).await;
        page.tick(plan)
            .fill("Seats", seats)
            .press("Review order")
            .await
    }

    /// Orders it.
    pub async fn order(&self, plan: &str, seats: &str) -> Page {
        self.review(plan, seats).await.press("Place order").await
    }
}

/// Sells a plan to an account past the pages, with a card that pays.
pub fn sell(app: &App, account: AccountId, plan: &str, seats: i64) {
    let card = ProviderCard {
        token: Behaviour::Pays.token(),
        brand: "Visa".into(),
        last4: "4242".into(),
        exp_year: 2099,
        exp_month: 8,
    };
    let sold = app.system_write(|tx| {
        cards::put(tx, account, sandbox::NAME, &card, "Ada".into())?;
        order::place_in(tx, account, plan, seats, None)
    });
    sold.expect("sells").expect("sells at once");
}

/// So many months after a day: the same day of the month, or the last one. By another library than Insight's.
pub fn months_after(anchor: Date, n: i32) -> Date {
    let months = anchor.year() * 12 + i32::from(u8::from(anchor.month())) - 1 + n;
    let month = Month::try_from(u8::try_from(months % 12 + 1).expect("fits")).expect("a month");
    let year = months / 12;
    let last = month.length(year);
    Date::from_calendar_date(year, month, anchor.day().min(last)).expect("a day")
}

/// The text of a PDF, as a reader shows it.
pub fn text_of(pdf: &[u8]) -> String {
    poppler("pdftotext", pdf, &["-layout", "-enc", "UTF-8"], &["-"])
}

/// What a program of poppler says about a PDF. `bash .ci/install` installs them.
pub fn poppler(program: &str, pdf: &[u8], before: &[&str], after: &[&str]) -> String {
    let dir = tempfile::TempDir::new().expect("a temporary folder");
    let path = dir.path().join("invoice.pdf");
    std::fs::write(&path, pdf).expect("writes");
    let output = Command::new(program)
        .args(before)
        .arg(&path)
        .args(after)
        .output()
        .unwrap_or_else(|e| panic!("{program} (package poppler-utils): {e}"));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
