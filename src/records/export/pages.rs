//! The pages of an export: what will be in it, how far it is, the file.

use askama::Template;

use super::direct::Sending;
use super::stored::{self, Claimed, Export, Wanted};
use super::{BULK, Plan};
use crate::access::{Asker, Can, Environment, Tx, UseRecords};
use crate::audit::{self, Event};
use crate::db::types::Timestamp;
use crate::permissions::Object;
use crate::records::Desk;
use crate::records::list::{self, Count};
use crate::web::answer::Answer;
use crate::web::paging::thousands;
use crate::web::request::{Form, Request, query_string};
use crate::web::shell::Shell;
use crate::{Error, Result};

/// The environment and the object that the path names.
fn place(request: &Request) -> Result<(Environment, Object)> {
    Ok((request.param("environment")?, request.param("object")?))
}

/// The query string of the list as it came.
fn query(request: &Request) -> String {
    let pairs = request.query().pairs().iter();
    query_string(pairs.map(|(name, value)| (name.as_str(), value.as_str())))
}

fn number(count: Count) -> i64 {
    i64::try_from(count.number).unwrap_or(i64::MAX)
}

/// What an export may expect: all rows that were counted, or as many as nobody counts.
fn expected(count: Count) -> i64 {
    if count.more {
        stored::BULK_ROWS
    } else {
        number(count)
    }
}

/// "1 record", "more than 10,000 records".
fn count_words(count: Count) -> String {
    match (count.number, count.more) {
        (1, false) => "1 record".into(),
        (_, false) => format!("{} records", thousands(number(count))),
        (0, true) => "a number of records that is not known yet".into(),
        (_, true) => format!("more than {} records", thousands(number(count))),
    }
}

/// Desk and plan of what a request asks for.
fn asked(tx: &mut Tx<UseRecords>, request: &Request) -> Result<(Desk, Plan)> {
    let (environment, object) = place(request)?;
    let desk = Desk::open(tx, environment, object)?;
    desk.require_export()?;
    let plan = Plan::read(tx, &desk, request.query())?;
    Ok((desk, plan))
}

/// How many records it is. Counting takes time: no transaction that writes shall wait for it.
fn counted(tx: &mut Tx<UseRecords>, request: &Request) -> Result<Count> {
    let (desk, plan) = asked(tx, request)?;
    list::count(tx, &desk, &plan.query, BULK)
}

#[derive(Template)]
#[template(path = "records/export.html")]
struct Page {
    shell: Shell,
    object: Object,
    path: String,
    /// With its question mark; empty for the whole list.
    query: String,
    plan: Plan,
    columns: Vec<String>,
    count: String,
    bulk: bool,
    recent: Vec<Export>,
    refused: String,
}

fn page(can: &Can<UseRecords>, request: &Request, refused: String) -> Result<Page> {
    let (desk, plan, count, recent) = can.read(|tx| {
        let (desk, plan) = asked(tx, request)?;
        let count = list::count(tx, &desk, &plan.query, BULK)?;
        let recent = stored::recent(tx, &desk)?;
        Ok((desk, plan, count, recent))
    })?;
    let path = desk.path();
    let query = query(request);
    let query = if query.is_empty() {
        query
    } else {
        format!("?{query}")
    };
    let list = format!("{path}{query}");
    let mut shell = can.page(request, &[(desk.object().plural(), &list), ("Export", "")])?;
    shell.refused = !refused.is_empty();
    Ok(Page {
        shell,
        object: desk.object(),
        path,
        query,
        columns: plan.header(),
        count: count_words(count),
        bulk: is_bulk(count),
        plan,
        recent,
        refused,
    })
}

fn is_bulk(count: Count) -> bool {
    count.more || count.number > BULK
}

/// `GET /{environment}/records/{object}/export`: what the file will hold, and the two ways to have it.
pub fn show(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    Answer::page(&page(&can, request, String::new())?)
}

/// `POST /{environment}/records/{object}/export`: the file at once, or later when the form says `how=job`.
pub fn export(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    match request.form().one("how")? {
        "job" => start(can, request),
        _ => download(can, request),
    }
}

fn download(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let count = can.read(|tx| counted(tx, request))?;
    if is_bulk(count) {
        can.require_fresh_code(&back(request))?;
    }
    let (id, plan, query, environment, object) = can.write(|tx| {
        let (desk, plan) = asked(tx, request)?;
        let query = plan.pinned(request.query(), &tx.me().time_zone);
        let wanted = Wanted {
            plan: &plan,
            query: query.clone(),
            expected: expected(count),
            direct: true,
        };
        let id = stored::ask(tx, &desk, &wanted)?;
        Ok((id, plan, query, desk.environment(), desk.object()))
    })?;
    let me = can.me();
    let job = Claimed {
        id,
        asker: Asker {
            account: me.account,
            slot: me.slot,
            address: request.address().to_string(),
        },
        environment,
        object,
        query: String::new(),
        filter: plan.words.clone(),
        attempts: 1,
        lease: Vec::new(),
    };
    let header = plan.header();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let name = file_name(environment, object, &can);
    let form = Form::parse(query.as_bytes())?;
    let mut sending = Sending::new(can.app().clone(), job, plan, form);
    let can = can.later();
    Ok(Answer::csv(&name, &header, move |after| {
        sending.next(&can, after)
    }))
}

