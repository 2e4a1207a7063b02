//! Lists of records: one page, a capped count, a stream for exports. Every one of them goes through the same walk over
//! an index, tests each entry against the desk's reach, and never looks at more than a bounded number of entries.

pub mod density;
pub mod order;
pub mod plan;
pub mod query;
mod recent;
mod scan;
mod walk;
pub mod words;

use super::{Desk, Record};
use crate::Result;
use crate::access::{InAccount, Tx};
pub use order::{By, Key, Names, Sort, key};
pub use plan::Plan;
pub use query::{Column, Filter, ListQuery, Test};
pub use words::Words;

/// Entries that one page, or one count, looks at before it gives what it has.
pub const BUDGET: usize = 20_000;

/// Records that a sort without an index puts in order.
pub const SORT_LIMIT: usize = 10_000;

/// A part of a list.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// In the order in which they were read: against the sort when going back.
    pub records: Vec<Record>,
    /// What [`key`] needs for these records, and maybe for others.
    pub names: Names,
    /// Where reading stopped although the list goes on, because the budget was spent. Nothing when the part is full, or
    /// the list is at its end.
    pub stopped: Option<Key>,
    /// The order was made of so many records only, those changed last: there are more, or there may be.
    pub cut: Option<usize>,
}

/// Number of records in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub number: usize,
    /// There are more, or there may be.
    pub more: bool,
}

/// Up to `limit` records after a place; `back`: before it, read backwards.
pub fn part<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    after: Option<&Key>,
    back: bool,
    limit: usize,
) -> Result<Part> {
    part_by(tx, desk, query, after, back, limit, Plan::Adaptive)
}

/// The same by a plan of choice, for tests: all of them find the same.
pub fn part_by<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    after: Option<&Key>,
    back: bool,
    limit: usize,
    plan: Plan,
) -> Result<Part> {
    if query.sort.by == By::Name || (query.sort.indexed() && query.prefix.is_empty()) {
        return walk::part(tx, desk, query, after, back, limit, BUDGET, plan);
    }
    // The records whose names begin so are few enough to be put in any order, or so many that those in the wanted order
    // are soon met.
    let by_instant = matches!(query.sort.by, By::Updated | By::Created);
    if !query.prefix.is_empty() && !query.tests_values() && by_instant {
        if let Some(found) = walk::found_at(tx, desk, query, plan)? {
            let rows = found
                .into_iter()
                .map(|(at, id)| (Key(at.0.to_string(), id), id));
            let ids = order::next(rows.collect(), query, after, back, limit);
            return Ok(Part {
                records: walk::seen_of(tx, desk, &ids)?,
                ..Part::default()
            });
        }
    } else if !query.prefix.is_empty()
        && let Some(found) = walk::found(tx, desk, query, plan)?
    {
        return sorted(tx, desk, found, query, after, back, limit);
    }
    if query.sort.indexed() {
        return walk::part(tx, desk, query, after, back, limit, BUDGET, plan);
    }
    let collect = ListQuery {
        sort: Sort::default(),
        ..query.clone()
    };
    let limited = SORT_LIMIT + 1;
    let mut found = walk::part(tx, desk, &collect, None, false, limited, BUDGET, plan)?;
    let more = found.stopped.is_some() || found.records.len() > SORT_LIMIT;
    found.records.truncate(SORT_LIMIT);
    let cut = more.then_some(found.records.len());
    let part = sorted(tx, desk, found.records, query, after, back, limit)?;
    Ok(Part { cut, ..part })
}

/// A part of a list whose order no index has: its records are put in order here.
fn sorted<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    found: Vec<Record>,
    query: &ListQuery,
    after: Option<&Key>,
    back: bool,
    limit: usize,
) -> Result<Part> {
    let names = order::names(tx, desk, &query.sort.by, &found)?;
    let rows = found
        .into_iter()
        .map(|record| (key(query, &record, &names), record));
    Ok(Part {
        records: order::next(rows.collect(), query, after, back, limit),
        names,
        ..Part::default()
    })
}

/// How many records a list has, up to `cap`.
pub fn count<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    cap: usize,
) -> Result<Count> {
    count_by(tx, desk, query, cap, Plan::Adaptive)
}

/// The same by a plan of choice, for tests.
pub fn count_by<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    cap: usize,
    plan: Plan,
) -> Result<Count> {
    let budget = BUDGET.max(cap + 1);
    let (found, ended) = walk::count(tx, desk, query, cap + 1, budget, plan)?;
    Ok(Count {
        number: found.min(cap),
        more: found > cap || !ended,
    })
}

/// The next records of a list for a file, in the order of names, after a place: all of them come, in as many parts as it
/// takes. Nothing after the last.
pub fn stream<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    after: Option<&Key>,
    limit: usize,
) -> Result<(Vec<Record>, Option<Key>)> {
    let query = &ListQuery {
        sort: Sort {
            by: By::Name,
            descending: false,
        },
        ..query.clone()
    };
    let plan = Plan::Adaptive;
    let found = walk::part(tx, desk, query, after, false, limit, BUDGET, plan)?;
    let full = found.records.len() == limit;
    let last = found
        .records
        .last()
        .filter(|_| full)
        .map(|record| key(query, record, &Names::new()));
    let next = found.stopped.or(last);
    Ok((found.records, next))
}
