//! Putting back what an applied change changed.

use std::collections::{HashMap, HashSet};

use super::super::difference::{Changed, Difference, Held, Numbered};
use super::super::model::Facts;
use super::{Around, members, roles};
use crate::db::types::MemberId;
use crate::{Error, Result};

/// `difference` leads from what the change made to what was there before. What is deleted comes back under the number
/// it had, so that older entries of the history still mean it.
pub(super) fn put_back(
    facts: &mut Facts,
    around: &Around,
    number: i64,
    difference: &Difference,
) -> Result<()> {
    let since = |what: String| {
        Error::refused(format!(
            "Change {number} cannot be reverted: {what} since. Change it by hand."
        ))
    };
    one_by_one(&mut facts.roles, &difference.roles, |role| {
        since(format!("the role {} was changed", role.name))
    })?;
    one_by_one(&mut facts.profiles, &difference.profiles, |profile| {
        since(format!("the profile {} was changed", profile.name))
    })?;
    one_by_one(&mut facts.layouts, &difference.layouts, |layout| {
        let object = layout.object.plural();
        since(format!(
            "the page layout {} of {object} was changed",
            layout.name
        ))
    })?;
    one_by_one(&mut facts.rules, &difference.rules, |rule| {
        since(format!("the sharing rule {} was changed", rule.name))
    })?;
    for (object, before, after) in &difference.sharing {
        let level = &mut facts.sharing[object.index()];
        if level != before {
            return Err(since(format!(
                "organization-wide sharing of {} was changed",
                object.plural()
            )));
        }
        *level = *after;
    }
    let mut moves: HashMap<MemberId, (Held, Held)> = HashMap::new();
    for moved in &difference.members {
        let each = moved.members.iter();
        moves.extend(each.map(|id| (*id, (moved.before, moved.after))));
    }
    let mut changed = moves.len();
    for member in &mut facts.members {
        let Some((before, after)) = moves.get(&member.id) else {
            continue;
        };
        let promoted = after.administrator && !before.administrator;
        if Held::by(member) == *before && (member.active || !promoted) {
            member.role = after.role;
            member.profile = after.profile;
            member.administrator = after.administrator;
            changed -= 1;
        }
    }
    if changed > 0 {
        return Err(since(match changed {
            1 => "a member it moved was changed".to_owned(),
            n => format!("{n} members it moved were changed"),
        }));
    }
    whole(facts, around, number)?;
    members::somebody_left(facts, around)
}

/// Each must be what the change made of it.
fn one_by_one<T: Numbered>(
    facts: &mut Vec<T>,
    items: &[Changed<T>],
    refusal: impl Fn(&T) -> Error,
) -> Result<()> {
    for Changed { before, after } in items {
        let Some(known) = before.as_ref().or(after.as_ref()) else {
            continue;
        };
        let place = facts.iter().position(|fact| fact.id() == known.id());
        if place.map(|place| &facts[place]) != before.as_ref() {
            return Err(refusal(known));
        }
        match (place, after) {
            (Some(place), Some(after)) => facts[place] = after.clone(),
            (Some(place), None) => drop(facts.remove(place)),
            (None, Some(after)) => facts.push(after.clone()),
            (None, None) => {}
        }
    }
    Ok(())
}

/// Refuses facts that name what is not there, give one name twice, or let a role stand below itself.
fn whole(facts: &Facts, around: &Around, number: i64) -> Result<()> {
    let roles: HashSet<_> = facts.roles.iter().map(|role| role.id).collect();
    let profiles: HashSet<_> = facts.profiles.iter().map(|profile| profile.id).collect();
    let layouts: HashSet<_> = facts.layouts.iter().map(|layout| layout.id).collect();
    let role_used = facts.members.iter().filter_map(|member| member.role);
    let role_used = role_used.chain(facts.roles.iter().filter_map(|role| role.parent));
    let role_used = role_used.chain(
        facts
            .rules
            .iter()
            .flat_map(|rule| [rule.source, rule.target]),
    );
    let invited = around.invited.iter().filter(|(_, count)| **count > 0);
    let mut role_used = role_used.chain(invited.map(|(role, _)| *role));
    let mut profile_used = facts.members.iter().filter_map(|member| member.profile);
    let cells = facts.profiles.iter().flat_map(|profile| &profile.objects);
    let mut layout_used = cells.filter_map(|cell| cell.layout);
    let gone = |what: &str| {
        Err(Error::refused(format!(
            "Change {number} cannot be reverted: a {what} that would go is in use by now."
        )))
    };
    if !role_used.all(|role| roles.contains(&role)) {
        return gone("role");
    }
    if !profile_used.all(|profile| profiles.contains(&profile)) {
        return gone("profile");
    }
    if !layout_used.all(|layout| layouts.contains(&layout)) {
        return gone("page layout");
    }
    let twice = once(facts.roles.iter().map(|role| &role.name))
        .or(once(facts.profiles.iter().map(|profile| &profile.name)))
        .or(once(facts.rules.iter().map(|rule| &rule.name)));
    let layout_twice = once(facts.layouts.iter().map(|l| (l.object, &l.name)));
    if let Some(name) = twice.or(layout_twice.map(|(_, name)| name)) {
        return Err(Error::refused(format!(
            "Change {number} cannot be reverted: something else is called {name} by now."
        )));
    }
    let below_itself = |role: &&super::super::model::RoleFact| {
        role.parent
            .is_some_and(|parent| roles::is_within(facts, parent, role.id))
    };
    if let Some(role) = facts.roles.iter().find(below_itself) {
        return Err(Error::refused(format!(
            "Change {number} cannot be reverted: {} would stand below itself.",
            role.name
        )));
    }
    Ok(())
}

/// The first that is there twice.
fn once<T: Copy + Eq + std::hash::Hash>(mut names: impl Iterator<Item = T>) -> Option<T> {
    let mut seen = HashSet::new();
    names.find(|name| !seen.insert(*name))
}
