//! Lists of records from entries: fetching them, testing what the indexes do not hold, counting.

use std::collections::HashSet;
use std::sync::Arc;

use super::density;
use super::plan::{self, FEW, Guide, Plan};
use super::recent;
use super::scan::{Entry, Scan, Stretches};
use super::{By, Column, Key, ListQuery, Part, Sort, Test, Words};
use crate::Result;
use crate::access::{InAccount, Tx};
use crate::db::types::{RecordId, Slot, Timestamp};
use crate::permissions::Reach;
use crate::permissions::slots::Slots;
use crate::records::{Desk, Record, links, rows};

/// Records fetched at a time where values have to be tested: few at first, because most pages are full soon.
const FIRST_BATCH: usize = 100;
const BATCH: usize = 1_600;

/// Records that [`Plan::Recent`] keeps.
const FORCED: usize = 60;

/// Entries in the order of names up to which a beginning of the name is put in another order.
pub(super) const FOUND_LIMIT: usize = 4_000;

/// True when entries alone cannot tell whether a record meets the query.
fn needs_rows(query: &ListQuery) -> bool {
    query.tests_values() || (!query.prefix.is_empty() && query.sort.by != By::Name)
}

/// The stretches that a filter by person narrows a list to, if the reader sees all that this person has. Of anybody else
/// only what the reader sees may be looked at: where looking ends, how long it takes and what it counts would tell of the
/// rest.
fn narrowed(query: &ListQuery, reach: &Reach) -> Option<Stretches> {
    let of = |column: Column| {
        query
            .filters
            .iter()
            .find_map(|filter| match (&filter.column, &filter.test) {
                (found, Test::Member(Some(slot))) if *found == column => Some(*slot),
                _ => None,
            })
            .filter(|slot| reach.admits_pair(*slot, *slot))
    };
    let alone = |slot: Slot| vec![slot];
    if let Some(slot) = of(Column::AssignedTo) {
        return Some(Stretches {
            owned: alone(slot),
            made: Vec::new(),
        });
    }
    of(Column::CreatedBy).map(|slot| Stretches {
        owned: alone(slot),
        made: alone(slot),
    })
}

/// Those of some entries whose owner meets the conditions: the others need not be fetched. Who made a record does not stand
/// in every index.
fn may_meet(query: &ListQuery, mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.retain(|entry| {
        query
            .filters
            .iter()
            .all(|filter| match (&filter.column, &filter.test) {
                (Column::AssignedTo, Test::Member(Some(slot))) => entry.owner == *slot,
                _ => true,
            })
    });
    entries
}

/// The next entries that the desk reaches, and whether nothing comes after.
fn entries<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    scan: &Scan,
    size: usize,
    plan: Plan,
) -> Result<(Vec<Entry>, bool)> {
    if let Some(stretches) = narrowed(query, desk.reach()) {
        return plan::of_stretches(tx.conn(), scan, &stretches, size);
    }
    match desk.reach() {
        Reach::Nothing => Ok((Vec::new(), true)),
        Reach::Everything => {
            let found = scan.entries(tx.conn(), size)?;
            let over = found.len() < size;
            Ok((found, over))
        }
        Reach::Of(seen) => {
            let guide = guide(tx, scan, seen, plan)?;
            plan::next(tx.conn(), scan, seen, size, plan, &guide)
        }
    }
}

/// What is known beforehand of where the records of a list lie. Whoever sees a handful of members needs none of it.
fn guide<'a, P: InAccount>(
    tx: &mut Tx<'a, P>,
    scan: &Scan,
    seen: &Slots,
    plan: Plan,
) -> Result<Guide<'a>> {
    let (of, now, maps) = (scan.map(), tx.now(), &tx.app().maps);
    let steady = tx.app().clock.steady();
    let mut drawn = |keep: usize| -> Result<_> {
        Ok(Some(Arc::new(density::drawn(tx.conn(), of, now, keep)?)))
    };
    let map = match plan {
        Plan::Adaptive if seen.len() > FEW => maps.of(of, now, steady),
        Plan::Mapped | Plan::MappedMerge => drawn(0)?,
        Plan::Recent => drawn(FORCED)?,
        _ => None,
    };
    Ok(Guide { maps, of, map })
}

