//! Walking an index in order, testing each entry.

use diesel::prelude::*;

use super::{By, Key, ListQuery, Part};
use crate::access::{InAccount, Tx};
use crate::db::Backend;
use crate::db::types::{RecordId, Slot, Timestamp};
use crate::permissions::Reach;
use crate::records::change::sort_name;
use crate::records::{COLUMNS, Desk, Row, environment_number, record};
use crate::schema::records;
use crate::{Error, Result};

type Query = records::BoxedQuery<'static, Backend>;

/// Entries read at a time: small first, because most pages are full at once.
const FIRST_BATCH: usize = 128;
const BATCH: usize = 2_000;

/// What the index holds of a record.
struct Entry {
    id: RecordId,
    place: Place,
    creator: Slot,
    owner: Slot,
}

/// Where an entry stands.
#[derive(Clone, Debug)]
enum Place {
    Updated(Timestamp),
    Name(String),
}

impl Place {
    fn text(&self) -> String {
        match self {
            Place::Updated(at) => at.0.to_string(),
            Place::Name(name) => name.clone(),
        }
    }
}

/// The records of the desk's object and environment.
fn base<P: InAccount>(tx: &Tx<P>, desk: &Desk, query: &ListQuery) -> Query {
    let mut of = records::table
        .filter(records::account_id.eq(tx.account()))
        .filter(records::environment.eq(environment_number(desk.environment())))
        .filter(records::object.eq(desk.object().number()))
        .into_boxed::<Backend>();
    if !query.prefix.is_empty() && query.sort.by == By::Name {
        let from = sort_name(&query.prefix);
        if let Some(to) = after_prefix(&from) {
            of = of.filter(records::sort_name.lt(to));
        }
        of = of.filter(records::sort_name.ge(from));
    }
    of
}

/// The first text that does not begin with a prefix: prefix search is a range, never LIKE.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

macro_rules! ranged {
    ($query:expr, $column:expr, $down:expr, $after:expr) => {{
        let mut query = $query;
        if let Some((value, id)) = $after {
            query = if $down {
                query.filter($column.le(value.clone())).filter(
                    $column
                        .lt(value.clone())
                        .or($column.eq(value).and(records::id.lt(id))),
                )
            } else {
                query.filter($column.ge(value.clone())).filter(
                    $column
                        .gt(value.clone())
                        .or($column.eq(value).and(records::id.gt(id))),
                )
            };
        }
        if $down {
            query.order(($column.desc(), records::id.desc()))
        } else {
            query.order(($column.asc(), records::id.asc()))
        }
    }};
}

/// The next entries of the index after a place.
fn entries<P: InAccount>(
    tx: &mut Tx<P>,
    of: Query,
    by_name: bool,
    down: bool,
    after: Option<(Place, RecordId)>,
    limit: usize,
) -> Result<Vec<Entry>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    if by_name {
        let after = after.and_then(|(place, id)| match place {
            Place::Name(name) => Some((name, id)),
            Place::Updated(_) => None,
        });
        let rows: Vec<(RecordId, String, Slot, Slot)> =
            ranged!(of, records::sort_name, down, after)
                .limit(limit)
                .select((
                    records::id,
                    records::sort_name,
                    records::creator_slot,
                    records::owner_slot,
                ))
                .load(tx.conn())?;
        return Ok(rows
            .into_iter()
            .map(|(id, name, creator, owner)| Entry {
                id,
                place: Place::Name(name),
                creator,
                owner,
            })
            .collect());
    }
    let after = after.and_then(|(place, id)| match place {
        Place::Updated(at) => Some((at, id)),
        Place::Name(_) => None,
    });
    let rows: Vec<(RecordId, Timestamp, Slot, Slot)> =
        ranged!(of, records::updated_at, down, after)
            .limit(limit)
            .select((
                records::id,
                records::updated_at,
                records::creator_slot,
                records::owner_slot,
            ))
            .load(tx.conn())?;
    Ok(rows
        .into_iter()
        .map(|(id, at, creator, owner)| Entry {
            id,
            place: Place::Updated(at),
            creator,
            owner,
        })
        .collect())
}

