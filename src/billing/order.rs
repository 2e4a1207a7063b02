//! A change of plan and seats: what it costs is shown first, and exactly that is placed.

use super::days::Every;
use super::invoices::{self, Draft, Line, Sums};
use super::money::share;
use super::plans::{MOST_SEATS, Plan, Plans};
use super::subscription::{self, Period, Subscription};
use super::{read_only, renewal, seats};
use crate::access::{InAccount, ManageBilling, Proof, Tx};
use crate::audit::{self, Change, Event};
use crate::db::types::{AccountId, Day};
use crate::{Error, Result};

/// When a change comes into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It is what there is already.
    Already,
    Now,
    /// With the next period.
    Renewal(Day),
}

/// What a change means.
#[derive(Clone, Debug)]
pub struct Quote {
    pub plan: Plan,
    /// 0 on a free plan.
    pub seats: i64,
    pub when: When,
    /// Of the invoice that is made at once; none without one.
    pub lines: Vec<Line>,
    pub sums: Sums,
    /// When the next whole period is invoiced, and for how much without tax.
    pub next: Option<(Day, i64)>,
    /// Of the subscription it was made for.
    pub version: i64,
    /// The subscription afterwards.
    after: Subscription,
}

/// What it means to have `wanted` with `seats` from `today` on. Pure; the error is a sentence.
pub fn quote(
    now: &Subscription,
    plans: &Plans,
    wanted: &Plan,
    seats: i64,
    today: Day,
) -> Result<Quote, String> {
    let seats = if wanted.is_free() { 0 } else { seats };
    if !wanted.is_free() && seats < 1 {
        return Err("Type a number of seats, at least 1.".into());
    }
    if let Some(most) = wanted.seats.filter(|most| seats > *most) {
        return Err(format!("{} has at most {most} seats.", wanted.name));
    }
    if seats > MOST_SEATS {
        return Err(format!("Type at most {MOST_SEATS} seats."));
    }
    let mut after = now.clone();
    let (when, lines) = match now.running {
        None if wanted.is_free() => {
            after.sell(wanted, 0, plans);
            let same = plans.free(&now.plan) == Some(wanted);
            (if same { When::Already } else { When::Now }, vec![])
        }
        None => {
            after.sell(wanted, seats, plans);
            let period = Period::of(today, wanted.every, 0);
            after.running = Some(period);
            (When::Now, vec![whole(wanted, seats, period)])
        }
        Some(period) => {
            let (left, of) = period.left(today);
            let same_plan = now.plan == wanted.key;
            let same_terms = same_plan && now.seats == seats;
            let lines = if same_terms || wanted.is_free() {
                vec![]
            } else if same_plan {
                more_seats(now, seats - now.seats, period, today)
            } else if now.every == wanted.every {
                vec![part(wanted, seats, period, today), back(now, period, today)]
            } else {
                let anew = Period::of(today, wanted.every, 0);
                vec![whole(wanted, seats, anew), back(now, period, today)]
            };
            let cost: i64 = lines.iter().map(|line| line.amount).sum();
            let at_once = !lines.is_empty() && cost >= 0 && left > 0 && of > 0;
            if same_terms {
                // Whatever was to change at the renewal does not.
                after.next = None;
                let when = if now.next.is_some() {
                    When::Now
                } else {
                    When::Already
                };
                (when, vec![])
            } else if at_once {
                if same_plan {
                    // The running period keeps the price it was sold at.
                    after.seats = seats;
                    after.next = None;
                } else {
                    after.sell(wanted, seats, plans);
                }
                if now.every != wanted.every {
                    after.running = Some(Period::of(today, wanted.every, 0));
                }
                (When::Now, lines)
            } else {
                after.next = Some((wanted.key.clone(), seats));
                (When::Renewal(period.end), vec![])
            }
        }
    };
    let next = after
        .running
        .map(|period| (period.end, after.renewed(plans).price()));
    Ok(Quote {
        plan: wanted.clone(),
        seats,
        when,
        sums: Sums::of(&lines, plans.tax.rate, now.credit),
        lines,
        next,
        version: now.version,
        after,
    })
}

/// "1 seat", "20 seats".
pub fn seats_words(seats: i64) -> String {
    match seats {
        1 => "1 seat".into(),
        n => format!("{n} seats"),
    }
}

/// A whole period of a plan.
fn whole(plan: &Plan, seats: i64, period: Period) -> Line {
    Line {
        text: plan.name.clone(),
        detail: format!(
            "{}, {}",
            seats_words(seats),
            period.start.through(period.end.before())
        ),
        quantity: seats,
        unit_price: plan.seat_price,
        amount: seats.saturating_mul(plan.seat_price),
    }
}