/// The next records that somebody sees.
fn seen_by<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    scan: &Scan,
    seen: &Slots,
    limit: usize,
    plan: Plan,
) -> Result<Vec<Record>> {
    let guide = guide(tx, scan, seen, plan)?;
    let (mut records, rest) = match (&guide.map, plan) {
        (Some(map), Plan::Adaptive | Plan::Recent) => recent::page(tx, scan, seen, limit, map)?,
        _ => (Vec::new(), Some(scan.clone())),
    };
    if let Some(rest) = rest {
        // As many as a whole page has, so that there are few different statements.
        let (mut found, _) = plan::next(tx.conn(), &rest, seen, limit, plan, &guide)?;
        found.truncate(limit - records.len());
        records.extend(fetched(tx, desk, &found)?);
    }
    Ok(records)
}

/// The records of some entries, in their order.
fn fetched<P: InAccount>(tx: &mut Tx<P>, desk: &Desk, entries: &[Entry]) -> Result<Vec<Record>> {
    let ids: Vec<RecordId> = entries.iter().map(|entry| entry.id).collect();
    seen_of(tx, desk, &ids)
}

/// Those of some records that the desk reaches, in their order. A transaction that writes sees on Postgres who has them by
/// now, which may be somebody else than when their numbers were read.
pub(super) fn seen_of<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    ids: &[RecordId],
) -> Result<Vec<Record>> {
    let mut records = rows::records(tx, ids)?;
    records.retain(|record| desk.reach().admits(record.people));
    Ok(records)
}

/// The records of some entries that meet the conditions of a query.
fn meeting<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    entries: &[Entry],
) -> Result<Vec<Record>> {
    let mut records = fetched(tx, desk, entries)?;
    records.retain(|record| query.admits(record));
    let words = query.words.as_ref();
    let without = records
        .iter()
        .filter(|record| words.is_some_and(|words| !words.are_in(record)));
    let without: HashSet<RecordId> = without.map(|record| record.id).collect();
    let every = query.names_links();
    // What links are called is looked up for the records of which nothing else decides.
    let open = records
        .iter()
        .filter(|record| every || without.contains(&record.id));
    let targets = links::targets(tx, desk, open)?;
    records.retain(|record| {
        let has = |words: &Words| words.are_in_links(record, &targets);
        query.admits_links(record, &targets)
            && (!without.contains(&record.id) || words.is_some_and(has))
    });
    Ok(records)
}

/// Where a walk ended.
enum End {
    /// As many as were asked for.
    Full,
    /// Nothing comes after.
    Over,
    /// After this entry, because the budget was spent.
    Stopped(Key),
}

/// Hands over the records of a list that meet its conditions, in batches, until `take` says that it has enough or
/// `budget` records were looked at.
#[expect(
    clippy::too_many_arguments,
    reason = "a list, where in it, how far, and what for"
)]
fn tested<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    after: Option<&Key>,
    back: bool,
    budget: usize,
    plan: Plan,
    mut take: impl FnMut(Vec<Record>) -> bool,
) -> Result<End> {
    let (from, end) = query.updated_between();
    let mut scan = Scan::new(tx, desk, query, after, back).between(from, end);
    let mut left = budget;
    let mut batch = FIRST_BATCH;
    loop {
        let size = batch.min(left);
        let (found, over) = entries(tx, desk, query, &scan, size, plan)?;
        let last = found.last().cloned();
        left -= found.len();
        if take(meeting(tx, desk, query, &may_meet(query, found))?) {
            return Ok(End::Full);
        }
        let Some(last) = last.filter(|last| !over && !scan.is_past(last, from, end)) else {
            return Ok(End::Over);
        };
        if left == 0 {
            return Ok(End::Stopped(last.key()));
        }
        scan = scan.after(&last);
        batch = (4 * batch).min(BATCH);
    }
}

