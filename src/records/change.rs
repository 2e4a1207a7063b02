//! Making, changing, assigning and deleting records. A change carries the version it started from; a stale one changes
//! nothing.

use diesel::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::draft::Draft;
use super::history::{self, Change};
use super::{Desk, Record, Values, environment_number, find_for};
use crate::access::{InAccount, Tx};
use crate::audit::{self, Event};
use crate::db::types::{RecordId, Slot, Timestamp};
use crate::permissions::Action;
use crate::schema::{record_changes, records};
use crate::{Error, Result};

/// How a change ended.
#[derive(Clone, Debug)]
pub enum Saved {
    /// The record has this version now.
    Done(i64),
    /// Somebody else was faster: the record as it is now. Nothing was changed.
    Stale(Box<Record>),
}

/// The name as lists are sorted by and prefixes are looked up; other texts are searched for in the same form.
pub fn sort_name(name: &str) -> String {
    // What is typed may be composed otherwise than what is kept.
    let composed: String = name.nfc().collect();
    composed.to_lowercase()
}

/// Makes a record, which its creator may assign to any member. Check [`Draft::problems`] first, in the same transaction.
pub fn create<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    draft: Draft,
    assigned: Option<Slot>,
) -> Result<RecordId> {
    desk.require_create()?;
    let (account, now, me) = (tx.account(), tx.now(), desk.slot());
    let mut data = draft.into_values();
    let name = data.remove("name").unwrap_or_default();
    data.retain(|_, value| !value.is_empty());
    let mut changes: Vec<Change> = vec![Change("name".into(), String::new(), name.clone())];
    changes.extend(
        data.iter()
            .map(|(k, v)| Change(k.clone(), String::new(), v.clone())),
    );
    if assigned.is_some() {
        changes.push(history::assigned(None, assigned));
    }
    let id: RecordId = diesel::insert_into(records::table)
        .values((
            records::account_id.eq(account),
            records::environment.eq(environment_number(desk.environment())),
            records::object.eq(desk.object().number()),
            (
                records::sort_name.eq(sort_name(&name)),
                records::name.eq(name),
            ),
            records::creator_slot.eq(me),
            records::assigned_slot.eq(assigned),
            records::owner_slot.eq(assigned.unwrap_or(me)),
            (records::created_at.eq(now), records::updated_at.eq(now)),
            records::version.eq(1_i64),
            records::data.eq(json(&data)?),
        ))
        .returning(records::id)
        .get_result(tx.conn())?;
    history::keep(tx, account, id, 1, &changes)?;
    Ok(id)
}

/// Changes the fields of a record that started from `version`. What the draft does not name stays, fields that the
/// member does not have among it. Check [`Draft::problems`] first, in the same transaction.
pub fn edit<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    id: RecordId,
    version: i64,
    draft: Draft,
) -> Result<Saved> {
    let record = find_for(tx, desk, id, Action::Edit)?;
    if record.version != version {
        return Ok(Saved::Stale(Box::new(record)));
    }
    let mut name = record.name.clone();
    let mut data = record.data.clone();
    let mut changes = Vec::new();
    for (key, value) in draft.into_values() {
        let before = if key == "name" {
            std::mem::replace(&mut name, value.clone())
        } else if value.is_empty() {
            data.remove(&key).unwrap_or_default()
        } else {
            data.insert(key.clone(), value.clone()).unwrap_or_default()
        };
        if before != value {
            changes.push(Change(key, before, value));
        }
    }
    if changes.is_empty() {
        return Ok(Saved::Done(version));
    }
    let next = Next {
        sort_name: Some(sort_name(&name)),
        name: Some(name),
        data: Some(json(&data)?),
        ..Next::of(tx, &record)
    };
    write(tx, desk, &record, next, &changes)
}

/// Assigns a record to a member, or to nobody.
pub fn assign<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    id: RecordId,
    version: i64,
    to: Option<Slot>,
) -> Result<Saved> {
    let record = find_for(tx, desk, id, Action::Edit)?;
    if record.version != version {
        return Ok(Saved::Stale(Box::new(record)));
    }
    let before = record.people.assigned;
    if before == to {
        return Ok(Saved::Done(version));
    }
    let next = Next {
        assigned_slot: Some(to),
        owner_slot: Some(to.unwrap_or(record.people.creator)),
        ..Next::of(tx, &record)
    };
    write(tx, desk, &record, next, &[history::assigned(before, to)])
}

/// What the next version of a record sets; what is `None` stays.
#[derive(AsChangeset)]
#[diesel(table_name = records)]
struct Next {
    name: Option<String>,
    sort_name: Option<String>,
    data: Option<String>,
    assigned_slot: Option<Option<Slot>>,
    owner_slot: Option<Slot>,
    version: i64,
    updated_at: Timestamp,
}

impl Next {
    fn of<P: InAccount>(tx: &Tx<P>, record: &Record) -> Next {
        Next {
            name: None,
            sort_name: None,
            data: None,
            assigned_slot: None,
            owner_slot: None,
            version: record.version + 1,
            updated_at: tx.now(),
        }
    }
}

/// Writes a record's next version, unless another transaction has done so since it was read.
fn write<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    record: &Record,
    next: Next,
    changes: &[Change],
) -> Result<Saved> {
    let (account, id, version) = (tx.account(), record.id, next.version);
    let written = diesel::update(records::table)
        .filter(records::account_id.eq(account))
        .filter(records::id.eq(id))
        .filter(records::version.eq(record.version))
        .set(next)
        .execute(tx.conn())?;
    if written == 0 {
        let newer = find_for(tx, desk, id, Action::Edit)?;
        return Ok(Saved::Stale(Box::new(newer)));
    }
    history::keep(tx, account, id, version, changes)?;
    Ok(Saved::Done(version))
}

/// Deletes a record with its history. Links to it show nothing from then on; its number is never given again.
pub fn delete<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    id: RecordId,
    version: i64,
) -> Result<Saved> {
    let record = find_for(tx, desk, id, Action::Delete)?;
    if record.version != version {
        return Ok(Saved::Stale(Box::new(record)));
    }
    let account = tx.account();
    diesel::delete(record_changes::table)
        .filter(record_changes::account_id.eq(account))
        .filter(record_changes::record_id.eq(id))
        .execute(tx.conn())?;
    let gone = diesel::delete(records::table)
        .filter(records::account_id.eq(account))
        .filter(records::id.eq(id))
        .filter(records::version.eq(version))
        .execute(tx.conn())?;
    if gone == 0 {
        // Rolled back with the history that was deleted above.
        return Err(Error::refused(
            "The record was changed in the meantime. Look at it again before you delete it.",
        ));
    }
    audit::record(
        tx,
        account,
        &Event::RecordDeleted {
            environment: desk.environment().label().to_owned(),
            object: desk.object().label().to_owned(),
            number: id.0,
            name: record.name,
        },
    )?;
    Ok(Saved::Done(version))
}

fn json(data: &Values) -> Result<String> {
    serde_json::to_string(data).map_err(Error::internal)
}
