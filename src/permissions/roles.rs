//! The role hierarchy: adding, renaming, moving and deleting roles, and who holds them.

use super::apply::{self, apply};
use super::change::{Change, dependents as dependents_of};
use super::setup::Setup;
use crate::access::{ManagePermissions, Proof, Tx};
use crate::credentials::names::SettingName;
use crate::db::types::{MemberId, RoleId};
use crate::{Error, Result};

/// Adds a role below another, or at the top.
pub fn add<P: Proof>(
    setup: &mut Setup<P>,
    name: &SettingName,
    reports_to: Option<RoleId>,
) -> Result<RoleId> {
    let change = Change::AddRole {
        name: name.clone(),
        reports_to,
    };
    let applied = apply(setup, &change)?;
    let role = applied.and_then(|applied| applied.placed.role);
    role.ok_or_else(|| Error::internal("a role without a number"))
}

/// Renames a role and moves it, with everything below it. False when nothing is different.
pub fn change<P: Proof>(
    setup: &mut Setup<P>,
    role: RoleId,
    name: &SettingName,
    reports_to: Option<RoleId>,
) -> Result<bool> {
    let change = Change::ChangeRole {
        role,
        name: name.clone(),
        reports_to,
    };
    Ok(apply(setup, &change)?.is_some())
}

/// What keeps a role from being deleted without a replacement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dependents {
    /// Members who hold it, removed ones too: their records are still seen through it.
    pub members: i64,
    /// Open invitations that promise it.
    pub invitations: i64,
    /// Roles that report to it.
    pub children: i64,
    /// Sharing rules from it or to it.
    pub rules: i64,
}

impl Dependents {
    /// True for a role that can go without a replacement.
    pub fn none(self) -> bool {
        self == Dependents::default()
    }
}

/// What depends on a role.
pub fn dependents(tx: &mut Tx<ManagePermissions>, role: RoleId) -> Result<Dependents> {
    let (account, now) = (tx.account(), tx.now());
    let rules = super::rules(tx)?;
    let around = apply::around(tx.conn(), account, now)?;
    Ok(dependents_of(rules.facts(), &around, role))
}

/// Deletes a role. Its members, the roles that report to it, its sharing rules and the invitations that promise it go
/// over to the replacement; without any of them none is needed. A replacement from below takes its place in the tree.
pub fn delete<P: Proof>(
    setup: &mut Setup<P>,
    role: RoleId,
    replacement: Option<RoleId>,
) -> Result<()> {
    apply(setup, &Change::DeleteRole { role, replacement }).map(|_| ())
}

/// Gives members a role, or none; gives how many it changes. A member has one role at most: the former one goes.
pub fn assign<P: Proof>(
    setup: &mut Setup<P>,
    ids: &[MemberId],
    role: Option<RoleId>,
) -> Result<usize> {
    let members = ids.to_vec();
    let applied = apply(setup, &Change::AssignRole { members, role })?;
    Ok(applied.map_or(0, |applied| applied.difference.member_count()))
}
