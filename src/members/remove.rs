//! Removing a member from the account. The user stays, with their other accounts.

use diesel::prelude::*;

use super::{Member, Rules, find, mails};
use crate::access::{InAccount, ManageMembers, Tx};
use crate::audit::{self, Event};
use crate::credentials::sessions;
use crate::db::types::{InvitationId, MemberId};
use crate::invitations;
use crate::schema::members;
use crate::{Error, Result};

/// Which of the open invitations that the member sent are revoked with the removal.
pub enum Revoke {
    All,
    These(Vec<InvitationId>),
}

/// Removes a member.
pub fn remove(tx: &mut Tx<ManageMembers>, id: MemberId, which: &Revoke) -> Result<Member> {
    tx.lock_account()?;
    let member = find(tx, id)?;
    if let Some(why) = Rules::load(tx)?.removal_refused(&member) {
        return Err(Error::Refused(why));
    }
    let (account, now) = (tx.account(), tx.now());
    let invitations_revoked = revoke(tx, id, which)?;
    diesel::update(members::table)
        .filter(members::account_id.eq(account))
        .filter(members::id.eq(id))
        .set(members::removed_at.eq(Some(now)))
        .execute(tx.conn())?;
    sessions::end_in_account(tx, member.user, account)?;
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

fn revoke(tx: &mut Tx<ManageMembers>, id: MemberId, which: &Revoke) -> Result<i64> {
    let chosen = match which {
        Revoke::All => return invitations::revoke_all_by(tx, id),
        Revoke::These(chosen) => chosen,
    };
    let mut revoked = 0;
    for (invitation, _) in invitations::open_by(tx, id)? {
        if chosen.contains(&invitation) {
            invitations::revoke(tx, invitation)?;
            revoked += 1;
        }
    }
    Ok(revoked)
}

/// How many administrators there are besides one member.
pub fn administrators_left<P: InAccount>(tx: &mut Tx<P>, without: MemberId) -> Result<i64> {
    let account = tx.account();
    Ok(members::table
        .filter(members::account_id.eq(account))
        .filter(members::admin)
        .filter(members::removed_at.is_null())
        .filter(members::id.ne(without))
        .count()
        .get_result(tx.conn())?)
}
