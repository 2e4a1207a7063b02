//! New.

use askama::Template;

use super::form::{self, Section, Typed};
use super::{Assignees, desk, path_of, sentence, shell};
use crate::Result;
use crate::access::{Can, Tx, UseRecords};
use crate::records::{Desk, change, people};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::once::{self, Sent};
use crate::web::request::Request;
use crate::web::shell::Shell;

#[derive(Template)]
#[template(path = "records/form.html")]
pub(super) struct FormPage {
    pub shell: Shell,
    pub heading: String,
    pub action: String,
    pub cancel: String,
    pub save: &'static str,
    /// Of the record that is changed.
    pub version: Option<i64>,
    /// Of the form of a new one, so that it is saved once.
    pub once: Option<String>,
    pub sections: Vec<Section>,
    pub assigned: Option<Assigned>,
    pub errors: Errors,
}

/// Whom the new record is assigned to.
pub(super) struct Assigned {
    pub assignees: Assignees,
    /// A member's number, an address, or "" for nobody.
    pub chosen: String,
}

/// `GET /{environment}/records/{object}/new`
pub fn show(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let me = can.me().member.to_string();
    let filled = can.read(|tx| {
        let desk = desk(tx, request)?;
        desk.require_create()?;
        filled(tx, desk, &Typed::default(), me)
    })?;
    let once = once::value(request)?;
    Answer::page(&page(&can, request, filled, Errors::new(), once)?)
}

/// How saving ended.
enum Done {
    /// Where the record is, and what is said there.
    Saved(String, String),
    /// The form again, with the value that it carries.
    Form(Filled, Errors, String),
}

/// `POST /{environment}/records/{object}/new`
pub fn save(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let chosen = request.form().one("assigned")?.to_owned();
    let once = once::value(request)?;
    if form::is_search(request.form()) {
        let filled = can.read(|tx| {
            let desk = desk(tx, request)?;
            desk.require_create()?;
            let typed = Typed::read(&desk, request.form())?;
            filled(tx, desk, &typed, chosen)
        })?;
        return Answer::page(&page(&can, request, filled, Errors::new(), once)?);
    }
    let done = can.write(|tx| {
        let desk = desk(tx, request)?;
        desk.require_create()?;
        let typed = Typed::read(&desk, request.form())?;
        let (draft, mut errors) = typed.draft(tx, &desk, None)?;
        let name = draft.name().to_owned();
        let sent = once::save(tx, request, |tx| {
            let assigned = match sentence(people::assignee(tx, &desk, &chosen))? {
                Ok(slot) => slot,
                Err(why) => {
                    errors.add("assigned", why);
                    None
                }
            };
            if !errors.is_empty() {
                return Ok(Err(errors));
            }
            let id = change::create(tx, &desk, draft, assigned)?;
            Ok(Ok(path_of(&desk, id)))
        })?;
        let (errors, once) = match sent {
            Sent::Saved(path) => {
                let said = format!("{} {name} was created.", desk.object().label());
                return Ok(Done::Saved(path, said));
            }
            Sent::Refused(errors) => (errors, once),
            Sent::Changed => {
                let mut errors = Errors::new();
                let word = desk.object().word();
                let why = format!(
                    "This form made a {word} before, with something else in it. Save again to make another one."
                );
                errors.add("name", why);
                (errors, once::fresh())
            }
        };
        Ok(Done::Form(filled(tx, desk, &typed, chosen)?, errors, once))
    })?;
    match done {
        Done::Saved(path, said) => Ok(Answer::see_other(path).flash(said)),
        Done::Form(filled, errors, once) => {
            Answer::refused(&page(&can, request, filled, errors, once)?)
        }
    }
}

/// What the form is made of.
type Filled = (Desk, Vec<Section>, Assigned);

fn filled(tx: &mut Tx<UseRecords>, desk: Desk, typed: &Typed, chosen: String) -> Result<Filled> {
    let sections = form::load(tx, &desk, None, typed)?;
    let assignees = Assignees::load(tx)?;
    // Where an address is typed, oneself stands there by one's own.
    let own = assignees.typed && chosen == tx.me().member.to_string();
    let chosen = if own { tx.me().email.clone() } else { chosen };
    Ok((desk, sections, Assigned { assignees, chosen }))
}

fn page(
    can: &Can<UseRecords>,
    request: &Request,
    (desk, sections, assigned): Filled,
    errors: Errors,
    once: String,
) -> Result<FormPage> {
    let heading = format!("New {}", desk.object().word());
    let mut shell = shell(can, request, &desk, &[(&heading, "")])?;
    shell.refused = !errors.is_empty();
    Ok(FormPage {
        shell,
        heading,
        action: format!("{}/new", desk.path()),
        cancel: desk.path(),
        save: "Save",
        version: None,
        once: Some(once),
        sections,
        assigned: Some(assigned),
        errors,
    })
}
