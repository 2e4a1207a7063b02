//! Changing the platform roles of a member.

use diesel::prelude::*;

use super::{Member, Rules, active_in, find, load_in, mails};
use crate::access::{Administers, Admit, PlatformRoles, Proof, Tx};
use crate::audit::{self, Event};
use crate::credentials::sessions;
use crate::credentials::tokens::Token;
use crate::db::types::{AccountId, MemberId};
use crate::schema::{accounts, members};
use crate::{Error, Result};

/// What came of it.
pub enum Outcome {
    /// They held exactly these roles already; nothing was written.
    Unchanged(Member),
    /// The member as before the change. Whoever changes their own roles gets a new session id, as at every change of
    /// privilege.
    Changed(Member, Option<Token>),
}

/// Gives a member these roles and no others. `may_promote` is asked before somebody is made an administrator.
pub fn change<P: Administers + Admit>(
    tx: &mut Tx<P>,
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
    let token = match id == tx.me().member {
        true => Some(sessions::renew(tx, false)?),
        false => None,
    };
    Ok(Outcome::Changed(member, token))
}

/// Takes Admin away from members or gives it to them, as on Manage roles. Whoever calls this has locked the account and
/// made sure that an administrator who can sign in is left.
pub(crate) fn set_administrator<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    ids: &[MemberId],
    on: bool,
) -> Result<()> {
    let account_name: String = accounts::table
        .filter(accounts::id.eq(account))
        .select(accounts::name)
        .first(tx.conn())?;
    for some in ids.chunks(SOME) {
        let query = active_in(account).filter(members::id.eq_any(some.to_vec()));
        for member in load_in(tx, account, query)? {
            let wanted = PlatformRoles {
                admin: on,
                ..member.roles
            };
            write(tx, account, &account_name, &member, wanted)?;
        }
    }
    Ok(())
}

/// Members read at a time.
const SOME: usize = 500;

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
