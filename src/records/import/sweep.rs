//! Housekeeping: rows whose time is over, imports that were never begun.

use diesel::prelude::*;

use super::stored::{NOT_BEGUN, empty};
use super::{KEPT, WAITS};
use crate::db::types::{AccountId, ImportId};
use crate::schema::imports as table;
use crate::{App, Result};

/// An import whose time was over when it was looked at.
pub struct Over {
    account: AccountId,
    id: ImportId,
    never_begun: bool,
}

/// Some imports whose time is over.
pub fn over(app: &App) -> Result<Vec<Over>> {
    let found: Vec<(AccountId, ImportId, bool)> = app.system_read(|tx| {
        let now = tx.now();
        let old = table::finished_at
            .le(now - KEPT)
            .and(table::emptied_at.is_null())
            .assume_not_null();
        let waits = table::state
            .eq_any(NOT_BEGUN)
            .and(table::created_at.le(now - WAITS));
        Ok(table::table
            .filter(old.or(waits))
            .select((table::account_id, table::id, table::finished_at.is_null()))
            .limit(1_000)
            .load(tx.conn())?)
    })?;
    let over = |(account, id, never_begun)| Over {
        account,
        id,
        never_begun,
    };
    Ok(found.into_iter().map(over).collect())
}

impl Over {
    /// Deletes its rows, and itself when it was never begun; false when its sender went on with it meanwhile. What
    /// decides stands in the statement that changes the import: rows may go only with it, or a worker would look for
    /// them in vain.
    pub fn delete(&self, app: &App) -> Result<bool> {
        app.system_write(|tx| {
            let now = tx.now();
            let of = table::table
                .filter(table::account_id.eq(self.account))
                .filter(table::id.eq(self.id));
            if self.never_begun {
                // Its rows go with it.
                let waits = of
                    .filter(table::state.eq_any(NOT_BEGUN))
                    .filter(table::created_at.le(now - WAITS));
                return Ok(diesel::delete(waits).execute(tx.conn())? > 0);
            }
            let old = of
                .filter(table::finished_at.le(now - KEPT))
                .filter(table::emptied_at.is_null());
            let emptied = diesel::update(old)
                .set(table::emptied_at.eq(now))
                .execute(tx.conn())?;
            if emptied > 0 {
                empty(tx, self.account, self.id)?;
            }
            Ok(emptied > 0)
        })
    }
}

/// Deletes rows as they were sent when their time is over, and imports that were never begun.
pub fn sweep(app: &App) -> Result<usize> {
    let mut deleted = 0;
    for import in over(app)? {
        deleted += usize::from(import.delete(app)?);
    }
    Ok(deleted)
}
