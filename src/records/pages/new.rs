//! New.

use askama::Template;

use super::form::{self, Section, Typed};
use super::{Assignees, desk, path_of, sentence, shell};
use crate::access::{Can, Tx, UseRecords};
use crate::records::{Desk, change, people};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

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
    let (desk, sections, assigned) = can.read(|tx| {
        let desk = desk(tx, request)?;
        desk.require_create()?;
        filled(tx, desk, &Typed::default(), me)
    })?;
    Answer::page(&page(
        &can,
        request,
        &desk,
        sections,
        assigned,
        Errors::new(),
    )?)
}

/// `POST /{environment}/records/{object}/new`
pub fn save(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let chosen = request.form().one("assigned")?.to_owned();
    if form::is_search(request.form()) {
        let (desk, sections, assigned) = can.read(|tx| {
            let desk = desk(tx, request)?;
            desk.require_create()?;
            let typed = Typed::read(&desk, request.form())?;
            filled(tx, desk, &typed, chosen)
        })?;
        return Answer::page(&page(
            &can,
            request,
            &desk,
            sections,
            assigned,
            Errors::new(),
        )?);
    }
    let done = can.write(|tx| {
        let desk = desk(tx, request)?;
        desk.require_create()?;
        let typed = Typed::read(&desk, request.form())?;
        let (draft, mut errors) = typed.draft(tx, &desk, None)?;
        let assigned = match sentence(people::assignee(tx, &desk, &chosen))? {
            Ok(slot) => slot,
            Err(why) => {
                errors.add("assigned", why);
                None
            }
        };
        if !errors.is_empty() {
            let (desk, sections, assigned) = filled(tx, desk, &typed, chosen.clone())?;
            return Ok(Err((desk, sections, assigned, errors)));
        }
        let name = draft.name().to_owned();
        let id = change::create(tx, &desk, draft, assigned)?;
        Ok(Ok((desk, id, name)))
    })?;
    match done {
        Ok((desk, id, name)) => Ok(Answer::see_other(path_of(&desk, id))
            .flash(format!("{} {name} was created.", desk.object().label()))),
        Err((desk, sections, assigned, errors)) => {
            Answer::refused(&page(&can, request, &desk, sections, assigned, errors)?)
        }
    }
}

fn filled(
    tx: &mut Tx<UseRecords>,
    desk: Desk,
    typed: &Typed,
    chosen: String,
) -> Result<(Desk, Vec<Section>, Assigned), Error> {
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
    desk: &Desk,
    sections: Vec<Section>,
    assigned: Assigned,
    errors: Errors,
) -> Result<FormPage> {
    let heading = format!("New {}", desk.object().word());
    let mut shell = shell(can, request, desk, &[(&heading, "")])?;
    shell.refused = !errors.is_empty();
    Ok(FormPage {
        shell,
        heading,
        action: format!("{}/new", desk.path()),
        cancel: desk.path(),
        save: "Save",
        version: None,
        sections,
        assigned: Some(assigned),
        errors,
    })
}
