//! Removing a member from the account. The user stays, with their other accounts.

use diesel::prelude::*;

use super::{Member, Rules, find, mails};
use crate::access::{InAccount, ManageMembers, Tx};
use crate::audit::{self, Event};
use crate::credentials::sessions;
use crate::db::types::{InvitationId, MemberId, Slot};
use crate::invitations;
use crate::permissions;
use crate::records::{people, transfer};
use crate::schema::members;
use crate::{Error, Result};

/// Which of the open invitations that the member sent are revoked with the removal.
pub enum Revoke {
    All,
    These(Vec<InvitationId>),
}

/// Removes a member. `transfer_to` names the member who gets their records: a number or an e-mail address, empty for
/// nobody.
pub fn remove(
    tx: &mut Tx<ManageMembers>,
    id: MemberId,
    which: &Revoke,
    transfer_to: &str,
) -> Result<Member> {
    tx.lock_account()?;
    let member = find(tx, id)?;
    if let Some(why) = Rules::load(tx)?.removal_refused(&member) {
        return Err(Error::Refused(why));
    }
    let to = successor(tx, id, transfer_to)?;
    let (account, now) = (tx.account(), tx.now());
    let invitations_revoked = revoke(tx, id, which)?;
    diesel::update(members::table)
        .filter(members::account_id.eq(account))
        .filter(members::id.eq(id))
        .set(members::removed_at.eq(Some(now)))
        .execute(tx.conn())?;
    sessions::end_in_account(tx, member.user, account)?;
    let transferred_to = match to {
        Some(to) => {
            let from = permissions::rules(tx)?.slot_of(id).ok_or(Error::NotFound)?;
            transfer::start(tx, from, to)?;
            Some(people::named(tx, [to])?.label(Some(to)))
        }
        None => None,
    };
    audit::record(
        tx,
        account,
        &Event::MemberRemoved {
            name: member.name.clone(),
            email: member.email.clone(),
            transferred_to,
            invitations_revoked,
        },
    )?;
    mails::removed(tx, &member)?;
    Ok(member)
}

/// Who gets the records of a member who is removed: by number or e-mail address, nothing for nobody. Refused for whoever
/// is no active member, and for the removed member.
pub fn successor(
    tx: &mut Tx<ManageMembers>,
    removed: MemberId,
    typed: &str,
) -> Result<Option<Slot>> {
    let rules = permissions::rules(tx)?;
    let to = people::active_member(tx, &rules, typed)?;
    if to.is_some() && to == rules.slot_of(removed) {
        return Err(Error::refused(
            "The records cannot go to the member who is removed. Choose somebody else.",
        ));
    }
    Ok(to)
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
