//! One decision, asked in every way there is (SPEC 5): random companies against a naive reading of the specification.
//! `DECISIONS_SEED=17 cargo test decisions` draws one company again, `DECISIONS_COMPANIES=2000 cargo test decisions::lists`
//! puts so many into the databases.

mod agree;
mod changes;
mod draw;
mod found;
mod naive;
mod pure;
mod reasons;
mod stored;

use std::time::Duration;

use insight::db::types::RecordId;

use crate::app::{Backend, OnBackend, TestApp};
use crate::on_both;
use draw::Dice;

on_both!(lists_counts_searches_files_and_changes_agree_with_the_decision);

/// Companies in one database. Postgres takes longer for each of their thousands of questions.
#[expect(clippy::disallowed_methods, reason = "a setting of the tests")]
fn companies(backend: Backend) -> u64 {
    if let Ok(number) = std::env::var("DECISIONS_COMPANIES") {
        return number.parse().expect("a number of companies");
    }
    match backend {
        Backend::Sqlite => 100,
        Backend::Postgres => 50,
    }
}

async fn lists_counts_searches_files_and_changes_agree_with_the_decision(backend: Backend) {
    let app = TestApp::on(backend);
    let context = app.context();
    let foreign: std::cell::RefCell<Vec<RecordId>> = std::cell::RefCell::default();
    let waiting = std::cell::RefCell::new(Vec::new());
    pure::with_seeds(100_000, companies(backend), |seed| {
        let mut dice = Dice::new(seed);
        let mut account = stored::make(context, &mut dice, seed);
        let others = foreign.borrow().clone();
        for member in 0..account.members.len() {
            agree::check(&app, &account, member, &others, &mut dice);
        }
        // A change holds at the next request.
        let changed = account.change(&app, &mut dice);
        let told = Changed(&changed);
        for _ in 0..2 {
            let member = dice.below(account.members.len());
            agree::check(&app, &account, member, &others, &mut dice);
        }
        std::mem::forget(told);
        *foreign.borrow_mut() = account.records.iter().map(|r| r.id).take(3).collect();
        if account
            .company
            .rules
            .iter()
            .any(|r| r.ends_at == Some(draw::LATER))
            && seed % 4 == 0
        {
            waiting.borrow_mut().push((seed, account));
        }
    });
    // So does the end of a rule, which nobody has to bring about.
    app.forward(Duration::from_secs(30 * 60));
    for (seed, mut account) in waiting.into_inner() {
        account.company.now = draw::LATER;
        let told = Changed("time passed");
        for member in 0..account.members.len() {
            agree::check(&app, &account, member, &[], &mut Dice::new(seed));
        }
        std::mem::forget(told);
    }
}

/// Says what had been changed when a check panics.
struct Changed<'a>(&'a str);

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        eprintln!("after this change: {}", self.0);
    }
}
