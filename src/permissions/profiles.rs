//! Profiles: adding, copying, changing and deleting them, and who has which.

use diesel::prelude::*;

use super::model::{ObjectFact, Rights};
use super::objects::{OBJECTS, Object};
use super::setup::{BATCH, Differences, Setup, taken};
use crate::access::Proof;
use crate::audit::Event;
use crate::credentials::names::SettingName;
use crate::db::types::{LayoutId, MemberId, ProfileId};
use crate::schema::{invitations, members, object_permissions, page_layouts, profiles};
use crate::{Error, Result, on_each};

/// Rights and layout for each object, by [`Object::index`]. Without a layout it is the object's default one.
pub type Matrix = [ObjectFact; OBJECTS];

/// Adds a profile.
pub fn add<P: Proof>(
    setup: &mut Setup<P>,
    name: &SettingName,
    matrix: &Matrix,
) -> Result<ProfileId> {
    insert(setup, name, matrix, None)
}

/// Adds a profile that says the same as another.
pub fn clone_of<P: Proof>(
    setup: &mut Setup<P>,
    profile: ProfileId,
    name: &SettingName,
) -> Result<ProfileId> {
    let (former, _) = setup.profile(profile)?;
    let matrix = matrix(setup, profile)?;
    insert(setup, name, &matrix, Some(former))
}

fn insert<P: Proof>(
    setup: &mut Setup<P>,
    name: &SettingName,
    matrix: &Matrix,
    copy_of: Option<String>,
) -> Result<ProfileId> {
    let account = setup.account();
    let layouts = Layouts::load(setup)?;
    let matrix = layouts.complete(matrix)?;
    let profile: ProfileId = diesel::insert_into(profiles::table)
        .values((
            profiles::account_id.eq(account),
            profiles::name.eq(name.as_str()),
            profiles::standard.eq(false),
        ))
        .returning(profiles::id)
        .get_result(setup.conn())
        .map_err(taken("profile", name))?;
    let rows: Vec<_> = matrix
        .iter()
        .map(|(object, rights, layout)| {
            (
                object_permissions::account_id.eq(account),
                object_permissions::profile_id.eq(profile),
                object_permissions::object.eq(object.number()),
                object_permissions::rights.eq(rights.bits()),
                object_permissions::layout_id.eq(*layout),
            )
        })
        .collect();
    on_each!(setup.conn(), c => diesel::insert_into(object_permissions::table).values(rows).execute(c))?;
    let mut changes = Differences::default();
    for (object, rights, layout) in &matrix {
        let (object, layout) = (object.plural(), layouts.name(*layout));
        changes.compare(object, "", &format!("{}; layout {layout}", words(*rights)));
    }
    setup.record(&Event::ProfileAdded {
        profile: name.to_string(),
        copy_of,
        changes: changes.list(),
    })?;
    Ok(profile)
}

/// Renames a profile and sets what it says about every object. False when nothing is different. Standard User keeps
/// its name: guides and forms speak of it.
pub fn change<P: Proof>(
    setup: &mut Setup<P>,
    profile: ProfileId,
    name: &SettingName,
    wanted: &Matrix,
) -> Result<bool> {
    let (former, standard) = setup.profile(profile)?;
    if standard && former != name.as_str() {
        return Err(Error::refused(format!("{former} keeps its name.")));
    }
    let layouts = Layouts::load(setup)?;
    let before = layouts.complete(&matrix(setup, profile)?)?;
    let after = layouts.complete(wanted)?;
    let account = setup.account();
    let mut changes = Differences::default();
    changes.compare("Name", &former, name.as_str());
    if !changes.is_empty() {
        diesel::update(profiles::table)
            .filter(profiles::account_id.eq(account))
            .filter(profiles::id.eq(profile))
            .set(profiles::name.eq(name.as_str()))
            .execute(setup.conn())
            .map_err(taken("profile", name))?;
    }
    for (was, is) in before.iter().zip(&after) {
        if was == is {
            continue;
        }
        let (object, rights, layout) = *is;
        let plural = object.plural();
        changes
            .compare(plural, &words(was.1), &words(rights))
            .compare(
                format!("Layout of {plural}"),
                layouts.name(was.2),
                layouts.name(layout),
            );
        let values = (
            object_permissions::account_id.eq(account),
            object_permissions::profile_id.eq(profile),
            object_permissions::object.eq(object.number()),
            object_permissions::rights.eq(rights.bits()),
            object_permissions::layout_id.eq(layout),
        );
        let set = (
            object_permissions::rights.eq(rights.bits()),
            object_permissions::layout_id.eq(layout),
        );
        on_each!(setup.conn(), c => diesel::insert_into(object_permissions::table)
            .values(values)
            .on_conflict((
                object_permissions::account_id,
                object_permissions::profile_id,
                object_permissions::object,
            ))
            .do_update()
            .set(set)
            .execute(c))?;
    }
    if changes.is_empty() {
        return Ok(false);
    }
    setup.record(&Event::ProfileChanged {
        profile: former,
        changes: changes.list(),
    })?;
    Ok(true)
}

