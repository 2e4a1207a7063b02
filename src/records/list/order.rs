//! The order of a list: what it is sorted by, and where each record stands in it.
//!
//! Links stand under the name of the record that they lead to, people under theirs. A link that leads out of the reader's
//! sight stands where no link does: the order would tell of it otherwise.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::ListQuery;
use super::query::Column;
use crate::Result;
use crate::access::{InAccount, Tx};
use crate::db::types::{RecordId, Slot};
use crate::permissions::Shown;
use crate::permissions::objects::{self, Kind, SortKey};
use crate::records::change::sort_name;
use crate::records::{Desk, Record, links, people};

/// What a list is sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    Updated,
    Name,
    Created,
    AssignedTo,
    CreatedBy,
    /// Any other field.
    Field(Shown),
}

impl By {
    /// The order by a column.
    pub fn column(column: &Column) -> By {
        match column {
            Column::Field(shown) if shown.field().is_name() => By::Name,
            Column::Field(shown) => By::Field(shown.clone()),
            Column::AssignedTo => By::AssignedTo,
            Column::CreatedBy => By::CreatedBy,
            Column::Created => By::Created,
            Column::Updated => By::Updated,
        }
    }

    /// In the query string: the key of the column.
    pub fn key(&self) -> &str {
        match self {
            By::Updated => Column::Updated.key(),
            By::Name => "name",
            By::Created => Column::Created.key(),
            By::AssignedTo => Column::AssignedTo.key(),
            By::CreatedBy => Column::CreatedBy.key(),
            By::Field(shown) => shown.key(),
        }
    }
}

/// Column and direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    pub by: By,
    pub descending: bool,
}

impl Default for Sort {
    /// Last update first.
    fn default() -> Sort {
        Sort {
            by: By::Updated,
            descending: true,
        }
    }
}

impl Sort {
    /// From the query string: "name", "-estimated_value".
    pub fn read(desk: &Desk, text: &str) -> Sort {
        let (key, descending) = match text.strip_prefix('-') {
            Some(key) => (key, true),
            None => (text, false),
        };
        let columns = Column::all(desk);
        let column = columns.iter().find(|column| column.key() == key);
        column.map_or_else(Sort::default, |column| Sort {
            by: By::column(column),
            descending,
        })
    }

    /// As it stands in the query string; empty for the default.
    pub fn text(&self) -> String {
        if *self == Sort::default() {
            return String::new();
        }
        let sign = if self.descending { "-" } else { "" };
        format!("{sign}{}", self.by.key())
    }

    /// True when an index gives the order. Any other one is made of a bounded number of records.
    pub fn indexed(&self) -> bool {
        matches!(self.by, By::Updated | By::Name)
    }
}

/// Place of a record in a sorted list: the text it is sorted by, and its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key(pub String, pub RecordId);

/// Names of others that records are sorted by, as far as the reader sees them, by the number of the sorted record.
pub type Names = HashMap<RecordId, String>;

/// Those that an order needs; none for an order by what records hold themselves.
pub(super) fn names<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    by: &By,
    of: &[Record],
) -> Result<Names> {
    let who: fn(&Record) -> Option<Slot> = match by {
        By::AssignedTo => |record| record.people.assigned,
        By::CreatedBy => |record| Some(record.people.creator),
        By::Field(shown) if matches!(shown.field().kind, Kind::Link(_)) => {
            let kept = |record: &Record| record.value(shown).parse().ok();
            let targets = links::visible(tx, desk, of.iter().filter_map(kept))?;
            let name = |record: &Record| Some(targets.get(record.value(shown))?.name.clone());
            return Ok(of
                .iter()
                .filter_map(|record| Some((record.id, name(record)?)))
                .collect());
        }
        By::Updated | By::Name | By::Created | By::Field(_) => return Ok(Names::new()),
    };
    let people = people::named(tx, of.iter().filter_map(who))?;
    Ok(of
        .iter()
        .map(|record| (record.id, people.label(who(record))))
        .collect())
}

/// Place of a record in a list, given the names that its order needs.
pub fn key(query: &ListQuery, record: &Record, names: &Names) -> Key {
    let text = match &query.sort.by {
        By::Updated => record.updated_at.0.to_string(),
        By::Created => record.created_at.0.to_string(),
        By::Name => sort_name(record.name()),
        By::Field(shown) if !matches!(shown.field().kind, Kind::Link(_)) => {
            objects::beginning(record.value(shown)).to_owned()
        }
        By::AssignedTo | By::CreatedBy | By::Field(_) => {
            names.get(&record.id).cloned().unwrap_or_default()
        }
    };
    Key(text, record.id)
}

/// A place that can be compared with others of the same order.
fn place(by: &By, Key(text, id): &Key) -> (SortKey, RecordId) {
    let key = match by {
        By::Updated | By::Created => text.parse().map_or(SortKey::Empty, SortKey::Number),
        By::Field(shown) => shown.field().kind.sort_key(text),
        By::Name | By::AssignedTo | By::CreatedBy if text.is_empty() => SortKey::Empty,
        By::Name | By::AssignedTo | By::CreatedBy => SortKey::Text(sort_name(text)),
    };
    (key, *id)
}

/// The next `limit` of some things behind a place, in the order of a query; `back`: before it, from there.
pub(super) fn next<T>(
    things: Vec<(Key, T)>,
    query: &ListQuery,
    after: Option<&Key>,
    back: bool,
    limit: usize,
) -> Vec<T> {
    let by = &query.sort.by;
    let descending = query.sort.descending != back;
    let from = after.map(|after| place(by, after));
    let mut rows: Vec<((SortKey, RecordId), T)> = things
        .into_iter()
        .map(|(key, thing)| (place(by, &key), thing))
        .filter(|(place, _)| {
            from.as_ref().is_none_or(|from| match descending {
                true => place < from,
                false => place > from,
            })
        })
        .collect();
    rows.sort_by(|(a, _), (b, _)| if descending { b.cmp(a) } else { a.cmp(b) });
    rows.into_iter()
        .map(|(_, thing)| thing)
        .take(limit)
        .collect()
}
