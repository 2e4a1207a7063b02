//! Where in time each member's records lie: a map per account, environment and object, kept in memory, that lets a list
//! pass over stretches in which nobody whom the reader sees has a record. With it: the newest records (`recent.rs`).
//!
//! What the map is used for is where there is *nothing*, and what it says stays true without being told of any change:
//! every write of a record moves it to the instant of the write, so a stretch of the past loses records and never gains
//! one. What was written after the map was made lies after the instant at which it ends, where everything is looked at. A
//! transaction writes down the instant at which it began; [`SETTLED`] after that instant it has ended, because none that
//! took longer than [`crate::access::LONGEST`] is committed, and clocks of several servers differ by less than the rest.
//!
//! A transaction that began before a map was finished may see a record where the map has seen it leave. It does without
//! that map, and so does everybody after the clock was set back: also when it has come to the same hour again.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};
use tokio::sync::{Notify, watch};

use super::recent::{KEPT, Known, Recent};
use super::scan::{Place, Scan, Stretches};
use crate::access::LONGEST;
use crate::db::Conn;
use crate::db::statement::Pieces;
use crate::db::types::{AccountId, RecordId, Slot, Timestamp};
use crate::permissions::slots::Slots;
use crate::{App, Error, Result, on_each};

/// How long ago an instant must be for no transaction that began at it to be still open.
pub const SETTLED: time::Duration = time::Duration::minutes(10);

/// Age at which a map is lengthened by what was written since.
const LENGTHEN: time::Duration = time::Duration::minutes(30);

/// Age of its first part at which a map is made anew: records that were written since have left the stretches it knows.
const RENEW: time::Duration = time::Duration::days(1);

/// Shortest stretch.
const WEEK: i64 = 7 * 86_400 * 1_000_000;

/// Stretches of one map.
const STRETCHES: i64 = 260;

/// Memory that all maps of a process take at most, in bytes.
const ROOM: usize = 64 * 1024 * 1024;

/// Records written since a map was made up to which it tells who has none by name.
const SINCE: usize = 2_000;

/// The list that a map is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Of {
    pub(super) account: AccountId,
    pub(super) environment: i16,
    pub(super) object: i16,
}

/// Members with records: as who is assigned (or made them, where nobody is), and as who made them for somebody else.
#[derive(Clone, Debug, Default)]
struct People {
    owners: Slots,
    makers: Slots,
}

impl People {
    fn add(&mut self, other: &People) {
        self.owners.join(&other.owners);
        self.makers.join(&other.makers);
    }

    /// Those of them whom somebody sees.
    fn seen(&self, seen: &Slots) -> Stretches {
        Stretches {
            owned: self.owners.and(seen).iter().collect(),
            made: self.makers.and(seen).iter().collect(),
        }
    }
}

/// A stretch of the past, with its records as they were when the map was made.
#[derive(Debug)]
struct Stretch {
    from: Timestamp,
    /// The first instant after it.
    end: Timestamp,
    entries: usize,
    people: People,
}

/// A map; see the module.
#[derive(Debug)]
pub struct Density {
    /// When its first part was made.
    made: Timestamp,
    /// When its last part was made.
    finished: Timestamp,
    /// The same by [`crate::Clock::steady`].
    steady: time::Duration,
    until: Timestamp,
    /// The oldest first; none without a record.
    stretches: Vec<Arc<Stretch>>,
    people: People,
    entries: usize,
    /// Records by slot of whoever owns them, and of whoever made them for somebody else.
    held: Vec<u32>,
    recent: Recent,
}

/// A part of a list by last update: a stretch of the map, or what is newer than the map.
pub(super) struct Region<'a> {
    stretch: Option<&'a Stretch>,
    from: Timestamp,
    /// Records of members whom the reader sees, at least.
    pub least: usize,
}

impl Region<'_> {
    /// What is newer than the map: nothing is known of it.
    pub fn is_newest(&self) -> bool {
        self.stretch.is_none()
    }

    pub fn from(&self) -> Timestamp {
        self.from
    }

    /// The first instant after it; none for the newest.
    pub fn end(&self) -> Option<Timestamp> {
        self.stretch.map(|stretch| stretch.end)
    }

    /// Records in it when the map was made.
    pub fn entries(&self) -> usize {
        self.stretch.map_or(0, |stretch| stretch.entries)
    }
}

/// Whose stretches of the indexes may hold something in some regions, for somebody.
pub(super) fn present(regions: &[Region], seen: &Slots) -> Stretches {
    let mut people = People::default();
    for region in regions {
        match region.stretch {
            Some(stretch) => people.add(&stretch.people),
            None => return Stretches::of(seen),
        }
    }
    people.seen(seen)
}

