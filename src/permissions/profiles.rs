//! Profiles: adding, copying, changing and deleting them, and who has which.

use super::apply::apply;
use super::change::Change;
use super::load;
use super::model::{ObjectFact, ProfileFact, Rights};
use super::objects::{OBJECTS, Object};
use super::setup::Setup;
use crate::access::Proof;
use crate::credentials::names::SettingName;
use crate::db::types::{LayoutId, MemberId, ProfileId};
use crate::{Error, Result};

/// Rights and layout for each object, by [`Object::index`]. Without a layout it is the object's default one.
pub type Matrix = [ObjectFact; OBJECTS];

/// Adds a profile.
pub fn add<P: Proof>(
    setup: &mut Setup<P>,
    name: &SettingName,
    matrix: &Matrix,
) -> Result<ProfileId> {
    insert(setup, name, *matrix, None)
}

/// Adds a profile that says the same as another.
pub fn clone_of<P: Proof>(
    setup: &mut Setup<P>,
    profile: ProfileId,
    name: &SettingName,
) -> Result<ProfileId> {
    let matrix = find(setup, profile)?.objects;
    insert(setup, name, matrix, Some(profile))
}

fn insert<P: Proof>(
    setup: &mut Setup<P>,
    name: &SettingName,
    matrix: Matrix,
    clone_of: Option<ProfileId>,
) -> Result<ProfileId> {
    let change = Change::AddProfile {
        name: name.clone(),
        matrix,
        clone_of,
    };
    let applied = apply(setup, &change)?;
    let profile = applied.and_then(|applied| applied.placed.profile);
    profile.ok_or_else(|| Error::internal("a profile without a number"))
}

/// Renames a profile and sets what it says about every object. False when nothing is different. Standard User keeps
/// its name: guides and forms speak of it.
pub fn change<P: Proof>(
    setup: &mut Setup<P>,
    profile: ProfileId,
    name: &SettingName,
    wanted: &Matrix,
) -> Result<bool> {
    let change = Change::ChangeProfile {
        profile,
        name: name.clone(),
        matrix: *wanted,
    };
    Ok(apply(setup, &change)?.is_some())
}

/// Sets the ticks of a profile for one object, with everything they imply. False when it has exactly these.
pub fn set_rights<P: Proof>(
    setup: &mut Setup<P>,
    profile: ProfileId,
    object: Object,
    rights: Rights,
) -> Result<bool> {
    let mut wanted = find(setup, profile)?;
    wanted.objects[object.index()].rights = rights;
    change_to(setup, &wanted)
}

/// Sets the page layout of a profile for the layout's object. False when it is that already.
pub fn set_layout<P: Proof>(
    setup: &mut Setup<P>,
    profile: ProfileId,
    layout: LayoutId,
) -> Result<bool> {
    let object = super::layouts::find(setup, layout)?.object;
    let mut wanted = find(setup, profile)?;
    wanted.objects[object.index()].layout = Some(layout);
    change_to(setup, &wanted)
}

fn change_to<P: Proof>(setup: &mut Setup<P>, wanted: &ProfileFact) -> Result<bool> {
    let name = SettingName::parse(&wanted.name).map_err(Error::internal)?;
    change(setup, wanted.id, &name, &wanted.objects)
}

/// Deletes a profile. Its members, removed ones too, and the invitations that promise it get the replacement: Standard
/// User, unless another is named.
pub fn delete<P: Proof>(
    setup: &mut Setup<P>,
    profile: ProfileId,
    replacement: Option<ProfileId>,
) -> Result<()> {
    let change = Change::DeleteProfile {
        profile,
        replacement,
    };
    apply(setup, &change).map(|_| ())
}

/// Gives members a profile; gives how many it changes. A member has one profile at most: the former one goes. An
/// administrator among them stops being one, and the last who can sign in is refused.
pub fn assign<P: Proof>(
    setup: &mut Setup<P>,
    ids: &[MemberId],
    profile: ProfileId,
) -> Result<usize> {
    let members = ids.to_vec();
    let applied = apply(setup, &Change::AssignProfile { members, profile })?;
    Ok(applied.map_or(0, |applied| applied.difference.member_count()))
}

/// What a profile says.
fn find<P: Proof>(setup: &mut Setup<P>, profile: ProfileId) -> Result<ProfileFact> {
    let account = setup.account();
    let all = load::profiles_of(setup.conn(), account)?;
    let mut found = all.into_iter().filter(|fact| fact.id == profile);
    found.next().ok_or(Error::NotFound)
}
