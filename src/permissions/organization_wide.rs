//! Organization-wide sharing: what everybody who may read an object at all sees of it.

use diesel::prelude::*;

use super::model::Level;
use super::objects::{OBJECTS, Object};
use super::setup::{Differences, Setup};
use crate::access::Proof;
use crate::audit::Event;
use crate::schema::organization_wide_sharing as sharing;
use crate::{Result, on_each};

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
    let account = setup.account();
    let now = levels_now(setup)?;
    let mut changes = Differences::default();
    for object in Object::ALL {
        let (before, after) = (now[object.index()], levels[object.index()]);
        if before == after {
            continue;
        }
        changes.compare(object.plural(), label(before), label(after));
        let values = (
            sharing::account_id.eq(account),
            sharing::object.eq(object.number()),
            sharing::level.eq(after.number()),
        );
        on_each!(setup.conn(), c => diesel::insert_into(sharing::table)
            .values(values)
            .on_conflict((sharing::account_id, sharing::object))
            .do_update()
            .set(sharing::level.eq(after.number()))
            .execute(c))?;
    }
    if changes.is_empty() {
        return Ok(false);
    }
    setup.record(&Event::OrganizationWideSharingChanged {
        changes: changes.list(),
    })?;
    Ok(true)
}

/// Sets the level of one object. False when it is that already.
pub fn set<P: Proof>(setup: &mut Setup<P>, object: Object, level: Level) -> Result<bool> {
    let mut levels = levels_now(setup)?;
    levels[object.index()] = level;
    set_all(setup, &levels)
}

fn levels_now<P: Proof>(setup: &mut Setup<P>) -> Result<[Level; OBJECTS]> {
    let account = setup.account();
    let mut levels = [Level::None; OBJECTS];
    let rows: Vec<(i16, i16)> = sharing::table
        .filter(sharing::account_id.eq(account))
        .select((sharing::object, sharing::level))
        .load(setup.conn())?;
    for (object, level) in rows {
        if let Some(object) = Object::numbered(object) {
            levels[object.index()] = Level::numbered(level);
        }
    }
    Ok(levels)
}