/// Where a fresh code leads back to.
fn back(request: &Request) -> String {
    match query(request) {
        query if query.is_empty() => request.path().to_owned(),
        query => format!("{}?{query}", request.path()),
    }
}

/// "test-leads-2026-11-22.csv".
fn file_name(environment: Environment, object: Object, can: &Can<UseRecords>) -> String {
    let day = crate::web::times::iso(can.now());
    let day = day.split('T').next().unwrap_or_default();
    format!("{}-{}-{day}.csv", environment.slug(), object.slug())
}

fn start(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let count = can.read(|tx| counted(tx, request))?;
    let asked_for = can.write(|tx| {
        let (desk, plan) = asked(tx, request)?;
        let wanted = Wanted {
            plan: &plan,
            query: plan.pinned(request.query(), &tx.me().time_zone),
            expected: expected(count),
            direct: false,
        };
        let id = stored::ask(tx, &desk, &wanted)?;
        Ok(format!("{}/export/{id}", desk.path()))
    });
    match asked_for {
        Ok(path) => {
            can.app().jobs.wake();
            Ok(Answer::see_other(path))
        }
        Err(Error::Refused(why)) => Answer::refused(&page(&can, request, why)?),
        Err(error) => Err(error),
    }
}

#[derive(Template)]
#[template(path = "records/export_job.html")]
struct JobPage {
    shell: Shell,
    object: Object,
    path: String,
    /// When the file goes.
    gone_at: Timestamp,
    export: Export,
}

impl JobPage {
    /// "1,200 of 3,100 rows", or "12,400 rows" when nobody knows of how many.
    fn progress(&self) -> String {
        let written = thousands(self.export.written);
        match self.export.total() {
            Some(total) => format!("{written} of {} rows", thousands(total)),
            None => format!("{written} rows"),
        }
    }

    fn size(&self) -> String {
        match self.export.bytes {
            bytes @ ..1_000 => format!("{bytes} bytes"),
            bytes @ ..1_000_000 => format!("{} kB", bytes / 1_000),
            bytes => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
        }
    }
}

fn found(tx: &mut Tx<UseRecords>, request: &Request) -> Result<(Desk, Export)> {
    let (environment, object) = place(request)?;
    let id = request.param("export")?;
    let desk = Desk::open(tx, environment, object)?;
    desk.require_export()?;
    let export = stored::find(tx, &desk, id)?;
    Ok((desk, export))
}

/// `GET /{environment}/records/{object}/export/{export}`: how far it is.
pub fn progress(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let (desk, export) = can.read(|tx| found(tx, request))?;
    let path = desk.path();
    let (to_export, name) = (format!("{path}/export"), format!("Export {}", export.id));
    let trail = [
        (desk.object().plural(), path.as_str()),
        ("Export", &to_export),
        (&name, ""),
    ];
    Answer::page(&JobPage {
        shell: can.page(request, &trail)?,
        object: desk.object(),
        path,
        gone_at: export.gone_at(),
        export,
    })
}

/// `GET /{environment}/records/{object}/export/{export}/file`: the file, for nobody but who asked for it.
pub fn file(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let (desk, export) = can.read(|tx| found(tx, request))?;
    if export.written > stored::BULK_ROWS {
        // Back to its page, where the file is one click away: a download leaves the browser where it was.
        can.require_fresh_code(&format!("{}/export/{}", desk.path(), export.id))?;
    }
    let name = export.file.as_ref().ok_or(Error::NotFound)?;
    let opened = std::fs::File::open(stored::folder(can.app()).join(name));
    let opened = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound,
        _ => Error::internal(format!("the file of an export: {error}")),
    })?;
    can.write(|tx| {
        let (desk, export) = found(tx, request)?;
        let account = tx.account();
        audit::record(
            tx,
            account,
            &Event::RecordsDownloaded {
                environment: desk.environment().label().to_owned(),
                object: desk.object().plural().to_owned(),
                number: export.id.0,
                rows: export.written,
            },
        )
    })?;
    let name = file_name(desk.environment(), desk.object(), &can);
    Ok(Answer::csv_file(&name, opened))
}
