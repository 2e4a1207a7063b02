//! The read-only state: an invoice was not paid in all attempts. What it refuses is decided in one place, by the route
//! table (`Route::stops_when_read_only`): records, imports, invitations and set-up stay as they are. Reading, exporting,
//! looking after one's own sign-in, taking access away and paying go on.

use diesel::prelude::*;

use super::invoices::Invoice;
use super::{mails, renewal};
use crate::Result;
use crate::access::{Proof, Tx};
use crate::audit::{self, Event};
use crate::db::types::{AccountId, Timestamp};
use crate::schema::{accounts, invoices};

/// Since when an account is read-only, if it is.
pub fn since<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<Option<Timestamp>> {
    Ok(accounts::table
        .filter(accounts::id.eq(account))
        .select(accounts::read_only_since)
        .first(tx.conn())?)
}

/// Begins it, because of this invoice. The account is locked.
pub(super) fn begin<P: Proof>(tx: &mut Tx<P>, invoice: &Invoice) -> Result<()> {
    let (account, now) = (invoice.account, tx.now());
    let begun = diesel::update(accounts::table.filter(accounts::id.eq(account)))
        .filter(accounts::read_only_since.is_null())
        .set(accounts::read_only_since.eq(now))
        .execute(tx.conn())?;
    if begun == 0 {
        return Ok(());
    }
    let event = Event::AccountReadOnly {
        number: invoice.content.number.clone(),
    };
    audit::record(tx, account, &event)?;
    mails::read_only(tx, invoice)
}

/// Ends it once no invoice is overdue any more; a new period begins where the last one is over. The account is locked.
pub(super) fn lift_if_paid<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<()> {
    let overdue: i64 = invoices::table
        .filter(invoices::account_id.eq(account))
        .filter(invoices::state.eq("overdue"))
        .count()
        .get_result(tx.conn())?;
    if overdue > 0 {
        return Ok(());
    }
    let lifted = diesel::update(accounts::table.filter(accounts::id.eq(account)))
        .filter(accounts::read_only_since.is_not_null())
        .set(accounts::read_only_since.eq(None::<Timestamp>))
        .execute(tx.conn())?;
    if lifted == 1 {
        audit::record(tx, account, &Event::AccountReadOnlyEnded {})?;
        renewal::begin_again(tx, account)?;
    }
    Ok(())
}
