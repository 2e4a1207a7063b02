//! Forms that are saved once, however often they are sent: a button is pressed twice, a page is loaded anew, the back
//! button brings a form back. Such a form carries a random value, and where saving it led is kept under that value, in
//! the transaction that saved it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use diesel::prelude::*;
use sha2::{Digest, Sha256};

use super::csrf;
use super::request::Request;
use crate::access::{InAccount, Tx};
use crate::credentials::sessions;
use crate::db::types::Timestamp;
use crate::schema::saved_forms as table;
use crate::{App, Error, Result, on_each};

/// Name of the hidden field.
const FIELD: &str = "once";

/// Bytes of the value.
const LENGTH: usize = 16;

/// How long it is known where a form led. Forms are bound to a session, so none is sent after that.
const KEPT: time::Duration = sessions::LIFETIME;

/// Rows deleted in one transaction.
const SWEPT: i64 = 1_000;

/// How sending a form ended.
pub enum Sent<R> {
    /// It is saved, by this request or by an earlier one: where that led.
    Saved(String),
    /// It cannot be saved as it is.
    Refused(R),
    /// An earlier request saved it with something else filled in. Nothing was done: somebody who came back to the form
    /// means either to correct what was saved or to make another.
    Changed,
}

/// The value of a form that has not been sent: 128 random bits.
pub fn fresh() -> String {
    BASE64.encode(super::random::<LENGTH>())
}

/// The value of the form on this request's page: a form that is shown again keeps its own.
pub fn value(request: &Request) -> Result<String> {
    Ok(token(request)?.map_or_else(fresh, |token| BASE64.encode(token)))
}

/// The value that was sent. One that Insight did not write counts as none: it protects from nothing, and what was typed
/// would be lost with a refusal. None at all is what scripts send.
fn token(request: &Request) -> Result<Option<Vec<u8>>> {
    let sent = BASE64.decode(request.form().one(FIELD)?);
    Ok(sent.ok().filter(|token| token.len() == LENGTH))
}

/// What was filled in, and for which page, as one number.
fn content(request: &Request) -> Result<Vec<u8>> {
    let pairs = request.form().pairs().iter();
    // Masked anew for each page.
    let typed: Vec<_> = pairs.filter(|(name, _)| name != csrf::FIELD).collect();
    let text = serde_json::to_vec(&(request.path(), typed)).map_err(Error::internal)?;
    Ok(Sha256::digest(text).to_vec())
}

/// Saves the form of this request with `save`, which gives where that leads, unless the same member has sent the form
/// before.
pub fn save<P: InAccount, R>(
    tx: &mut Tx<P>,
    request: &Request,
    save: impl FnOnce(&mut Tx<P>) -> Result<Result<String, R>>,
) -> Result<Sent<R>> {
    let Some(token) = token(request)? else {
        return Ok(save(tx)?.map_or_else(Sent::Refused, Sent::Saved));
    };
    let (account, slot, now) = (tx.account(), tx.me().slot, tx.now());
    let content = content(request)?;
    let row = (
        table::account_id.eq(account),
        table::member_slot.eq(slot),
        table::token.eq(&token),
        table::content.eq(&content),
        table::path.eq(""),
        table::created_at.eq(now),
    );
    // Written before anything is read: on Postgres the same form, sent at the same moment, waits here for this
    // transaction's end; on SQLite it has not begun its own.
    let new = on_each!(tx.conn(), c => diesel::insert_into(table::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c))?;
    let mine = table::table.find((account, slot, &token));
    if new == 0 {
        let (before, path): (Vec<u8>, String) = mine
            .select((table::content, table::path))
            .get_result(tx.conn())?;
        return Ok(if before == content {
            Sent::Saved(path)
        } else {
            Sent::Changed
        });
    }
    match save(tx)? {
        Ok(path) => {
            diesel::update(mine)
                .set(table::path.eq(&path))
                .execute(tx.conn())?;
            Ok(Sent::Saved(path))
        }
        Err(refused) => {
            diesel::delete(mine).execute(tx.conn())?;
            Ok(Sent::Refused(refused))
        }
    }
}

/// Deletes what need not be known any more, a batch at a time; called by the housekeeping job.
pub fn sweep(app: &App) -> Result<usize> {
    let mut swept = 0;
    loop {
        let (gone, more) = app.system_write(|tx| {
            let old = table::table.filter(table::created_at.lt(tx.now() - KEPT));
            // The last of a full batch; what was sent at the same instant goes with it.
            let last: Option<Timestamp> = old
                .order(table::created_at)
                .offset(SWEPT - 1)
                .select(table::created_at)
                .first(tx.conn())
                .optional()?;
            let gone = match last {
                Some(last) => {
                    diesel::delete(old.filter(table::created_at.le(last))).execute(tx.conn())?
                }
                None => diesel::delete(old).execute(tx.conn())?,
            };
            Ok((gone, last.is_some()))
        })?;
        swept += gone;
        if !more {
            return Ok(swept);
        }
    }
}