/// See [`super::part`].
#[expect(
    clippy::too_many_arguments,
    reason = "a list, where in it, and how far"
)]
pub(super) fn part<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    after: Option<&Key>,
    back: bool,
    limit: usize,
    budget: usize,
    plan: Plan,
) -> Result<Part> {
    if matches!(desk.reach(), Reach::Nothing) || limit == 0 || query.finds_nothing() {
        return Ok(Part::default());
    }
    if !needs_rows(query) {
        let scan = Scan::new(tx, desk, query, after, back);
        let records = match desk.reach() {
            Reach::Everything => scan.records(tx.conn(), limit)?,
            Reach::Of(seen) => seen_by(tx, desk, &scan, seen, limit, plan)?,
            Reach::Nothing => Vec::new(),
        };
        return Ok(Part {
            records,
            ..Part::default()
        });
    }
    let mut records = Vec::new();
    let end = tested(tx, desk, query, after, back, budget, plan, |more| {
        records.extend(more);
        records.len() >= limit
    })?;
    records.truncate(limit);
    Ok(Part {
        records,
        stopped: match end {
            End::Stopped(key) => Some(key),
            End::Full | End::Over => None,
        },
        ..Part::default()
    })
}

/// The entries of all records whose name begins with the query's prefix; nothing when there are more than
/// [`FOUND_LIMIT`].
fn named<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    plan: Plan,
) -> Result<Option<Vec<Entry>>> {
    if matches!(desk.reach(), Reach::Nothing) || query.finds_nothing() {
        return Ok(Some(Vec::new()));
    }
    let by_name = ListQuery {
        sort: Sort {
            by: By::Name,
            descending: false,
        },
        ..query.clone()
    };
    let scan = Scan::new(tx, desk, &by_name, None, false);
    let (found, over) = entries(tx, desk, query, &scan, FOUND_LIMIT + 1, plan)?;
    if !over && found.len() > FOUND_LIMIT {
        return Ok(None);
    }
    Ok(Some(may_meet(query, found)))
}

/// All records whose name begins with the query's prefix and that meet its other conditions, in the order of names;
/// nothing when more than [`FOUND_LIMIT`] begin so.
pub(super) fn found<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    plan: Plan,
) -> Result<Option<Vec<Record>>> {
    let Some(entries) = named(tx, desk, query, plan)? else {
        return Ok(None);
    };
    meeting(tx, desk, query, &entries).map(Some)
}

/// The same for a query with a prefix alone, with what a list by instant is sorted by instead of whole records.
pub(super) fn found_at<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    plan: Plan,
) -> Result<Option<Vec<(Timestamp, RecordId)>>> {
    let Some(entries) = named(tx, desk, query, plan)? else {
        return Ok(None);
    };
    let ids: Vec<RecordId> = entries.iter().map(|entry| entry.id).collect();
    rows::instants(tx, &ids, query.sort.by == By::Created).map(Some)
}

/// How many records there are, up to `cap`, and whether the walk reached the end (or the cap).
pub(super) fn count<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    cap: usize,
    budget: usize,
    plan: Plan,
) -> Result<(usize, bool)> {
    // A beginning of the name is a range of the index by name, whatever the order of the list.
    let query = &ListQuery {
        sort: if query.prefix.is_empty() {
            Sort::default()
        } else {
            Sort {
                by: By::Name,
                descending: false,
            }
        },
        ..query.clone()
    };
    if query.finds_nothing() {
        return Ok((0, true));
    }
    if needs_rows(query) {
        let mut number = 0;
        let end = tested(tx, desk, query, None, false, budget, plan, |more| {
            number += more.len();
            number >= cap
        })?;
        return Ok((number, !matches!(end, End::Stopped(_))));
    }
    let scan = Scan::new(tx, desk, query, None, false);
    let seen = match desk.reach() {
        Reach::Nothing => return Ok((0, true)),
        Reach::Everything => return Ok((scan.count(tx.conn(), cap)?, true)),
        Reach::Of(seen) => seen,
    };
    if !query.prefix.is_empty() {
        let walked = scan.walk(tx.conn(), seen, FOUND_LIMIT, cap.min(FOUND_LIMIT))?;
        if walked.over || walked.entries.len() >= cap {
            return Ok((walked.entries.len(), true));
        }
    }
    let stretches = if seen.len() > FEW || plan != Plan::Adaptive {
        let guide = guide(tx, &scan, seen, plan)?;
        guide.stretches(tx.conn(), seen)?
    } else {
        Stretches::of(seen)
    };
    let owned = scan.count_owned(tx.conn(), &stretches.owned, cap)?;
    if owned >= cap {
        return Ok((owned, true));
    }
    let (made, ended) = scan.count_made(tx.conn(), &stretches.made, seen, budget)?;
    Ok((owned + made, ended || owned + made >= cap))
}
