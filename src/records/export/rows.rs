//! What an export holds, and its next rows.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest, Sha256};

use crate::access::{Environment, InAccount, Tx};
use crate::db::types::Slot;
use crate::permissions::Object;
use crate::permissions::objects::Kind;
use crate::records::list::{self, Column, Filter, Key, ListQuery, Test};
use crate::records::people::{self, People};
use crate::records::{Desk, Record, links};
use crate::web::request::{Form, query_string};
use crate::web::times;
use crate::{Error, Result};

/// Rows in one transaction.
const BATCH: usize = 1_000;

/// The list behind an export, as its asker has it. Its rows come in the order of names: others who work on meanwhile do not
/// move them, unless they rename them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub query: ListQuery,
    pub columns: Vec<Column>,
    /// The conditions in words; "all" without any.
    pub words: String,
}

impl Plan {
    /// Reads a list's query string. `column` holds keys of the columns, in order; all of them when it is absent.
    pub fn read<P: InAccount>(tx: &mut Tx<P>, desk: &Desk, form: &Form) -> Result<Plan> {
        let query = ListQuery::read(tx, desk, form)?;
        let all = Column::all(desk);
        let asked: Vec<&str> = form.all("column").filter(|key| !key.is_empty()).collect();
        let chosen = asked
            .iter()
            .filter_map(|key| all.iter().find(|column| column.key() == *key).cloned());
        let mut columns: Vec<Column> = chosen.collect();
        if columns.is_empty() {
            // The list shows the name alone when it has none of the columns that are asked for.
            let shown = if asked.is_empty() { all.len() } else { 1 };
            columns = all.into_iter().take(shown).collect();
        }
        let slots = query.filters.iter().filter_map(|filter| match filter.test {
            Test::Member(slot) => slot,
            _ => None,
        });
        let people = people::named(tx, slots)?;
        Ok(Plan {
            words: words(&query, &people),
            columns,
            query,
        })
    }

    /// The query string that it is read of again, in whatever fields and time zone the asker has by then: words are looked
    /// for in the fields of now, days are those of `zone`, and the conditions are told by their digest.
    pub fn pinned(&self, form: &Form, zone: &str) -> String {
        let fresh = |name: &str| !matches!(name, "any.in" | "zone" | "conditions");
        let given = form.one("zone").unwrap_or_default();
        let zone = if given.is_empty() { zone } else { given };
        let keys = self.query.words.as_ref().map(|words| words.keys());
        let keys = keys.map_or_else(String::new, |keys| match keys.is_empty() {
            // An empty value is none at all in a query string, and would stand for all fields.
            true => "-".to_owned(),
            false => keys.into_iter().collect::<Vec<_>>().join(","),
        });
        let conditions = self.conditions();
        let pairs = form.pairs().iter();
        let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str()));
        let pinned = [
            ("any.in", keys.as_str()),
            ("zone", zone),
            ("conditions", &conditions),
        ];
        query_string(pairs.filter(|(name, _)| fresh(name)).chain(pinned))
    }

    /// The first line of the file. A link takes two columns: its number and its name.
    pub fn header(&self) -> Vec<String> {
        let mut cells = vec!["Record number".to_owned()];
        for column in &self.columns {
            match column {
                Column::Created | Column::Updated => {
                    cells.push(format!("{} (UTC)", column.label()))
                }
                _ => cells.push(column.label().to_owned()),
            }
            if is_link(column) {
                cells.push(format!("{} name", column.label()));
            }
        }
        cells
    }

    /// True while the asker has the same columns and conditions.
    fn still_holds(&self, now: &Plan) -> bool {
        self.columns == now.columns && self.conditions() == now.conditions()
    }

    /// A digest of the conditions, whatever fields and people are called. One that falls away with its field would let
    /// rows in that nobody asked for.
    pub fn conditions(&self) -> String {
        let ListQuery {
            prefix,
            words,
            filters,
            ..
        } = &self.query;
        let words = words.as_ref().map(|words| (&words.typed, words.keys()));
        let mut filters: Vec<_> = filters
            .iter()
            .map(|filter| (filter.column.key(), &filter.test))
            .collect();
        filters.sort_by_key(|(key, _)| *key);
        BASE64.encode(Sha256::digest(format!("{prefix:?} {words:?} {filters:?}")))
    }
}

