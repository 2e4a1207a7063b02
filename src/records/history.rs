//! What each version of a record changed, as far as the reader has the fields.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Desk, Record};
use crate::access::{InAccount, Proof, Tx};
use crate::db::types::{AccountId, RecordId, Slot, Timestamp};
use crate::permissions::Shown;
use crate::schema::record_changes;
use crate::{Error, Result, on_each};

/// The key under which a change of the assigned member is kept, as a slot.
pub(crate) const ASSIGNED: &str = "assigned_to";

/// One field before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change(pub String, pub String, pub String);

/// What one version changed.
#[derive(Clone, Debug)]
pub struct Version {
    pub version: i64,
    pub at: Timestamp,
    pub by: Slot,
    pub changes: Vec<Changed>,
}

/// A change as its reader may see it.
#[derive(Clone, Debug)]
pub enum Changed {
    Field {
        field: Shown,
        before: String,
        after: String,
    },
    Assigned {
        before: Option<Slot>,
        after: Option<Slot>,
    },
}

/// The versions of a record, the newest first: up to `limit` of those older than `before`. A version of which the reader
/// may see no change is left out.
pub fn of<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    record: &Record,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Version>> {
    let rows: Vec<(i64, Timestamp, Slot, String)> = record_changes::table
        .filter(record_changes::account_id.eq(tx.account()))
        .filter(record_changes::record_id.eq(record.id))
        .filter(record_changes::version.lt(before.unwrap_or(i64::MAX)))
        .order(record_changes::version.desc())
        .limit(limit)
        .select((
            record_changes::version,
            record_changes::at,
            record_changes::member_slot,
            record_changes::changes,
        ))
        .load(tx.conn())?;
    let mut versions = Vec::with_capacity(rows.len());
    for (version, at, by, changes) in rows {
        let changes: Vec<Change> = serde_json::from_str(&changes).map_err(Error::internal)?;
        let changes: Vec<Changed> = changes
            .into_iter()
            .filter_map(|change| shown(desk, change))
            .collect();
        if version == 1 || !changes.is_empty() {
            versions.push(Version {
                version,
                at,
                by,
                changes,
            });
        }
    }
    Ok(versions)
}

fn shown(desk: &Desk, Change(key, before, after): Change) -> Option<Changed> {
    if key == ASSIGNED {
        let slot = |text: &str| text.parse().ok().map(Slot);
        return Some(Changed::Assigned {
            before: slot(&before),
            after: slot(&after),
        });
    }
    Some(Changed::Field {
        field: desk.fields().get(&key)?.clone(),
        before,
        after,
    })
}

/// A change of the assigned member.
pub(super) fn assigned(before: Option<Slot>, after: Option<Slot>) -> Change {
    let text = |slot: Option<Slot>| slot.map_or_else(String::new, |slot| slot.0.to_string());
    Change(ASSIGNED.to_owned(), text(before), text(after))
}

/// Keeps what a version changed.
pub(super) fn keep<P: InAccount>(
    tx: &mut Tx<P>,
    account: AccountId,
    id: RecordId,
    version: i64,
    changes: &[Change],
) -> Result<()> {
    let by = tx.me().slot;
    keep_all(tx, account, by, vec![(id, version, text(changes)?)])
}

/// Keeps changes of several records, as (record, its version, the [`text`] of the changes).
pub(super) fn keep_all<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    by: Slot,
    kept: Vec<(RecordId, i64, String)>,
) -> Result<()> {
    let now = tx.now();
    let rows: Vec<_> = kept
        .into_iter()
        .map(|(id, version, changes)| {
            (
                record_changes::account_id.eq(account),
                record_changes::record_id.eq(id),
                record_changes::version.eq(version),
                record_changes::at.eq(now),
                record_changes::member_slot.eq(by),
                record_changes::changes.eq(changes),
            )
        })
        .collect();
    on_each!(tx.conn(), c => diesel::insert_into(record_changes::table).values(rows).execute(c))?;
    Ok(())
}

/// Changes as they are kept.
pub(super) fn text(changes: &[Change]) -> Result<String> {
    serde_json::to_string(changes).map_err(Error::internal)
}
