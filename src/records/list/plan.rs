//! Which way to the records that somebody sees, without ever asking what the answer would be worth: every plan gives the
//! same entries, they differ in cost alone.
//!
//! * **Walk**: along the index over everything, testing each entry. Cheap for whoever sees a good share of what lies there.
//! * **Merge**: the first entries of each member's own stretch, put in order. Cheap for whoever sees few members.
//!
//! Somebody who sees a handful of members gets the merge at once. For everybody else a map of the past ([`super::density`])
//! says through which parts of the list a walk is worth while and whose stretches a merge needs; where it would cost more
//! than a merge, or turns out to, the merge takes over behind the last entry. Until there is a map, a short walk shows how
//! thick the visible records lie *at this place of the list*, which says what the rest would cost. So a page of a
//! department whose records are all old, of a member who sees hundreds of people without a record, or far down a list
//! costs little more than the best plan.
//!
//! First pages by last update seldom come here: `recent.rs` takes them from memory.

use std::sync::Arc;

use super::density::{self, Density, Maps, Of, Region};
use super::scan::{Entry, Scan, Stretches};
use crate::Result;
use crate::db::Conn;
use crate::db::types::Timestamp;
use crate::permissions::slots::Slots;

/// What the tests force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plan {
    /// Whichever is cheapest.
    #[default]
    Adaptive,
    /// Walks until the page is full or nothing is left.
    Walk,
    /// Merges all stretches, the heads first.
    Merge,
    /// Merges all stretches at once.
    Probe,
    /// Walks by a map that is made for it, and merges nothing.
    Mapped,
    /// Merges as soon as that map says whose stretches there are.
    MappedMerge,
    /// Takes the newest records from memory, few of which that map keeps for it, and walks on.
    Recent,
}

/// Members up to whom nothing else is tried than the merge.
pub(super) const FEW: usize = 12;

/// Entries of the walk that shows how thick the visible records lie.
const FIRST_WALK: usize = 256;

/// Entries that one round gives at most.
const ROUND: usize = 1_000;

/// Microseconds, measured with a million records in memory. What counts is how they stand to each other.
struct Costs {
    /// An entry of a walk.
    step: f64,
    /// The head of a stretch.
    head: f64,
    /// A query.
    query: f64,
}

fn costs(conn: &Conn) -> Costs {
    match conn {
        Conn::Pg(_) => Costs {
            step: 0.5,
            head: 6.0,
            query: 100.0,
        },
        Conn::Sqlite(_) => Costs {
            step: 0.3,
            head: 2.0,
            query: 15.0,
        },
    }
}

/// What is known beforehand of where the records of a list lie.
pub(super) struct Guide<'a> {
    pub maps: &'a Maps,
    pub of: Of,
    pub map: Option<Arc<Density>>,
}

impl Guide<'_> {
    /// How many stretches of the indexes may hold something for somebody, nearly.
    fn count(&self, seen: &Slots) -> usize {
        match &self.map {
            Some(map) => map.count(seen),
            None => 2 * seen.len(),
        }
    }

    /// Whose stretches of the indexes may hold something for somebody.
    pub fn stretches(&self, conn: &mut Conn, seen: &Slots) -> Result<Stretches> {
        if let Some(map) = &self.map
            && let Some(present) = map.present(conn, self.of, seen)?
        {
            return Ok(present);
        }
        self.maps.want(self.of);
        Ok(Stretches::of(seen))
    }
}

/// The next `size` entries that somebody sees, and whether nothing comes after.
pub(super) fn next(
    conn: &mut Conn,
    scan: &Scan,
    seen: &Slots,
    size: usize,
    plan: Plan,
    guide: &Guide,
) -> Result<(Vec<Entry>, bool)> {
    let mut found: Vec<Entry> = Vec::new();
    let mut from = scan.clone();
    while found.len() < size {
        let wanted = (size - found.len()).min(ROUND);
        let (more, over) = round(conn, &from, seen, wanted, plan, guide)?;
        if let Some(last) = more.last() {
            from = scan.after(last);
        }
        found.extend(more);
        if over {
            return Ok((found, true));
        }
    }
    Ok((found, false))
}

