//! Changing the platform roles of a member.

use diesel::prelude::*;

use super::{Member, Rules, find, mails};
use crate::access::{ManageMembers, PlatformRoles, Tx};
use crate::audit::{self, Event};
use crate::db::types::MemberId;
use crate::schema::members;
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
    diesel::update(members::table)
        .filter(members::account_id.eq(account))
        .filter(members::id.eq(id))
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
    mails::roles_changed(tx, &member, wanted)?;
    Ok(Outcome::Changed(member))
}