impl Density {
    fn new(now: Timestamp) -> Density {
        Density {
            made: now,
            finished: now,
            steady: time::Duration::ZERO,
            until: Timestamp(i64::MIN),
            stretches: Vec::new(),
            people: People::default(),
            entries: 0,
            held: Vec::new(),
            recent: Recent::default(),
        }
    }

    /// True when somebody has set the clock back since: then `now`, at which a transaction began, says nothing about what
    /// the map knows of it. `steady` is what the other clock shows; no transaction takes longer than the slack.
    fn set_back(&self, now: Timestamp, steady: time::Duration) -> bool {
        steady - self.steady > now - self.finished + LONGEST
    }

    /// The newest records that it knows.
    pub(super) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Where it ends: what was written from this instant on is looked up.
    pub(super) fn until(&self) -> Timestamp {
        self.until
    }

    /// What share of the records somebody sees, at most.
    pub(super) fn share(&self, seen: &Slots) -> f64 {
        let held: u64 = seen
            .iter()
            .filter_map(|slot| self.held.get(slot.index()))
            .map(|n| u64::from(*n))
            .sum();
        held as f64 / self.entries.max(1) as f64
    }

    /// How many stretches of the indexes may hold something for somebody, but for what was written since.
    pub(super) fn count(&self, seen: &Slots) -> usize {
        self.people.owners.common(seen) + self.people.makers.common(seen)
    }

    /// The regions behind a place of a list by last update, in its order, without those that hold nothing to see.
    pub(super) fn regions(&self, scan: &Scan, seen: &Slots) -> Vec<Region<'_>> {
        let at = scan.after.as_ref().and_then(|(place, _)| match place {
            Place::Updated(at) => Some(*at),
            Place::Name(_) => None,
        });
        let newest = Region {
            stretch: None,
            from: self.until,
            least: 0,
        };
        let known = self.stretches.iter().filter_map(|stretch| {
            let people = &stretch.people;
            let least = people.owners.common(seen).max(people.makers.common(seen));
            (least > 0).then_some(Region {
                stretch: Some(stretch),
                from: stretch.from,
                least,
            })
        });
        let mut regions: Vec<Region> = known
            .chain([newest])
            .filter(|region| match at {
                Some(at) if scan.down => region.from <= at,
                Some(at) => region.end().is_none_or(|end| at < end),
                None => true,
            })
            .collect();
        if scan.down {
            regions.reverse();
        }
        regions
    }

    /// Whose stretches of the indexes may hold anything at all. Nothing when too much was written since to tell.
    pub(super) fn present(
        &self,
        conn: &mut Conn,
        of: Of,
        seen: &Slots,
    ) -> Result<Option<Stretches>> {
        let pieces = Pieces::default()
            .sql("SELECT owner_slot, creator_slot FROM ")
            .then(of.written(self.until, None))
            .sql(format!(" ORDER BY updated_at DESC, id DESC LIMIT {SINCE}"));
        let since: Vec<(Slot, Slot)> =
            on_each!(conn, c => pieces.giving::<(Integer, Integer)>().load(c))?;
        if since.len() == SINCE {
            return Ok(None);
        }
        let mut people = self.people.clone();
        for (owner, creator) in since {
            people.owners.insert(owner);
            if creator != owner {
                people.makers.insert(creator);
            }
        }
        Ok(Some(people.seen(seen)))
    }

    /// Bytes it takes in memory, nearly.
    fn size(&self) -> usize {
        let people = |p: &People| p.owners.size() + p.makers.size() + 48;
        let stretches: usize = self.stretches.iter().map(|s| people(&s.people) + 48).sum();
        stretches + people(&self.people) + 4 * self.held.len() + self.recent.size()
    }

    fn add(&mut self, stretch: Stretch, held: &[(Slot, Slot, u32)]) {
        self.entries += stretch.entries;
        self.people.add(&stretch.people);
        for (owner, creator, number) in held {
            self.hold(*owner, *number);
            if creator != owner {
                self.hold(*creator, *number);
            }
        }
        self.stretches.push(Arc::new(stretch));
    }

    fn hold(&mut self, slot: Slot, number: u32) {
        let index = slot.index();
        if index == usize::MAX {
            return;
        }
        if index >= self.held.len() {
            self.held.resize(index + 1, 0);
        }
        self.held[index] = self.held[index].saturating_add(number);
    }
}

impl Of {
    /// `records .. WHERE ..`: those written from an instant on, up to another.
    fn written(self, from: Timestamp, end: Option<Timestamp>) -> Pieces {
        let pieces = Pieces::default()
            .sql("records")
            .index("records_by_update")
            .sql(" WHERE account_id = ")
            .big(self.account.0)
            .sql(" AND environment = ")
            .small(self.environment)
            .sql(" AND object = ")
            .small(self.object)
            // Hidden from the planner, which would plan anew for every instant.
            .sql(" AND updated_at >= (SELECT ")
            .big(from.0)
            .sql(")");
        match end {
            Some(end) => pieces.sql(" AND updated_at < (SELECT ").big(end.0).sql(")"),
            None => pieces,
        }
    }

