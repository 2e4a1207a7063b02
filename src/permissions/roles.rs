//! The role hierarchy: adding, renaming, moving and deleting roles, and who holds them.

use std::collections::HashMap;

use diesel::prelude::*;

use super::setup::{BATCH, Differences, Setup, taken};
use crate::access::{ManagePermissions, Proof, Tx};
use crate::audit::Event;
use crate::credentials::names::SettingName;
use crate::db::types::{AccountId, MemberId, RoleId};
use crate::schema::{invitations, members, roles, sharing_rules};
use crate::{Error, Result};

/// Adds a role below another, or at the top.
pub fn add<P: Proof>(
    setup: &mut Setup<P>,
    name: &SettingName,
    reports_to: Option<RoleId>,
) -> Result<RoleId> {
    let above = setup.role_name(reports_to)?;
    let account = setup.account();
    let role = diesel::insert_into(roles::table)
        .values((
            roles::account_id.eq(account),
            roles::name.eq(name.as_str()),
            roles::parent_id.eq(reports_to),
        ))
        .returning(roles::id)
        .get_result(setup.conn())
        .map_err(taken("role", name))?;
    let mut changes = Differences::default();
    changes.compare("Reports to", "", &above);
    setup.record(&Event::RoleAdded {
        role: name.to_string(),
        changes: changes.list(),
    })?;
    Ok(role)
}

/// Renames a role and moves it, with everything below it. False when nothing is different.
pub fn change<P: Proof>(
    setup: &mut Setup<P>,
    role: RoleId,
    name: &SettingName,
    reports_to: Option<RoleId>,
) -> Result<bool> {
    let tree = Tree::load(setup)?;
    let (former, above) = tree.of(role)?;
    let (former, above) = (former.to_owned(), tree.name(above)?);
    let now_above = tree.name(reports_to)?;
    if let Some(upper) = reports_to
        && tree.is_within(upper, role)
    {
        return Err(Error::refused(if upper == role {
            format!("{former} cannot report to itself.")
        } else {
            format!("{former} cannot report to {now_above}, which is below it.")
        }));
    }
    let mut changes = Differences::default();
    changes
        .compare("Name", &former, name.as_str())
        .compare("Reports to", &above, &now_above);
    if changes.is_empty() {
        return Ok(false);
    }
    let account = setup.account();
    diesel::update(row(account, role))
        .set((
            roles::name.eq(name.as_str()),
            roles::parent_id.eq(reports_to),
        ))
        .execute(setup.conn())
        .map_err(taken("role", name))?;
    setup.record(&Event::RoleChanged {
        role: former,
        changes: changes.list(),
    })?;
    Ok(true)
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
    let account = tx.account();
    dependents_in(tx, account, role)
}

fn dependents_in<P: Proof>(tx: &mut Tx<P>, account: AccountId, role: RoleId) -> Result<Dependents> {
    Ok(Dependents {
        members: members::table
            .filter(members::account_id.eq(account))
            .filter(members::role_id.eq(role))
            .count()
            .get_result(tx.conn())?,
        invitations: invitations::table
            .filter(invitations::account_id.eq(account))
            .filter(invitations::role_id.eq(role))
            .filter(invitations::joined_at.is_null())
            .filter(invitations::revoked_at.is_null())
            .count()
            .get_result(tx.conn())?,
        children: roles::table
            .filter(roles::account_id.eq(account))
            .filter(roles::parent_id.eq(role))
            .count()
            .get_result(tx.conn())?,
        rules: sharing_rules::table
            .filter(sharing_rules::account_id.eq(account))
            .filter(
                sharing_rules::source_role_id
                    .eq(role)
                    .or(sharing_rules::target_role_id.eq(role)),
            )
            .count()
            .get_result(tx.conn())?,
    })
}