/// Sets the ticks of a profile for one object, with everything they imply. False when it has exactly these.
pub fn set_rights<P: Proof>(
    setup: &mut Setup<P>,
    profile: ProfileId,
    object: Object,
    rights: Rights,
) -> Result<bool> {
    let mut wanted = matrix(setup, profile)?;
    wanted[object.index()].rights = rights;
    change_matrix(setup, profile, &wanted)
}

/// Sets the page layout of a profile for the layout's object. False when it is that already.
pub fn set_layout<P: Proof>(
    setup: &mut Setup<P>,
    profile: ProfileId,
    layout: LayoutId,
) -> Result<bool> {
    let (object, ..) = setup.layout(layout)?;
    let mut wanted = matrix(setup, profile)?;
    wanted[object.index()].layout = Some(layout);
    change_matrix(setup, profile, &wanted)
}

fn change_matrix<P: Proof>(
    setup: &mut Setup<P>,
    profile: ProfileId,
    wanted: &Matrix,
) -> Result<bool> {
    let (name, _) = setup.profile(profile)?;
    let name = SettingName::parse(&name).map_err(Error::internal)?;
    change(setup, profile, &name, wanted)
}

/// Deletes a profile. Its members, removed ones too, and the invitations that promise it get the replacement: Standard
/// User, unless another is named.
pub fn delete<P: Proof>(
    setup: &mut Setup<P>,
    profile: ProfileId,
    replacement: Option<ProfileId>,
) -> Result<()> {
    let (name, standard) = setup.profile(profile)?;
    if standard {
        return Err(Error::refused(format!("{name} cannot be deleted.")));
    }
    let account = setup.account();
    let other = match replacement {
        Some(other) if other == profile => {
            return Err(Error::refused("Choose another profile as the replacement."));
        }
        Some(other) => other,
        None => crate::accounts::standard_profile(setup.tx(), account)?,
    };
    let (other_name, _) = setup.profile(other)?;
    let moved = diesel::update(
        members::table
            .filter(members::account_id.eq(account))
            .filter(members::profile_id.eq(profile)),
    )
    .set(members::profile_id.eq(Some(other)))
    .execute(setup.conn())?;
    diesel::update(
        invitations::table
            .filter(invitations::account_id.eq(account))
            .filter(invitations::profile_id.eq(profile)),
    )
    .set(invitations::profile_id.eq(Some(other)))
    .execute(setup.conn())?;
    diesel::delete(
        profiles::table
            .filter(profiles::account_id.eq(account))
            .filter(profiles::id.eq(profile)),
    )
    .execute(setup.conn())?;
    let mut changes = Differences::default();
    if moved > 0 {
        let (before, after) = (
            format!("{moved} of {name}"),
            format!("{moved} of {other_name}"),
        );
        changes.compare("Members", &before, &after);
    }
    setup.record(&Event::ProfileDeleted {
        profile: name,
        replacement: other_name,
        changes: changes.list(),
    })
}

