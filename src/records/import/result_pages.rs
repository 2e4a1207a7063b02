//! The pages of an import under way and after it: progress, what was found, rejected rows.

use askama::Template;

use super::pages::{found, matching, shell};
use super::stored::{self, Import, Rejected};
use crate::access::{Can, UseRecords};
use crate::permissions::Object;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::paging::thousands;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

/// Rejected rows on the page; the file has all of them.
const SHOWN: i64 = 20;

/// Rejected rows in one piece of the file.
const PIECE: i64 = 500;

#[derive(Template)]
#[template(path = "records/import_result.html")]
struct Page {
    shell: Shell,
    object: Object,
    path: String,
    import: Import,
    rejected: Vec<Rejected>,
}

impl Page {
    /// "1,204 new, 88 updated, 6 with errors".
    fn found(&self) -> String {
        let Import {
            created,
            updated,
            rejected,
            ..
        } = self.import;
        format!(
            "{} new, {} updated, {} with errors",
            thousands(created),
            thousands(updated),
            thousands(rejected)
        )
    }

    /// "12,400 of 31,000".
    fn progress(&self) -> String {
        let Import { done, total, .. } = self.import;
        format!("{} of {}", thousands(done), thousands(total))
    }

    /// Class, icon and name of the state.
    fn state(&self) -> (&'static str, &'static str, &'static str) {
        match self.import.state.as_str() {
            "received" => ("", "clock", "The file is being kept"),
            "checking" => ("", "clock", "The rows are being checked"),
            "checked" => ("is-ok", "circle-check", "Checked"),
            "queued" => ("", "clock", "Queued"),
            "in progress" => ("", "clock", "In progress"),
            "successful" => ("is-ok", "circle-check", "Successful"),
            "partly failed" => ("is-warn", "alert-triangle", "Partly failed"),
            _ => ("is-bad", "circle-x", "Failed"),
        }
    }
}

/// `GET /{environment}/records/{object}/import/{import}`: whatever step it is at.
pub fn show(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let again = request.query().one("step")? == "match";
    let (desk, import, rejected) = can.read(|tx| {
        let (desk, import) = found(tx, request)?;
        let rejected = match import.working() {
            true => Vec::new(),
            false => stored::rejected(tx, import.id, 0, SHOWN)?,
        };
        Ok((desk, import, rejected))
    })?;
    if import.state == "matching" || (again && import.state == "checked") {
        return matching(&can, request, None, Errors::new());
    }
    Answer::page(&Page {
        shell: shell(&can, request, &desk, &import)?,
        object: desk.object(),
        path: desk.path(),
        import,
        rejected,
    })
}

/// `GET /{environment}/records/{object}/import/{import}/rejected`: rejected rows as they were sent, and why.
pub fn rejected(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let (desk, import) = can.read(|tx| found(tx, request))?;
    if import.working() || import.emptied {
        return Err(Error::NotFound);
    }
    let name = format!("import-{}-rejected.csv", import.id);
    let header: Vec<&str> = import
        .heads
        .iter()
        .map(String::as_str)
        .chain(["Row", "Reason"])
        .collect();
    let width = import.heads.len();
    let (environment, object, id) = (desk.environment(), desk.object(), import.id);
    let can = can.later();
    Ok(Answer::csv(&name, &header, move |after: Option<i64>| {
        let rows = can.read(|tx| {
            let desk = stored::desk(tx, environment, object)?;
            let import = stored::find(tx, &desk, id)?;
            stored::rejected(tx, import.id, after.unwrap_or(0), PIECE)
        })?;
        let more = i64::try_from(rows.len()).unwrap_or(0) == PIECE;
        let next = rows.last().filter(|_| more).map(|row| row.number);
        let cells = |row: Rejected| {
            let mut cells = row.cells;
            // A row that was too short; one that was too long keeps everything it had.
            if cells.len() < width {
                cells.resize(width, String::new());
            }
            cells.extend([row.number.to_string(), row.reason]);
            cells
        };
        Ok((rows.into_iter().map(cells).collect(), next))
    }))
}
