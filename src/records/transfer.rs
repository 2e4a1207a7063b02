//! Handing the records of a removed member over to another one: what they are assigned to, and what they created while
//! nobody is assigned. Both are one index range, because a record's owner is the assigned member or else the creator.

use diesel::prelude::*;

use super::history::{self, Change};
use super::{environment_number, list, rows};
use crate::access::{Environment, InAccount, ManageMembers, Proof, System, Tx};
use crate::db::types::{AccountId, RecordId, Slot};
use crate::db::{self, Counted};
use crate::permissions::Object;
use crate::schema::{record_transfers, records};
use crate::{App, Result};

/// Records that one transaction hands over.
const BATCH: i64 = 500;

/// Transactions of one turn of the background work, which other jobs wait for.
const TURNS: usize = 40;

/// How many records of each object a member owns in an environment, counted up to `cap`.
pub fn owned<P: InAccount>(
    tx: &mut Tx<P>,
    slot: Slot,
    environment: Environment,
    cap: usize,
) -> Result<Vec<(Object, list::Count)>> {
    let account = tx.account();
    let limit = i64::try_from(cap).unwrap_or(i64::MAX).saturating_add(1);
    let mut owned = Vec::new();
    for object in Object::ALL {
        let number: i64 = Counted(
            records::table
                .filter(records::account_id.eq(account))
                .filter(records::environment.eq(environment_number(environment)))
                .filter(records::object.eq(object.number()))
                .filter(records::owner_slot.eq(slot))
                .select(records::owner_slot)
                .limit(limit),
        )
        .get_result(tx.conn())?;
        let number = usize::try_from(number).unwrap_or(0);
        if number > 0 {
            let count = list::Count {
                number: number.min(cap),
                more: number > cap,
            };
            owned.push((object, count));
        }
    }
    Ok(owned)
}

/// Begins to hand over the records of a member who was removed in this transaction. Few are handed over at once, the
/// rest in the background.
pub fn start(tx: &mut Tx<ManageMembers>, from: Slot, to: Slot) -> Result<()> {
    let (account, now, me) = (tx.account(), tx.now(), tx.me().slot);
    // What was on its way to this member goes on to the next one.
    diesel::update(record_transfers::table)
        .filter(record_transfers::account_id.eq(account))
        .filter(record_transfers::to_slot.eq(from))
        .filter(record_transfers::finished_at.is_null())
        .set(record_transfers::to_slot.eq(to))
        .execute(tx.conn())?;
    // Somebody who came back keeps what had not left them yet.
    diesel::update(record_transfers::table)
        .filter(record_transfers::account_id.eq(account))
        .filter(record_transfers::from_slot.eq(to))
        .filter(record_transfers::to_slot.eq(to))
        .filter(record_transfers::finished_at.is_null())
        .set(record_transfers::finished_at.eq(Some(now)))
        .execute(tx.conn())?;
    let over = hand_over(tx, account, from, to, me)? < BATCH;
    diesel::insert_into(record_transfers::table)
        .values((
            record_transfers::account_id.eq(account),
            record_transfers::from_slot.eq(from),
            record_transfers::to_slot.eq(to),
            record_transfers::asked_by_slot.eq(me),
            record_transfers::asked_at.eq(now),
            record_transfers::finished_at.eq(over.then_some(now)),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// Goes on with transfers that are not finished. A batch belongs to whoever holds the row of its transfer.
pub fn carry_on(app: &App) -> Result<()> {
    for _ in 0..TURNS {
        if !app.system_write(next_batch)? {
            break;
        }
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    id: i64,
}

/// One batch of one transfer; false when there is none.
fn next_batch(tx: &mut Tx<System>) -> Result<bool> {
    let locked = db::skip_locked(tx.conn());
    let due: Option<Due> = diesel::sql_query(format!(
        "SELECT id FROM record_transfers WHERE finished_at IS NULL ORDER BY id LIMIT 1{locked}"
    ))
    .get_result(tx.conn())
    .optional()?;
    let Some(Due { id }) = due else {
        return Ok(false);
    };
    let mine = record_transfers::table.filter(record_transfers::id.eq(id));
    let (account, from, to, by): (AccountId, Slot, Slot, Slot) = mine
        .select((
            record_transfers::account_id,
            record_transfers::from_slot,
            record_transfers::to_slot,
            record_transfers::asked_by_slot,
        ))
        .first(tx.conn())?;
    if hand_over(tx, account, from, to, by)? < BATCH {
        let now = tx.now();
        diesel::update(mine)
            .set(record_transfers::finished_at.eq(Some(now)))
            .execute(tx.conn())?;
    }
    Ok(true)
}

/// Hands over up to [`BATCH`] records; gives how many.
fn hand_over<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    from: Slot,
    to: Slot,
    by: Slot,
) -> Result<i64> {
    let mut moved = 0;
    for environment in Environment::ALL {
        for object in Object::ALL {
            let found: Vec<(RecordId, Option<Slot>)> = records::table
                .filter(records::account_id.eq(account))
                .filter(records::environment.eq(environment_number(environment)))
                .filter(records::object.eq(object.number()))
                .filter(records::owner_slot.eq(from))
                .order((records::updated_at.desc(), records::id.desc()))
                .limit(BATCH - moved)
                .select((records::id, records::assigned_slot))
                .load(tx.conn())?;
            if found.is_empty() {
                continue;
            }
            let ids: Vec<RecordId> = found.iter().map(|(id, _)| *id).collect();
            // Somebody may have assigned one of them elsewhere since it was read.
            let written = rows::assign(tx, account, &ids, from, to)?;
            let before: std::collections::HashMap<RecordId, Option<Slot>> =
                found.into_iter().collect();
            let mut kept = Vec::with_capacity(written.len());
            for (id, version) in written {
                let assigned = before.get(&id).copied().flatten();
                let changes: [Change; 1] = [history::assigned(assigned, Some(to))];
                kept.push((id, version, history::text(&changes)?));
            }
            history::keep_all(tx, account, by, kept)?;
            moved += i64::try_from(ids.len()).unwrap_or(BATCH);
            if moved >= BATCH {
                return Ok(moved);
            }
        }
    }
    Ok(moved)
}
