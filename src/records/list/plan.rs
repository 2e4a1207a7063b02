//! Which way to the records that somebody sees, without ever asking what the answer would be worth: every plan gives the
//! same entries, they differ in cost alone.
//!
//! * **Walk**: along the index over everything, testing each entry. Cheap for whoever sees a good share of what lies there.
//! * **Merge**: the first entries of each member's own stretch, put in order. Cheap for whoever sees few members.
//!
//! Somebody who sees a handful of members gets the merge at once. For everybody else a short walk shows how thick the
//! visible records lie *at this place of the list*, which says what the rest of the walk would cost; where that is more
//! than a merge, or turns out to be, the merge takes over behind the last entry. So a page of a department whose records are all old,
//! of a member who sees hundreds of people without a record, or far down a list costs little more than the better of the
//! two plans, and nothing has to be kept in memory or kept up to date for it.

use super::scan::{Entry, Scan, Stretches};
use crate::Result;
use crate::db::Conn;
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
}

/// Members up to whom nothing else is tried than the merge.
const FEW: usize = 12;

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
            step: 0.2,
            head: 2.5,
            query: 120.0,
        },
        Conn::Sqlite(_) => Costs {
            step: 0.3,
            head: 2.0,
            query: 15.0,
        },
    }
}

/// The next `size` entries that somebody sees, and whether nothing comes after.
pub(super) fn next(
    conn: &mut Conn,
    scan: &Scan,
    seen: &Slots,
    size: usize,
    plan: Plan,
) -> Result<(Vec<Entry>, bool)> {
    let mut found: Vec<Entry> = Vec::new();
    let mut from = scan.clone();
    while found.len() < size {
        let wanted = (size - found.len()).min(ROUND);
        let (more, over) = round(conn, &from, seen, wanted, plan)?;
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
) -> Result<(Vec<Entry>, bool)> {
    let members = seen.len();
    if plan == Plan::Probe || (plan == Plan::Adaptive && members <= FEW) {
        return probe(conn, scan, &Stretches::of(seen), wanted);
    }
    if plan == Plan::Merge {
        return merge(conn, scan, &Stretches::of(seen), wanted);
    }
    let costs = costs(conn);
    let merging = 2.0 * costs.head * members as f64 + 2.0 * costs.query;
    let mut found = Vec::new();
    let mut from = scan.clone();
    let mut budget = FIRST_WALK.max(4 * wanted);
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
        if plan == Plan::Walk {
            continue;
        }
        // Half an entry more than were found: none at all does not mean that there are none.
        let missing = (wanted - found.len()) as f64;
        let rest = missing * walked_in_all as f64 / (found.len() as f64 + 0.5);
        let spent = walked_in_all as f64 * costs.step;
        if rest * costs.step + costs.query > merging || spent > merging {
            let (more, over) = merge(conn, &from, &Stretches::of(seen), wanted)?;
            found.extend(more);
            return Ok(cut(found, over, wanted));
        }
        budget = round_up(rest * 1.5).max(FIRST_WALK);
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
    let found = scan.merged(conn, stretches, None, wanted)?;
    let over = found.len() < wanted;
    Ok((found, over))
}

/// The stretches whose heads are good enough only. A record may stand in two of them, so twice as many heads as records
/// are needed.
fn merge(
    conn: &mut Conn,
    scan: &Scan,
    stretches: &Stretches,
    wanted: usize,
) -> Result<(Vec<Entry>, bool)> {
    let (best, until) = scan.heads(conn, stretches, 2 * wanted)?;
    let found = scan.merged(conn, &best, until, wanted)?;
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
    probe(conn, scan, stretches, size)
}