/// The days that are left of a period: "21 of 30 days, 12 Nov – 2 Dec 2026".
fn days(period: Period, today: Day) -> String {
    let (left, of) = period.left(today);
    let span = today.max(period.start).through(period.end.before());
    format!("{span} ({left} of {of} days)")
}

fn part(plan: &Plan, seats: i64, period: Period, today: Day) -> Line {
    let (left, of) = period.left(today);
    Line {
        text: plan.name.clone(),
        detail: format!("{}, {}", seats_words(seats), days(period, today)),
        quantity: seats,
        unit_price: plan.seat_price,
        amount: share(seats.saturating_mul(plan.seat_price), left, of),
    }
}

fn back(now: &Subscription, period: Period, today: Day) -> Line {
    let (left, of) = period.left(today);
    Line {
        text: format!("{}, not used", now.plan_name),
        detail: format!("{}, {}", seats_words(now.seats), days(period, today)),
        quantity: now.seats,
        unit_price: -now.seat_price,
        amount: -share(now.price(), left, of),
    }
}

fn more_seats(now: &Subscription, more: i64, period: Period, today: Day) -> Vec<Line> {
    let (left, of) = period.left(today);
    vec![Line {
        text: format!("{}, more seats", now.plan_name),
        detail: format!("{}, {}", seats_words(more), days(period, today)),
        quantity: more,
        unit_price: now.seat_price,
        amount: share(more.saturating_mul(now.seat_price), left, of),
    }]
}

/// What a change would mean now.
pub fn ask<P: InAccount>(tx: &mut Tx<P>, plan: &str, seats: i64) -> Result<Quote> {
    let account = tx.account();
    ask_in(tx, account, plan, seats)
}

/// The same for any account.
pub fn ask_in<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    plan: &str,
    seats: i64,
) -> Result<Quote> {
    let plans = tx.app().config.plans.clone();
    let today = Day::of(tx.now());
    let wanted = plans
        .find(plan)
        .filter(|_| !plan.is_empty())
        .ok_or_else(|| Error::refused("Choose one of the plans."))?;
    let now = subscription::load(tx, account)?;
    let used = seats::load(tx, account)?.used();
    let most = match wanted.is_free() {
        true => wanted.seats,
        false => Some(seats),
    };
    if most.is_some_and(|most| most < used) {
        return Err(Error::Refused(format!(
            "{used} seats are used. Take at least so many, or remove members and revoke invitations first."
        )));
    }
    let quote = quote(&now, &plans, wanted, seats, today).map_err(Error::Refused)?;
    if read_only::since(tx, account)?.is_some() && quote.when != When::Already {
        return Err(Error::refused(
            "This account is read-only. Pay the open invoices first, under Invoices and Payments.",
        ));
    }
    Ok(quote)
}

/// Places the order that was reviewed as `version` with `due` to pay. Nothing: something moved meanwhile, and it has to
/// be looked at again.
pub fn place(
    tx: &mut Tx<ManageBilling>,
    plan: &str,
    seats: i64,
    version: i64,
    due: i64,
) -> Result<Option<Quote>> {
    tx.lock_account()?;
    let account = tx.account();
    place_in(tx, account, plan, seats, Some((version, due)))
}

/// The same for any account, which is locked. `seen`: version and sum that were reviewed.
pub fn place_in<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    plan: &str,
    seats: i64,
    seen: Option<(i64, i64)>,
) -> Result<Option<Quote>> {
    renewal::renew(tx, account)?;
    let quote = ask_in(tx, account, plan, seats)?;
    if seen.is_some_and(|seen| seen != (quote.version, quote.sums.due)) {
        return Ok(None);
    }
    if quote.sums.due > 0 && super::cards::load(tx, account)?.is_none() {
        return Err(Error::refused(
            "There is no card to charge. Add one under Invoices and Payments.",
        ));
    }
    if quote.when == When::Already {
        return Ok(Some(quote));
    }
    let before = subscription::load(tx, account)?;
    subscription::save(tx, account, &quote.after)?;
    let plans = tx.app().config.plans.clone();
    let event = Event::PlanChanged {
        plan: quote.plan.name.clone(),
        from: match quote.when {
            When::Renewal(day) => Some(day.show()),
            _ => None,
        },
        changes: vec![
            Change::new("Plan", before.name(&plans), &quote.plan.name),
            Change::new("Seats", &before.seats.to_string(), &quote.seats.to_string()),
        ],
    };
    audit::record(tx, account, &event)?;
    if quote.sums.net > 0 {
        let draft = Draft::invoice(quote.lines.clone(), None);
        invoices::issue(tx, account, draft)?;
    }
    Ok(Some(quote))
}

/// Price and length, for the page.
pub fn every_words(every: Every) -> &'static str {
    match every {
        Every::Month => "a month",
        Every::Year => "a year",
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
