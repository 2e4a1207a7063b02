//! Housekeeping: rows whose time is over, imports that were never begun.

use diesel::prelude::*;

use super::stored::empty;
use super::{KEPT, WAITS};
use crate::db::types::{AccountId, ImportId};
use crate::schema::imports as table;
use crate::{App, Result};

/// Deletes rows as they were sent when their time is over, and imports that were never begun.
pub fn sweep(app: &App) -> Result<usize> {
    let over: Vec<(AccountId, ImportId, bool)> = app.system_read(|tx| {
        let now = tx.now();
        let old = table::finished_at
            .le(now - KEPT)
            .and(table::emptied_at.is_null())
            .assume_not_null();
        let waits = table::state
            .eq_any(["received", "matching", "checked"])
            .and(table::created_at.le(now - WAITS));
        Ok(table::table
            .filter(old.or(waits))
            .select((table::account_id, table::id, table::finished_at.is_null()))
            .limit(1_000)
            .load(tx.conn())?)
    })?;
    for (account, id, never_begun) in &over {
        app.system_write(|tx| {
            let now = tx.now();
            empty(tx, *account, *id)?;
            let of = table::table.filter(table::id.eq(*id));
            if *never_begun {
                let states = ["received", "matching", "checked"];
                diesel::delete(of.filter(table::state.eq_any(states))).execute(tx.conn())?;
            } else {
                diesel::update(of)
                    .set(table::emptied_at.eq(now))
                    .execute(tx.conn())?;
            }
            Ok(())
        })?;
    }
    Ok(over.len())
}
