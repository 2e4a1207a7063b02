//! Delete, after a page that says what goes.

use askama::Template;

use super::{desk, number, path_of, shell, version};
use crate::access::{Can, UseRecords};
use crate::permissions::Action;
use crate::records::change::{self, Saved};
use crate::records::{Desk, Record, find_for};
use crate::web::answer::Answer;
use crate::web::paging::thousands;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "records/delete.html")]
struct DeletePage {
    shell: Shell,
    what: String,
    name: String,
    environment: &'static str,
    path: String,
    version: i64,
    /// "7 versions".
    versions: String,
    /// The record was changed while the page was open.
    stale: bool,
}

/// `GET /{environment}/records/{object}/{record}/delete`
pub fn show(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let (desk, record) = can.read(|tx| {
        let desk = desk(tx, request)?;
        let record = find_for(tx, &desk, number(request)?, Action::Delete)?;
        Ok((desk, record))
    })?;
    Answer::page(&page(&can, request, &desk, &record, false)?)
}

/// `POST /{environment}/records/{object}/{record}/delete`
pub fn act(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let deleted = can.write(|tx| {
        let desk = desk(tx, request)?;
        let record = find_for(tx, &desk, number(request)?, Action::Delete)?;
        let started = version(request)?;
        Ok(match change::delete(tx, &desk, record.id, started)? {
            Saved::Done(_) => (desk, record, true),
            Saved::Stale(newer) => (desk, *newer, false),
        })
    });
    let (desk, record, gone) = match deleted {
        // Changed between reading and deleting: rolled back, and the page again with what it is now.
        Err(Error::Refused(_)) => can.read(|tx| {
            let desk = desk(tx, request)?;
            let record = find_for(tx, &desk, number(request)?, Action::Delete)?;
            Ok((desk, record, false))
        })?,
        deleted => deleted?,
    };
    if gone {
        let what = desk.object().label();
        let done = format!("{what} {} was deleted.", record.name());
        return Ok(Answer::see_other(desk.path()).flash(done));
    }
    Answer::conflict(&page(&can, request, &desk, &record, true)?)
}

fn page(
    can: &Can<UseRecords>,
    request: &Request,
    desk: &Desk,
    record: &Record,
    stale: bool,
) -> Result<DeletePage> {
    let path = path_of(desk, record.id);
    let below = [(record.name(), path.as_str()), ("Delete", "")];
    let mut shell = shell(can, request, desk, &below)?;
    shell.refused = stale;
    Ok(DeletePage {
        shell,
        what: desk.object().word(),
        name: record.name().to_owned(),
        environment: desk.environment().label(),
        path,
        version: record.version,
        versions: match record.version {
            1 => "1 version".to_owned(),
            n => format!("{} versions", thousands(n)),
        },
        stale,
    })
}