    fn oldest(self, conn: &mut Conn, from: Timestamp) -> Result<Option<Timestamp>> {
        let pieces = Pieces::default()
            .sql("SELECT updated_at FROM ")
            .then(self.written(from, None))
            .sql(" ORDER BY updated_at ASC, id ASC LIMIT 1");
        Ok(on_each!(conn, c => pieces.giving::<BigInt>().get_result(c).optional())?)
    }

    /// The newest of those written from an instant on, up to another.
    fn newest(
        self,
        conn: &mut Conn,
        from: Timestamp,
        end: Timestamp,
        limit: usize,
    ) -> Result<Vec<Known>> {
        let pieces = Pieces::default()
            .sql("SELECT updated_at, id, owner_slot, creator_slot FROM ")
            .then(self.written(from, Some(end)))
            .sql(format!(" ORDER BY updated_at DESC, id DESC LIMIT {limit}"));
        type St = (BigInt, BigInt, Integer, Integer);
        let rows: Vec<(Timestamp, RecordId, Slot, Slot)> =
            on_each!(conn, c => pieces.giving::<St>().load(c))?;
        Ok(rows
            .into_iter()
            .map(|(at, id, owner, creator)| Known {
                at,
                id,
                owner,
                creator,
            })
            .collect())
    }

    /// Who has how many records in a stretch, as (owner, creator, number).
    fn held(
        self,
        conn: &mut Conn,
        from: Timestamp,
        end: Timestamp,
    ) -> Result<Vec<(Slot, Slot, u32)>> {
        let pieces = Pieces::default()
            .sql("SELECT owner_slot, creator_slot, COUNT(*) FROM ")
            .then(self.written(from, Some(end)))
            .sql(" GROUP BY owner_slot, creator_slot");
        let rows: Vec<(Slot, Slot, i64)> =
            on_each!(conn, c => pieces.giving::<(Integer, Integer, BigInt)>().load(c))?;
        Ok(rows
            .into_iter()
            .map(|(owner, creator, n)| (owner, creator, u32::try_from(n).unwrap_or(u32::MAX)))
            .collect())
    }
}

/// Makes or lengthens a map up to [`SETTLED`] before `now`, with the newest `keep` records; nothing when `stop` ends it.
/// `read` opens a transaction for each query: a map that was put together of several instants is as true as any.
fn draw(
    of: Of,
    before: Option<&Density>,
    now: Timestamp,
    keep: usize,
    stop: &dyn Fn() -> bool,
    mut read: impl FnMut(&mut dyn FnMut(&mut Conn) -> Result<()>) -> Result<()>,
) -> Result<Option<Density>> {
    let until = now - SETTLED;
    let mut kept = &Recent::default();
    let mut map = match before {
        Some(before) if now - before.made < RENEW => {
            kept = &before.recent;
            Density {
                made: before.made,
                finished: now,
                steady: before.steady,
                until: before.until,
                stretches: before.stretches.clone(),
                people: before.people.clone(),
                entries: before.entries,
                held: before.held.clone(),
                recent: Recent::default(),
            }
        }
        _ => Density::new(now),
    };
    let mut oldest = None;
    read(&mut |conn| {
        oldest = of.oldest(conn, map.until)?;
        Ok(())
    })?;
    let mut from = oldest.unwrap_or(until);
    let length = WEEK.max((until.0 - from.0) / STRETCHES + 1);
    while from < until {
        if stop() {
            return Ok(None);
        }
        let end = until.min(Timestamp(from.0.saturating_add(length)));
        let mut held = Vec::new();
        read(&mut |conn| {
            held = of.held(conn, from, end)?;
            Ok(())
        })?;
        if !held.is_empty() {
            let mut people = People::default();
            for (owner, creator, _) in &held {
                people.owners.insert(*owner);
                if creator != owner {
                    people.makers.insert(*creator);
                }
            }
            let stretch = Stretch {
                from,
                end,
                entries: held.iter().map(|(.., n)| *n as usize).sum(),
                people,
            };
            map.add(stretch, &held);
        }
        from = end;
    }
    let mut newer = Vec::new();
    read(&mut |conn| {
        newer = of.newest(conn, map.until, until, keep)?;
        Ok(())
    })?;
    map.recent = kept.lengthened(newer, keep);
    map.until = map.until.max(until);
    Ok(Some(map))
}

