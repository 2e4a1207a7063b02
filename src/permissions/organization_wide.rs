//! Organization-wide sharing: what everybody who may read an object at all sees of it.

use super::apply::apply;
use super::change::Change;
use super::load;
use super::model::Level;
use super::objects::{OBJECTS, Object};
use super::setup::Setup;
use crate::Result;
use crate::access::Proof;

/// As pages call a level.
pub fn label(level: Level) -> &'static str {
    match level {
        Level::None => "Private",
        Level::Read => "Public Read Only",
        Level::Write => "Public Read/Write",
    }
}

/// Sets the levels of all objects, by [`Object::index`]. False when nothing is different.
pub fn set_all<P: Proof>(setup: &mut Setup<P>, levels: &[Level; OBJECTS]) -> Result<bool> {
    let levels = *levels;
    Ok(apply(setup, &Change::SetSharing { levels })?.is_some())
}

/// Sets the level of one object. False when it is that already.
pub fn set<P: Proof>(setup: &mut Setup<P>, object: Object, level: Level) -> Result<bool> {
    let account = setup.account();
    let mut levels = load::sharing_of(setup.conn(), account)?;
    levels[object.index()] = level;
    set_all(setup, &levels)
}
