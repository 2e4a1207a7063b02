//! The page of a record: its fields by section, what is known about the record itself, and what each version changed.

use std::collections::BTreeSet;

use askama::Template;

use super::value::Value;
use super::{desk, number, path_of, refusal, sections, shell};
use crate::Result;
use crate::access::{Can, Tx, UseRecords};
use crate::db::types::{RecordId, Timestamp};
use crate::permissions::objects::Kind;
use crate::permissions::{Action, Object};
use crate::records::history::{self, Changed};
use crate::records::links::{self, Targets};
use crate::records::people::{self, People};
use crate::records::{Desk, Record, find};
use crate::web::answer::Answer;
use crate::web::paging;
use crate::web::request::Request;
use crate::web::shell::Shell;

/// Versions on a page.
const VERSIONS: i64 = 20;

#[derive(Template)]
#[template(path = "records/show.html")]
struct ShowPage {
    shell: Shell,
    facts: Facts,
}

struct Facts {
    object: Object,
    path: String,
    name: String,
    /// How far it has come, beside the name.
    state: Option<Value>,
    sections: Vec<Section>,
    id: RecordId,
    version: i64,
    created_by: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    assigned_to: String,
    edit_refused: Option<String>,
    delete_refused: Option<String>,
    administrator: bool,
    history: Vec<Entry>,
    /// Newer versions are on the page before.
    later: bool,
    older: Option<String>,
}

struct Section {
    heading: String,
    /// Label and value.
    fields: Vec<(String, Value)>,
}

struct Entry {
    version: i64,
    at: Timestamp,
    by: String,
    changes: Vec<Line>,
}

struct Line {
    label: String,
    before: Value,
    after: Value,
}

/// `GET /{environment}/records/{object}/{record}`
pub fn show(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let (desk, facts) = can.read(|tx| {
        let desk = desk(tx, request)?;
        let record = find(tx, &desk, number(request)?)?;
        let facts = load(tx, &desk, &record, request)?;
        Ok((desk, facts))
    })?;
    let shell = shell(&can, request, &desk, &[(&facts.name, "")])?;
    Answer::page(&ShowPage { shell, facts })
}

fn load(tx: &mut Tx<UseRecords>, desk: &Desk, record: &Record, request: &Request) -> Result<Facts> {
    let before: Option<i64> = request.query().one("before")?.parse().ok();
    let versions = history::of(tx, desk, record, before, VERSIONS)?;
    // Every version has a row, whether or not the reader may see what it changed.
    let last = before.map_or(record.version, |before| {
        before.clamp(1, record.version + 1) - 1
    });
    let older = last - VERSIONS;
    let mut slots: BTreeSet<_> = record.people.each().collect();
    for version in &versions {
        slots.insert(version.by);
        for change in &version.changes {
            if let Changed::Assigned { before, after } = change {
                slots.extend([before, after].into_iter().flatten());
            }
        }
    }
    let people = people::named(tx, slots)?;
    let targets = links::visible(tx, desk, linked(desk, record, &versions))?;
    let mut sections: Vec<Section> = sections(desk)
        .into_iter()
        .map(|(heading, fields)| Section {
            heading: if heading.is_empty() {
                "Details"
            } else {
                heading
            }
            .to_owned(),
            fields: fields
                .into_iter()
                .filter(|field| !field.field().is_name())
                .map(|field| {
                    let value = Value::of(desk, field, record.value(field), &targets);
                    (field.label().to_owned(), value)
                })
                .collect(),
        })
        .collect();
    sections.retain(|section| !section.fields.is_empty());
    let path = path_of(desk, record.id);
    Ok(Facts {
        object: desk.object(),
        name: record.name().to_owned(),
        state: ["status", "stage"].into_iter().find_map(|key| {
            let field = desk.fields().get(key)?;
            let value = Value::of(desk, field, record.value(field), &targets);
            matches!(value, Value::Badge(..)).then_some(value)
        }),
        sections,
        id: record.id,
        version: record.version,
        created_by: people.label(Some(record.people.creator)),
        created_at: record.created_at,
        updated_at: record.updated_at,
        assigned_to: people.label(record.people.assigned),
        edit_refused: refusal(desk, Action::Edit, record),
        delete_refused: refusal(desk, Action::Delete, record),
        administrator: desk.rules().is_administrator(desk.slot()),
        history: versions
            .into_iter()
            .filter_map(|version| entry(desk, version, &targets, &people))
            .collect(),
        later: before.is_some(),
        older: (older > 0).then(|| {
            let before = (older + 1).to_string();
            let href = paging::with(&path, request.query(), &[], "before", &before);
            format!("{href}#history")
        }),
        path,
    })
}

/// The numbers of all records that the page may have to name.
fn linked(desk: &Desk, record: &Record, versions: &[history::Version]) -> Vec<RecordId> {
    let now = desk
        .fields()
        .iter()
        .map(|field| (field, record.value(field)));
    let then = versions
        .iter()
        .flat_map(|version| &version.changes)
        .filter_map(|change| match change {
            Changed::Field {
                field,
                before,
                after,
            } => Some([(field, before.as_str()), (field, after.as_str())]),
            Changed::Assigned { .. } => None,
        })
        .flatten();
    now.chain(then)
        .filter(|(field, _)| matches!(field.field().kind, Kind::Link(_)))
        .filter_map(|(_, kept)| kept.parse().ok())
        .collect()
}

/// A version as its reader may see it; nothing when all it changed is a link between records out of sight.
fn entry(
    desk: &Desk,
    version: history::Version,
    targets: &Targets,
    people: &People,
) -> Option<Entry> {
    let person = |slot| match people.label(slot) {
        name if name.is_empty() => Value::Nothing,
        name => Value::Text(name),
    };
    let mut changed = version.changes;
    // In the order of the page; whom it was assigned to comes last.
    changed.sort_by_key(|change| match change {
        Changed::Field { field, .. } => desk.fields().iter().position(|known| known == field),
        Changed::Assigned { .. } => Some(usize::MAX),
    });
    let changes: Vec<Line> = changed
        .into_iter()
        .map(|change| match change {
            Changed::Field {
                field,
                before,
                after,
            } => Line {
                label: field.label().to_owned(),
                before: Value::of(desk, &field, &before, targets),
                after: Value::of(desk, &field, &after, targets),
            },
            Changed::Assigned { before, after } => Line {
                label: "Assigned to".to_owned(),
                before: person(before),
                after: person(after),
            },
        })
        .filter(|line| !(line.before.is_nothing() && line.after.is_nothing()))
        .collect();
    (version.version == 1 || !changes.is_empty()).then(|| Entry {
        version: version.version,
        at: version.at,
        by: people.label(Some(version.by)),
        changes,
    })
}