fn round(
    conn: &mut Conn,
    scan: &Scan,
    seen: &Slots,
    wanted: usize,
    plan: Plan,
    guide: &Guide,
) -> Result<(Vec<Entry>, bool)> {
    let few = seen.len() <= FEW;
    match plan {
        Plan::Probe => return probe(conn, scan, &Stretches::of(seen), wanted),
        Plan::Merge => return merge(conn, scan, &Stretches::of(seen), wanted),
        Plan::Adaptive if few => return probe(conn, scan, &Stretches::of(seen), wanted),
        _ => {}
    }
    match &guide.map {
        Some(map) if !scan.by_name => mapped(conn, scan, seen, wanted, plan, map),
        Some(_) if plan == Plan::MappedMerge => {
            let present = guide.stretches(conn, seen)?;
            merge(conn, scan, &present, wanted)
        }
        _ => adaptive(conn, scan, seen, wanted, plan, guide),
    }
}

/// What it costs to merge some stretches, in microseconds.
fn merging(costs: &Costs, stretches: usize) -> f64 {
    costs.head * stretches as f64 + costs.query
}

/// Walks, and merges what is left when that is cheaper.
fn adaptive(
    conn: &mut Conn,
    scan: &Scan,
    seen: &Slots,
    wanted: usize,
    plan: Plan,
    guide: &Guide,
) -> Result<(Vec<Entry>, bool)> {
    let costs = costs(conn);
    let merging = merging(&costs, guide.count(seen));
    let mut budget = FIRST_WALK.max(4 * wanted);
    // Of names that begin alike there may be fewer than any walk is long.
    if let (Some(map), None, Plan::Adaptive) = (&guide.map, &scan.prefix, plan) {
        let rest = wanted as f64 / map.share(seen).max(f64::MIN_POSITIVE);
        if rest * costs.step > merging {
            let present = guide.stretches(conn, seen)?;
            return merge(conn, scan, &present, wanted);
        }
        budget = budget.max(round_up(1.5 * rest));
    }
    let mut found = Vec::new();
    let mut from = scan.clone();
    let mut walked_in_all = 0;
    loop {
        let walked = from.walk(conn, seen, budget, wanted)?;
        walked_in_all += walked.steps;
        found.extend(walked.entries);
        if found.len() >= wanted || walked.over {
            return Ok(cut(found, walked.over, wanted));
        }
        if let Some(last) = &walked.last {
            from = scan.after(last);
        }
        if plan != Plan::Adaptive {
            continue;
        }
        if guide.map.is_none() {
            guide.maps.want(guide.of);
        }
        // Half an entry more than were found: none at all does not mean that there are none.
        let missing = (wanted - found.len()) as f64;
        let rest = missing * walked_in_all as f64 / (found.len() as f64 + 0.5);
        let spent = walked_in_all as f64 * costs.step;
        if rest * costs.step + costs.query > merging || spent > merging {
            let present = guide.stretches(conn, seen)?;
            let (more, over) = merge(conn, &from, &present, wanted)?;
            found.extend(more);
            return Ok(cut(found, over, wanted));
        }
        budget = round_up(rest * 1.5).max(FIRST_WALK);
    }
}

/// Goes through the parts of a list by last update in which the map knows somebody to have a record whom the reader
/// sees, walking or merging as is cheaper.
fn mapped(
    conn: &mut Conn,
    scan: &Scan,
    seen: &Slots,
    wanted: usize,
    plan: Plan,
    map: &Density,
) -> Result<(Vec<Entry>, bool)> {
    let costs = costs(conn);
    let share = map.share(seen);
    let regions = map.regions(scan, seen);
    let mut found = Vec::new();
    let mut at = 0;
    let mut spent = 0.0;
    let mut from = scan.clone();
    while let Some(region) = regions.get(at) {
        let missing = wanted - found.len();
        // So many regions hold what is missing, unless records have left them since.
        let mut sum = 0;
        let enough = regions[at..].iter().position(|region| {
            sum += region.least;
            sum >= missing
        });
        let ahead = &regions[at..=enough.map_or(regions.len() - 1, |more| at + more)];
        let stretches = density::present(ahead, seen);
        let mut run = Run::of(ahead, scan.down);
        let thick = share.max(run.least as f64 / run.entries.max(1) as f64);
        let mut rest = (missing as f64 / thick).min(run.entries as f64);
        let merging = merging(&costs, stretches.len());
        let dear = match plan {
            Plan::Adaptive => spent + rest * costs.step + costs.query > merging,
            _ => plan == Plan::MappedMerge,
        };
        if region.is_newest() && dear {
            if spent > merging {
                let (more, over) = merge(conn, &from, &stretches, wanted)?;
                found.extend(more);
                return Ok(cut(found, over, wanted));
            }
            // Nobody knows whose the newest records are: a merge can leave members out behind them only.
            run = Run::of(&regions[at..=at], scan.down);
            rest = merging / costs.step;
        } else if dear {
            let all = Run::all(ahead);
            let (more, _) = merge(conn, &from.within(&all), &stretches, wanted)?;
            found.extend(more);
            if found.len() >= wanted {
                return Ok(cut(found, false, wanted));
            }
            at += ahead.len();
            continue;
        }
        let budget = FIRST_WALK.max(4 * missing).max(round_up(1.5 * rest));
        let walked = from.within(&run).walk(conn, seen, budget, wanted)?;
        spent += walked.steps as f64 * costs.step + costs.query;
        found.extend(walked.entries);
        if found.len() >= wanted {
            return Ok(cut(found, false, wanted));
        }
        match &walked.last {
            Some(last) if !walked.over => from = from.after(last),
            _ => at += run.regions,
        }
    }
    Ok((found, true))
}

