//! Assign to.

use askama::Template;

use super::{Assignees, desk, number, path_of, sentence, shell, version};
use crate::Result;
use crate::access::{Can, Tx, UseRecords};
use crate::db::types::Slot;
use crate::permissions::{Action, People};
use crate::records::change::{self, Saved};
use crate::records::{Desk, Record, find_for, people};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;

#[derive(Template)]
#[template(path = "records/assign.html")]
struct AssignPage {
    shell: Shell,
    what: String,
    path: String,
    version: i64,
    facts: Facts,
    /// A member's number, an address, or "" for nobody.
    chosen: String,
    /// The record was changed while the page was open.
    stale: bool,
    errors: Errors,
}

/// Whom it belongs to, and whom it can be given to.
struct Facts {
    name: String,
    now: String,
    assigned_to_me: bool,
    nobody: bool,
    assignees: Assignees,
    /// The member it is assigned to, for the choice.
    current: String,
}

/// `GET /{environment}/records/{object}/{record}/assign`
pub fn show(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let (desk, record, facts) = can.read(|tx| {
        let desk = desk(tx, request)?;
        let record = find_for(tx, &desk, number(request)?, Action::Edit)?;
        let facts = load(tx, &record)?;
        Ok((desk, record, facts))
    })?;
    let chosen = facts.current.clone();
    let page = page(&can, request, &desk, &record, facts, chosen, Errors::new())?;
    Answer::page(&page)
}

/// `POST /{environment}/records/{object}/{record}/assign`
pub fn save(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    // The buttons "Assign to me" and "Nobody" say it themselves.
    let form = request.form();
    let typed = if form.ticked("nobody") {
        String::new()
    } else if form.ticked("me") {
        can.me().member.to_string()
    } else {
        form.one("to")?.to_owned()
    };
    enum Done {
        Moved { to: Option<Slot>, name: String },
        Unchanged,
        Refused(Facts, Errors),
        Stale(Facts),
    }
    let (desk, record, done) = can.write(|tx| {
        let desk = desk(tx, request)?;
        let record = find_for(tx, &desk, number(request)?, Action::Edit)?;
        let started = version(request)?;
        let to = match sentence(people::assignee(tx, &desk, &typed))? {
            Ok(to) => to,
            Err(why) => {
                let mut errors = Errors::new();
                errors.add("to", why);
                let facts = load(tx, &record)?;
                return Ok((desk, record, Done::Refused(facts, errors)));
            }
        };
        Ok(match change::assign(tx, &desk, record.id, started, to)? {
            Saved::Done(now) if now == started => (desk, record, Done::Unchanged),
            Saved::Done(_) => {
                let name = people::named(tx, to)?.label(to);
                (desk, record, Done::Moved { to, name })
            }
            Saved::Stale(newer) => {
                let facts = load(tx, &newer)?;
                (desk, *newer, Done::Stale(facts))
            }
        })
    })?;
    let path = path_of(&desk, record.id);
    match done {
        Done::Unchanged => Ok(Answer::see_other(path).flash(format!(
            "{} is assigned as it was. Nothing was changed.",
            record.name()
        ))),
        Done::Moved { to, name } => {
            let people = People {
                assigned: to,
                ..record.people
            };
            let done = if name.is_empty() {
                format!("{} is assigned to nobody now.", record.name())
            } else {
                format!("{} was assigned to {name}.", record.name())
            };
            Ok(if desk.reach().admits(people) {
                Answer::see_other(path).flash(done)
            } else {
                let gone = "You do not see it any more.";
                Answer::see_other(desk.path()).flash(format!("{done} {gone}"))
            })
        }
        Done::Refused(facts, errors) => {
            let page = page(&can, request, &desk, &record, facts, typed, errors)?;
            Answer::refused(&page)
        }
        Done::Stale(facts) => {
            let mut page = page(&can, request, &desk, &record, facts, typed, Errors::new())?;
            page.stale = true;
            page.shell.refused = true;
            Answer::conflict(&page)
        }
    }
}

fn load(tx: &mut Tx<UseRecords>, record: &Record) -> Result<Facts> {
    let assigned = record.people.assigned;
    let people = people::named(tx, assigned)?;
    let assignees = Assignees::load(tx)?;
    Ok(Facts {
        name: record.name().to_owned(),
        now: people.label(assigned),
        assigned_to_me: assigned == Some(tx.me().slot),
        nobody: assigned.is_none(),
        current: match assigned.and_then(|slot| people.get(slot)) {
            Some(person) if !assignees.typed => person.member.to_string(),
            _ => String::new(),
        },
        assignees,
    })
}

fn page(
    can: &Can<UseRecords>,
    request: &Request,
    desk: &Desk,
    record: &Record,
    facts: Facts,
    chosen: String,
    errors: Errors,
) -> Result<AssignPage> {
    let path = path_of(desk, record.id);
    let below = [(record.name(), path.as_str()), ("Assign to", "")];
    let mut shell = shell(can, request, desk, &below)?;
    shell.refused = !errors.is_empty();
    Ok(AssignPage {
        shell,
        what: desk.object().word(),
        version: record.version,
        chosen,
        path,
        facts,
        stale: false,
        errors,
    })
}
