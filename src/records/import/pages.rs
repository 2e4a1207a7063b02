//! The pages before an import: sending a file, matching its columns.

use askama::Template;

use super::columns::{self, Into};
use super::receive;
use super::stored::{self, Import};
use crate::access::{Can, Environment, Tx, UseRecords};
use crate::permissions::Object;
use crate::records::Desk;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

/// The environment and the object that the path names.
pub(super) fn place(request: &Request) -> Result<(Environment, Object)> {
    Ok((request.param("environment")?, request.param("object")?))
}

#[derive(Template)]
#[template(path = "records/import.html")]
struct Page {
    shell: Shell,
    errors: Errors,
    object: Object,
    path: String,
    fields: Vec<String>,
    may_create: bool,
    may_edit: bool,
    recent: Vec<Import>,
}

fn page(can: &Can<UseRecords>, request: &Request, errors: Errors) -> Result<Page> {
    let (environment, object) = place(request)?;
    let (desk, recent) = can.read(|tx| {
        let desk = stored::desk(tx, environment, object)?;
        let recent = stored::recent(tx, &desk)?;
        Ok((desk, recent))
    })?;
    let path = desk.path();
    let mut shell = can.page(request, &[(object.plural(), &path), ("Import", "")])?;
    shell.refused = !errors.is_empty();
    Ok(Page {
        shell,
        errors,
        object,
        fields: columns::choices(&desk)
            .iter()
            .filter(|into| **into != Into::Nothing)
            .map(|into| into.label().to_owned())
            .collect(),
        may_create: desk.may_create(),
        may_edit: columns::may_edit(&desk),
        path,
        recent,
    })
}

/// `GET /{environment}/records/{object}/import`
pub fn show(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    Answer::page(&page(&can, request, Errors::new())?)
}

/// `POST /{environment}/records/{object}/import`: keeps the file that was sent.
pub fn receive(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let (environment, object) = place(request)?;
    // Before anything is said about the file.
    let desk = can.read(|tx| stored::desk(tx, environment, object))?;
    let kept = match request.upload() {
        None => Err(Error::refused("Choose a CSV file.")),
        Some(upload) if upload.name.is_empty() => Err(Error::refused("Choose a CSV file.")),
        Some(upload) => receive::receive(&can, environment, object, upload),
    };
    match kept {
        Ok(id) => Ok(Answer::see_other(format!("{}/import/{id}", desk.path()))),
        Err(Error::Refused(why)) => {
            let mut errors = Errors::new();
            errors.add("file", why);
            Answer::refused(&page(&can, request, errors)?)
        }
        Err(error) => Err(error),
    }
}

/// One column on the page.
struct Column {
    id: String,
    head: String,
    sample: String,
    /// What it would go into if that were not read-only.
    read_only: String,
    chosen: String,
}

#[derive(Template)]
#[template(path = "records/import_match.html")]
struct Matching {
    shell: Shell,
    errors: Errors,
    path: String,
    import: Import,
    columns: Vec<Column>,
    /// (key, label).
    choices: Vec<(String, String)>,
}

/// An import of whoever asks.
pub(super) fn found(tx: &mut Tx<UseRecords>, request: &Request) -> Result<(Desk, Import)> {
    let (environment, object) = place(request)?;
    let id = request.param("import")?;
    let desk = stored::desk(tx, environment, object)?;
    let import = stored::find(tx, &desk, id)?;
    Ok((desk, import))
}

/// The page on which columns are matched; `chosen` is what was sent.
pub(super) fn matching(
    can: &Can<UseRecords>,
    request: &Request,
    chosen: Option<Vec<String>>,
    errors: Errors,
) -> Result<Answer> {
    let (desk, import, sample) = can.read(|tx| {
        let (desk, import) = found(tx, request)?;
        let sample = stored::sample(tx, import.id, 3)?;
        Ok((desk, import, sample))
    })?;
    let chosen = chosen.unwrap_or_else(|| import.matched.clone());
    let columns = import
        .heads
        .iter()
        .enumerate()
        .map(|(place, head)| {
            let values = sample.iter().filter_map(|row| row.get(place));
            let values: Vec<String> = values
                .filter(|value| !value.is_empty())
                .map(|value| value.chars().take(60).collect())
                .collect();
            let read_only = desk
                .fields()
                .iter()
                .find(|field| field.read_only() && field.label().eq_ignore_ascii_case(head))
                .map(|field| field.label().to_owned());
            Column {
                id: format!("column-{place}"),
                head: head.clone(),
                sample: values.join(" · "),
                read_only: read_only.unwrap_or_default(),
                chosen: chosen.get(place).cloned().unwrap_or_default(),
            }
        })
        .collect();
    let path = desk.path();
    let mut shell = shell(can, request, &desk, &import)?;
    let refused = !errors.is_empty();
    shell.refused = refused;
    let page = Matching {
        shell,
        errors,
        path,
        columns,
        choices: columns::choices(&desk)
            .iter()
            .map(|into| (into.key().to_owned(), into.label().to_owned()))
            .collect(),
        import,
    };
    Answer::form(&page, refused)
}

/// The frame of the pages of one import.
pub(super) fn shell(
    can: &Can<UseRecords>,
    request: &Request,
    desk: &Desk,
    import: &Import,
) -> Result<Shell> {
    let path = desk.path();
    let (to_import, name) = (format!("{path}/import"), format!("Import {}", import.id));
    let trail = [
        (desk.object().plural(), path.as_str()),
        ("Import", to_import.as_str()),
        (name.as_str(), ""),
    ];
    can.page(request, &trail)
}

/// `POST /{environment}/records/{object}/import/{import}`: columns are matched, or the rows are to be imported.
pub fn go_on(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let form = request.form();
    let here = Answer::see_other(request.path());
    let done = match form.one("step")? {
        "import" => can.write(|tx| {
            let (_, import) = found(tx, request)?;
            stored::start(tx, &import)
        }),
        "discard" => {
            let discarded = can.write(|tx| {
                let (desk, import) = found(tx, request)?;
                stored::discard(tx, &import)?;
                Ok((desk, import))
            });
            return match discarded {
                Ok((desk, import)) => Ok(Answer::see_other(format!("{}/import", desk.path()))
                    .flash(format!("Discarded {}. Nothing was imported.", import.name))),
                Err(Error::Refused(why)) => Ok(here.flash_warning(why)),
                Err(error) => Err(error),
            };
        }
        _ => {
            let (desk, import) = can.read(|tx| found(tx, request))?;
            let (columns, errors) = columns::read(&desk, &import.heads, form)?;
            if !errors.is_empty() {
                let chosen = columns.iter().map(|into| into.key().to_owned()).collect();
                return matching(&can, request, Some(chosen), errors);
            }
            can.write(|tx| {
                let (desk, import) = found(tx, request)?;
                let (columns, errors) = columns::read(&desk, &import.heads, form)?;
                match errors.iter().next() {
                    Some((_, why)) => Err(Error::refused(why)),
                    None => stored::check(tx, &import, &columns),
                }
            })
        }
    };
    match done {
        Ok(()) => {
            can.app().jobs.wake();
            Ok(here)
        }
        // Somebody pressed twice, or in two windows: the page says how far it is.
        Err(Error::Refused(why)) => Ok(here.flash_warning(why)),
        Err(error) => Err(error),
    }
}
