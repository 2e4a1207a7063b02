//! Profiles after a change.

use super::super::difference::NEW;
use super::super::model::{Facts, ObjectFact, ProfileFact, Rights};
use super::super::objects::Object;
use super::super::profiles::Matrix;
use super::taken;
use crate::credentials::names::SettingName;
use crate::db::types::ProfileId;
use crate::{Error, Result};

pub(super) fn add(
    facts: &mut Facts,
    name: &SettingName,
    matrix: &Matrix,
    clone_of: Option<ProfileId>,
) -> Result<()> {
    if let Some(other) = clone_of {
        of(facts, other)?;
    }
    free(facts, name, None)?;
    let objects = complete(facts, matrix)?;
    facts.profiles.push(ProfileFact {
        id: ProfileId(NEW),
        name: name.to_string(),
        standard: false,
        objects,
    });
    Ok(())
}

/// Standard User keeps its name: guides and forms speak of it.
pub(super) fn change(
    facts: &mut Facts,
    profile: ProfileId,
    name: &SettingName,
    matrix: &Matrix,
) -> Result<()> {
    let former = of(facts, profile)?;
    if former.standard && former.name != name.as_str() {
        return Err(Error::refused(format!("{} keeps its name.", former.name)));
    }
    free(facts, name, Some(profile))?;
    let objects = complete(facts, matrix)?;
    for fact in facts.profiles.iter_mut().filter(|p| p.id == profile) {
        fact.name = name.to_string();
        fact.objects = objects;
    }
    Ok(())
}

pub(super) fn delete(
    facts: &mut Facts,
    profile: ProfileId,
    replacement: Option<ProfileId>,
) -> Result<()> {
    let ProfileFact { name, standard, .. } = of(facts, profile)?;
    if *standard {
        return Err(Error::refused(format!("{name} cannot be deleted.")));
    }
    if replacement == Some(profile) {
        return Err(Error::refused("Choose another profile as the replacement."));
    }
    let other = match replacement {
        Some(other) => of(facts, other)?.id,
        None => self::standard(facts)?,
    };
    for member in &mut facts.members {
        if member.profile == Some(profile) {
            member.profile = Some(other);
        }
    }
    facts.profiles.retain(|fact| fact.id != profile);
    Ok(())
}

/// A profile that is there.
pub(super) fn of(facts: &Facts, profile: ProfileId) -> Result<&ProfileFact> {
    let found = facts.profiles.iter().find(|fact| fact.id == profile);
    found.ok_or(Error::NotFound)
}

/// The profile that every account has.
pub(super) fn standard(facts: &Facts) -> Result<ProfileId> {
    let found = facts.profiles.iter().find(|fact| fact.standard);
    found.map(|fact| fact.id).ok_or(Error::NotFound)
}

fn free(facts: &Facts, name: &SettingName, but: Option<ProfileId>) -> Result<()> {
    let mut others = facts.profiles.iter().filter(|fact| Some(fact.id) != but);
    if others.any(|fact| fact.name == name.as_str()) {
        return Err(taken("profile", name));
    }
    Ok(())
}

/// With everything that ticks imply, and a layout for each object: the default one when none is named. A layout of
/// another object does not exist.
fn complete(facts: &Facts, matrix: &Matrix) -> Result<Matrix> {
    let mut complete = Matrix::default();
    for object in Object::ALL {
        let ObjectFact { rights, layout } = matrix[object.index()];
        let mut layouts = facts.layouts.iter().filter(|fact| fact.object == object);
        let found = layouts.find(|fact| layout.map_or(fact.standard, |wanted| wanted == fact.id));
        complete[object.index()] = ObjectFact {
            rights: Rights::of_bits(rights.bits()),
            layout: Some(found.ok_or(Error::NotFound)?.id),
        };
    }
    Ok(complete)
}