/// The full rows of some entries, in their order.
fn rows<P: InAccount>(tx: &mut Tx<P>, ids: &[RecordId]) -> Result<Vec<crate::records::Record>> {
    let account = tx.account();
    let mut found = std::collections::HashMap::with_capacity(ids.len());
    for some in ids.chunks(500) {
        let rows: Vec<Row> = records::table
            .filter(records::account_id.eq(account))
            .filter(records::id.eq_any(some))
            .select(COLUMNS)
            .load(tx.conn())?;
        for row in rows {
            let record = record(row)?;
            found.insert(record.id, record);
        }
    }
    ids.iter()
        .map(|id| {
            found
                .remove(id)
                .ok_or_else(|| Error::internal("a record left its index within a transaction"))
        })
        .collect()
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

/// Goes along the index and hands over entries that the desk reaches, in batches, until `take` says that it has enough.
fn along<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    after: Option<&Key>,
    back: bool,
    budget: usize,
    mut take: impl FnMut(&mut Tx<P>, Vec<Entry>) -> Result<bool>,
) -> Result<End> {
    if matches!(desk.reach(), Reach::Nothing) {
        return Ok(End::Over);
    }
    let by_name = query.sort.by == By::Name;
    let down = query.sort.descending != back;
    let mut from = match after {
        None => None,
        Some(Key(text, id)) if by_name => Some((Place::Name(text.clone()), *id)),
        // A place that is no instant (typed by hand) is the beginning.
        Some(Key(text, id)) => text
            .parse()
            .ok()
            .map(|at| (Place::Updated(Timestamp(at)), *id)),
    };
    let mut left = budget;
    let mut batch = FIRST_BATCH;
    while left > 0 {
        let size = batch.min(left);
        let of = base(tx, desk, query);
        let found = entries(tx, of, by_name, down, from, size)?;
        let over = found.len() < size;
        left -= found.len();
        from = found.last().map(|entry| (entry.place.clone(), entry.id));
        let seen = found
            .into_iter()
            .filter(|entry| desk.reach().admits_pair(entry.creator, entry.owner))
            .collect();
        if take(tx, seen)? {
            return Ok(End::Full);
        }
        if over {
            return Ok(End::Over);
        }
        batch = BATCH;
    }
    Ok(match from {
        Some((place, id)) => End::Stopped(Key(place.text(), id)),
        None => End::Over,
    })
}

/// True when entries alone cannot tell whether a record meets the query.
fn needs_rows(query: &ListQuery) -> bool {
    !query.filters.is_empty() || (!query.prefix.is_empty() && query.sort.by != By::Name)
}

/// See [`super::part`].
pub(super) fn part<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    after: Option<&Key>,
    back: bool,
    limit: usize,
    budget: usize,
) -> Result<Part> {
    let filtered = needs_rows(query);
    let mut records = Vec::new();
    let end = along(tx, desk, query, after, back, budget, |tx, seen| {
        let ids: Vec<RecordId> = seen.iter().map(|entry| entry.id).collect();
        // Without a filter every entry is a row of the page: no more are fetched than it still needs.
        let wanted = if filtered {
            ids.len()
        } else {
            limit - records.len()
        };
        let found = rows(tx, &ids[..ids.len().min(wanted)])?;
        records.extend(found.into_iter().filter(|record| query.admits(record)));
        Ok(records.len() >= limit)
    })?;
    records.truncate(limit);
    Ok(Part {
        records,
        stopped: match end {
            End::Stopped(key) => Some(key),
            End::Full | End::Over => None,
        },
        cut: false,
    })
}

/// How many records there are, up to `cap`, and whether the walk reached the end (or the cap).
pub(super) fn count<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    query: &ListQuery,
    cap: usize,
    budget: usize,
) -> Result<(usize, bool)> {
    let filtered = needs_rows(query);
    let mut number = 0;
    let end = along(tx, desk, query, None, false, budget, |tx, seen| {
        number += if filtered {
            let ids: Vec<RecordId> = seen.iter().map(|entry| entry.id).collect();
            rows(tx, &ids)?
                .iter()
                .filter(|record| query.admits(record))
                .count()
        } else {
            seen.len()
        };
        Ok(number >= cap)
    })?;
    Ok((number, !matches!(end, End::Stopped(_))))
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn a_prefix_is_a_range() {
        assert_eq!(after_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(after_prefix("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(after_prefix("\u{10FFFF}"), None);
    }
}
