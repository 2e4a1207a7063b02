//! What an account has bought, and the period it runs in.

use diesel::dsl::{count_star, exists, min};
use diesel::prelude::*;

use super::days::Every;
use super::plans::{Plan, Plans};
use crate::Result;
use crate::access::{Proof, System, Tx};
use crate::db::types::{AccountId, Day};
use crate::schema::{billing as table, invoices};

/// One account's plan, as it was sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Key of the plan; empty for the one every account begins with.
    pub plan: String,
    /// Its name when it was sold.
    pub plan_name: String,
    /// Seats bought; 0 on a free plan.
    pub seats: i64,
    /// For one seat and period, as sold.
    pub seat_price: i64,
    /// Code of the currency it was sold in.
    pub currency: String,
    pub every: Every,
    pub running: Option<Period>,
    /// What the next period is sold as, when that differs.
    pub next: Option<(String, i64)>,
    /// Goes into the next invoice.
    pub credit: i64,
    /// Moves with every change.
    pub version: i64,
}

/// A period that is paid for, or invoiced at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// First day of the first period.
    pub anchor: Day,
    /// This one's number from there.
    pub number: i32,
    pub start: Day,
    /// First day of the next one.
    pub end: Day,
}

impl Period {
    /// Period number `number` from `anchor` on.
    pub fn of(anchor: Day, every: Every, number: i32) -> Period {
        Period {
            anchor,
            number,
            start: anchor.period(every, number),
            end: anchor.period(every, number.saturating_add(1)),
        }
    }

    /// (days left, days of the period), `today` included.
    pub fn left(self, today: Day) -> (i64, i64) {
        let from = today.max(self.start);
        (from.until(self.end).max(0), self.start.until(self.end))
    }
}

type Row = (
    (String, String, i64, i64, String, String),
    (Option<Day>, i32, Option<Day>, Option<Day>),
    (Option<String>, Option<i64>),
    (i64, i64),
);

/// What an account has now. For a change, lock the account first.
pub fn load<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<Subscription> {
    let (sold, period, next, (credit, version)): Row = table::table
        .filter(table::account_id.eq(account))
        .select((
            (
                table::plan,
                table::plan_name,
                table::seats,
                table::seat_price,
                table::currency,
                table::every,
            ),
            (
                table::anchor_day,
                table::period,
                table::period_start,
                table::period_end,
            ),
            (table::next_plan, table::next_seats),
            (table::credit, table::version),
        ))
        .first(tx.conn())?;
    Ok(Subscription {
        plan: sold.0,
        plan_name: sold.1,
        seats: sold.2,
        seat_price: sold.3,
        currency: sold.4,
        every: Every::stored(&sold.5),
        running: match period {
            (Some(anchor), number, Some(start), Some(end)) => Some(Period {
                anchor,
                number,
                start,
                end,
            }),
            _ => None,
        },
        next: match next {
            (Some(plan), seats) => Some((plan, seats.unwrap_or(0))),
            _ => None,
        },
        credit,
        version,
    })
}

/// Why the plans cannot be sold in their currency: some account has something in another one.
pub fn other_currency(tx: &mut Tx<System>) -> Result<Option<String>> {
    let code = tx.app().config.plans.currency.code();
    let unpaid = invoices::table
        .filter(invoices::account_id.eq(table::account_id))
        .filter(invoices::state.eq_any(["open", "overdue"]));
    let (accounts, other): (i64, Option<String>) = table::table
        .filter(table::currency.ne_all(["", code]))
        .filter(
            table::period_end
                .is_not_null()
                .or(table::credit.gt(0))
                .or(exists(unpaid)),
        )
        .select((count_star(), min(table::currency)))
        .first(tx.conn())?;
    Ok(other.map(|other| {
        let have = match accounts {
            1 => "1 account has".to_owned(),
            n => format!("{n} accounts have"),
        };
        format!(
            "INSIGHT_PLANS_FILE sells in {code}, but {have} a plan, a credit or an unpaid invoice in {other}: keep that \
             currency until none is left."
        )
    }))
}

/// Writes what [`load`] gave, changed; credit and numbers of invoices are none of its business.
pub fn save<P: Proof>(tx: &mut Tx<P>, account: AccountId, to: &Subscription) -> Result<()> {
    diesel::update(table::table.filter(table::account_id.eq(account)))
        .set((
            (
                table::plan.eq(&to.plan),
                table::plan_name.eq(&to.plan_name),
                table::seats.eq(to.seats),
                table::seat_price.eq(to.seat_price),
                table::currency.eq(&to.currency),
                table::every.eq(to.every.slug()),
            ),
            (
                table::anchor_day.eq(to.running.map(|p| p.anchor)),
                table::period.eq(to.running.map_or(0, |p| p.number)),
                table::period_start.eq(to.running.map(|p| p.start)),
                table::period_end.eq(to.running.map(|p| p.end)),
            ),
            table::next_plan.eq(to.next.as_ref().map(|(plan, _)| plan)),
            table::next_seats.eq(to.next.as_ref().map(|(_, seats)| *seats)),
            table::version.eq(table::version + 1),
        ))
        .execute(tx.conn())?;
    Ok(())
}

impl Subscription {
    /// Takes over what a plan is sold as now.
    pub fn sell(&mut self, plan: &Plan, seats: i64, plans: &Plans) {
        self.plan = plan.key.clone();
        self.plan_name = plan.name.clone();
        self.seats = seats;
        self.seat_price = plan.seat_price;
        self.currency = plans.currency.code().to_owned();
        self.every = plan.every;
        self.next = None;
    }

    /// The name of the plan.
    pub fn name<'a>(&'a self, plans: &'a Plans) -> &'a str {
        match plans.find(&self.plan) {
            Some(plan) if self.plan_name.is_empty() => &plan.name,
            _ => &self.plan_name,
        }
    }

    /// What a whole period costs now.
    pub fn price(&self) -> i64 {
        self.seats.saturating_mul(self.seat_price)
    }

    /// As the next period is sold: what was ordered for it, at the price of that day. A plan that is sold no longer goes
    /// on at the price it was sold at, and nobody is moved into one.
    pub fn renewed(&self, plans: &Plans) -> Subscription {
        let mut after = self.clone();
        let ordered = after
            .next
            .take()
            .filter(|(key, seats)| *seats == 0 || *key == self.plan || plans.find(key).is_some());
        let (key, seats) = ordered.unwrap_or_else(|| (self.plan.clone(), self.seats));
        after.seats = seats;
        let plan = match seats {
            0 => plans.free(&key),
            _ => plans.find(&key),
        };
        if let Some(plan) = plan {
            after.sell(plan, seats, plans);
        }
        after
    }

    /// Seats there may be in use: those bought, or what a free plan allows; already the fewer ones when it was reduced
    /// for the next period. Nothing: no limit.
    pub fn seat_limit(&self, plans: &Plans) -> Option<i64> {
        let limit = |key: &str, seats: i64| match seats {
            0 => plans.free(key).and_then(|plan| plan.seats),
            bought => Some(bought),
        };
        let now = limit(&self.plan, self.seats);
        let next = match &self.next {
            Some((plan, seats)) => limit(plan, *seats),
            None => None,
        };
        match (now, next) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }
}