/// Deletes a role. Its members, the roles that report to it, its sharing rules and the invitations that promise it go
/// over to the replacement; without any of them none is needed. A replacement from below takes its place in the tree.
pub fn delete<P: Proof>(
    setup: &mut Setup<P>,
    role: RoleId,
    replacement: Option<RoleId>,
) -> Result<()> {
    let tree = Tree::load(setup)?;
    let (name, above) = tree.of(role)?;
    let name = name.to_owned();
    let other = match replacement {
        Some(id) if id == role => {
            return Err(Error::refused("Choose another role as the replacement."));
        }
        Some(id) => Some(tree.of(id)?.0.to_owned()),
        None => None,
    };
    let account = setup.account();
    let dependents = dependents_in(setup.tx(), account, role)?;
    if other.is_none() && !dependents.none() {
        return Err(Error::refused(format!(
            "{name} has {}. Choose a role that replaces it.",
            sentence(dependents)
        )));
    }
    if let Some(other) = replacement
        && tree.is_within(other, role)
    {
        diesel::update(row(account, other))
            .set(roles::parent_id.eq(above))
            .execute(setup.conn())?;
    }
    diesel::update(
        roles::table
            .filter(roles::account_id.eq(account))
            .filter(roles::parent_id.eq(role)),
    )
    .set(roles::parent_id.eq(replacement))
    .execute(setup.conn())?;
    diesel::update(
        members::table
            .filter(members::account_id.eq(account))
            .filter(members::role_id.eq(role)),
    )
    .set(members::role_id.eq(replacement))
    .execute(setup.conn())?;
    // Invitations that were used or revoked name it too.
    diesel::update(
        invitations::table
            .filter(invitations::account_id.eq(account))
            .filter(invitations::role_id.eq(role)),
    )
    .set(invitations::role_id.eq(replacement))
    .execute(setup.conn())?;
    if let Some(other) = replacement {
        diesel::update(
            sharing_rules::table
                .filter(sharing_rules::account_id.eq(account))
                .filter(sharing_rules::source_role_id.eq(role)),
        )
        .set(sharing_rules::source_role_id.eq(other))
        .execute(setup.conn())?;
        diesel::update(
            sharing_rules::table
                .filter(sharing_rules::account_id.eq(account))
                .filter(sharing_rules::target_role_id.eq(role)),
        )
        .set(sharing_rules::target_role_id.eq(other))
        .execute(setup.conn())?;
    }
    diesel::delete(row(account, role)).execute(setup.conn())?;
    let mut changes = Differences::default();
    for (what, count) in [
        ("Members", dependents.members),
        ("Open invitations", dependents.invitations),
        ("Roles below", dependents.children),
        ("Sharing rules", dependents.rules),
    ] {
        if let (Some(other), true) = (&other, count > 0) {
            changes.compare(
                what,
                &format!("{count} of {name}"),
                &format!("{count} of {other}"),
            );
        }
    }
    setup.record(&Event::RoleDeleted {
        role: name,
        replacement: other,
        changes: changes.list(),
    })
}

/// "2 members and 1 sharing rule".
fn sentence(dependents: Dependents) -> String {
    let parts: Vec<String> = [
        (dependents.members, "member", "members"),
        (
            dependents.invitations,
            "open invitation",
            "open invitations",
        ),
        (dependents.children, "role below it", "roles below it"),
        (dependents.rules, "sharing rule", "sharing rules"),
    ]
    .iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
    .collect();
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Gives members a role, or none; gives how many it changes. A member has one role at most: the former one goes.
pub fn assign<P: Proof>(
    setup: &mut Setup<P>,
    ids: &[MemberId],
    role: Option<RoleId>,
) -> Result<usize> {
    let tree = Tree::load(setup)?;
    let after = tree.name(role)?;
    let account = setup.account();
    let mut changes = Differences::default();
    let mut moved = Vec::new();
    for person in setup.people(ids)? {
        if person.role != role {
            let before = tree.name(person.role)?;
            changes.compare(format!("Role of {}", person.name), &before, &after);
            moved.push(person.id);
        }
    }
    for some in moved.chunks(BATCH) {
        diesel::update(
            members::table
                .filter(members::account_id.eq(account))
                .filter(members::id.eq_any(some)),
        )
        .set(members::role_id.eq(role))
        .execute(setup.conn())?;
    }
    if !moved.is_empty() {
        setup.record(&Event::RoleAssigned {
            role: role.map(|_| after),
            changes: changes.list(),
        })?;
    }
    Ok(moved.len())
}

#[diesel::dsl::auto_type(no_type_alias)]
fn row(account: AccountId, role: RoleId) -> _ {
    roles::table
        .filter(roles::account_id.eq(account))
        .filter(roles::id.eq(role))
}

/// The roles of an account by id.
struct Tree(HashMap<RoleId, (String, Option<RoleId>)>);

impl Tree {
    fn load<P: Proof>(setup: &mut Setup<P>) -> Result<Tree> {
        let roles = setup.roles()?;
        Ok(Tree(
            roles
                .into_iter()
                .map(|(id, name, parent)| (id, (name, parent)))
                .collect(),
        ))
    }

    /// Name, and what it reports to.
    fn of(&self, role: RoleId) -> Result<(&str, Option<RoleId>)> {
        let (name, parent) = self.0.get(&role).ok_or(Error::NotFound)?;
        Ok((name, *parent))
    }

    fn name(&self, role: Option<RoleId>) -> Result<String> {
        match role {
            Some(role) => Ok(self.of(role)?.0.to_owned()),
            None => Ok("None".into()),
        }
    }

    /// True for the role itself and everything below it.
    fn is_within(&self, lower: RoleId, upper: RoleId) -> bool {
        let mut at = Some(lower);
        // No way to the top is longer than there are roles.
        for _ in 0..=self.0.len() {
            match at {
                Some(role) if role == upper => return true,
                Some(role) => at = self.0.get(&role).and_then(|(_, parent)| *parent),
                None => return false,
            }
        }
        true
    }
}
