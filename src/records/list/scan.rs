//! The queries of lists: each reads ranges of the indexes over records, in their order. Which one is asked when is
//! decided in [`super::plan`].

mod stretches;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text};

use super::density::Of as MapOf;
use super::plan::Run;
use super::{By, Key, ListQuery};
use crate::Result;
use crate::access::{InAccount, Tx};
use crate::db::Conn;
use crate::db::statement::Pieces;
use crate::db::types::{AccountId, RecordId, Slot, Timestamp};
use crate::on_each;
use crate::permissions::slots::Slots;
use crate::records::change::sort_name;
use crate::records::{Desk, Record, environment_number, rows};
pub(super) use stretches::Stretches;

/// What an index holds of a record.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub id: RecordId,
    pub place: Place,
    /// The owner, where the index does not hold who made it.
    pub creator: Slot,
    pub owner: Slot,
}

impl Entry {
    /// Place in the list.
    pub fn key(&self) -> Key {
        Key(self.place.text(), self.id)
    }
}

/// Where an entry stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
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

/// A part of the records of one object, in the order of an index.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    account: AccountId,
    environment: i16,
    object: i16,
    pub by_name: bool,
    pub down: bool,
    /// Only names that begin with this.
    pub prefix: Option<String>,
    /// After this entry.
    pub after: Option<(Place, RecordId)>,
    /// Not beyond this place.
    until: Option<Place>,
}

/// The indexes that give an order: over everything, by owner, and by creator where that is somebody else.
struct Indexes {
    place: &'static str,
    all: &'static str,
    owner: &'static str,
    creator: &'static str,
}

const BY_UPDATE: Indexes = Indexes {
    place: "updated_at",
    all: "records_by_update",
    owner: "records_by_owner_update",
    creator: "records_by_creator_update",
};

const BY_NAME: Indexes = Indexes {
    place: "sort_name",
    all: "records_by_name",
    owner: "records_by_owner_name",
    creator: "records_by_creator_name",
};

/// Whose records: everybody's; those that one member, or each of `listed`, owns; or made for somebody else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    All,
    EachOwned,
    EachMade,
    Owned(Slot),
    Made(Slot),
}

impl Scan {
    /// The records of the desk's object and environment in the order of a query, those after a place. Names are
    /// narrowed to the prefix only in the order of names.
    pub fn new<P: InAccount>(
        tx: &Tx<P>,
        desk: &Desk,
        query: &ListQuery,
        after: Option<&Key>,
        back: bool,
    ) -> Scan {
        let by_name = query.sort.by == By::Name;
        let after = match after {
            None => None,
            Some(Key(text, id)) if by_name => Some((Place::Name(text.clone()), *id)),
            // A place that is no instant (typed by hand) is the beginning.
            Some(Key(text, id)) => text
                .parse()
                .ok()
                .map(|at| (Place::Updated(Timestamp(at)), *id)),
        };
        Scan {
            account: tx.account(),
            environment: environment_number(desk.environment()),
            object: desk.object().number(),
            by_name,
            down: query.sort.descending != back,
            prefix: Some(sort_name(&query.prefix)).filter(|p| by_name && !p.is_empty()),
            after,
            until: None,
        }
    }

    /// The rest of it after an entry.
    pub fn after(&self, entry: &Entry) -> Scan {
        self.behind(entry.place.clone(), entry.id)
    }

    /// The rest of it behind a place.
    pub fn behind(&self, place: Place, id: RecordId) -> Scan {
        Scan {
            after: Some((place, id)),
            ..self.clone()
        }
    }

    /// The part of it, a list by last update, that lies in a run of regions.
    pub fn within(&self, run: &Run) -> Scan {
        let (near, far) = if self.down {
            let near = run.end.map(|end| (end, RecordId(0)));
            (near, Some(run.from))
        } else {
            let before = Timestamp(run.from.0.saturating_sub(1));
            let last = run.end.map(|end| Timestamp(end.0.saturating_sub(1)));
            (Some((before, RecordId(i64::MAX))), last)
        };
        Scan {
            after: self.further(near),
            until: far.map(Place::Updated),
            ..self.clone()
        }
    }

