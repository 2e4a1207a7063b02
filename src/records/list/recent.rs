//! The newest records of a list, kept in memory with its map ([`super::density`]): number, instant and people of each. Most
//! pages by last update are chosen among them, and the database is asked for the chosen rows alone.
//!
//! What is kept grows old in one way only: a record that was written or deleted since has left its instant. So a chosen
//! record counts if its row still bears the instant that is kept, and the row decides once more whether the reader sees it.
//! What was written after the instant at which the map ends is looked up.

use std::collections::HashSet;

use super::density::Density;
use super::plan::Run;
use super::scan::{Place, Scan};
use crate::access::{InAccount, Tx};
use crate::db::types::{RecordId, Slot, Timestamp};
use crate::permissions::slots::Slots;
use crate::records::{Record, rows};
use crate::{Error, Result};

/// Records kept of one list: the first page of whoever sees one in a thousand is among them. They take 1.5 MB.
pub(super) const KEPT: usize = 65_536;

/// Entries newer than the map that are looked at, at least; twice as many as were written in the same time before it ended
/// if those are more, and at most. Where there are more to look at, the map's plans do better.
const NEWER: std::ops::RangeInclusive<usize> = 256..=4_096;

/// Records that have left their instants after which the map's plans go on.
const LEFT: usize = 800;

/// A record as it was when the map was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub at: Timestamp,
    pub id: RecordId,
    pub owner: Slot,
    pub creator: Slot,
}

impl Known {
    fn place(&self) -> (Timestamp, RecordId) {
        (self.at, self.id)
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    /// The newest first.
    known: Vec<Known>,
    /// There were no others.
    whole: bool,
}

impl Default for Recent {
    fn default() -> Recent {
        Recent {
            known: Vec::new(),
            whole: true,
        }
    }
}

impl Recent {
    /// These and what came after them, of which `newer` are the newest `keep`, if there were so many.
    pub fn lengthened(&self, newer: Vec<Known>, keep: usize) -> Recent {
        let mut known = newer;
        if known.len() >= keep {
            return Recent {
                known,
                whole: false,
            };
        }
        let moved: HashSet<RecordId> = known.iter().map(|known| known.id).collect();
        let mut older = self.known.iter().filter(|known| !moved.contains(&known.id));
        known.extend(older.by_ref().take(keep - known.len()));
        known.shrink_to_fit();
        let whole = self.whole && older.next().is_none();
        Recent { known, whole }
    }

    /// How many there are of an instant or later.
    fn since(&self, at: Timestamp) -> usize {
        self.known.partition_point(|known| known.at >= at)
    }

    /// Bytes it takes in memory.
    pub fn size(&self) -> usize {
        self.known.capacity() * size_of::<Known>()
    }

    /// Whether anything behind a place, where a list goes on, is told of here.
    fn covers(&self, after: Option<(Timestamp, RecordId)>) -> bool {
        let floor = self.known.last().map(Known::place);
        self.whole || after.is_none() || floor < after
    }

    /// Those behind a place that somebody sees, the newest first.
    fn seen<'a>(
        &'a self,
        after: Option<(Timestamp, RecordId)>,
        seen: &'a Slots,
    ) -> impl Iterator<Item = &'a Known> {
        let from = after.map_or(0, |after| {
            self.known.partition_point(|known| known.place() >= after)
        });
        self.known[from..]
            .iter()
            .filter(|known| seen.contains(known.owner) || seen.contains(known.creator))
    }

    /// What comes behind all of it in a list; nothing when that is the end.
    fn rest(&self, scan: &Scan) -> Option<Scan> {
        let floor = self.known.last().filter(|_| !self.whole)?;
        Some(scan.behind(Place::Updated(floor.at), floor.id))
    }
}

