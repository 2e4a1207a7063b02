//! What becomes of an invoice when a payment for it succeeded or failed. A failed one is tried again on days 1, 3 and 7;
//! after that the account is read-only until it has paid.

use diesel::prelude::*;

use super::invoices::{self, Invoice, State};
use super::{mails, read_only};
use crate::Result;
use crate::access::{Proof, Tx};
use crate::audit::{self, Event};
use crate::db::types::{AccountId, Timestamp};
use crate::schema::invoices as table;

/// Days from one attempt to the next: days 1, 3 and 7 after the first, or later when the servers were down.
const GAPS: [i64; 3] = [1, 2, 4];

/// The invoice is paid.
pub(super) fn paid<P: Proof>(tx: &mut Tx<P>, invoice: &Invoice, card: &str) -> Result<()> {
    invoices::close(tx, invoice, State::Paid)?;
    let sums = &invoice.content.sums;
    let event = Event::InvoicePaid {
        number: invoice.content.number.clone(),
        amount: invoice.content.currency.show(sums.due),
        card: card.to_owned(),
    };
    audit::record(tx, invoice.account, &event)?;
    read_only::lift_if_paid(tx, invoice.account)
}

/// A payment failed. `counted`: it was one of ours, not of a person who looks at the answer.
pub(super) fn failed<P: Proof>(
    tx: &mut Tx<P>,
    invoice: &Invoice,
    reason: &str,
    counted: bool,
) -> Result<()> {
    let (account, now) = (invoice.account, tx.now());
    let event = Event::PaymentFailed {
        number: invoice.content.number.clone(),
        amount: invoice.content.currency.show(invoice.content.sums.due),
        reason: reason.to_owned(),
    };
    audit::record(tx, account, &event)?;
    let row = || invoices::row(account, invoice.id);
    diesel::update(row())
        .set((table::reason.eq(reason), table::failed_at.eq(now)))
        .execute(tx.conn())?;
    if !counted {
        return Ok(());
    }
    let gap = usize::try_from(invoice.attempts)
        .ok()
        .and_then(|n| GAPS.get(n));
    let next: Option<Timestamp> = match invoice.state {
        State::Overdue => None,
        _ => gap.map(|days| now + time::Duration::days(*days)),
    };
    let state = match next {
        Some(_) => State::Open,
        None => State::Overdue,
    };
    diesel::update(row())
        .set((
            table::attempts.eq(table::attempts + 1),
            table::attempt_at.eq(next),
            table::state.eq(state.slug()),
        ))
        .execute(tx.conn())?;
    mails::payment_failed(tx, invoice, reason, next)?;
    match next {
        Some(_) => Ok(()),
        None => read_only::begin(tx, invoice),
    }
}

/// A new card: what is unpaid is tried with it at once. The account is locked.
pub(super) fn try_again<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<()> {
    let now = tx.now();
    diesel::update(table::table.filter(table::account_id.eq(account)))
        .filter(table::state.eq_any(["open", "overdue"]))
        .set(table::attempt_at.eq(now))
        .execute(tx.conn())?;
    Ok(())
}
