//! Page layouts: which fields of an object a profile sees, in which order and sections, and which of them are read-only
//! or required.

use super::apply::apply;
use super::change::Change;
use super::load;
use super::model::{LayoutFact, LayoutField};
use super::objects::Object;
use super::setup::Setup;
use crate::access::Proof;
use crate::credentials::names::SettingName;
use crate::db::types::LayoutId;
use crate::{Error, Result};

/// Adds a layout that says the same as another of its object.
pub fn clone_of<P: Proof>(
    setup: &mut Setup<P>,
    layout: LayoutId,
    name: &SettingName,
) -> Result<LayoutId> {
    let LayoutFact { object, fields, .. } = find(setup, layout)?;
    let change = Change::AddLayout {
        object,
        name: name.clone(),
        fields,
    };
    let applied = apply(setup, &change)?;
    let layout = applied.and_then(|applied| applied.placed.layout);
    layout.ok_or_else(|| Error::internal("a page layout without a number"))
}

/// Adds a layout of an object; it begins as a copy of the default one.
pub fn add<P: Proof>(setup: &mut Setup<P>, object: Object, name: &SettingName) -> Result<LayoutId> {
    let like = default_of(setup, object)?;
    clone_of(setup, like, name)
}

/// The default layout of an object.
pub fn default_of<P: Proof>(setup: &mut Setup<P>, object: Object) -> Result<LayoutId> {
    let default = |fact: &LayoutFact| fact.object == object && fact.standard;
    one(setup, default).map(|fact| fact.id)
}

/// The fields on a layout, in their order; retired ones keep their place and are shown to nobody.
pub fn fields<P: Proof>(setup: &mut Setup<P>, layout: LayoutId) -> Result<Vec<LayoutField>> {
    find(setup, layout).map(|fact| fact.fields)
}

/// Renames a layout and sets the fields on it. The name of a record is on every layout and required; a field that
/// could not be filled in cannot be required. A retired field stays as it was. False when nothing is different.
pub fn change<P: Proof>(
    setup: &mut Setup<P>,
    layout: LayoutId,
    name: &SettingName,
    wanted: &[LayoutField],
) -> Result<bool> {
    let change = Change::ChangeLayout {
        layout,
        name: name.clone(),
        fields: wanted.to_vec(),
    };
    Ok(apply(setup, &change)?.is_some())
}

/// Sets the fields on a layout; see [`change`].
pub fn set_fields<P: Proof>(
    setup: &mut Setup<P>,
    layout: LayoutId,
    wanted: &[LayoutField],
) -> Result<bool> {
    let name = find(setup, layout)?.name;
    let name = SettingName::parse(&name).map_err(Error::internal)?;
    change(setup, layout, &name, wanted)
}

/// Deletes a layout, never the default one. Profiles that use it get the replacement; without any none is needed. It is
/// asked for rather than guessed: the default layout may show what this one hid.
pub fn delete<P: Proof>(
    setup: &mut Setup<P>,
    layout: LayoutId,
    replacement: Option<LayoutId>,
) -> Result<()> {
    let change = Change::DeleteLayout {
        layout,
        replacement,
    };
    apply(setup, &change).map(|_| ())
}

/// A layout of the account.
pub(super) fn find<P: Proof>(setup: &mut Setup<P>, layout: LayoutId) -> Result<LayoutFact> {
    one(setup, |fact| fact.id == layout)
}

fn one<P: Proof>(setup: &mut Setup<P>, is: impl Fn(&LayoutFact) -> bool) -> Result<LayoutFact> {
    let account = setup.account();
    let all = load::layouts_of(setup.conn(), account)?;
    all.into_iter().find(is).ok_or(Error::NotFound)
}