/// The next records of a list that somebody sees, up to `limit` of them, and where to go on when they are fewer and there
/// may be more.
pub(super) fn page<P: InAccount>(
    tx: &mut Tx<P>,
    scan: &Scan,
    seen: &Slots,
    limit: usize,
    map: &Density,
) -> Result<(Vec<Record>, Option<Scan>)> {
    let after = match &scan.after {
        Some((Place::Updated(at), id)) => Some((*at, *id)),
        Some((Place::Name(_), _)) => return Ok((Vec::new(), Some(scan.clone()))),
        None => None,
    };
    let recent = map.recent();
    if scan.by_name || !scan.down || !recent.covers(after) {
        return Ok((Vec::new(), Some(scan.clone())));
    }
    let mut newer = Vec::new();
    if after.is_none_or(|(at, _)| at >= map.until()) {
        let newest = scan.within(&Run::since(map.until()));
        let span = tx.now() - map.until();
        let budget = (2 * recent.since(map.until() - span)).next_power_of_two();
        if budget > *NEWER.end() {
            return Ok((Vec::new(), Some(scan.clone())));
        }
        let budget = budget.max(*NEWER.start());
        let walked = newest.walk(tx.conn(), seen, budget, limit)?;
        if !walked.over && walked.entries.len() < limit {
            return Ok((Vec::new(), Some(scan.clone())));
        }
        newer.extend(walked.entries.iter().take(limit).map(|entry| entry.id));
    }
    let mut known = recent.seen(after, seen);
    let mut records = Vec::with_capacity(limit);
    let mut wanted = limit - newer.len();
    let (mut left, mut more) = (0, 1);
    loop {
        let chosen: Vec<&Known> = known.by_ref().take(wanted).collect();
        let kept = chosen.iter().map(|known| known.id);
        let ids: Vec<RecordId> = newer.iter().copied().chain(kept).collect();
        let mut found = rows::found(tx, &ids)?;
        for id in newer.drain(..) {
            let record = found.remove(&id);
            records.push(
                record.ok_or_else(|| {
                    Error::internal("a record left its index within a transaction")
                })?,
            );
        }
        let before = records.len();
        records.extend(chosen.iter().filter_map(|known| {
            let record = found.remove(&known.id)?;
            let (creator, owner) = (record.people.creator, record.people.owner());
            let sees = seen.contains(owner) || seen.contains(creator);
            (record.updated_at == known.at && sees).then_some(record)
        }));
        if records.len() >= limit {
            records.truncate(limit);
            return Ok((records, None));
        }
        let last = match chosen.last() {
            Some(last) if chosen.len() == wanted => last,
            _ => return Ok((records, recent.rest(scan))),
        };
        left += chosen.len() - (records.len() - before);
        if left >= LEFT {
            let rest = scan.behind(Place::Updated(last.at), last.id);
            return Ok((records, Some(rest)));
        }
        // Where some have left, more may have.
        more *= 4;
        wanted = (limit - records.len())
            .saturating_mul(more)
            .min(limit.max(LEFT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(at: i64, id: i64) -> Known {
        Known {
            at: Timestamp(at),
            id: RecordId(id),
            owner: Slot(0),
            creator: Slot(0),
        }
    }

    fn numbers(recent: &Recent) -> Vec<i64> {
        recent.known.iter().map(|known| known.id.0).collect()
    }

    #[test]
    fn what_was_written_since_stands_before_what_was_kept() {
        let first = Recent::default().lengthened(vec![known(30, 3), known(20, 2), known(10, 1)], 4);
        assert!(first.whole);
        let second = first.lengthened(vec![known(40, 2)], 4);
        assert_eq!((numbers(&second), second.whole), (vec![2, 3, 1], true));
        let third = second.lengthened(vec![known(60, 6), known(50, 5)], 4);
        assert_eq!((numbers(&third), third.whole), (vec![6, 5, 2, 3], false));
        let fourth = third.lengthened(vec![known(70, 1)], 4);
        assert_eq!((numbers(&fourth), fourth.whole), (vec![1, 6, 5, 2], false));
    }

    #[test]
    fn a_gap_ends_what_is_kept() {
        let first = Recent::default().lengthened(vec![known(20, 2), known(10, 1)], 3);
        let newer = vec![known(50, 5), known(40, 4), known(30, 3)];
        let second = first.lengthened(newer, 3);
        assert_eq!((numbers(&second), second.whole), (vec![5, 4, 3], false));
        let place = |at, id| Some((Timestamp(at), RecordId(id)));
        assert!(second.covers(None) && second.covers(place(30, 4)));
        assert!(!second.covers(place(30, 3)) && !second.covers(place(20, 9)));
        assert!(
            first.covers(place(5, 0)),
            "nothing is behind, and that is known"
        );
    }
}
