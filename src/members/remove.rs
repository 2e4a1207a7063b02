//! Removing a member from the account. The user stays, with their other accounts.

use diesel::prelude::*;

use super::{Member, Rules, find, lock, mails};
use crate::access::{InAccount, ManageMembers, Tx};
use crate::audit::{self, Event};
use crate::credentials::sessions;
use crate::db::types::MemberId;
use crate::schema::members;
use crate::{Error, Result};

/// Removes a member.
pub fn remove(tx: &mut Tx<ManageMembers>, id: MemberId) -> Result<Member> {
    lock(tx)?;
    let member = find(tx, id)?;
    if let Some(why) = Rules::load(tx)?.removal_refused(&member) {
        return Err(Error::Refused(why));
    }
    let (account, now) = (tx.account(), tx.now());
    diesel::update(members::table)
        .filter(members::account_id.eq(account))
        .filter(members::id.eq(id))
        .set(members::removed_at.eq(Some(now)))
        .execute(tx.conn())?;
    sessions::end_in_account(tx, member.user, account)?;
    let invitations_revoked = 0;
    audit::record(
        tx,
        account,
        &Event::MemberRemoved {
            name: member.name.clone(),
            email: member.email.clone(),
            transferred_to: None,
            invitations_revoked,
        },
    )?;
    mails::removed(tx, &member)?;
    Ok(member)
}

/// How many administrators there are, and whether all of them can sign in does not matter here: this is for the page.
pub fn administrators_left<P: InAccount>(tx: &mut Tx<P>, without: MemberId) -> Result<i64> {
    let account = tx.account();
    Ok(members::table
        .filter(members::account_id.eq(account))
        .filter(members::admin.eq(true))
        .filter(members::removed_at.is_null())
        .filter(members::id.ne(without))
        .count()
        .get_result(tx.conn())?)
}
