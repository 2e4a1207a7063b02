//! What an export holds, and its next rows.

use crate::access::{Environment, InAccount, Tx};
use crate::db::types::Slot;
use crate::permissions::Object;
use crate::permissions::objects::Kind;
use crate::records::list::{self, Column, Filter, Key, ListQuery, Test};
use crate::records::people::{self, People};
use crate::records::{Desk, Record, links};
use crate::web::request::Form;
use crate::web::times;
use crate::{Error, Result};

/// Rows in one transaction.
const BATCH: usize = 1_000;

/// The list behind an export, as its asker has it. Its rows come in the order of names, in which none is missed or comes
/// twice while others work on.
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
        let chosen: Vec<Column> = form
            .all("column")
            .flat_map(|some| some.split(','))
            .filter_map(|key| all.iter().find(|column| column.key() == key).cloned())
            .collect();
        let slots = query.filters.iter().filter_map(|filter| match filter.test {
            Test::Member(slot) => slot,
            _ => None,
        });
        let people = people::named(tx, slots)?;
        Ok(Plan {
            words: words(&query, &people),
            columns: if chosen.is_empty() { all } else { chosen },
            query,
        })
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

    /// True while the asker has the same columns and conditions. A condition that falls away with its field would let
    /// rows in that nobody asked for.
    fn still_holds(&self, now: &Plan) -> bool {
        let keys = |plan: &Plan| -> Vec<String> {
            let keys = plan.columns.iter().map(|column| column.key().to_owned());
            keys.collect()
        };
        keys(self) == keys(now)
            && self.query.prefix == now.query.prefix
            && self.query.words == now.query.words
            && self.query.filters == now.query.filters
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
        parts.push(format!("Any field contains “{}”", words.typed));
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
            "The fields you may see changed while the export ran. Ask for it anew.",
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