    /// The later of where it begins and another place.
    fn further(&self, near: Option<(Timestamp, RecordId)>) -> Option<(Place, RecordId)> {
        let near = near.map(|(at, id)| (Place::Updated(at), id));
        match (self.after.clone(), near) {
            (Some(a), Some(b)) if self.down => Some(a.min(b)),
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        }
    }

    /// A list by last update without what comes before those not older than `from` and older than `end`.
    pub fn between(&self, from: Option<Timestamp>, end: Option<Timestamp>) -> Scan {
        let near = match (self.by_name, self.down) {
            (true, _) => None,
            (false, true) => end.map(|end| (end, RecordId(0))),
            (false, false) => from.map(|from| {
                let before = Timestamp(from.0.saturating_sub(1));
                (before, RecordId(i64::MAX))
            }),
        };
        Scan {
            after: self.further(near),
            ..self.clone()
        }
    }

    /// True when an entry, and so all behind it, lies behind those.
    pub fn is_past(&self, entry: &Entry, from: Option<Timestamp>, end: Option<Timestamp>) -> bool {
        match entry.place {
            Place::Updated(at) if self.down => from.is_some_and(|from| at < from),
            Place::Updated(at) => end.is_some_and(|end| at >= end),
            Place::Name(_) => false,
        }
    }

    /// Whether one entry comes before another.
    pub fn order(&self, a: &Entry, b: &Entry) -> std::cmp::Ordering {
        let up = (&a.place, a.id).cmp(&(&b.place, b.id));
        if self.down { up.reverse() } else { up }
    }

    /// The list that a map would be of.
    pub fn map(&self) -> MapOf {
        MapOf {
            account: self.account,
            environment: self.environment,
            object: self.object,
        }
    }

