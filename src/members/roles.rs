//! Changing the platform roles of a member.

use diesel::prelude::*;

use super::{Member, Rules, active_in, find, last, load_in, mails};
use crate::access::{ManageMembers, PlatformRoles, Proof, Tx};
use crate::audit::{self, Event};
use crate::db::types::{AccountId, MemberId};
use crate::schema::{accounts, members};
use crate::{Error, Result};

/// What came of it.
pub enum Outcome {
    /// They held exactly these roles already; nothing was written.
    Unchanged(Member),
    /// The member as before the change.
    Changed(Member),
}

/// Gives a member these roles and no others. `may_promote` is asked before somebody is made an administrator.
pub fn change(
    tx: &mut Tx<ManageMembers>,
    id: MemberId,
    wanted: PlatformRoles,
    may_promote: impl FnOnce() -> Result<()>,
) -> Result<Outcome> {
    tx.lock_account()?;
    let member = find(tx, id)?;
    if member.roles == wanted {
        return Ok(Outcome::Unchanged(member));
    }
    if wanted.admin && !member.roles.admin {
        may_promote()?;
    }
    if member.roles.admin
        && !wanted.admin
        && let Some(why) = Rules::load(tx)?.demotion_refused(&member)
    {
        return Err(Error::Refused(why));
    }
    let account = tx.account();
    let account_name = tx.me().account_name.clone();
    write(tx, account, &account_name, &member, wanted)?;
    Ok(Outcome::Changed(member))
}

/// Takes Admin away from administrators whose account is locked, as on Manage roles; the last who can sign in is
/// refused.
pub(crate) fn take_administrator<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    ids: &[MemberId],
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let query = active_in(account).filter(members::admin);
    let all = load_in(tx, account, query)?;
    let (chosen, others): (Vec<Member>, Vec<Member>) =
        all.into_iter().partition(|member| ids.contains(&member.id));
    if !others.iter().any(|member| member.two_factor)
        && let Some(member) = chosen.iter().find(|member| member.two_factor)
    {
        return Err(Error::Refused(last(member)));
    }
    let account_name: String = accounts::table
        .filter(accounts::id.eq(account))
        .select(accounts::name)
        .first(tx.conn())?;
    for member in chosen {
        let wanted = PlatformRoles {
            admin: false,
            ..member.roles
        };
        write(tx, account, &account_name, &member, wanted)?;
    }
    Ok(())
}

/// State, audit entry and mail.
fn write<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    account_name: &str,
    member: &Member,
    wanted: PlatformRoles,
) -> Result<()> {
    diesel::update(members::table)
        .filter(members::account_id.eq(account))
        .filter(members::id.eq(member.id))
        .set((
            members::viewer.eq(wanted.viewer),
            members::technician.eq(wanted.technician),
            members::admin.eq(wanted.admin),
        ))
        .execute(tx.conn())?;
    audit::record(
        tx,
        account,
        &Event::RolesChanged {
            name: member.name.clone(),
            email: member.email.clone(),
            before: member.roles.sentence(),
            after: wanted.sentence(),
        },
    )?;
    mails::roles_changed(tx, account, account_name, member, wanted)
}