fn is_link(column: &Column) -> bool {
    matches!(column, Column::Field(shown) if matches!(shown.field().kind, Kind::Link(_)))
}

/// The conditions of a list in words.
fn words(query: &ListQuery, people: &People) -> String {
    let mut parts = Vec::new();
    if !query.prefix.is_empty() {
        parts.push(format!("Name begins with “{}”", query.prefix));
    }
    if let Some(words) = &query.words {
        parts.push(words.sentence());
    }
    parts.extend(query.filters.iter().map(|filter| condition(filter, people)));
    if parts.is_empty() {
        return "all".into();
    }
    let clean = parts.join(", ");
    clean.chars().filter(|c| !c.is_control()).collect()
}

fn condition(filter: &Filter, people: &People) -> String {
    let label = filter.column.label();
    match &filter.test {
        Test::Is(value) => format!("{label} is “{value}”"),
        Test::Contains(part) => format!("{label} contains “{part}”"),
        Test::AtLeast(value) => format!("{label} is {value} or more"),
        Test::AtMost(value) => format!("{label} is {value} or less"),
        Test::Empty => format!("{label} is empty"),
        Test::Nothing => format!("{label} is not here"),
        Test::LeadsTo(part) => format!("{label} has “{part}” in its name"),
        Test::Since(from) => format!("{label} is {} or later", times::iso(*from)),
        Test::Before(end) => format!("{label} is before {}", times::iso(*end)),
        Test::Member(None) => format!("{label} nobody"),
        Test::Member(slot) => format!("{label} {}", people.label(*slot)),
    }
}

/// The next rows of a file.
pub struct Batch {
    pub plan: Plan,
    pub rows: Vec<Vec<String>>,
    /// Where to go on; nothing at the end.
    pub next: Option<Key>,
}

/// Reads the next rows after a place with the rights as they are now. `first` is the plan of the batch before.
pub fn batch<P: InAccount>(
    tx: &mut Tx<P>,
    of: (Environment, Object),
    form: &Form,
    first: Option<&Plan>,
    after: Option<&Key>,
) -> Result<Batch> {
    let desk = Desk::open(tx, of.0, of.1)?;
    desk.require_export()?;
    let plan = Plan::read(tx, &desk, form)?;
    if first.is_some_and(|first| !first.still_holds(&plan)) {
        return Err(Error::refused(
            "Fields or records that you asked by changed while the export ran. Ask for it anew.",
        ));
    }
    let (records, next) = list::stream(tx, &desk, &plan.query, after, BATCH)?;
    let people = if plan.columns.iter().any(names_people) {
        let slots = |record: &Record| -> [Option<Slot>; 2] {
            [Some(record.people.creator), record.people.assigned]
        };
        people::named(tx, records.iter().flat_map(slots).flatten())?
    } else {
        People::default()
    };
    let targets = if plan.columns.iter().any(is_link) {
        links::targets(tx, &desk, &records)?
    } else {
        links::Targets::default()
    };
    let rows = records
        .iter()
        .map(|record| cells(&plan.columns, record, &people, &targets))
        .collect();
    Ok(Batch { plan, rows, next })
}

fn names_people(column: &Column) -> bool {
    matches!(column, Column::AssignedTo | Column::CreatedBy)
}

fn cells(
    columns: &[Column],
    record: &Record,
    people: &People,
    targets: &links::Targets,
) -> Vec<String> {
    let mut cells = vec![record.id.to_string()];
    for column in columns {
        match column {
            Column::Field(shown) if is_link(column) => {
                // What leads out of sight looks like no link at all.
                match targets.get(record.value(shown)) {
                    Some(target) => {
                        cells.extend([target.id.to_string(), target.name.clone()]);
                    }
                    None => cells.extend([String::new(), String::new()]),
                }
            }
            Column::Field(shown) => cells.push(record.value(shown).to_owned()),
            Column::AssignedTo => cells.push(people.label(record.people.assigned)),
            Column::CreatedBy => cells.push(people.label(Some(record.people.creator))),
            Column::Created => cells.push(times::iso(record.created_at)),
            Column::Updated => cells.push(times::iso(record.updated_at)),
        }
    }
    cells
}
