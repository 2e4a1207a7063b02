//! System Settings > Audit log, and the same as CSV.

use askama::Template;

use super::query::{self, Entry, Filter, Key};
use super::{Event, record};
use crate::access::{Can, Tx, ViewAuditLog};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::paging::{self, PAGE, Page, Place, thousands};
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::web::times::{self, Zone};
use crate::{Error, Result};

const PATH: &str = "/settings/audit-log";
const CSV_PATH: &str = "/settings/audit-log.csv";

/// Entries that the CSV file takes from the database at a time.
const CHUNK: i64 = 1_000;

#[derive(Template)]
#[template(path = "audit/log.html")]
struct LogPage {
    shell: Shell,
    errors: Errors,
    asked: Asked,
    entries: Page<Entry>,
    total: String,
    actions: &'static [(&'static str, &'static str)],
    export: String,
    clear: &'static str,
}

/// The filter as it was typed.
struct Asked {
    who: String,
    what: String,
    from: String,
    to: String,
}

impl Asked {
    fn read(request: &Request) -> Result<Asked> {
        let query = request.query();
        let text = |name| query.one(name).map(|value| value.trim().to_owned());
        Ok(Asked {
            who: text("who")?,
            what: text("what")?,
            from: text("from")?,
            to: text("to")?,
        })
    }

    fn is_empty(&self) -> bool {
        [&self.who, &self.what, &self.from, &self.to]
            .iter()
            .all(|text| text.is_empty())
    }

    /// The filter it means, and what is wrong with it.
    fn filter(&self, tx: &mut Tx<ViewAuditLog>, zone: &Zone) -> Result<(Filter, Errors)> {
        let mut errors = Errors::new();
        let mut day = |field: &str, typed: &str, days_on| {
            let start = times::start_of_day(zone, typed, days_on);
            if start.is_none() && !typed.is_empty() {
                errors.add(field, "Type the day as year-month-day, such as 2026-11-22.");
            }
            start
        };
        let from = day("from", &self.from, 0);
        let until = day("to", &self.to, 1);
        if from.zip(until).is_some_and(|(from, until)| from >= until) {
            errors.add("to", "The last day is before the first.");
        }
        let action = Event::ACTIONS
            .iter()
            .find(|(name, _)| *name == self.what)
            .map(|(name, _)| *name);
        if action.is_none() && !self.what.is_empty() {
            errors.add("what", "Choose one of the kinds in the list.");
        }
        let actors = match self.who.as_str() {
            "" => None,
            typed => Some(query::actors(tx, typed)?),
        };
        let filter = Filter {
            actors,
            action,
            from,
            until,
        };
        Ok((filter, errors))
    }

    /// For the entry about an export.
    fn sentence(&self) -> String {
        let label = Event::ACTIONS
            .iter()
            .find(|(name, _)| *name == self.what)
            .map_or("", |(_, label)| label);
        let parts: Vec<String> = [
            ("by", self.who.as_str()),
            ("kind", label),
            ("from", self.from.as_str()),
            ("to", self.to.as_str()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
        if parts.is_empty() {
            "all entries".to_owned()
        } else {
            parts.join(", ")
        }
    }
}

/// `GET /settings/audit-log`
pub fn log(can: Can<ViewAuditLog>, request: &Request) -> Result<Answer> {
    let mut shell = can.page(request, &[("System Settings", ""), ("Audit log", PATH)])?;
    let asked = Asked::read(request)?;
    let place: Option<Place<Key>> = Place::read(request.query(), "page");
    let (rows, errors, total) = can.read(|tx| {
        let (filter, errors) = asked.filter(tx, &shell.zone)?;
        let rows = if errors.is_empty() {
            let (key, back) = place
                .as_ref()
                .map_or((None, false), |place| (Some(place.key), place.back));
            query::entries(tx, &filter, key, back, PAGE as i64 + 1)?
        } else {
            Vec::new()
        };
        Ok((rows, errors, query::total(tx)?))
    })?;
    let link = |cursor: &str| paging::with(PATH, request.query(), &[], "page", cursor);
    let refused = !errors.is_empty();
    shell.refused = refused;
    let page = LogPage {
        shell,
        errors,
        entries: paging::page(rows, PAGE, place.as_ref(), Entry::key, link),
        total: entries(total),
        actions: Event::ACTIONS,
        export: paging::with(CSV_PATH, request.query(), &[], "page", ""),
        clear: if asked.is_empty() { "" } else { PATH },
        asked,
    };
    Answer::form(&page, refused)
}

fn entries(total: i64) -> String {
    match total {
        1 => "1 entry".to_owned(),
        n => format!("{} entries", thousands(n)),
    }
}

/// `GET /settings/audit-log.csv`: the filtered entries; the export itself is the first of them.
pub fn csv(can: Can<ViewAuditLog>, request: &Request) -> Result<Answer> {
    let asked = Asked::read(request)?;
    let zone = Zone::named(&can.me().time_zone);
    let filter = can.write(|tx| {
        let (filter, errors) = asked.filter(tx, &zone)?;
        if !errors.is_empty() {
            return Err(Error::BadRequest("The filter of the export is not right."));
        }
        let event = Event::AuditLogExported {
            filter: asked.sentence(),
        };
        record(tx, tx.account(), &event)?;
        Ok(filter)
    })?;
    let later = can.later();
    let header = [
        "Number",
        "When (UTC)",
        "Who",
        "From",
        "Kind",
        "What",
        "Before",
        "After",
        "Hash",
    ];
    Ok(Answer::csv(
        "audit-log.csv",
        &header,
        move |place: Option<Key>| {
            let entries = later.read(|tx| query::entries(tx, &filter, place, false, CHUNK))?;
            let full = entries.len() as i64 == CHUNK;
            let next = entries.last().filter(|_| full).map(Entry::key);
            Ok((entries.iter().map(cells).collect(), next))
        },
    ))
}

fn cells(entry: &Entry) -> Vec<String> {
    let changes = entry.changes();
    let side = |value: fn(&super::Change) -> &str| {
        changes
            .iter()
            .filter(|change| !value(change).is_empty())
            .map(|change| format!("{}: {}", change.what, value(change)))
            .collect::<Vec<_>>()
            .join("; ")
    };
    vec![
        entry.seq.to_string(),
        times::iso(entry.at),
        entry.actor_name.clone(),
        entry.address.clone(),
        entry.label(),
        entry.sentence(),
        side(|change| &change.before),
        side(|change| &change.after),
        entry
            .hash
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    ]
}
