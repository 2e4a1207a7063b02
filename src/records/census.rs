//! How many records each member owns and made: what Review change and Check access count with.
//!
//! An object with few records is counted anew each time. Of one with many a count is kept in memory for a while, and
//! whatever is said of it is an estimate with its time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::prelude::*;

use super::environment_number;
use crate::access::{Environment, InAccount, Tx};
use crate::db::Backend;
use crate::db::types::{AccountId, RecordId, Slot, Timestamp};
use crate::permissions::Object;
use crate::permissions::census::{Census, Pair};
use crate::schema::{accounts, records};
use crate::{App, Result};

/// Records of an object in both environments up to which every count is exact.
pub const EXACT: i64 = 20_000;

/// How long a count of more records is good enough.
const GOOD: time::Duration = time::Duration::minutes(30);

/// Counts that are kept.
const KEPT: usize = 256;

/// Members whose records one statement counts: none runs for long.
const SOME: i32 = 500;

type Counted = HashMap<(AccountId, Object), Arc<Census>>;

/// The counts of this process.
#[derive(Default)]
pub struct Kept(Mutex<Counted>);

impl Kept {
    fn get(&self, of: (AccountId, Object), now: Timestamp) -> Option<Arc<Census>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let census = kept.get(&of)?;
        let good = census.as_of().is_some_and(|at| now - at < GOOD);
        good.then(|| census.clone())
    }

    fn put(&self, of: (AccountId, Object), census: Arc<Census>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            let oldest = kept.iter().min_by_key(|(_, census)| census.as_of());
            if let Some(oldest) = oldest.map(|(of, _)| *of) {
                kept.remove(&oldest);
            }
        }
        kept.insert(of, census);
    }
}

/// The census of an object, in both environments.
pub fn of<P: InAccount>(tx: &mut Tx<P>, object: Object) -> Result<Arc<Census>> {
    let (account, now) = (tx.account(), tx.now());
    let app: &App = tx.app();
    if let Some(kept) = app.censuses.get((account, object), now) {
        return Ok(kept);
    }
    if !is_large(tx, object)? {
        let counts = count(tx, object, None)?;
        return Ok(Arc::new(Census::new(counts, None)));
    }
    let slots: i32 = accounts::table
        .filter(accounts::id.eq(account))
        .select(accounts::next_slot)
        .first(tx.conn())?;
    let mut counts = Vec::new();
    let mut from = 0;
    while from < slots {
        counts.extend(count(tx, object, Some((from, from + SOME)))?);
        from += SOME;
    }
    let census = Arc::new(Census::new(counts, Some(now)));
    app.censuses.put((account, object), census.clone());
    Ok(census)
}

/// True when there are more than [`EXACT`]. Reads no more than that of one index.
fn is_large<P: InAccount>(tx: &mut Tx<P>, object: Object) -> Result<bool> {
    let account = tx.account();
    let mut seen = 0;
    for environment in Environment::ALL {
        let some: Vec<RecordId> = records::table
            .filter(records::account_id.eq(account))
            .filter(records::environment.eq(environment_number(environment)))
            .filter(records::object.eq(object.number()))
            .limit(EXACT + 1 - seen)
            .select(records::id)
            .load(tx.conn())?;
        seen += i64::try_from(some.len()).unwrap_or(EXACT);
        if seen > EXACT {
            return Ok(true);
        }
    }
    Ok(false)
}

/// By owner and creator, from the index of owners alone; of all owners or of those in a range of slots.
fn count<P: InAccount>(
    tx: &mut Tx<P>,
    object: Object,
    owners: Option<(i32, i32)>,
) -> Result<Vec<(Pair, u64)>> {
    let account = tx.account();
    let mut all = Vec::new();
    for environment in Environment::ALL {
        let mut query = records::table
            .filter(records::account_id.eq(account))
            .filter(records::environment.eq(environment_number(environment)))
            .filter(records::object.eq(object.number()))
            .group_by((records::owner_slot, records::creator_slot))
            .select((
                records::owner_slot,
                records::creator_slot,
                diesel::dsl::count_star(),
            ))
            .into_boxed::<Backend>();
        if let Some((from, to)) = owners {
            query = query
                .filter(records::owner_slot.ge(Slot(from)))
                .filter(records::owner_slot.lt(Slot(to)));
        }
        let rows: Vec<(Slot, Slot, i64)> = query.load(tx.conn())?;
        all.extend(
            rows.into_iter().map(|(owner, creator, count)| {
                ((owner, creator), u64::try_from(count).unwrap_or(0))
            }),
        );
    }
    Ok(all)
}

/// A record as an example: where it is and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub environment: Environment,
    pub id: RecordId,
    pub name: String,
}

/// The newest records of an owner and a creator, COMMERCIAL first.
pub fn examples<P: InAccount>(
    tx: &mut Tx<P>,
    object: Object,
    (owner, creator): Pair,
    most: i64,
) -> Result<Vec<Example>> {
    let account = tx.account();
    let mut found: Vec<Example> = Vec::new();
    for environment in [Environment::Commercial, Environment::Test] {
        let left = most - i64::try_from(found.len()).unwrap_or(most);
        if left <= 0 {
            break;
        }
        let rows: Vec<(RecordId, String)> = records::table
            .filter(records::account_id.eq(account))
            .filter(records::environment.eq(environment_number(environment)))
            .filter(records::object.eq(object.number()))
            .filter(records::owner_slot.eq(owner))
            .filter(records::creator_slot.eq(creator))
            .order((records::updated_at.desc(), records::id.desc()))
            .limit(left)
            .select((records::id, records::name))
            .load(tx.conn())?;
        found.extend(rows.into_iter().map(|(id, name)| Example {
            environment,
            id,
            name,
        }));
    }
    Ok(found)
}