    fn indexes(&self) -> &'static Indexes {
        if self.by_name { &BY_NAME } else { &BY_UPDATE }
    }

    fn place(&self, pieces: Pieces, place: &Place) -> Pieces {
        match place {
            Place::Updated(at) => pieces.big(at.0),
            Place::Name(name) => pieces.text(name),
        }
    }

    /// `records .. WHERE ..`, to stand after FROM or a join.
    fn range(&self, of: Of) -> Pieces {
        let indexes = self.indexes();
        let pieces = Pieces::default()
            .sql("records")
            .index(match of {
                Of::All => indexes.all,
                Of::EachOwned | Of::Owned(_) => indexes.owner,
                Of::EachMade | Of::Made(_) => indexes.creator,
            })
            .sql(" WHERE account_id = ")
            .big(self.account.0)
            .sql(" AND environment = ")
            .small(self.environment)
            .sql(" AND object = ")
            .small(self.object);
        let mut pieces = match of {
            Of::All => pieces,
            Of::EachOwned => pieces.sql(" AND owner_slot = listed.number"),
            Of::Owned(slot) => pieces.sql(" AND owner_slot = ").number(slot.0),
            Of::EachMade => {
                pieces.sql(" AND creator_slot <> owner_slot AND creator_slot = listed.number")
            }
            Of::Made(slot) => pieces
                .sql(" AND creator_slot <> owner_slot AND creator_slot = ")
                .number(slot.0),
        };
        if let Some(prefix) = &self.prefix {
            pieces = pieces.sql(" AND sort_name >= ").text(prefix);
            if let Some(end) = after_prefix(prefix) {
                pieces = pieces.sql(" AND sort_name < ").text(&end);
            }
        }
        if let Some((place, id)) = &self.after {
            pieces = pieces.sql(format!(
                " AND ({}, id) {} (",
                indexes.place,
                if self.down { "<" } else { ">" }
            ));
            pieces = self.place(pieces, place).sql(", ").big(id.0).sql(")");
        }
        if let Some(place) = &self.until {
            pieces = pieces.sql(format!(
                " AND {} {} ",
                indexes.place,
                if self.down { ">=" } else { "<=" }
            ));
            pieces = self.place(pieces, place);
        }
        pieces
    }

    /// ` ORDER BY ..`
    fn ordered(&self) -> String {
        let way = if self.down { "DESC" } else { "ASC" };
        format!(" ORDER BY {} {way}, id {way}", self.indexes().place)
    }

    /// Whole records in order.
    pub fn records(&self, conn: &mut Conn, limit: usize) -> Result<Vec<Record>> {
        let statement = Pieces::default()
            .sql("SELECT ")
            .sql(rows::RECORD)
            .sql(" FROM ")
            .then(self.range(Of::All))
            .sql(self.ordered())
            .sql(format!(" LIMIT {limit}"));
        rows::load(conn, statement)
    }

    /// Up to `limit` entries that somebody sees among the next `budget`.
    pub fn walk(
        &self,
        conn: &mut Conn,
        seen: &Slots,
        budget: usize,
        limit: usize,
    ) -> Result<Walked> {
        match conn {
            Conn::Pg(_) => self.walk_there(conn, seen, budget, limit),
            Conn::Sqlite(_) => self.walk_here(conn, seen, budget, limit),
        }
    }

    /// The database tests the entries: one that is not seen never leaves it.
    fn walk_there(
        &self,
        conn: &mut Conn,
        seen: &Slots,
        budget: usize,
        limit: usize,
    ) -> Result<Walked> {
        let bits = seen.bytes();
        let size = bits.len() * 8;
        let place = self.indexes().place;
        let has = |column: &str| {
            format!(
                "CASE WHEN {column} < {size} THEN get_bit(seen.bits, {column}) = 1 ELSE FALSE END"
            )
        };
        let (owner, creator) = (has("owner_slot"), has("creator_slot"));
        let order = self.ordered();
        let statement = Pieces::default()
            .sql(format!(
                "SELECT id, {place}, creator_slot, owner_slot, step FROM (\
                 SELECT id, {place}, creator_slot, owner_slot, row_number() OVER ({order}) AS step FROM "
            ))
            .then(self.range(Of::All))
            .sql(format!("{order} LIMIT {budget}) AS walked, (SELECT "))
            .bytes(bits)
            .sql(format!(
                " AS bits) AS seen WHERE {owner} OR {creator} OR step = {budget} LIMIT {limit}"
            ));
        let mut spent = false;
        let mut steps = 0;
        let mut entries = Vec::new();
        for (entry, step) in self.load_steps(conn, statement)? {
            steps = usize::try_from(step).unwrap_or(usize::MAX);
            spent = steps == budget;
            entries.push(entry);
        }
        let full = entries.len() == limit;
        let last = entries.last().cloned();
        entries.retain(|e| seen.contains(e.owner) || seen.contains(e.creator));
        Ok(Walked {
            over: !full && !spent,
            entries,
            last,
            steps,
        })
    }

    /// The same on SQLite, which knows no bits: a byte for each slot. Where the walk stopped is asked for only when the
    /// budget was spent; counting steps would cost more than all the rest.
    fn walk_here(
        &self,
        conn: &mut Conn,
        seen: &Slots,
        budget: usize,
        limit: usize,
    ) -> Result<Walked> {
        let mut bytes = vec![0; seen.bytes().len() * 8];
        for slot in seen.iter() {
            bytes[slot.index()] = 1;
        }
        let order = self.ordered();
        let statement = Pieces::default()
            .sql(self.columns())
            .sql("(")
            .sql(self.columns())
            .then(self.range(Of::All))
            .sql(format!("{order} LIMIT {budget}) WHERE substr("))
            .bytes(bytes.clone())
            .sql(", owner_slot + 1, 1) = x'01' OR (creator_slot <> owner_slot AND substr(")
            .bytes(bytes)
            .sql(format!(", creator_slot + 1, 1) = x'01') LIMIT {limit}"));
        let entries = self.load_entries(conn, statement)?;
        if entries.len() == limit {
            return Ok(Walked {
                last: entries.last().cloned(),
                entries,
                over: false,
                steps: budget,
            });
        }
        let statement = Pieces::default()
            .sql(self.columns())
            .then(self.range(Of::All))
            .sql(format!("{order} LIMIT 1 OFFSET {}", budget - 1));
        let last = self.load_entries(conn, statement)?.pop();
        Ok(Walked {
            entries,
            over: last.is_none(),
            last,
            steps: budget,
        })
    }

    /// The next entries, seen or not.
    pub fn entries(&self, conn: &mut Conn, limit: usize) -> Result<Vec<Entry>> {
        let statement = Pieces::default()
            .sql(self.columns())
            .then(self.range(Of::All))
            .sql(self.ordered())
            .sql(format!(" LIMIT {limit}"));
        self.load_entries(conn, statement)
    }

    fn columns(&self) -> String {
        format!(
            "SELECT id, {}, creator_slot, owner_slot FROM ",
            self.indexes().place
        )
    }

    /// How many entries there are, up to `cap`.
    pub fn count(&self, conn: &mut Conn, cap: usize) -> Result<usize> {
        let statement = Pieces::default()
            .sql("SELECT COUNT(*) FROM (SELECT 1 FROM ")
            .then(self.range(Of::All))
            // Any order will do; this one keeps the planner at the index.
            .sql(self.ordered())
            .sql(format!(" LIMIT {cap}) AS counted"));
        load_count(conn, statement)
    }

    fn load_entries(&self, conn: &mut Conn, pieces: Pieces) -> Result<Vec<Entry>> {
        if self.by_name {
            type St = (BigInt, Text, Integer, Integer);
            let rows: Vec<(RecordId, String, Slot, Slot)> =
                on_each!(conn, c => pieces.giving::<St>().load(c))?;
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
        type St = (BigInt, BigInt, Integer, Integer);
        let rows: Vec<(RecordId, Timestamp, Slot, Slot)> =
            on_each!(conn, c => pieces.giving::<St>().load(c))?;
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

    fn load_steps(&self, conn: &mut Conn, pieces: Pieces) -> Result<Vec<(Entry, i64)>> {
        if self.by_name {
            type St = (BigInt, Text, Integer, Integer, BigInt);
            let rows: Vec<(RecordId, String, Slot, Slot, i64)> =
                on_each!(conn, c => pieces.giving::<St>().load(c))?;
            return Ok(rows
                .into_iter()
                .map(|(id, name, creator, owner, step)| {
                    let place = Place::Name(name);
                    (
                        Entry {
                            id,
                            place,
                            creator,
                            owner,
                        },
                        step,
                    )
                })
                .collect());
        }
        type St = (BigInt, BigInt, Integer, Integer, BigInt);
        let rows: Vec<(RecordId, Timestamp, Slot, Slot, i64)> =
            on_each!(conn, c => pieces.giving::<St>().load(c))?;
        Ok(rows
            .into_iter()
            .map(|(id, at, creator, owner, step)| {
                let place = Place::Updated(at);
                (
                    Entry {
                        id,
                        place,
                        creator,
                        owner,
                    },
                    step,
                )
            })
            .collect())
    }
}

/// What a walk found.
pub(super) struct Walked {
    /// In order.
    pub entries: Vec<Entry>,
    /// The last entry that was looked at, where the walk ended for want of budget.
    pub last: Option<Entry>,
    /// Nothing comes after.
    pub over: bool,
    pub steps: usize,
}

fn load_count(conn: &mut Conn, pieces: Pieces) -> Result<usize> {
    let number: i64 = on_each!(conn, c => pieces.giving::<BigInt>().get_result(c))?;
    Ok(usize::try_from(number).unwrap_or(0))
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