/// Regions of a list that one query goes through.
pub(super) struct Run {
    pub from: Timestamp,
    /// The first instant after it; none for the newest.
    pub end: Option<Timestamp>,
    entries: usize,
    least: usize,
    regions: usize,
}

impl Run {
    /// All that was written from an instant on.
    pub fn since(from: Timestamp) -> Run {
        Run {
            from,
            end: None,
            entries: 0,
            least: 0,
            regions: 1,
        }
    }

    /// The first regions of some that have no gap between them.
    fn of(regions: &[Region], down: bool) -> Run {
        let adjacent = regions.windows(2).take_while(|two| {
            let (newer, older) = if down { (0, 1) } else { (1, 0) };
            two[older].end() == Some(two[newer].from())
        });
        Run::all(&regions[..adjacent.count() + 1])
    }

    /// All of some regions, of which there is one at least.
    fn all(regions: &[Region]) -> Run {
        let newest = regions.iter().any(Region::is_newest);
        let end = regions.iter().filter_map(Region::end).max();
        let from = regions.iter().map(Region::from).min();
        Run {
            from: from.unwrap_or(Timestamp(i64::MAX)),
            end: end.filter(|_| !newest),
            entries: regions.iter().map(Region::entries).sum(),
            least: regions.iter().map(|region| region.least).sum(),
            regions: regions.len(),
        }
    }
}

/// As many entries as were wanted. Every query asks for that many, so that there are few different statements.
fn cut(mut found: Vec<Entry>, over: bool, wanted: usize) -> (Vec<Entry>, bool) {
    let more = found.len() > wanted;
    found.truncate(wanted);
    (found, over && !more)
}

/// Powers of two, so that there are few different statements.
fn round_up(steps: f64) -> usize {
    (steps.min(1e9) as usize).next_power_of_two()
}

/// Every stretch from its beginning.
fn probe(
    conn: &mut Conn,
    scan: &Scan,
    stretches: &Stretches,
    wanted: usize,
) -> Result<(Vec<Entry>, bool)> {
    let found = scan.merged(conn, stretches, None, wanted, wanted, false)?;
    let over = found.len() < wanted;
    Ok((found, over))
}

/// The best entries of some stretches. Each gives a few at first; those that might have given more are asked again.
fn merge(
    conn: &mut Conn,
    scan: &Scan,
    stretches: &Stretches,
    wanted: usize,
) -> Result<(Vec<Entry>, bool)> {
    let few = match (conn as &Conn, stretches.len()) {
        (_, 0) => return Ok((Vec::new(), true)),
        (Conn::Sqlite(_), n) if n > FEW => {
            // A statement for each stretch: first is found out which of them are good enough.
            let (best, until) = scan.heads(conn, stretches, 2 * wanted)?;
            let found = scan.merged(conn, &best, until, wanted, wanted, false)?;
            let over = found.len() < wanted;
            return Ok((found, over));
        }
        (_, n) if n <= FEW => wanted,
        (_, n) => (2 + 2 * wanted / n).next_power_of_two().min(wanted),
    };
    let found = if few < wanted {
        scan.merged_by_few(conn, stretches, few, wanted)?
    } else {
        scan.merged(conn, stretches, None, wanted, wanted, false)?
    };
    let over = found.len() < wanted;
    Ok((found, over))
}

/// Entries of some stretches, tested: for a list that is narrowed to one person's records.
pub(super) fn of_stretches(
    conn: &mut Conn,
    scan: &Scan,
    stretches: &Stretches,
    size: usize,
) -> Result<(Vec<Entry>, bool)> {
    let found = scan.merged(conn, stretches, None, size, size, true)?;
    let over = found.len() < size;
    Ok((found, over))
}