/// Gives members a profile; gives how many it changes. A member has one profile at most: the former one goes. An
/// administrator among them stops being one, and the last who can sign in is refused.
pub fn assign<P: Proof>(
    setup: &mut Setup<P>,
    ids: &[MemberId],
    profile: ProfileId,
) -> Result<usize> {
    let (after, _) = setup.profile(profile)?;
    let account = setup.account();
    let people = setup.people(ids)?;
    let administrators: Vec<MemberId> = people
        .iter()
        .filter(|person| person.administrator)
        .map(|person| person.id)
        .collect();
    crate::members::roles::take_administrator(setup.tx(), account, &administrators)?;
    let mut changes = Differences::default();
    let mut moved = Vec::new();
    let names = names(setup)?;
    for person in people
        .iter()
        .filter(|person| person.profile != Some(profile))
    {
        let before = names.iter().find(|(id, _)| Some(*id) == person.profile);
        let before = before.map_or("None", |(_, name)| name);
        changes.compare(format!("Profile of {}", person.name), before, &after);
        moved.push(person.id);
    }
    for some in moved.chunks(BATCH) {
        diesel::update(
            members::table
                .filter(members::account_id.eq(account))
                .filter(members::id.eq_any(some)),
        )
        .set(members::profile_id.eq(Some(profile)))
        .execute(setup.conn())?;
    }
    if !moved.is_empty() {
        setup.record(&Event::ProfileAssigned {
            profile: after,
            changes: changes.list(),
        })?;
    }
    let promoted = administrators
        .iter()
        .filter(|id| !moved.contains(id))
        .count();
    Ok(moved.len() + promoted)
}

fn names<P: Proof>(setup: &mut Setup<P>) -> Result<Vec<(ProfileId, String)>> {
    let account = setup.account();
    Ok(profiles::table
        .filter(profiles::account_id.eq(account))
        .select((profiles::id, profiles::name))
        .load(setup.conn())?)
}

/// What a profile says.
fn matrix<P: Proof>(setup: &mut Setup<P>, profile: ProfileId) -> Result<Matrix> {
    let account = setup.account();
    let rows: Vec<(i16, i16, LayoutId)> = object_permissions::table
        .filter(object_permissions::account_id.eq(account))
        .filter(object_permissions::profile_id.eq(profile))
        .select((
            object_permissions::object,
            object_permissions::rights,
            object_permissions::layout_id,
        ))
        .load(setup.conn())?;
    let mut matrix = Matrix::default();
    for (object, rights, layout) in rows {
        if let Some(object) = Object::numbered(object) {
            matrix[object.index()] = ObjectFact {
                rights: Rights::of_bits(rights),
                layout: Some(layout),
            };
        }
    }
    Ok(matrix)
}

/// "Read, Create", as the matrix shows it; "None".
fn words(rights: Rights) -> String {
    let held: Vec<&str> = Rights::EACH
        .iter()
        .filter(|(right, _)| rights.has(*right))
        .map(|(_, label)| *label)
        .collect();
    match held.as_slice() {
        [] => "None".into(),
        some => some.join(", "),
    }
}

/// The page layouts of the account.
struct Layouts(Vec<(LayoutId, i16, String, bool)>);

impl Layouts {
    fn load<P: Proof>(setup: &mut Setup<P>) -> Result<Layouts> {
        let account = setup.account();
        let rows = page_layouts::table
            .filter(page_layouts::account_id.eq(account))
            .select((
                page_layouts::id,
                page_layouts::object,
                page_layouts::name,
                page_layouts::standard,
            ))
            .load(setup.conn())?;
        Ok(Layouts(rows))
    }

    fn name(&self, layout: LayoutId) -> &str {
        let found = self.0.iter().find(|(id, ..)| *id == layout);
        found.map_or("", |(_, _, name, _)| name)
    }

    /// With everything that ticks imply, and a layout for each object. A layout of another object does not exist.
    fn complete(&self, matrix: &Matrix) -> Result<Vec<(Object, Rights, LayoutId)>> {
        Object::ALL
            .into_iter()
            .map(|object| {
                let ObjectFact { rights, layout } = matrix[object.index()];
                let found = self.0.iter().find(|(id, of, _, standard)| {
                    *of == object.number() && layout.map_or(*standard, |wanted| wanted == *id)
                });
                let (layout, ..) = found.ok_or(Error::NotFound)?;
                Ok((object, Rights::of_bits(rights.bits()), *layout))
            })
            .collect()
    }
}
