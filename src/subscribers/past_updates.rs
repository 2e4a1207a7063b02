//! Past product updates: what was written, and how far the mail has come.

use std::collections::HashMap;

use diesel::prelude::*;

use super::announcements::{Kind, PAGE};
use crate::access::{Operator, Tx};
use crate::db::types::{AccountId, AnnouncementId, Timestamp};
use crate::schema::{accounts, announcements, outbox, users};
use crate::web::paging::Place;
use crate::{Error, Result, db};

/// One update as the operator sees it.
pub struct Announcement {
    pub id: AnnouncementId,
    pub kind: Kind,
    pub subject: String,
    pub markdown: String,
    /// "All accounts", or the name of the one.
    pub audience: String,
    pub written_by: String,
    pub created_at: Timestamp,
    /// Recipients are still being written to the outbox.
    pub addressing: bool,
    pub counts: Counts,
}

/// What became of the mails of an update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub sent: i64,
    pub failed: i64,
    pub pending: i64,
}

type Stored = (
    AnnouncementId,
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    Timestamp,
    Option<Timestamp>,
);

/// The updates on a page, newest first, and one more.
pub fn list(
    tx: &mut Tx<Operator>,
    place: Option<&Place<AnnouncementId>>,
) -> Result<Vec<Announcement>> {
    read(tx, place, None)
}

/// One update.
pub fn find(tx: &mut Tx<Operator>, id: AnnouncementId) -> Result<Announcement> {
    read(tx, None, Some(id))?.pop().ok_or(Error::NotFound)
}

fn read(
    tx: &mut Tx<Operator>,
    place: Option<&Place<AnnouncementId>>,
    only: Option<AnnouncementId>,
) -> Result<Vec<Announcement>> {
    let mut query = announcements::table
        .left_join(users::table.on(announcements::written_by.eq(users::id.nullable())))
        .left_join(accounts::table.on(announcements::account_id.eq(accounts::id.nullable())))
        .select((
            announcements::id,
            announcements::kind,
            announcements::subject,
            announcements::markdown,
            accounts::name.nullable(),
            users::name.nullable(),
            announcements::created_at,
            announcements::addressed_at,
        ))
        .limit(PAGE as i64 + 1)
        .into_boxed::<db::Backend>();
    if let Some(id) = only {
        query = query.filter(announcements::id.eq(id));
    }
    query = match place {
        Some(place) if place.back => query
            .filter(announcements::id.gt(place.key))
            .order(announcements::id.asc()),
        Some(place) => query
            .filter(announcements::id.lt(place.key))
            .order(announcements::id.desc()),
        None => query.order(announcements::id.desc()),
    };
    let rows: Vec<Stored> = query.load(tx.conn())?;
    let ids = rows.iter().map(|row| row.0);
    let Some((first, last)) = ids.clone().min().zip(ids.max()) else {
        return Ok(Vec::new());
    };
    let mut counts = counts(tx, first, last)?;
    Ok(rows
        .into_iter()
        .map(
            |(id, kind, subject, markdown, account, author, created_at, addressed_at)| {
                Announcement {
                    id,
                    kind: kind.parse().unwrap_or_default(),
                    subject,
                    markdown,
                    audience: account.unwrap_or_else(|| "All accounts".to_owned()),
                    written_by: author.unwrap_or_else(|| "the command line".to_owned()),
                    created_at,
                    addressing: addressed_at.is_none(),
                    counts: counts.remove(&id).unwrap_or_default(),
                }
            },
        )
        .collect())
}

/// Counts for a range of updates, which a page is.
fn counts(
    tx: &mut Tx<Operator>,
    first: AnnouncementId,
    last: AnnouncementId,
) -> Result<HashMap<AnnouncementId, Counts>> {
    let rows: Vec<(Option<AnnouncementId>, String, i64)> = outbox::table
        .filter(outbox::announcement_id.ge(first))
        .filter(outbox::announcement_id.le(last))
        .group_by((outbox::announcement_id, outbox::state))
        .select((
            outbox::announcement_id,
            outbox::state,
            diesel::dsl::count_star(),
        ))
        .load(tx.conn())?;
    let mut out: HashMap<AnnouncementId, Counts> = HashMap::new();
    for (id, state, n) in rows {
        let counts = id.map(|id| out.entry(id).or_default());
        match (counts, state.as_str()) {
            (Some(counts), "sent") => counts.sent = n,
            (Some(counts), "failed") => counts.failed = n,
            (Some(counts), "queued") => counts.pending = n,
            _ => {}
        }
    }
    Ok(out)
}

/// Accounts that an update can be narrowed to on the page; larger installations use the command line.
pub fn choosable_accounts(tx: &mut Tx<Operator>) -> Result<Vec<(AccountId, String)>> {
    Ok(accounts::table
        .order((accounts::name, accounts::id))
        .limit(200)
        .select((accounts::id, accounts::name))
        .load(tx.conn())?)
}

/// Whether there is such an account.
pub fn account_exists(tx: &mut Tx<Operator>, id: AccountId) -> Result<bool> {
    let found: Option<AccountId> = accounts::table
        .filter(accounts::id.eq(id))
        .select(accounts::id)
        .first(tx.conn())
        .optional()?;
    Ok(found.is_some())
}
