//! The role hierarchy after a change.

use std::collections::HashMap;

use super::super::difference::NEW;
use super::super::model::{Facts, RoleFact};
use super::super::roles::Dependents;
use super::{Around, taken};
use crate::credentials::names::SettingName;
use crate::db::types::RoleId;
use crate::{Error, Result};

pub(super) fn add(facts: &mut Facts, name: &SettingName, above: Option<RoleId>) -> Result<()> {
    exists(facts, above)?;
    free(facts, name, None)?;
    facts.roles.push(RoleFact {
        id: RoleId(NEW),
        name: name.to_string(),
        parent: above,
    });
    Ok(())
}

pub(super) fn change(
    facts: &mut Facts,
    role: RoleId,
    name: &SettingName,
    above: Option<RoleId>,
) -> Result<()> {
    let former = of(facts, role)?.name.clone();
    exists(facts, above)?;
    if let Some(upper) = above
        && is_within(facts, upper, role)
    {
        return Err(Error::refused(if upper == role {
            format!("{former} cannot report to itself.")
        } else {
            let upper = &of(facts, upper)?.name;
            format!("{former} cannot report to {upper}, which is below it.")
        }));
    }
    free(facts, name, Some(role))?;
    for fact in facts.roles.iter_mut().filter(|fact| fact.id == role) {
        fact.name = name.to_string();
        fact.parent = above;
    }
    Ok(())
}

pub(super) fn delete(
    facts: &mut Facts,
    around: &Around,
    role: RoleId,
    replacement: Option<RoleId>,
) -> Result<()> {
    let RoleFact { name, parent, .. } = of(facts, role)?.clone();
    exists(facts, replacement)?;
    if replacement == Some(role) {
        return Err(Error::refused("Choose another role as the replacement."));
    }
    let dependents = dependents(facts, around, role);
    if replacement.is_none() && !dependents.none() {
        return Err(Error::refused(format!(
            "{name} has {}. Choose a role that replaces it.",
            dependents_sentence(dependents)
        )));
    }
    let rises = replacement.filter(|other| is_within(facts, *other, role));
    for fact in &mut facts.roles {
        // First, so that a direct child does not end below itself.
        if Some(fact.id) == rises {
            fact.parent = parent;
        } else if fact.parent == Some(role) {
            fact.parent = replacement;
        }
    }
    facts.roles.retain(|fact| fact.id != role);
    for member in &mut facts.members {
        if member.role == Some(role) {
            member.role = replacement;
        }
    }
    if let Some(other) = replacement {
        for rule in &mut facts.rules {
            if rule.source == role {
                rule.source = other;
            }
            if rule.target == role {
                rule.target = other;
            }
        }
    }
    Ok(())
}

/// What keeps a role from being deleted without a replacement.
pub(in super::super) fn dependents(facts: &Facts, around: &Around, role: RoleId) -> Dependents {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let members = facts.members.iter().filter(|m| m.role == Some(role));
    let children = facts.roles.iter().filter(|r| r.parent == Some(role));
    let rules = facts.rules.iter();
    Dependents {
        members: count(members.count()),
        invitations: around.invited.get(&role).copied().unwrap_or(0),
        children: count(children.count()),
        rules: count(
            rules
                .filter(|rule| rule.source == role || rule.target == role)
                .count(),
        ),
    }
}

/// "2 members and 1 sharing rule".
fn dependents_sentence(dependents: Dependents) -> String {
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
    super::sentence::and(&parts)
}

/// A role that is there.
pub(super) fn of(facts: &Facts, role: RoleId) -> Result<&RoleFact> {
    let found = facts.roles.iter().find(|fact| fact.id == role);
    found.ok_or(Error::NotFound)
}

pub(super) fn exists(facts: &Facts, role: Option<RoleId>) -> Result<()> {
    role.map_or(Ok(()), |role| of(facts, role).map(|_| ()))
}

fn free(facts: &Facts, name: &SettingName, but: Option<RoleId>) -> Result<()> {
    let mut others = facts.roles.iter().filter(|fact| Some(fact.id) != but);
    if others.any(|fact| fact.name == name.as_str()) {
        return Err(taken("role", name));
    }
    Ok(())
}

/// True for the role itself and everything below it.
pub(super) fn is_within(facts: &Facts, lower: RoleId, upper: RoleId) -> bool {
    let parents: HashMap<RoleId, Option<RoleId>> =
        facts.roles.iter().map(|r| (r.id, r.parent)).collect();
    let mut at = Some(lower);
    // No way to the top is longer than there are roles.
    for _ in 0..=parents.len() {
        match at {
            Some(role) if role == upper => return true,
            Some(role) => at = parents.get(&role).copied().flatten(),
            None => return false,
        }
    }
    true
}
