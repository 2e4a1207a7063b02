//! Seats: how many there are, and how many are in use. A member uses one, and so does an invitation until it is
//! revoked, also one that has expired: it can be sent again.

use diesel::prelude::*;

use super::subscription;
use crate::Result;
use crate::access::{Proof, Tx};
use crate::db::types::AccountId;
use crate::schema::{accounts, invitations};

/// Seats of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seats {
    pub members: i64,
    pub invited: i64,
    /// No limit on a free plan without one.
    pub limit: Option<i64>,
}

impl Seats {
    /// Members and open invitations.
    pub fn used(&self) -> i64 {
        self.members + self.invited
    }

    /// True when one more person can be invited.
    pub fn one_free(&self) -> bool {
        self.limit.is_none_or(|limit| self.used() < limit)
    }

    /// "12 of 20 seats are used."
    pub fn sentence(&self) -> String {
        match (self.limit, self.used()) {
            (Some(1), used) => format!("{used} of 1 seat is used."),
            (Some(limit), used) => format!("{used} of {limit} seats are used."),
            (None, 1) => "1 seat is used.".to_owned(),
            (None, used) => format!("{used} seats are used."),
        }
    }
}

/// As they are in this transaction.
pub fn load<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<Seats> {
    let members: i64 = accounts::table
        .filter(accounts::id.eq(account))
        .select(accounts::member_count)
        .first(tx.conn())?;
    let invited: i64 = invitations::table
        .filter(invitations::account_id.eq(account))
        .filter(invitations::joined_at.is_null())
        .filter(invitations::revoked_at.is_null())
        .count()
        .get_result(tx.conn())?;
    let subscription = subscription::load(tx, account)?;
    Ok(Seats {
        members,
        invited,
        limit: subscription.seat_limit(&tx.app().config.plans),
    })
}
