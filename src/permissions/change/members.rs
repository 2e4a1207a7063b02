//! What members hold after a change.

use std::collections::HashSet;

use super::super::model::{Facts, MemberFact};
use super::{Around, profiles, roles};
use crate::db::types::{MemberId, ProfileId, RoleId};
use crate::{Error, Result};

pub(super) fn assign_role(facts: &mut Facts, ids: &[MemberId], role: Option<RoleId>) -> Result<()> {
    roles::exists(facts, role)?;
    for member in chosen(facts, ids)? {
        member.role = role;
    }
    Ok(())
}

pub(super) fn assign_profile(
    facts: &mut Facts,
    around: &Around,
    ids: &[MemberId],
    profile: ProfileId,
) -> Result<()> {
    profiles::of(facts, profile)?;
    for member in chosen(facts, ids)? {
        member.profile = Some(profile);
        member.administrator = false;
    }
    somebody_left(facts, around)
}

/// Refuses what would leave no administrator who can sign in, where there is one.
pub(super) fn somebody_left(facts: &Facts, around: &Around) -> Result<()> {
    let able = |id: &MemberId| around.administrators.get(id).is_some_and(|(_, able)| *able);
    let stays = |member: &&MemberFact| member.active && member.administrator;
    // Whoever becomes one with this change is not counted: nobody has seen them sign in as one.
    if facts.members.iter().filter(stays).any(|m| able(&m.id)) {
        return Ok(());
    }
    let mut last: Vec<_> = around.administrators.iter().collect();
    last.sort_by_key(|(id, _)| **id);
    match last.into_iter().find(|(_, (_, able))| *able) {
        Some((_, (name, _))) => Err(Error::Refused(crate::members::last_named(name))),
        None => Ok(()),
    }
}

/// These active members, each once; one who is none does not exist.
fn chosen<'f>(facts: &'f mut Facts, ids: &[MemberId]) -> Result<Vec<&'f mut MemberFact>> {
    let ids: HashSet<MemberId> = ids.iter().copied().collect();
    let members = facts.members.iter_mut();
    let found: Vec<_> = members
        .filter(|member| member.active && ids.contains(&member.id))
        .collect();
    if found.len() < ids.len() {
        return Err(Error::NotFound);
    }
    Ok(found)
}