/// A map made within a transaction, for tests: of this very instant, with the newest `keep` records.
pub(super) fn drawn(conn: &mut Conn, of: Of, now: Timestamp, keep: usize) -> Result<Density> {
    draw(of, None, now, keep, &|| false, |f| f(conn))?
        .ok_or_else(|| Error::internal("nobody stopped it"))
}

/// The maps of a process.
#[derive(Default)]
pub struct Maps {
    kept: Mutex<Kept>,
    wanted: Mutex<HashSet<Of>>,
    wake: Notify,
}

#[derive(Default)]
struct Kept {
    maps: HashMap<Of, (Arc<Density>, u64)>,
    asked: u64,
}

impl Maps {
    /// The map of a list for a transaction that began at `now`, when there is one. One that has grown old is used on and
    /// lengthened meanwhile.
    pub(super) fn of(
        &self,
        of: Of,
        now: Timestamp,
        steady: time::Duration,
    ) -> Option<Arc<Density>> {
        let map = self.kept(of)?;
        let set_back = map.set_back(now, steady);
        if set_back || now - map.until > LENGTHEN || map.finished - now > SETTLED {
            self.want(of);
        }
        (map.finished <= now && !set_back).then_some(map)
    }

    fn kept(&self, of: Of) -> Option<Arc<Density>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.asked += 1;
        let asked = kept.asked;
        let (map, used) = kept.maps.get_mut(&of)?;
        *used = asked;
        Some(map.clone())
    }

    /// Asks for a map to be made.
    pub(super) fn want(&self, of: Of) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.insert(of) {
            self.wake.notify_one();
        }
    }

    fn next(&self) -> Option<Of> {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.iter().next().copied()
    }

    fn keep(&self, of: Of, map: Density) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = kept.asked;
        kept.maps.insert(of, (Arc::new(map), asked));
        // The one that nobody has asked for longest goes, while they take too much room; a list can do without.
        while kept.maps.len() > 1
            && kept.maps.values().map(|(map, _)| map.size()).sum::<usize>() > ROOM
        {
            let oldest = kept.maps.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(of, _)| *of) else {
                break;
            };
            kept.maps.remove(&oldest);
        }
    }

    /// Bytes that all maps take in memory, nearly.
    pub fn size(&self) -> usize {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.maps.values().map(|(map, _)| map.size()).sum()
    }

    fn done(&self, of: Of) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.remove(&of);
    }
}

/// Makes the maps that were asked for, one after the other.
pub fn run_due(app: &App, stop: &dyn Fn() -> bool) -> Result<()> {
    run_keeping(app, KEPT, stop)
}

/// The same with the newest `keep` records of each list, for tests.
pub fn run_keeping(app: &App, keep: usize, stop: &dyn Fn() -> bool) -> Result<()> {
    while let Some(of) = app.maps.next() {
        let (now, steady) = (app.clock.now(), app.clock.steady());
        let before = app.maps.kept(of);
        let before = before.filter(|map| map.finished <= now && !map.set_back(now, steady));
        let drawn = draw(of, before.as_deref(), now, keep, stop, |f| {
            app.system_read(|tx| f(tx.conn()))
        });
        app.maps.done(of);
        let Some(map) = drawn? else {
            return Ok(());
        };
        let map = Density {
            finished: app.clock.now(),
            steady: app.clock.steady(),
            ..map
        };
        app.maps.keep(of, map);
    }
    Ok(())
}

/// Until a map that could not be made is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// Makes maps as they are asked for, until `stop` says so.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let (due, stopped) = (app.clone(), stop.clone());
        let made = tokio::task::spawn_blocking(move || run_due(&due, &|| *stopped.borrow())).await;
        if let Err(error) = made.map_err(Error::internal).and_then(|result| result) {
            tracing::warn!(%error, "a map of records could not be made; lists do without");
        }
        tokio::select! {
            () = app.maps.wake.notified() => {}
            () = tokio::time::sleep(AGAIN) => {}
            _ = stop.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_serves_transactions_that_began_after_it_was_finished() {
        let of = Of {
            account: AccountId(1),
            environment: 0,
            object: 2,
        };
        let (made, finished) = (Timestamp(1_000_000), Timestamp(3_000_000));
        let maps = Maps::default();
        maps.keep(
            of,
            Density {
                finished,
                ..Density::new(made)
            },
        );
        let steady = time::Duration::ZERO;
        assert!(maps.of(of, Timestamp(2_999_999), steady).is_none());
        assert!(maps.of(of, finished, steady).is_some());
        // An hour later by the other clock, and it is the same time again.
        let hour = time::Duration::hours(1);
        assert!(maps.of(of, finished, hour).is_none());
        assert!(maps.of(of, finished + hour, hour).is_some());
    }
}
