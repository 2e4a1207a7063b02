//! The page after a stale edit: what the record says now beside what was typed, field by field. Nothing typed is lost,
//! and only what the person changed themselves is sent again: what somebody else changed meanwhile stays theirs.

use std::collections::BTreeMap;

use askama::Template;

use super::form::Typed;
use super::value::Value;
use super::{path_of, shell};
use crate::Result;
use crate::access::{Can, Tx, UseRecords};
use crate::db::types::{Slot, Timestamp};
use crate::permissions::objects::Kind;
use crate::records::history::{self, Changed};
use crate::records::list::Column;
use crate::records::{Desk, Record, links, people};
use crate::web::answer::Answer;
use crate::web::request::Request;
use crate::web::shell::Shell;

/// Name of the button that leads back to the form, with the newer version and what was typed.
pub const AGAIN: &str = "again";

/// Versions that are looked through for what the person started from.
const LOOKED_BACK: i64 = 500;

/// Both versions of a record.
pub struct Conflict {
    pub record: Record,
    rows: Vec<Row>,
    /// Key and text of what the person changed.
    mine: Vec<(String, String)>,
    updated_at: Timestamp,
}

struct Row {
    label: String,
    theirs: Value,
    theirs_changed: bool,
    /// Nothing when the person left the field as it was.
    mine: Option<Value>,
}

#[derive(Template)]
#[template(path = "records/conflict.html")]
struct ConflictPage {
    shell: Shell,
    what: String,
    path: String,
    version: i64,
    conflict: Conflict,
}

/// Compares what was typed on top of version `started` with the record as it is.
pub fn load(
    tx: &mut Tx<UseRecords>,
    desk: &Desk,
    record: &Record,
    started: i64,
    typed: &Typed,
) -> Result<Conflict> {
    let (draft, _) = typed.draft(tx, desk, Some(record))?;
    let Base { fields, assigned } = base(tx, desk, record, started)?;
    let started_from = |key: &str, now: &str| -> String {
        fields.get(key).cloned().unwrap_or_else(|| now.to_owned())
    };
    let mut texts = Vec::new();
    for field in desk.fields() {
        let now = record.value(field).to_owned();
        let before = started_from(field.key(), &now);
        let mine = draft.get(field).filter(|mine| **mine != before);
        texts.push((field, before, now, mine.map(str::to_owned)));
    }
    let links = texts
        .iter()
        .filter(|(field, ..)| matches!(field.field().kind, Kind::Link(_)));
    let ids: Vec<_> = links
        .flat_map(|(_, before, now, mine)| [Some(before), Some(now), mine.as_ref()])
        .filter_map(|kept| kept?.parse().ok())
        .collect();
    let targets = links::visible(tx, desk, ids)?;
    let mut conflict = Conflict {
        record: record.clone(),
        rows: Vec::new(),
        mine: Vec::new(),
        updated_at: record.updated_at,
    };
    for (field, before, now, mine) in texts {
        let is_link = matches!(field.field().kind, Kind::Link(_));
        let unseen = |kept: &str| is_link && targets.get(kept).is_none();
        // The form showed no link where there was one out of sight; that it came back empty changes nothing.
        let mine = mine.filter(|mine| !(mine.is_empty() && unseen(&before)));
        let theirs_changed = before != now && !(unseen(&before) && unseen(&now));
        if mine.is_none() && !theirs_changed {
            continue;
        }
        conflict.rows.push(Row {
            label: field.label().to_owned(),
            theirs: Value::of(desk, field, &now, &targets),
            theirs_changed,
            mine: mine
                .as_deref()
                .map(|mine| Value::of(desk, field, mine, &targets)),
        });
        conflict
            .mine
            .extend(mine.map(|mine| (field.key().to_owned(), mine)));
    }
    if assigned.is_some_and(|before| before != record.people.assigned) {
        let people = people::named(tx, record.people.assigned)?;
        let name = people.label(record.people.assigned);
        conflict.rows.push(Row {
            label: Column::AssignedTo.label().to_owned(),
            theirs: match name.is_empty() {
                true => Value::Nothing,
                false => Value::Text(name),
            },
            theirs_changed: true,
            mine: None,
        });
    }
    Ok(conflict)
}

/// What a record said at a version where it says something else since then.
#[derive(Default)]
struct Base {
    /// By key, as far as the person has the fields.
    fields: BTreeMap<String, String>,
    assigned: Option<Option<Slot>>,
}

/// What was changed since a version.
fn base(tx: &mut Tx<UseRecords>, desk: &Desk, record: &Record, started: i64) -> Result<Base> {
    let missed = record.version.saturating_sub(started).clamp(0, LOOKED_BACK);
    let mut base = Base::default();
    // The newest first: the oldest change has the last word.
    for version in history::of(tx, desk, record, None, missed)? {
        for change in version.changes {
            match change {
                Changed::Field { field, before, .. } => {
                    base.fields.insert(field.key().to_owned(), before);
                }
                Changed::Assigned { before, .. } => base.assigned = Some(before),
            }
        }
    }
    Ok(base)
}

/// 409 with both.
pub fn answer(
    can: &Can<UseRecords>,
    request: &Request,
    desk: &Desk,
    conflict: Conflict,
) -> Result<Answer> {
    let record = &conflict.record;
    let path = path_of(desk, record.id);
    let mut shell = shell(can, request, desk, &[(record.name(), &path), ("Edit", "")])?;
    shell.refused = true;
    Answer::conflict(&ConflictPage {
        shell,
        what: desk.object().word(),
        path,
        version: record.version,
        conflict,
    })
}
