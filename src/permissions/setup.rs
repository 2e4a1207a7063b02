//! Changing the rules of an account: the way in, and what the changes have in common.
//!
//! [`roles`](super::roles), [`profiles`](super::profiles), [`layouts`](super::layouts),
//! [`custom_fields`](super::custom_fields), [`sharing_rules`](super::sharing_rules),
//! [`organization_wide`](super::organization_wide) and [`members`](super::members) each take a [`Setup`]. Whoever has
//! one holds the account's lock and has been found to be an administrator after taking it, so that no two changes can
//! both be right about the same tree. Each writes one entry of the audit log, unless nothing changes, and a number of
//! rows that no number of records can raise. What a change says is decided in [`change`](super::change) and made in
//! [`apply`](super::apply); fields and Export are written where they are.

use crate::Result;
use crate::access::{ManagePermissions, Proof, System, Tx};
use crate::audit::{self, Change, Event};
use crate::db::types::{AccountId, Timestamp};
use crate::db::{self, Conn};

/// An account's rules, locked for a change until the transaction ends.
pub struct Setup<'s, 'a, P: Proof> {
    tx: &'s mut Tx<'a, P>,
    account: AccountId,
}

impl<'s, 'a> Setup<'s, 'a, ManagePermissions> {
    /// The rules of the administrator's own account.
    pub fn open(tx: &'s mut Tx<'a, ManagePermissions>) -> Result<Self> {
        tx.lock_account()?;
        let account = tx.account();
        Ok(Setup { tx, account })
    }
}

impl<'s, 'a> Setup<'s, 'a, System> {
    /// The rules of an account, for the system itself.
    pub fn of_account(tx: &'s mut Tx<'a, System>, account: AccountId) -> Result<Self> {
        db::lock_account(tx.conn(), account)?;
        Ok(Setup { tx, account })
    }
}

/// Rows of one statement, below the number of variables that SQLite takes.
pub(super) const BATCH: usize = 500;

impl<'a, P: Proof> Setup<'_, 'a, P> {
    /// The account that is changed.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The transaction.
    pub(super) fn tx(&mut self) -> &mut Tx<'a, P> {
        self.tx
    }

    pub(super) fn conn(&mut self) -> &mut Conn {
        self.tx.conn()
    }

    /// The instant of the change.
    pub fn now(&self) -> Timestamp {
        self.tx.now()
    }

    pub(super) fn record(&mut self, event: &Event) -> Result<()> {
        audit::record(self.tx, self.account, event)
    }
}

/// What differs, in the order it was compared.
#[derive(Default)]
pub(super) struct Differences(Vec<Change>);

impl Differences {
    /// Compares one value.
    pub(super) fn compare(
        &mut self,
        what: impl Into<std::borrow::Cow<'static, str>>,
        before: &str,
        after: &str,
    ) -> &mut Self {
        if before != after {
            self.0.push(Change::new(what, before, after));
        }
        self
    }

    pub(super) fn extend(&mut self, other: Differences) {
        self.0.extend(other.0);
    }

    pub(super) fn list(self) -> Vec<Change> {
        self.0
    }
}

/// "Yes" or "No".
pub(super) fn yes_no(yes: bool) -> &'static str {
    if yes { "Yes" } else { "No" }
}
