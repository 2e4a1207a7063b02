//! What the rules say about one member: role, profile, Export. Several at once are in [`roles`](super::roles::assign) and
//! [`profiles`](super::profiles::assign).

use diesel::prelude::*;

use super::setup::Setup;
use super::{profiles, roles};
use crate::access::Proof;
use crate::audit::Event;
use crate::db::types::{MemberId, ProfileId, RoleId};
use crate::schema::{members, users};
use crate::{Error, Result};

/// Gives a member the permission to take records out of the house, or takes it away. False when it is so already.
pub fn set_export<P: Proof>(setup: &mut Setup<P>, member: MemberId, on: bool) -> Result<bool> {
    let account = setup.account();
    let person: Option<(String, String, bool)> = members::table
        .inner_join(users::table)
        .filter(members::account_id.eq(account))
        .filter(members::id.eq(member))
        .filter(members::removed_at.is_null())
        .select((users::name, users::email, members::export))
        .first(setup.conn())
        .optional()?;
    let (name, email, exports) = person.ok_or(Error::NotFound)?;
    if exports == on {
        return Ok(false);
    }
    diesel::update(members::table)
        .filter(members::account_id.eq(account))
        .filter(members::id.eq(member))
        .set(members::export.eq(on))
        .execute(setup.conn())?;
    setup.record(&Event::ExportChanged { name, email, on })?;
    Ok(true)
}

/// Gives a member a role, or none. False when it is so already.
pub fn set_role<P: Proof>(
    setup: &mut Setup<P>,
    member: MemberId,
    role: Option<RoleId>,
) -> Result<bool> {
    Ok(roles::assign(setup, &[member], role)? > 0)
}

/// Gives a member a profile, which takes Administrator away. False when it is so already.
pub fn set_profile<P: Proof>(
    setup: &mut Setup<P>,
    member: MemberId,
    profile: ProfileId,
) -> Result<bool> {
    Ok(profiles::assign(setup, &[member], profile)? > 0)
}
