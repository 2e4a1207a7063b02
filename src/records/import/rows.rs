//! One row: what it would do, and doing it.

use super::columns::Into;
use crate::access::{InAccount, Tx};
use crate::db::types::{RecordId, Slot};
use crate::permissions::Action;
use crate::permissions::objects::Kind;
use crate::records::change::{self, Saved};
use crate::records::draft::Draft;
use crate::records::{Desk, Record, find, people};
use crate::web::csv::disarmed;
use crate::{Error, Result};

/// What a row asks for, found to be allowed and sound.
pub enum Asked {
    New(Draft, Option<Slot>),
    /// To whom it is assigned, if that is in the row.
    Change(Box<Record>, Draft, Option<Slot>),
}

/// Reads a row with the rights as they are now. The inner error is a sentence for the sender.
pub fn read<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    columns: &[Into],
    cells: &[String],
) -> Result<Result<Asked, String>> {
    if cells.len() != columns.len() {
        return Ok(Err(format!(
            "This row has {} values where the first line has {}.",
            cells.len(),
            columns.len()
        )));
    }
    let (mut number, mut assigned) = (None, None);
    let mut fields = Vec::new();
    let mut reasons = Vec::new();
    for (into, cell) in columns.iter().zip(cells) {
        let typed = disarmed(cell).trim();
        if typed.is_empty() {
            continue;
        }
        match into {
            Into::Nothing => {}
            Into::Number => match typed.parse::<RecordId>() {
                Ok(id) => number = Some(id),
                Err(()) => reasons.push(format!("“{typed}” is no record number.")),
            },
            Into::Assigned => match assignee(tx, desk, typed) {
                Ok(slot) => assigned = slot,
                Err(Error::Refused(why)) => reasons.push(why),
                Err(error) => return Err(error),
            },
            Into::Field(shown) => fields.push((shown, typed)),
        }
    }
    let before = match number {
        None if !desk.may_create() => {
            reasons.push(format!("You may not create {}.", desk.object().words()));
            None
        }
        None => None,
        Some(id) => match find(tx, desk, id) {
            Ok(record) if desk.may(Action::Edit, &record) => Some(record),
            Ok(_) => {
                reasons.push(format!(
                    "You may not edit the {} {id}.",
                    desk.object().word()
                ));
                None
            }
            Err(Error::NotFound) => {
                let word = desk.object().word();
                reasons.push(format!("There is no {word} with the number {id} here."));
                None
            }
            Err(error) => return Err(error),
        },
    };
    let mut draft = Draft::default();
    for (shown, typed) in fields {
        // A choice that was taken away stays on the records that have it. A link is looked at in any case: the number of a
        // target out of sight must not be guessed.
        let link = matches!(shown.field().kind, Kind::Link(_));
        let kept = before
            .as_ref()
            .is_some_and(|record| record.value(shown) == typed);
        if kept && !link && !shown.read_only() {
            continue;
        }
        if let Err(why) = draft.set(shown, typed) {
            reasons.push(format!("{}: {why}", shown.label()));
        }
    }
    if reasons.is_empty() {
        let problems = draft.problems(tx, desk, before.as_ref())?;
        reasons.extend(problems.into_iter().map(|(_, sentence)| sentence));
    }
    if !reasons.is_empty() {
        return Ok(Err(reasons.join(" ")));
    }
    Ok(Ok(match before {
        None => Asked::New(draft, assigned),
        Some(record) => Asked::Change(Box::new(record), draft, assigned),
    }))
}

fn assignee<P: InAccount>(tx: &mut Tx<P>, desk: &Desk, typed: &str) -> Result<Option<Slot>> {
    if !typed.contains('@') {
        return Err(Error::refused(format!(
            "Assigned to: “{typed}” is no e-mail address of a member."
        )));
    }
    people::assignee(tx, desk, typed).map_err(|error| match error {
        Error::Refused(_) => Error::refused(format!(
            "Assigned to: no member of this account has the address {typed}."
        )),
        error => error,
    })
}

/// What a row did.
pub enum Did {
    Created(RecordId),
    Updated(RecordId),
}

/// How often a row is read again when somebody else changes its record in the same moment.
const TRIES: usize = 5;

/// Does what a row asks for.
pub fn import<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    columns: &[Into],
    cells: &[String],
) -> Result<Result<Did, String>> {
    for _ in 0..TRIES {
        let (record, draft, assigned) = match read(tx, desk, columns, cells)? {
            Err(why) => return Ok(Err(why)),
            Ok(Asked::New(draft, assigned)) => {
                return Ok(Ok(Did::Created(change::create(tx, desk, draft, assigned)?)));
            }
            Ok(Asked::Change(record, draft, assigned)) => (record, draft, assigned),
        };
        let Saved::Done(version) = change::edit(tx, desk, record.id, record.version, draft)? else {
            continue;
        };
        if assigned.is_some() {
            // The record's row is ours since the edit, or the next read sees what the other one did.
            match change::assign(tx, desk, record.id, version, assigned)? {
                Saved::Done(_) => {}
                Saved::Stale(_) => continue,
            }
        }
        return Ok(Ok(Did::Updated(record.id)));
    }
    Ok(Err(
        "Somebody else kept changing this record. Import the row again.".into(),
    ))
}
