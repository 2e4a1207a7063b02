//! Renewal: each period is invoiced once, when its first day has come or as long after that as the servers were down.
//!
//! A renewal is one transaction under the lock of the account: invoice, number, mail, audit entry and the new period
//! are there together or not at all, so a process may be killed at any moment and any number of processes may run this.
//! The row lock is the lease; it ends with the process that held it. A unique index on account and first day of the
//! period is the last word.
//!
//! While an account is read-only nothing is renewed: it cannot be used as it was sold. When it has paid, a new period
//! begins on that day.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};

use super::invoices::{self, Draft, Line};
use super::order::seats_words;
use super::read_only;
use super::subscription::{self, Period, Subscription};
use crate::access::{Proof, Tx};
use crate::db::types::{AccountId, Day};
use crate::{App, Result, db};

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = BigInt)]
    account_id: AccountId,
}

/// Renews everything that is due, account after account. One that fails holds up nobody else; it is tried again in the
/// next round. Gives the number of invoices.
pub fn renew_due(app: &App) -> Result<usize> {
    let (mut made, mut after) = (0, AccountId(0));
    loop {
        let mut taken = None;
        let renewed = app.system_write(|tx| {
            let skip = db::skip_locked(tx.conn());
            let sql = format!(
                "SELECT b.account_id FROM billing b JOIN accounts a ON a.id = b.account_id \
                 WHERE b.period_end <= $1 AND b.account_id > $2 AND a.read_only_since IS NULL \
                 ORDER BY b.account_id LIMIT 1{skip}"
            );
            let today = Day::of(tx.now());
            let due: Option<Due> = diesel::sql_query(sql)
                .bind::<Integer, _>(today)
                .bind::<BigInt, _>(after)
                .get_result(tx.conn())
                .optional()?;
            let Some(Due { account_id }) = due else {
                return Ok(0);
            };
            taken = Some(account_id);
            db::lock_account(tx.conn(), account_id)?;
            renew(tx, account_id)
        });
        let Some(account) = taken else {
            renewed?;
            return Ok(made);
        };
        match renewed {
            Ok(invoices) => made += invoices,
            Err(error) => {
                tracing::error!(account = account.0, %error, "a renewal failed; it is tried again");
            }
        }
        after = account;
    }
}

/// Brings one account up to today: an invoice for each period that has begun. The account is locked.
pub fn renew<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<usize> {
    let today = Day::of(tx.now());
    let mut made = 0;
    loop {
        let mut subscription = subscription::load(tx, account)?;
        let Some(period) = subscription.running.filter(|p| p.end <= today) else {
            return Ok(made);
        };
        if read_only::since(tx, account)?.is_some() {
            return Ok(made);
        }
        let line = step(tx, &mut subscription, period);
        subscription::save(tx, account, &subscription)?;
        if let Some(line) = line {
            let draft = Draft::invoice(vec![line], Some(period.end));
            invoices::issue(tx, account, draft)?;
            made += 1;
        }
    }
}

/// Moves a subscription into its next period; gives what that costs.
fn step<P: Proof>(tx: &Tx<P>, subscription: &mut Subscription, period: Period) -> Option<Line> {
    let every = subscription.every;
    *subscription = subscription.renewed(&tx.app().config.plans);
    if subscription.seat_price == 0 {
        subscription.running = None;
        subscription.seats = 0;
        return None;
    }
    let next = if subscription.every == every {
        Period::of(period.anchor, every, period.number.saturating_add(1))
    } else {
        Period::of(period.end, subscription.every, 0)
    };
    subscription.running = Some(next);
    Some(Line {
        text: subscription.plan_name.clone(),
        detail: format!(
            "{}, {}",
            seats_words(subscription.seats),
            next.start.through(next.end.before())
        ),
        quantity: subscription.seats,
        unit_price: subscription.seat_price,
        amount: subscription.price(),
    })
}

/// Lets a new period begin today when the last one is over: the account was read-only in between, and nothing was
/// invoiced for that time.
pub fn begin_again<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<()> {
    let today = Day::of(tx.now());
    let mut subscription = subscription::load(tx, account)?;
    if let Some(period) = subscription.running.filter(|p| p.end < today) {
        // As if the last period had ended today; the renewal goes on from there.
        subscription.running = Some(Period {
            anchor: today,
            number: -1,
            end: today,
            ..period
        });
        subscription::save(tx, account, &subscription)?;
    }
    renew(tx, account)?;
    Ok(())
}
