//! Reading the log: newest first, filtered, a page or a chunk at a time. Whatever the filter, the rows come from one
//! range of one index, in its order: `audit_by_time`, `audit_by_action` or `audit_by_actor`.

use diesel::prelude::*;

use super::{Change, Event};
use crate::Result;
use crate::access::{Tx, ViewAuditLog};
use crate::credentials::email::Email;
use crate::credentials::names::PersonName;
use crate::db::types::{Timestamp, UserId};
use crate::schema::{accounts, audit_entries, members, users};

/// People of one name that are looked for at once.
const NAMESAKES: i64 = 20;

/// Under this name the log keeps what nobody in particular did.
const NOBODY: &str = "insight";

/// Which entries are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The actors, `None` among them being the system; without a list, anyone.
    pub actors: Option<Vec<Option<UserId>>>,
    pub action: Option<&'static str>,
    pub from: Option<Timestamp>,
    /// The first instant that is too late.
    pub until: Option<Timestamp>,
}

/// Where an entry stands in the list.
pub type Key = (i64, i64);

/// One entry as it is shown.
#[derive(Clone, Debug, Queryable)]
pub struct Entry {
    pub seq: i64,
    pub at: Timestamp,
    pub actor_name: String,
    pub address: String,
    pub action: String,
    pub data: String,
    pub hash: Vec<u8>,
}

impl Entry {
    /// Its place in the list.
    pub fn key(&self) -> Key {
        (self.at.0, self.seq)
    }

    /// What happened; the bare name of the action when a newer version wrote it.
    pub fn sentence(&self) -> String {
        self.event()
            .map_or_else(|| self.label(), |event| event.sentence())
    }

    /// Values before and after.
    pub fn changes(&self) -> Vec<Change> {
        self.event()
            .map(|event| event.changes())
            .unwrap_or_default()
    }

    /// The kind of entry in words.
    pub fn label(&self) -> String {
        Event::ACTIONS
            .iter()
            .find(|(name, _)| *name == self.action)
            .map_or_else(|| self.action.clone(), |(_, label)| (*label).to_owned())
    }

    fn event(&self) -> Option<Event> {
        serde_json::from_str(&self.data).ok()
    }
}

/// Who is meant by a typed name or e-mail address: members with exactly this address, removed ones too, or active
/// members with exactly this name.
pub fn actors(tx: &mut Tx<ViewAuditLog>, typed: &str) -> Result<Vec<Option<UserId>>> {
    let account = tx.account();
    let of_account = members::table
        .inner_join(users::table)
        .filter(members::account_id.eq(account));
    let found: Vec<UserId> = if let Ok(email) = Email::parse(typed) {
        of_account
            .filter(users::email.eq(email.as_str()))
            .select(users::id)
            .load(tx.conn())?
    } else if let Ok(name) = PersonName::parse(typed) {
        of_account
            .filter(members::name_key.eq(name.as_str().to_lowercase()))
            .filter(members::removed_at.is_null())
            .order(members::id)
            .limit(NAMESAKES)
            .select(users::id)
            .load(tx.conn())?
    } else {
        Vec::new()
    };
    let nobody = typed.trim().eq_ignore_ascii_case(NOBODY).then_some(None);
    Ok(found.into_iter().map(Some).chain(nobody).collect())
}

/// Up to `limit` entries after `place`, newest first; with `back` those before it, oldest first.
pub fn entries(
    tx: &mut Tx<ViewAuditLog>,
    filter: &Filter,
    place: Option<Key>,
    back: bool,
    limit: i64,
) -> Result<Vec<Entry>> {
    let Some(actors) = &filter.actors else {
        return of_actor(tx, filter, None, place, back, limit);
    };
    // Several people of one name: each has a range of the index of their own.
    let mut all = Vec::new();
    for actor in actors {
        all.extend(of_actor(tx, filter, Some(*actor), place, back, limit)?);
    }
    all.sort_by_key(Entry::key);
    if !back {
        all.reverse();
    }
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(all)
}

fn of_actor(
    tx: &mut Tx<ViewAuditLog>,
    filter: &Filter,
    actor: Option<Option<UserId>>,
    place: Option<Key>,
    back: bool,
    limit: i64,
) -> Result<Vec<Entry>> {
    let account = tx.account();
    let mut query = audit_entries::table
        .filter(audit_entries::account_id.eq(account))
        .select((
            audit_entries::seq,
            audit_entries::at,
            audit_entries::actor_name,
            audit_entries::address,
            audit_entries::action,
            audit_entries::data,
            audit_entries::hash,
        ))
        .limit(limit)
        .into_boxed::<crate::db::Backend>();
    query = match actor {
        Some(Some(user)) => query.filter(audit_entries::actor_id.eq(user.0)),
        Some(None) => query.filter(audit_entries::actor_id.is_null()),
        None => query,
    };
    if let Some(action) = filter.action {
        query = query.filter(audit_entries::action.eq(action));
    }
    if let Some(from) = filter.from {
        query = query.filter(audit_entries::at.ge(from.0));
    }
    if let Some(until) = filter.until {
        query = query.filter(audit_entries::at.lt(until.0));
    }
    // The outer condition on `at` is the range of the index; the inner one takes entries of one instant apart.
    query = match place {
        Some((at, seq)) if back => query
            .filter(audit_entries::at.ge(at))
            .filter(audit_entries::at.gt(at).or(audit_entries::seq.gt(seq))),
        Some((at, seq)) => query
            .filter(audit_entries::at.le(at))
            .filter(audit_entries::at.lt(at).or(audit_entries::seq.lt(seq))),
        None => query,
    };
    query = if back {
        query.order((audit_entries::at.asc(), audit_entries::seq.asc()))
    } else {
        query.order((audit_entries::at.desc(), audit_entries::seq.desc()))
    };
    Ok(query.load(tx.conn())?)
}

/// How many entries the account's chain has.
pub fn total(tx: &mut Tx<ViewAuditLog>) -> Result<i64> {
    let account = tx.account();
    Ok(accounts::table
        .filter(accounts::id.eq(account))
        .select(accounts::audit_seq)
        .first(tx.conn())?)
}
