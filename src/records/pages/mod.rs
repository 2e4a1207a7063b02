//! The pages of records: list, search, record, new, edit, assign, delete, who has access. Each handler opens the desk inside its
//! transaction, so that what a page shows and offers is what the desk says.

pub mod access;
pub mod assign;
mod conflict;
pub mod delete;
pub mod edit;
mod filters;
mod form;
pub mod list;
mod lookup;
pub mod new;
pub mod search;
pub mod show;
mod value;

use super::{Desk, Record, people};
use crate::access::{Can, Tx, UseRecords};
use crate::db::types::{MemberId, RecordId};
use crate::permissions::{Action, Object, Shown};
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

/// The desk that a path names. What is no object does not exist.
fn desk(tx: &mut Tx<UseRecords>, request: &Request) -> Result<Desk> {
    let environment = request.param("environment")?;
    let object: Object = request.param("object")?;
    Desk::open(tx, environment, object)
}

/// The number in a path. Asked for after the desk is open: who cannot Read the object learns nothing about numbers.
fn number(request: &Request) -> Result<RecordId> {
    request.param("record")
}

/// Path of a record.
fn path_of(desk: &Desk, id: RecordId) -> String {
    format!("{}/{id}", desk.path())
}

/// The version that a form started from.
fn version(request: &Request) -> Result<i64> {
    let typed = request.form().one("version")?;
    typed
        .parse()
        .map_err(|_| Error::BadRequest("The form does not say which version it started from."))
}

/// The frame of a page under the list of an object.
fn shell(
    can: &Can<UseRecords>,
    request: &Request,
    desk: &Desk,
    below: &[(&str, &str)],
) -> Result<Shell> {
    let environment = desk.environment();
    let start = format!("/{}", environment.slug());
    let list = desk.path();
    let mut trail = vec![
        (environment.label(), start.as_str()),
        ("Records", ""),
        (desk.object().plural(), list.as_str()),
    ];
    trail.extend(below);
    let mut shell = can.page(request, &trail)?;
    // The environment is named at the end of the title anyway.
    let labels: Vec<&str> = trail[2..].iter().map(|(label, _)| *label).collect();
    shell.title = labels.join(" > ");
    Ok(shell)
}

/// Why the desk's holder may not do something with a record they see; nothing when they may.
fn refusal(desk: &Desk, action: Action, record: &Record) -> Option<String> {
    if desk.may(action, record) {
        return None;
    }
    let what = desk.object().words();
    let verb = match action {
        Action::Read => "read",
        Action::Edit => "edit",
        Action::Delete => "delete",
    };
    let rights = desk.rules().rights(desk.slot(), desk.object());
    Some(if rights.has(action.right()) {
        format!(
            "This {} is shared with you to read only.",
            desk.object().word()
        )
    } else {
        format!("Your profile does not let you {verb} {what}.")
    })
}

/// The desk's fields by section, in the order in which the layout names the sections.
fn sections(desk: &Desk) -> Vec<(&str, Vec<&Shown>)> {
    let mut sections: Vec<(&str, Vec<&Shown>)> = Vec::new();
    for field in desk.fields() {
        match sections
            .iter_mut()
            .find(|(name, _)| *name == field.section())
        {
            Some((_, fields)) => fields.push(field),
            None => sections.push((field.section(), vec![field])),
        }
    }
    sections
}

/// Whom a record can be assigned to, as a page offers it.
struct Assignees {
    /// Active members by name; empty when there are too many to choose from.
    members: Vec<(MemberId, String)>,
    /// There are so many members that an address is typed instead.
    typed: bool,
}

impl Assignees {
    fn load(tx: &mut Tx<UseRecords>) -> Result<Assignees> {
        let members = people::choices(tx)?;
        let typed = members.len() >= people::CHOICE_LIMIT;
        Ok(Assignees {
            members: if typed { Vec::new() } else { members },
            typed,
        })
    }
}

/// Words of a refusal that a form shows beside a field; any other error goes on.
fn sentence<T>(done: Result<T>) -> Result<Result<T, String>> {
    match done {
        Ok(value) => Ok(Ok(value)),
        Err(Error::Refused(why)) => Ok(Err(why)),
        Err(other) => Err(other),
    }
}
