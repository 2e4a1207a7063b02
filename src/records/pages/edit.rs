//! Edit.

use super::conflict::{self, Conflict};
use super::form::{self, Section, Typed};
use super::new::FormPage;
use super::{desk, number, path_of, shell, version};
use crate::Result;
use crate::access::{Can, UseRecords};
use crate::permissions::Action;
use crate::records::change::{self, Saved};
use crate::records::{Desk, Record, find_for};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;

/// `GET /{environment}/records/{object}/{record}/edit`
pub fn show(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let (desk, record, sections) = can.read(|tx| {
        let desk = desk(tx, request)?;
        let record = find_for(tx, &desk, number(request)?, Action::Edit)?;
        let sections = form::load(tx, &desk, Some(&record), &Typed::default())?;
        Ok((desk, record, sections))
    })?;
    let started = record.version;
    let page = page(
        &can,
        request,
        &desk,
        &record,
        started,
        sections,
        Errors::new(),
    )?;
    Answer::page(&page)
}

/// How saving ended.
enum Done {
    /// Version before and after.
    Saved(i64, i64),
    /// The form again: searched, or refused.
    Form(Vec<Section>, Errors),
    Stale(Conflict),
}

/// `POST /{environment}/records/{object}/{record}/edit`
pub fn save(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let form = request.form();
    if form::is_search(form) || form.ticked(conflict::AGAIN) {
        let (desk, record, sections) = can.read(|tx| {
            let desk = desk(tx, request)?;
            let record = find_for(tx, &desk, number(request)?, Action::Edit)?;
            let typed = Typed::read(&desk, form)?;
            let sections = form::load(tx, &desk, Some(&record), &typed)?;
            Ok((desk, record, sections))
        })?;
        let started = version(request)?;
        let page = page(
            &can,
            request,
            &desk,
            &record,
            started,
            sections,
            Errors::new(),
        )?;
        return Answer::page(&page);
    }
    let (desk, record, done) = can.write(|tx| {
        let desk = desk(tx, request)?;
        let record = find_for(tx, &desk, number(request)?, Action::Edit)?;
        let started = version(request)?;
        let typed = Typed::read(&desk, form)?;
        let (draft, errors) = typed.draft(tx, &desk, Some(&record))?;
        let done = if !errors.is_empty() {
            Done::Form(form::load(tx, &desk, Some(&record), &typed)?, errors)
        } else {
            match change::edit(tx, &desk, record.id, started, draft)? {
                Saved::Done(now) => Done::Saved(started, now),
                Saved::Stale(newer) => {
                    Done::Stale(conflict::load(tx, &desk, &newer, started, &typed)?)
                }
            }
        };
        Ok((desk, record, done))
    })?;
    let path = path_of(&desk, record.id);
    let what = desk.object().label();
    match done {
        Done::Saved(before, now) if before == now => Ok(Answer::see_other(path).flash(format!(
            "{what} {} is as it was. Nothing was changed.",
            record.name()
        ))),
        Done::Saved(..) => {
            let name = match form.one("name")?.trim() {
                "" => record.name(),
                name => name,
            };
            Ok(Answer::see_other(path).flash(format!("{what} {name} was saved.")))
        }
        Done::Form(sections, errors) => {
            let started = version(request)?;
            let page = page(&can, request, &desk, &record, started, sections, errors)?;
            Answer::refused(&page)
        }
        Done::Stale(conflict) => conflict::answer(&can, request, &desk, conflict),
    }
}

fn page(
    can: &Can<UseRecords>,
    request: &Request,
    desk: &Desk,
    record: &Record,
    started: i64,
    sections: Vec<Section>,
    errors: Errors,
) -> Result<FormPage> {
    let path = path_of(desk, record.id);
    let mut shell = shell(can, request, desk, &[(record.name(), &path), ("Edit", "")])?;
    shell.refused = !errors.is_empty();
    Ok(FormPage {
        shell,
        heading: format!("Edit {}", record.name()),
        action: format!("{path}/edit"),
        cancel: path,
        save: "Save",
        version: Some(started),
        once: None,
        sections,
        assigned: None,
        errors,
    })
}
